"""What the Vendure adapter reads from orders and amounts, and where it does not guess."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from platforms.adapter import OrderStatus, Outcome
from platforms.vendure import money, reading
from tests.fakes import vendure as fake


@pytest.mark.parametrize(
    ("amount", "currency", "precision", "number"),
    [
        ("5", "EUR", 2, 500),
        ("0.01", "USD", 2, 1),
        ("5.125", "KWD", 3, 5125),
        ("500", "JPY", 2, 50000),
        ("500", "JPY", 0, 500),
    ],
)
def test_keeps_money_exact_both_ways(amount: str, currency: str, precision: int, number: int):
    assert money.to_shop(Decimal(amount), currency=currency, precision=precision) == number
    assert money.from_shop(number, currency=currency, precision=precision) == Decimal(amount)


def test_shows_yen_without_decimals():
    assert str(money.from_shop(50000, currency="JPY", precision=2)) == "500"
    assert str(money.from_shop(500, currency="EUR", precision=2)) == "5.00"


@pytest.mark.parametrize(
    ("amount", "currency", "precision"), [("0.005", "EUR", 2), ("0.5", "JPY", 2), ("1.5", "EUR", 0)]
)
def test_refuses_to_round_money(amount: str, currency: str, precision: int):
    with pytest.raises(money.AmountNotExact):
        money.to_shop(Decimal(amount), currency=currency, precision=precision)


@pytest.mark.parametrize(
    ("state", "paid", "status"),
    [
        ("PaymentAuthorized", "Authorized", OrderStatus.PLACED),
        ("PaymentSettled", "Settled", OrderStatus.COMPLETED),
        ("PartiallyShipped", "Settled", OrderStatus.COMPLETED),
        ("Shipped", "Settled", OrderStatus.COMPLETED),
        ("PartiallyDelivered", "Settled", OrderStatus.COMPLETED),
        ("Delivered", "Settled", OrderStatus.COMPLETED),
        ("Modifying", "Settled", OrderStatus.COMPLETED),
        ("Modifying", "Authorized", OrderStatus.PLACED),
        ("ArrangingAdditionalPayment", "Settled", OrderStatus.COMPLETED),
        ("StateOfTheMerchant", "Declined", OrderStatus.PLACED),
        ("Cancelled", "Settled", OrderStatus.CANCELLED),
    ],
)
def test_maps_every_state_of_an_order(state: str, paid: str, status: OrderStatus):
    payments = [{"state": paid, "updatedAt": "2026-11-21T20:00:05.000Z", "refunds": []}]

    order = reading.order(fake.order(state=state, payments=payments), precision=2)

    assert order is not None
    assert order.status is status


@pytest.mark.parametrize(
    "changes", [{"state": "Draft"}, {"state": "AddingItems"}, {"state": "ArrangingPayment", "active": True}]
)
def test_reads_a_cart_or_a_draft_as_no_order(changes: dict[str, Any]):
    assert reading.order(fake.order(**changes), precision=2) is None


def test_lists_only_promotions_that_took_effect_and_have_a_code():
    entry = fake.order(
        couponCodes=["TYPED", "LOY-1"],
        promotions=[{"id": "7", "couponCode": "LOY-1"}, {"id": "8", "couponCode": None}],
        discounts=[
            {"adjustmentSource": "PROMOTION:7", "amountWithTax": -100},
            {"adjustmentSource": "PROMOTION:7", "amountWithTax": -50},
            {"adjustmentSource": "PROMOTION:8", "amountWithTax": -70},
        ],
    )

    order = reading.order(entry, precision=2)

    assert order is not None
    assert [(applied.code, applied.remote_id, applied.discount) for applied in order.codes] == [
        ("LOY-1", "7", Decimal("1.50"))
    ]


def test_dates_an_order_by_its_last_payment_or_refund():
    refund = {"id": "4", "state": "Settled", "total": 300, "updatedAt": "2026-11-22T09:00:00.000Z"}
    pending = refund | {"id": "5", "state": "Pending"}
    payments = [{"state": "Settled", "updatedAt": "2026-11-21T20:00:05.000Z", "refunds": [refund, pending]}]

    order = reading.order(fake.order(payments=payments), precision=2)

    assert order is not None
    assert order.updated_at == datetime(2026, 11, 22, 9, tzinfo=UTC)
    assert [(entry.external_id, entry.amount) for entry in order.refunds] == [("4", Decimal("3.00"))]


def test_reads_an_order_without_a_customer():
    order = reading.order(fake.order(customer=None, payments=None), precision=2)

    assert order is not None
    assert (order.customer_email, order.customer_external_id) == ("", "")


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"state": 3},
        {"updatedAt": "soon"},
        {"totalWithTax": "2400"},
        {"totalWithTax": None},
        {"promotions": None},
        {"discounts": [1]},
    ],
)
def test_does_not_guess_at_an_unreadable_order(changes: dict[str, Any]):
    with fake.scripted_shop(fake.data(order=fake.order(**changes))) as shop:
        answer = fake.adapter_for(shop.url).read_order("3")

    assert answer.outcome is Outcome.UNKNOWN
    assert answer.reason.startswith("The shop's answer could not be understood")


def test_says_that_an_order_is_unknown_to_the_shop():
    with fake.scripted_shop(fake.data(order=None)) as shop:
        answer = fake.adapter_for(shop.url).read_order("404")

    assert (answer.outcome, answer.value) == (Outcome.OK, None)


def test_an_order_it_cannot_read_holds_up_no_other_of_the_page():
    listed = [fake.order(id="1"), fake.order(id="2", totalWithTax="much"), fake.order(id="3")]
    with fake.scripted_shop(fake.data(orders={"items": listed})) as shop:
        page = fake.adapter_for(shop.url).orders_since("").value

    assert page is not None
    assert [order.external_id for order in page.orders] == ["1", "3"]
    assert [(order.external_id, order.reason) for order in page.unread] == [("2", "totalWithTax is not a whole number")]


def test_leaves_the_items_unknown_when_a_cancellation_took_all_of_them():
    order = reading.order(fake.order(lines=[fake.line("5", 0, paid=0, before_tax=0)]), precision=2)

    assert order is not None
    assert order.items is None
