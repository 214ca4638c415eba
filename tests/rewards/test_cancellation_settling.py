"""Cancellation in a shop that counts uses late: the code dies at once, the points wait for a second look."""

from datetime import timedelta

import pytest

from loyalty.common import actors
from loyalty.points import queries as points
from platforms import credentials
from platforms.models import Platform, StoreConnection
from rewards import cancellation, queries, redemption
from rewards.models import Cancellation, RedeemedReward
from tests.factories.catalogue import PointsProductFactory
from tests.factories.points import NOW
from tests.fakes.shopify.server import running_shopify
from tests.fakes.shopify.shop import CLIENT_ID, CLIENT_SECRET, CheckoutRefused

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]

LATER = NOW + timedelta(minutes=16)


@pytest.fixture
def fake():
    with running_shopify() as running:
        yield running


@pytest.fixture
def redeemed(fake, customer):
    shop = StoreConnection.objects.create(
        name="Lilies",
        platform=Platform.SHOPIFY,
        base_url=fake.url,
        credentials=credentials.seal({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}),
    )
    product = PointsProductFactory(reward__connection=shop)
    fake.shop.customer(customer.email)
    return redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=actors.SYSTEM, now=NOW, deadline=5.0
    )


def cancel(redeemed):
    return cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=actors.staff(1), now=NOW)


def look_again(row, *, now=LATER):
    cancellation.proceed(cancellation_id=row.pk, now=now)
    return Cancellation.objects.get(pk=row.pk)


def seen(redeemed, customer, *, now=LATER):
    fresh = RedeemedReward.objects.get(pk=redeemed.pk)
    return queries.status_of(redeemed=fresh, now=now), points.balance(customer_id=customer.pk, now=now).balance


def test_kills_the_code_at_once_and_keeps_the_points_for_a_second_look(fake, customer, redeemed):
    row = cancel(redeemed)

    with pytest.raises(CheckoutRefused):
        fake.shop.checkout(customer.email, code=redeemed.code.code)
    assert (row.state, row.last_reason) == ("cancelling", cancellation.SETTLING)
    assert timedelta(minutes=15) <= row.due_at - NOW < timedelta(minutes=15, seconds=30)
    assert seen(redeemed, customer, now=NOW) == ("cancelling", 150)


def test_returns_the_points_when_nothing_came_to_light(customer, redeemed):
    row = cancel(redeemed)

    after = look_again(row)

    assert after.state == "proved"
    assert seen(redeemed, customer) == ("cancelled", 250)


def test_ends_in_used_when_a_checkout_was_under_way(fake, customer, redeemed):
    fake.shop.counts_late = fake.shop.searches_late = True
    fake.shop.checkout(customer.email, code=redeemed.code.code)
    row = cancel(redeemed)
    fake.shop.settle()

    after = look_again(row)

    assert after.state == "used_meanwhile"
    assert seen(redeemed, customer) == ("used", 150)


def test_does_not_wait_when_the_use_is_seen_at_once(fake, customer, redeemed):
    fake.shop.checkout(customer.email, code=redeemed.code.code)

    row = cancel(redeemed)

    assert row.state == "used_meanwhile"
    assert seen(redeemed, customer, now=NOW) == ("used", 150)


def test_waits_on_when_it_is_asked_too_early(customer, redeemed):
    row = cancel(redeemed)
    Cancellation.objects.filter(pk=row.pk).update(due_at=NOW)

    after = look_again(row, now=NOW + timedelta(minutes=5))

    assert after.state == "cancelling"
    assert timedelta(minutes=15) <= after.due_at - NOW < timedelta(minutes=15, seconds=30)
