"""Orders in one shape: parts of the total and items are kept as told, and one state is left whatever order they come in."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loyalty.common import actors
from loyalty.points import audit
from loyalty.points.models import PointsTransaction
from loyalty.program import orders
from loyalty.program.models import Order, OrderItem, PaymentState
from platforms import adapter
from platforms.adapter import OrderStatus, ShopItem, ShopOrder, ShopRefund
from tests.factories.earning import RuleFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import NOW

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
COFFEE = ShopItem(product="coffee", quantity=2, amount=Decimal("20.00"), categories=("drinks", "beans"))
CUP = ShopItem(product="cup", quantity=1, amount=Decimal("9.90"))
WHOLE = ShopOrder(
    external_id="1001", number="#1001", status=OrderStatus.COMPLETED, placed_at=NOW, updated_at=NOW,
    total=Decimal("39.90"), currency="USD", customer_email="anna@example.com", tax=Decimal("6.40"),
    shipping=Decimal("10.00"), discounts=Decimal("5.00"), rewardable_total=Decimal("29.90"), items=(COFFEE, CUP),
    payment_state=adapter.PaymentState.PAID,
)  # fmt: skip


def record(shop, order):
    orders.record(connection_id=shop.pk, order=order, returns_use_on_cancel=True, actor=actors.shop(shop.pk), now=NOW)


def test_an_order_keeps_its_parts_its_items_and_what_became_of_the_money():
    record(ConnectionFactory(), WHOLE)

    stored = Order.objects.get()
    assert (stored.tax, stored.shipping, stored.discounts) == (Decimal("6.40"), Decimal("10.00"), Decimal("5.00"))
    assert (stored.rewardable_total, stored.payment_state) == (Decimal("29.90"), PaymentState.PAID)
    assert list(stored.items.order_by("position").values_list("product", "quantity", "amount", "categories")) == [
        ("coffee", 2, Decimal("20.00"), ["beans", "drinks"]),
        ("cup", 1, Decimal("9.90"), []),
    ]


def test_an_item_keeps_its_tax_and_that_its_categories_are_not_told():
    record(ConnectionFactory(), replace(WHOLE, items=(replace(CUP, tax=Decimal("1.50"), categories=None), COFFEE)))

    assert list(OrderItem.objects.order_by("position").values_list("tax", "categories")) == [
        (Decimal("1.50"), None),
        (None, ["beans", "drinks"]),
    ]


def test_what_a_shop_does_not_tell_stays_unknown():
    record(ConnectionFactory(), ShopOrder(
        external_id="1", number="1", status=OrderStatus.PLACED, placed_at=NOW, updated_at=NOW,
        total=Decimal(5), currency="USD",
    ))  # fmt: skip

    stored = Order.objects.get()
    assert (stored.tax, stored.shipping, stored.rewardable_total, stored.payment_state) == (None, None, None, "")


def test_news_without_items_leaves_the_items_and_news_with_items_replaces_them():
    shop = ConnectionFactory()
    record(shop, WHOLE)

    record(shop, replace(WHOLE, items=None, updated_at=NOW + HOUR))
    assert OrderItem.objects.count() == 2

    record(shop, replace(WHOLE, items=(CUP,), updated_at=NOW + 2 * HOUR))
    assert OrderItem.objects.get().product == "cup"


@pytest.mark.parametrize(("told", "kept"), [("-3.00", "0.00"), ("99.00", "39.90")])
def test_what_may_earn_is_never_below_nothing_and_never_above_the_order(told, kept):
    record(ConnectionFactory(), replace(WHOLE, rewardable_total=Decimal(told)))

    assert Order.objects.get().rewardable_total == Decimal(kept)


@pytest.mark.parametrize(
    "changes",
    [
        {"tax": Decimal("-0.01")},
        {"items": (replace(CUP, amount=Decimal(-1)),)},
        {"items": (replace(CUP, product=""),)},
        {"items": (replace(CUP, quantity=10**7),)},
        {"items": (CUP,) * 1001},
    ],
)
def test_parts_that_no_column_holds_are_refused_with_a_sentence(changes):
    with pytest.raises(orders.OrderUnusable, match="Look at it in the shop"):
        record(ConnectionFactory(), replace(WHOLE, **changes))

    assert not Order.objects.exists()


def test_an_order_of_a_guest_waits_and_earns_once_when_the_buyer_is_known():
    shop = ConnectionFactory()
    record(shop, replace(WHOLE, customer_email=""))
    assert (Order.objects.get().customer, PointsTransaction.objects.count()) == (None, 0)
    anna = CustomerFactory(email="anna@example.com")

    record(shop, replace(WHOLE, updated_at=NOW + HOUR))
    record(shop, replace(WHOLE, updated_at=NOW + HOUR))

    assert Order.objects.get().customer == anna
    assert PointsTransaction.objects.values_list("customer_id", "points_change").get() == (anna.pk, 29)


def news(state, hours):
    """The order at a state of its course."""
    refund = ShopRefund(external_id="r1", amount=Decimal("13.30"), refunded_at=NOW)
    changes = {
        "placed": {"status": OrderStatus.PLACED, "items": (CUP,)},
        "completed": {},
        "refunded": {"refunds": (refund,), "payment_state": adapter.PaymentState.PARTIALLY_REFUNDED},
        "cancelled": {"status": OrderStatus.CANCELLED, "refunds": (refund,)},
    }[state]
    return replace(WHOLE, updated_at=NOW + hours * HOUR, **changes)


COURSES = [
    ["placed", "completed"],
    ["placed", "completed", "refunded"],
    ["placed", "completed", "refunded", "cancelled"],
]


def state_of(shop):
    order = Order.objects.get(connection=shop)
    changes = PointsTransaction.objects.filter(customer_id=order.customer_id).values_list("points_change", flat=True)
    items = list(order.items.order_by("position").values_list("product", "amount", "categories"))
    return order.status, order.refunded, order.payment_state, items, sum(changes)


@pytest.fixture
def coffee_counts_double():
    return RuleFactory(kind="multiplier", points=None, per_amount=None, factor=2, products=["coffee"])


@pytest.mark.usefixtures("coffee_counts_double")
@given(data=st.data())
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_permutation_and_repetition_of_an_orders_news_ends_in_one_state(data):
    course = [news(state, hours) for hours, state in enumerate(data.draw(st.sampled_from(COURSES)))]
    arrivals = data.draw(st.permutations(course + data.draw(st.lists(st.sampled_from(course), max_size=3))))
    straight, shuffled = ConnectionFactory(), ConnectionFactory()

    for told in course:
        record(straight, replace(told, customer_email=f"straight-{straight.pk}@example.com"))
    for told in arrivals:
        record(shuffled, replace(told, customer_email=f"shuffled-{shuffled.pk}@example.com"))

    assert state_of(shuffled) == state_of(straight)
    assert list(audit.differences()) == []
