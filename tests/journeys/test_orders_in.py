"""Orders in: what a shopper does with a code at the shop's checkout, as the desk comes to know it."""

import pytest
from django.utils import timezone

from loyalty.common import actors
from loyalty.events.models import Event
from loyalty.hooks import processing
from loyalty.hooks.models import InboundWebhook, InboxState
from loyalty.points import audit, queries
from loyalty.program.models import Order
from rewards import redemption
from rewards.queries import status_of
from tests.factories.catalogue import PointsProductFactory, RewardFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import give
from tests.factories.shop import connect
from tests.fakes.sandbox import running_sandbox_shop
from tests.journeys.worker import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="session")
def shop_process(tmp_path_factory):
    with running_sandbox_shop(tmp_path_factory.mktemp("order-shop")) as shop:
        yield shop


@pytest.fixture
def shop(shop_process):
    yield shop_process
    shop_process.clear_faults()


@pytest.fixture
def connection(shop, live_server):
    """The shop, told to send its webhooks to us."""
    made = connect(shop)
    shop.set_webhook(f"{live_server.url}/hooks/{made.webhook_key}/")
    return made


@pytest.fixture
def redeemed(connection):
    customer = CustomerFactory()
    give(customer, 100, now=timezone.now())
    product = PointsProductFactory(reward=RewardFactory(connection=connection))
    return redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=actors.SYSTEM, now=timezone.now()
    )


def status(redeemed):
    redeemed.refresh_from_db()
    return status_of(redeemed=redeemed, now=timezone.now())


def work_off(*, at_least):
    """Wait until the shop has delivered so many webhooks, then process what waits. A paid order makes two."""
    wait_for(lambda: InboundWebhook.objects.count() >= at_least, what=f"{at_least} webhooks")
    for webhook_id in (
        InboundWebhook.objects.filter(state=InboxState.RECEIVED).order_by("id").values_list("pk", flat=True)
    ):
        processing.process(webhook_id=webhook_id, now=timezone.now())


def test_a_code_on_a_completed_order_is_used_and_the_order_earns_points(shop, redeemed):
    order = shop.checkout(redeemed.customer_email, code=redeemed.code.code)

    work_off(at_least=2)

    assert status(redeemed) == "used"
    assert redeemed.used_order_id == order["id"]
    stored = Order.objects.get()
    earned = queries.balance(customer_id=redeemed.customer_id, now=timezone.now()).balance
    assert (stored.status, earned) == ("completed", int(stored.total))
    assert list(audit.differences()) == []


def test_a_code_that_was_typed_removed_or_abandoned_stays_issued_and_works_later(shop, redeemed):
    shopper = shop.shopper()
    shopper.add("mug")
    assert redeemed.code.code in shopper.type_code(redeemed.code.code).text
    shopper.remove_code()
    shopper.pay(redeemed.customer_email)
    work_off(at_least=2)
    assert status(redeemed) == "issued"

    abandoning = shop.shopper()
    abandoning.add("mug")
    abandoning.type_code(redeemed.code.code)
    abandoning.abandon()
    assert status(redeemed) == "issued"

    before = InboundWebhook.objects.count()
    shop.checkout(redeemed.customer_email, code=redeemed.code.code)
    work_off(at_least=before + 2)
    assert status(redeemed) == "used"


def test_a_code_replaced_by_another_discount_stays_issued(shop, redeemed):
    shop.create_code("SHOPS-OWN-10")
    shopper = shop.shopper()
    shopper.add("mug")
    shopper.type_code(redeemed.code.code)
    shopper.type_code("SHOPS-OWN-10")
    shopper.pay(redeemed.customer_email)

    work_off(at_least=2)

    assert status(redeemed) == "issued"
    assert Order.objects.get().codes.get().canonical == "SHOPS-OWN-10"


def test_a_code_on_an_order_that_waits_for_payment_is_used_once_it_is_paid(shop, redeemed):
    order = shop.checkout(redeemed.customer_email, code=redeemed.code.code, pay=False)
    work_off(at_least=1)
    assert status(redeemed) == "issued"

    before = InboundWebhook.objects.count()
    shop.pay_order(order["id"])
    work_off(at_least=before + 1)

    assert status(redeemed) == "used"


def test_a_cancelled_order_gives_the_code_back_where_the_shop_does(shop, redeemed):
    order = shop.checkout(redeemed.customer_email, code=redeemed.code.code)
    work_off(at_least=2)
    before = InboundWebhook.objects.count()

    shop.cancel_order(order["id"])
    work_off(at_least=before + 1)

    assert status(redeemed) == "issued"
    assert Order.objects.get().status == "cancelled"


@pytest.mark.parametrize("fault", ["duplicate", "late", "out_of_order"])
def test_repeated_late_or_disordered_webhooks_have_one_effect(shop, redeemed, fault):
    shop.fault("webhook", fault, times=2, seconds=0.5 if fault == "late" else None)
    order = shop.checkout(redeemed.customer_email, code=redeemed.code.code, pay=False)
    shop.pay_order(order["id"])

    work_off(at_least=2)

    assert status(redeemed) == "used"
    assert Order.objects.get().status == "completed"
    assert Event.objects.filter(kind="reward.used").count() == 1


def test_polling_a_shop_that_is_down_says_so_and_keeps_its_place(shop, redeemed, connection):
    processing.poll(connection_id=connection.pk, now=timezone.now())
    connection.refresh_from_db()
    place = connection.orders_cursor
    shop.stop()
    try:
        assert processing.poll(connection_id=connection.pk, now=timezone.now()) == 0
    finally:
        shop.start()

    connection.refresh_from_db()
    assert connection.orders_cursor == place
    assert connection.poll_error
