"""The whole job against a WooCommerce shop: redeem, shop, used, given back, canceled, points back."""

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
from tests.fakes.woocommerce import HOOK_SECRET, KEY, SECRET, WooShop, running_woocommerce
from tests.rewards.reconciling import found, reconcile

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop() -> Iterator[WooShop]:
    with running_woocommerce() as running:
        yield running


@pytest.fixture
def connection(shop: WooShop) -> StoreConnection:
    sealed = credentials.seal({"consumer_key": KEY, "consumer_secret": SECRET, "webhook_secret": HOOK_SECRET})
    return ConnectionFactory(platform="woocommerce", base_url=shop.base_url, currency="USD", credentials=sealed)


@pytest.fixture
def redeem(connection: StoreConnection):
    customer = CustomerFactory(email="jo@example.com")
    give(customer, 500, now=timezone.now())
    product = PointsProductFactory(reward=RewardFactory(connection=connection))

    def one() -> RedeemedReward:
        return redemption.redeem(
            customer_id=customer.pk,
            points_product_id=product.pk,
            actor=actors.SYSTEM,
            now=timezone.now(),
            deadline=10,
        )

    return one


def status(redeemed: RedeemedReward) -> str:
    redeemed.refresh_from_db()
    return status_of(redeemed=redeemed, now=timezone.now())


def poll(connection: StoreConnection) -> None:
    processing.poll(connection_id=connection.pk, now=timezone.now())
    connection.refresh_from_db()
    assert connection.poll_error == ""


def test_hears_of_a_use_by_webhook(shop, connection, redeem, live_server):
    address = f"{live_server.url}/hooks/{connection.webhook_key}/"
    assert registry.adapter_for(connection).ensure_webhooks(address).ok
    redeemed = redeem()

    shop.checkout("jo@example.com", code=redeemed.code.code)
    shop.run_cron()
    for webhook in InboundWebhook.objects.order_by("pk"):
        processing.process(webhook_id=webhook.pk, now=timezone.now())

    assert shop.pings == [200] * 4
    assert status(redeemed) == "used"
    assert set(InboundWebhook.objects.values_list("state", flat=True)) == {InboxState.PROCESSED}
    assert {hook.failures for hook in shop.hooks} == {0}


def test_finds_a_use_by_polling_alone_and_that_it_was_given_back(shop, connection, redeem):
    redeemed = redeem()
    order = shop.checkout("jo@example.com", code=redeemed.code.code.lower())
    poll(connection)
    used = status(redeemed)

    shop.move(order.number, "cancelled")
    poll(connection)

    assert (used, status(redeemed)) == ("used", "issued")
    assert shop.checkout("jo@example.com", code=redeemed.code.code)


def test_finds_that_the_order_was_thrown_away(shop, connection, redeem):
    redeemed = redeem()
    order = shop.checkout("jo@example.com", code=redeemed.code.code)
    poll(connection)

    shop.move(order.number, "trash")
    poll(connection)

    assert status(redeemed) == "issued"


def test_does_not_miss_a_code_that_an_unpaid_order_holds_and_misses_one_that_staff_switched_off(
    shop, connection, redeem
):
    held, dead = redeem(), redeem()
    shop.checkout("jo@example.com", code=held.code.code, pay=False)
    registry.adapter_for(connection).disable_code(dead.code.code, dead.code.remote_id)

    differences = found(reconcile(connection))

    assert differences == [(dead.code.canonical, "ghost", "dead", "reissue")]


def test_takes_no_unpaid_order_for_a_use_and_no_refund_for_giving_it_back(shop, connection, redeem):
    redeemed = redeem()
    order = shop.checkout("jo@example.com", code=redeemed.code.code, pay=False)
    poll(connection)
    unpaid = status(redeemed)
    shop.move(order.number, "processing")

    shop.refund(order.number, str(order.total))
    poll(connection)

    assert (unpaid, status(redeemed)) == ("issued", "used")


@pytest.mark.parametrize("kind", ["malformed", "plugin_after"])
def test_issues_one_code_when_the_answer_was_garbled(shop, redeem, kind):
    shop.fault("POST", "/coupons", kind)

    redeemed = redeem()

    assert status(redeemed) == "issued"
    assert [each.code for each in shop.coupons] == [redeemed.code.code.lower()]
    assert redeemed.code.remote_id == str(shop.coupons[0].number)


def test_takes_another_code_where_staff_have_one_of_that_name(shop, redeem):
    made = []
    shop.between_look_and_write = lambda: made or made.append(shop.foreign_coupon(shop.arriving["code"]))

    redeemed = redeem()

    assert status(redeemed) == "issued"
    assert redeemed.code.code.lower() != made[0].code
    assert len(shop.coupons) == 2
