"""Cancellation in a shop where a cart that was ready redeems a dead code, and where no count tells of it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from loyalty.common import actors
from loyalty.events.models import Event
from loyalty.hooks import processing
from loyalty.points import queries as points
from platforms import credentials
from platforms.models import Platform
from rewards import cancellation, queries, redemption
from rewards.models import Cancellation, RedeemedReward, RunScope
from tests.factories.catalogue import PointsProductFactory, RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import give
from tests.fakes.medusa import running_medusa
from tests.fakes.medusa_api import KEY
from tests.rewards.reconciling import found, reconcile

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]

SETTLED = timedelta(minutes=16)
EARNED = 20  # by the order of 20.00
WHILE_CANCELLING, AFTER_END = "reward.used_while_cancelling", "reward.used_after_cancel"


@pytest.fixture
def shop():
    with running_medusa() as running:
        yield running


@pytest.fixture
def connection(shop):
    sealed = credentials.seal({"api_key": KEY})
    return ConnectionFactory(platform=Platform.MEDUSA, base_url=shop.base_url, currency="USD", credentials=sealed)


@pytest.fixture
def redeemed(connection):
    customer = CustomerFactory(email="jo@example.com")
    give(customer, 250, now=timezone.now())
    product = PointsProductFactory(reward=RewardFactory(connection=connection))
    return redemption.redeem(
        customer_id=customer.pk,
        points_product_id=product.pk,
        actor=actors.SYSTEM,
        now=timezone.now(),
        deadline=10.0,
    )


def cancel(redeemed):
    return cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=actors.staff(1), now=timezone.now())


def look_again(row):
    cancellation.proceed(cancellation_id=row.pk, now=timezone.now() + SETTLED)
    return Cancellation.objects.get(pk=row.pk)


def poll(connection):
    processing.poll(connection_id=connection.pk, now=timezone.now())
    connection.refresh_from_db()
    assert connection.poll_error == ""


def seen(redeemed):
    """Status, balance, and what staff were told of."""
    fresh, now = RedeemedReward.objects.get(pk=redeemed.pk), timezone.now() + SETTLED
    balance = points.balance(customer_id=redeemed.customer_id, now=now).balance
    told = set(Event.objects.filter(kind__in=[WHILE_CANCELLING, AFTER_END]).values_list("kind", flat=True))
    return queries.status_of(redeemed=fresh, now=now), balance, told


def test_returns_the_points_once_no_order_came_to_light(shop, redeemed):
    row = cancel(redeemed)
    waiting = (row.state, row.last_reason, *seen(redeemed)[:2])

    after = look_again(row)

    assert waiting == ("cancelling", cancellation.SETTLING, "cancelling", 150)
    assert (after.state, *seen(redeemed)) == ("proved", "cancelled", 250, set())
    assert shop.ready_cart("jo@example.com", code=redeemed.code.code).adjustments == []


def test_ends_in_used_with_an_alert_when_a_ready_cart_redeems_the_dead_code(shop, redeemed):
    cart = shop.ready_cart("jo@example.com", code=redeemed.code.code)
    row = cancel(redeemed)
    order = shop.complete(cart)

    after = look_again(row)

    assert shop.promotion(redeemed.code.code).used == 0  # nothing but the order tells of it
    assert (after.state, *seen(redeemed)) == ("used_meanwhile", "used", 150, {WHILE_CANCELLING})
    assert RedeemedReward.objects.get(pk=redeemed.pk).used_order_id == order.id


def test_ends_in_used_with_an_alert_when_the_poll_finds_that_order_first(shop, connection, redeemed):
    cart = shop.ready_cart("jo@example.com", code=redeemed.code.code)
    row = cancel(redeemed)
    shop.complete(cart)

    poll(connection)
    after = look_again(row)

    assert (after.state, *seen(redeemed)) == ("used_meanwhile", "used", 150 + EARNED, {WHILE_CANCELLING})


def test_does_not_wait_when_the_use_is_seen_at_once(shop, redeemed):
    shop.checkout("jo@example.com", code=redeemed.code.code)

    row = cancel(redeemed)

    assert (row.state, *seen(redeemed)) == ("used_meanwhile", "used", 150, {WHILE_CANCELLING})


def test_stays_canceled_with_an_alert_and_a_row_for_a_person_when_the_use_comes_later(shop, connection, redeemed):
    cart = shop.ready_cart("jo@example.com", code=redeemed.code.code)
    look_again(cancel(redeemed))
    poll(connection)
    agreed = found(reconcile(connection))
    shop.complete(cart)

    poll(connection)
    poll(connection)
    nightly = found(reconcile(connection, scope=RunScope.MOVED))

    assert agreed == []
    assert seen(redeemed) == ("cancelled", 250 + EARNED, {AFTER_END})
    assert nightly == [(redeemed.code.canonical, "use_drift", "used_after_cancel", "")]
    assert found(reconcile(connection)) == nightly
    assert Event.objects.filter(kind=AFTER_END).count() == 1
