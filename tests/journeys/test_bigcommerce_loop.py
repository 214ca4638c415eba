"""The whole job against a BigCommerce store: redeem, shop, used, cancelled, points back; by webhook, and by polling."""

from collections.abc import Iterator

import pytest
from django.utils import timezone

from loyalty.common import actors
from loyalty.hooks import processing
from loyalty.hooks.models import InboundWebhook, InboxState
from platforms import credentials, registry
from platforms.models import StoreConnection
from rewards import redemption
from rewards.models import RedeemedReward
from rewards.queries import status_of
from tests.factories.catalogue import PointsProductFactory, RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import give
from tests.fakes.bigcommerce import CLIENT_SECRET, WEBHOOK_SECRET, BigCommerceShop, running_store

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop() -> Iterator[BigCommerceShop]:
    with running_store() as running:
        yield running


@pytest.fixture
def connection(shop: BigCommerceShop) -> StoreConnection:
    sealed = credentials.seal(shop.credentials() | {"webhook_secret": WEBHOOK_SECRET})
    return ConnectionFactory(platform="bigcommerce", base_url=shop.url, currency="USD", credentials=sealed)


def redeemed(connection: StoreConnection, *, times: int = 1) -> list[RedeemedReward]:
    """A customer with points for more, who redeemed a reward as often."""
    customer = CustomerFactory(email="jo@example.com")
    give(customer, 1000, now=timezone.now())
    product = PointsProductFactory(reward=RewardFactory(connection=connection))
    ask = {"customer_id": customer.pk, "points_product_id": product.pk, "actor": actors.SYSTEM, "deadline": 30}
    return [redemption.redeem(**ask, now=timezone.now()) for _ in range(times)]


def status(reward: RedeemedReward) -> str:
    reward.refresh_from_db()
    return status_of(redeemed=reward, now=timezone.now())


def test_marks_a_reward_used_when_the_store_says_which_order_changed(client, shop, connection):
    (reward,) = redeemed(connection)
    url = f"https://desk.example/hooks/{connection.webhook_key}/"
    assert registry.adapter_for(connection).ensure_webhooks(url).ok
    order_id = shop.buy("jo@example.com", code=reward.code.code)
    body = shop.news(order_id)
    headers = shop.headers_for(body, at=timezone.now())

    answers = [
        client.post(f"/hooks/{connection.webhook_key}/", body, content_type="application/json", headers=headers)
        for _ in range(2)
    ]
    for webhook in InboundWebhook.objects.all():
        processing.process(webhook_id=webhook.pk, now=timezone.now())
    processing.poll(connection_id=connection.pk, now=timezone.now())

    assert [answer.status_code for answer in answers] == [200, 200]
    assert list(InboundWebhook.objects.values_list("state", flat=True)) == [InboxState.PROCESSED]
    assert status(reward) == "used"
    kept = str(InboundWebhook.objects.get().headers)
    assert WEBHOOK_SECRET not in kept
    assert CLIENT_SECRET not in kept


def test_ends_in_the_same_state_without_any_webhook(shop, connection):
    used, unpaid = redeemed(connection, times=2)
    shop.buy("jo@example.com", code=used.code.code)
    waiting = shop.buy("jo@example.com", code=unpaid.code.code, status_id=7)

    processing.poll(connection_id=connection.pk, now=timezone.now())
    first = (status(used), status(unpaid))
    shop.set_status(waiting, 11)
    processing.poll(connection_id=connection.pk, now=timezone.now())

    assert first == ("used", "issued")
    assert status(unpaid) == "used"


def test_makes_one_code_although_the_answer_was_garbled(shop, connection):
    shop.fault("malformed", "POST", "/v2/coupons")

    (reward,) = redeemed(connection)

    assert status(reward) == "issued"
    assert [coupon["code"] for coupon in shop.store.coupons.values()] == [reward.code.code]
