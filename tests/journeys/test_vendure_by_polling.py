"""A Vendure shop whose webhooks never come: polling alone ends in the right state."""

from collections.abc import Iterator

import pytest
from django.utils import timezone

from loyalty.common import actors
from loyalty.hooks import processing
from loyalty.hooks.models import InboundWebhook
from loyalty.points import audit, queries
from loyalty.points.models import PointsTransaction
from platforms import credentials
from platforms.models import StoreConnection
from rewards import redemption
from rewards.models import RedeemedReward
from rewards.queries import status_of
from tests.factories.catalogue import PointsProductFactory, RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import give
from tests.fakes.vendure_shop import API_KEY, VendureShop, running_vendure_shop

pytestmark = pytest.mark.django_db(transaction=True)

JO = "jo@example.com"


@pytest.fixture
def shop() -> Iterator[VendureShop]:
    with running_vendure_shop() as running:
        yield running


@pytest.fixture
def connection(shop: VendureShop) -> StoreConnection:
    """Without a webhook secret: whatever came would be refused."""
    sealed = credentials.seal({"api_key": API_KEY})
    return ConnectionFactory(platform="vendure", base_url=shop.url, currency="USD", credentials=sealed)


@pytest.fixture
def redeemed(connection: StoreConnection) -> RedeemedReward:
    customer = CustomerFactory(email=JO)
    give(customer, 100, now=timezone.now())
    product = PointsProductFactory(reward=RewardFactory(connection=connection))
    return redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=actors.SYSTEM, now=timezone.now(), deadline=10
    )


def poll(connection: StoreConnection) -> None:
    processing.poll(connection_id=connection.pk, now=timezone.now())
    connection.refresh_from_db()
    assert connection.poll_error == ""


def status(redeemed: RedeemedReward) -> str:
    redeemed.refresh_from_db()
    return status_of(redeemed=redeemed, now=timezone.now())


def balance(redeemed: RedeemedReward) -> int:
    return queries.balance(customer_id=redeemed.customer_id, now=timezone.now()).balance


def test_a_use_its_points_and_its_end_are_found_without_any_webhook(shop, connection, redeemed):
    poll(connection)
    order = shop.buy(JO, codes=[redeemed.code.code], pay=False)
    poll(connection)
    unpaid = status(redeemed), balance(redeemed)

    shop.pay(order)
    for _ in range(3):  # stretches of time overlap: each is told again
        poll(connection)
    bought = status(redeemed), balance(redeemed)
    shop.refund(order, 1000)
    poll(connection)
    refunded = status(redeemed), balance(redeemed)
    shop.cancel(order)
    poll(connection)
    poll(connection)

    earned = bought[1]
    assert (unpaid, bought[0]) == (("issued", 0), "used")
    assert earned > 0
    assert refunded[0] == "used"
    assert 0 < refunded[1] < earned
    assert (status(redeemed), balance(redeemed)) == ("issued", 0)
    assert shop.buy(JO, codes=[redeemed.code.code])  # its use was given back, there and here
    assert (
        PointsTransaction.objects.filter(customer=redeemed.customer, points_change__gt=0).count() == 2
    )  # given, and earned once
    assert list(audit.differences()) == []
    assert not InboundWebhook.objects.exists()
