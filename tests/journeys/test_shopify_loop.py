"""The whole job against a Shopify shop: redeemed, bought with, used; told by webhook, by poll, by both, or in any order."""

from collections.abc import Iterator

import pytest
from django.utils import timezone

from loyalty.common import actors
from loyalty.events.models import Event
from loyalty.hooks import processing
from loyalty.hooks.models import InboundWebhook, InboxState
from loyalty.points import audit
from loyalty.points.models import PointsTransaction
from loyalty.program.models import Order
from platforms import credentials
from platforms.models import StoreConnection
from rewards import redemption
from rewards.models import RedeemedReward
from rewards.queries import status_of
from tests.factories.catalogue import PointsProductFactory, RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import give
from tests.fakes.shopify.server import Shopify, running_shopify
from tests.fakes.shopify.shop import CLIENT_ID, CLIENT_SECRET

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fake() -> Iterator[Shopify]:
    with running_shopify() as running:
        yield running


@pytest.fixture
def connection(fake: Shopify) -> StoreConnection:
    sealed = credentials.seal({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET})
    return ConnectionFactory(platform="shopify", base_url=fake.url, currency="USD", credentials=sealed)


@pytest.fixture
def redeemed(connection: StoreConnection) -> RedeemedReward:
    customer = CustomerFactory(email="jo@example.com")
    give(customer, 100, now=timezone.now())
    product = PointsProductFactory(reward=RewardFactory(connection=connection))
    return redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=actors.SYSTEM, now=timezone.now(), deadline=30
    )


def status(redeemed: RedeemedReward) -> str:
    redeemed.refresh_from_db()
    return status_of(redeemed=redeemed, now=timezone.now())


def tell(client, fake, connection, topic, number, *, times=1) -> list[int]:
    """The shop delivers one webhook so many times."""
    headers, body = fake.shop.delivery(topic, number)
    path = f"/hooks/{connection.webhook_key}/"
    return [client.post(path, body, content_type="application/json", headers=headers).status_code for _ in range(times)]


def work_off() -> None:
    while processing.drain(now=timezone.now()):
        pass


def poll(connection: StoreConnection) -> None:
    processing.poll(connection_id=connection.pk, now=timezone.now())
    connection.refresh_from_db()
    assert connection.poll_error == ""


def test_webhooks_repeated_disordered_and_a_poll_have_one_effect(client, fake, connection, redeemed):
    order = fake.shop.checkout("jo@example.com", code=redeemed.code.code)

    repeated = tell(client, fake, connection, "orders/paid", order.number, times=3)
    late = tell(client, fake, connection, "orders/create", order.number)
    work_off()
    poll(connection)
    tell(client, fake, connection, "orders/updated", order.number)
    work_off()

    assert repeated + late == [200] * 4
    assert InboundWebhook.objects.count() == 3
    assert set(InboundWebhook.objects.values_list("state", flat=True)) == {InboxState.PROCESSED}
    assert status(redeemed) == "used"
    assert Order.objects.count() == 1
    assert Event.objects.filter(kind="reward.used").count() == 1
    earned = PointsTransaction.objects.filter(kind="earning", cause_type="order", cause_id=Order.objects.get().pk)
    assert earned.count() == 1
    assert list(audit.differences()) == []


def test_a_webhook_about_a_canceled_order_that_comes_before_the_paid_one_is_not_undone_by_it(
    client, fake, connection, redeemed
):
    order = fake.shop.checkout("jo@example.com", code=redeemed.code.code)
    fake.shop.cancel(order.number)

    tell(client, fake, connection, "orders/cancelled", order.number)
    tell(client, fake, connection, "orders/paid", order.number)
    work_off()

    assert Order.objects.get().status == "cancelled"


def test_ends_in_the_same_state_without_any_webhook(fake, connection, redeemed):
    order = fake.shop.checkout("jo@example.com", code=redeemed.code.code, pay=False)
    poll(connection)
    unpaid = status(redeemed)

    fake.shop.pay(order.number)
    poll(connection)
    poll(connection)

    assert (unpaid, status(redeemed)) == ("issued", "used")
    assert not InboundWebhook.objects.exists()
    assert Event.objects.filter(kind="reward.used").count() == 1
