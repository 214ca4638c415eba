"""Shopify's orders in our words. Pure.

`uses` of a code are completed orders. Shopify counts a use when an order is placed, paid or not, counts late, and never
counts one back; its search knows an order by its first code only. So the count is taken, less what the search explains
as unpaid or canceled, and never less than the completed orders the search shows.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from loyalty.common import codes as spelling
from platforms.adapter import AppliedCode, OrderStatus, PaymentState, ShopOrder, ShopRefund, UnreadOrder
from platforms.shopify import lines, values
from platforms.shopify.values import Unreadable

# What an order tells of itself in a page of orders; who has more is read alone. A question may cost 1,000 points.
REFUNDS_IN_A_PAGE, LINES_IN_A_PAGE = 4, 8
REFUNDS_OF_ONE, LINES_OF_ONE = 100, 30
_PAID = frozenset({"PAID", "PARTIALLY_REFUNDED", "REFUNDED"})
_MONEY = {
    "PENDING": PaymentState.PENDING,
    "AUTHORIZED": PaymentState.AUTHORIZED,
    "PAID": PaymentState.PAID,
    "PARTIALLY_REFUNDED": PaymentState.PARTIALLY_REFUNDED,
    "REFUNDED": PaymentState.REFUNDED,
    "VOIDED": PaymentState.VOIDED,
}


def search_for(code: str) -> str:
    """The search for the orders that carry a code. The quotes keep its letters from being read as search words."""
    quoted = code.replace("\\", "").replace("'", "").replace('"', "")
    return f"discount_code:'{quoted}'"


def uses(counted: int, *, code: str, entries: Iterable[Mapping[str, Any]], count_tests: bool) -> int:
    """How many completed orders carry the code, as far as can be known now. Raises Unreadable."""
    found = [entry for entry in entries if spelling.canonical(code) in _codes(entry)]
    completed = sum(status(entry, count_tests=count_tests) is OrderStatus.COMPLETED for entry in found)
    return max(completed, counted - (len(found) - completed))


def status(entry: Mapping[str, Any], *, count_tests: bool) -> OrderStatus:
    """A test order is never completed, unless the connection says that they count. Raises Unreadable."""
    if entry.get("cancelledAt") is not None:
        return OrderStatus.CANCELLED
    if values.flag(entry, "test") and not count_tests:
        return OrderStatus.PLACED
    paid = values.flag(entry, "fullyPaid") or entry.get("displayFinancialStatus") in _PAID
    return OrderStatus.COMPLETED if paid else OrderStatus.PLACED


def order(
    entry: Any, *, count_tests: bool, most_refunds: int, more_lines: Sequence[Mapping[str, Any]] | None = ()
) -> ShopOrder:
    """One order, whole, with the lines that did not fit into the answer; without items where those are not known.

    Raises Unreadable.
    """
    if not isinstance(entry, Mapping):
        raise Unreadable("the order is no object")
    refunds = values.objects(entry, "refunds")
    if len(refunds) >= most_refunds:
        raise Unreadable(f"it has {len(refunds)} refunds or more")
    total, currency = values.shop_money(entry, "totalPriceSet")
    customer = values.mapping(entry, "customer") if entry.get("customer") is not None else {}
    address = customer.get("defaultEmailAddress")
    email = values.maybe_text(address, "emailAddress") if isinstance(address, Mapping) else ""
    return ShopOrder(
        external_id=values.number(entry),
        number=values.text(entry, "name"),
        status=status(entry, count_tests=count_tests),
        placed_at=values.instant(entry, "createdAt"),
        updated_at=values.instant(entry, "updatedAt"),
        total=total,
        currency=currency,
        customer_email=email or values.maybe_text(entry, "email"),
        customer_external_id=values.number(customer) if customer else "",
        codes=_applied(entry),
        refunds=tuple(
            ShopRefund(
                external_id=values.number(refund),
                amount=values.shop_money(refund, "totalRefundedSet")[0],
                refunded_at=values.instant(refund, "createdAt"),
            )
            for refund in refunds
        ),
        tax=_amount(entry, "totalTaxSet"),
        shipping=_shipping(entry),
        discounts=_amount(entry, "totalDiscountsSet"),
        items=None if more_lines is None else lines.items(entry, more_lines),
        payment_state=_MONEY.get(str(entry.get("displayFinancialStatus")), PaymentState.UNKNOWN),
    )


def orders(entries: Iterable[Mapping[str, Any]], *, count_tests: bool) -> tuple[list[ShopOrder], list[UnreadOrder]]:
    """The orders of a page, and those that do not fit. Raises Unreadable for one without an id."""
    told, unread = [], []
    for entry in entries:
        try:
            _require_all_lines(entry)
            told.append(order(entry, count_tests=count_tests, most_refunds=REFUNDS_IN_A_PAGE))
        except Unreadable as error:
            unread.append(UnreadOrder(external_id=values.number(entry), reason=str(error)))
    return told, unread


def _require_all_lines(entry: Mapping[str, Any]) -> None:
    if lines.beginning(entry):
        raise Unreadable(f"it has more than {LINES_IN_A_PAGE} lines")


def _amount(entry: Mapping[str, Any], name: str) -> Decimal | None:
    return None if entry.get(name) is None else values.shop_money(entry, name)[0]


def _shipping(entry: Mapping[str, Any]) -> Decimal:
    """After discounts and without its tax; an order without a shipping line has none."""
    if entry.get("shippingLine") is None:
        return Decimal(0)
    line = values.mapping(entry, "shippingLine")
    price = values.shop_money(line, "discountedPriceSet")[0]
    return price - lines.tax(line) if values.flag(entry, "taxesIncluded") else price


def _codes(entry: Mapping[str, Any]) -> set[str]:
    return {spelling.canonical(code) for code in values.texts(entry, "discountCodes")}


def _applied(entry: Mapping[str, Any]) -> tuple[AppliedCode, ...]:
    """All codes of the order. What each gave is told only where it is the one discount of the order."""
    named = values.texts(entry, "discountCodes")
    alone = len(named) == 1 and len(values.nodes(entry, "discountApplications")) == 1
    given = values.shop_money(entry, "totalDiscountsSet")[0] if alone else None
    return tuple(AppliedCode(code=code, discount=given) for code in named if code)
