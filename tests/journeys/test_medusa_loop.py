"""The whole job against a Medusa shop: redeem, shop, used, canceled, points back, and what goes wrong on the way.

Against the fake shop in every run, and against the real one by `make e2e-medusa`.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from loyalty.common import actors
from loyalty.hooks import processing
from loyalty.points import audit, queries
from platforms import credentials
from platforms.models import StoreConnection
from rewards import cancellation, redemption
from rewards.models import Cancellation, CancellationState, RedeemedReward
from rewards.queries import status_of
from tests.factories.catalogue import PointsProductFactory, RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import give
from tests.fakes.losing import losing_line
from tests.fakes.medusa import running_medusa
from tests.fakes.medusa_contract import MedusaHarness
from tests.journeys.medusa_shop import RealMedusaHarness, running_medusa_shop
from tests.rewards.reconciling import found, reconcile

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

SETTLED = timedelta(minutes=16)
MOST_LOOKS = 5
EARNED = 20  # by an order of 20.00
Shop = MedusaHarness | RealMedusaHarness


@pytest.fixture(scope="module", params=["fake", pytest.param("real", marks=pytest.mark.medusa)])
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    if request.param == "fake":
        with running_medusa() as fake:
            yield MedusaHarness(fake)
    else:
        with running_medusa_shop() as real:
            yield RealMedusaHarness(real)


def connect(shop: Shop, **changes: str) -> StoreConnection:
    access = shop.shop.access()
    values = {"base_url": access.base_url, "credentials": credentials.seal(dict(access.credentials))} | changes
    connection: StoreConnection = ConnectionFactory(platform="medusa", currency="USD", **values)
    return connection


def redeem(connection: StoreConnection) -> RedeemedReward:
    customer = CustomerFactory(email=f"jo-{connection.pk}@example.com")
    give(customer, 250, now=timezone.now())
    product = PointsProductFactory(reward=RewardFactory(connection=connection))
    return redemption.redeem(
        customer_id=customer.pk,
        points_product_id=product.pk,
        actor=actors.SYSTEM,
        now=timezone.now(),
        deadline=60,
    )


def poll(connection: StoreConnection) -> None:
    processing.poll(connection_id=connection.pk, now=timezone.now())
    connection.refresh_from_db()
    assert connection.poll_error == ""


def cancel(redeemed: RedeemedReward) -> Cancellation:
    return cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=actors.staff(1), now=timezone.now())


def settle(row: Cancellation) -> Cancellation:
    """The quarter of an hour is over, and workers look again: the real shop may be slow to answer the first of them."""
    for look in range(1, MOST_LOOKS + 1):
        cancellation.proceed(cancellation_id=row.pk, now=timezone.now() + look * SETTLED)
        row = Cancellation.objects.get(pk=row.pk)
        if row.state != CancellationState.CANCELLING:
            break
    return row


def status(redeemed: RedeemedReward) -> str:
    redeemed.refresh_from_db()
    return status_of(redeemed=redeemed, now=timezone.now())


def balance(redeemed: RedeemedReward) -> int:
    return queries.balance(customer_id=redeemed.customer_id, now=timezone.now() + SETTLED).balance


def buyer(redeemed: RedeemedReward) -> str:
    return str(redeemed.customer.email)


def test_redeem_shop_poll_and_used(shop):
    connection = connect(shop)
    redeemed = redeem(connection)

    order = shop.buy(email=buyer(redeemed), code=redeemed.code.code)
    poll(connection)

    assert (status(redeemed), redeemed.used_order_id) == ("used", order)
    assert shop.refuses(redeemed.code.code)
    assert list(audit.differences()) == []


def test_cancel_proves_the_code_dead_and_gives_the_points_back(shop):
    redeemed = redeem(connect(shop))
    begun = cancel(redeemed)
    meanwhile = (begun.state, shop.refuses(redeemed.code.code), balance(redeemed))

    after = settle(begun)

    assert meanwhile == ("cancelling", True, 150)
    assert (after.state, status(redeemed), balance(redeemed)) == ("proved", "cancelled", 250)
    assert shop.refuses(redeemed.code.code)
    assert list(audit.differences()) == []


def test_a_ready_cart_that_redeems_the_dead_code_ends_the_cancellation(shop):
    redeemed = redeem(connect(shop))
    cart = shop.ready_cart(email=buyer(redeemed), code=redeemed.code.code)
    begun = cancel(redeemed)
    order = shop.complete(cart)

    after = settle(begun)

    assert (after.state, status(redeemed), balance(redeemed)) == ("used_meanwhile", "used", 150)
    assert redeemed.used_order_id == order


def test_a_ready_cart_that_is_paid_later_leaves_a_difference_for_a_person(shop):
    connection = connect(shop)
    redeemed = redeem(connection)
    cart = shop.ready_cart(email=buyer(redeemed), code=redeemed.code.code)
    settle(cancel(redeemed))
    poll(connection)
    shop.complete(cart)

    poll(connection)

    assert (status(redeemed), balance(redeemed)) == ("cancelled", 250 + EARNED)
    rows = found(reconcile(connection))  # with the codes that other tests left in the shop
    assert [row for row in rows if row[0] == redeemed.code.canonical] == [
        (redeemed.code.canonical, "use_drift", "used_after_cancel", "")
    ]


def test_an_order_that_is_canceled_keeps_its_code(shop):
    connection = connect(shop)
    redeemed = redeem(connection)
    order = shop.buy(email=buyer(redeemed), code=redeemed.code.code)
    poll(connection)

    shop.cancel(order)
    poll(connection)

    assert status(redeemed) == "used"
    assert shop.refuses(redeemed.code.code)
    assert balance(redeemed) == 150  # what the order earned went back with it


def test_one_code_comes_of_it_when_the_answer_is_lost(shop):
    with losing_line(shop.shop.base_url) as line:
        connection = connect(shop, base_url=line.url)
        line.lose("POST", "/admin/promotions")

        redeemed = redeem(connection)

        assert line.lost == ["POST /admin/promotions"]
        assert status(redeemed) == "issued"
        listed = [code for code in codes_of(shop) if code.reference == redeemed.reference]
        assert [(code.code, code.remote_id) for code in listed] == [(redeemed.code.code, redeemed.code.remote_id)]


def codes_of(shop: Shop):
    codes, cursor, more = [], "", True
    while more:
        page = shop.adapter().list_codes(cursor).value
        assert page is not None
        codes += page.codes
        cursor, more = page.cursor, page.more
    return codes
