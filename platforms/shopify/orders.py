"""Shopify's orders in our words. Pure.

`uses` of a code are completed orders. Shopify counts a use when an order is placed, paid or not, counts late, and never
counts one back; its search knows an order by its first code only. So the count is taken, less what the search explains
as unpaid or canceled, and never less than the completed orders the search shows.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from loyalty.common import codes as spelling
from platforms.adapter import AppliedCode, OrderStatus, PaymentState, ShopOrder, ShopRefund, UnreadOrder
from platforms.shopify import values
from platforms.shopify.values import Unreadable

REFUNDS_IN_A_PAGE = 10
REFUNDS_OF_ONE = 100
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


def order(entry: Any, *, count_tests: bool, most_refunds: int) -> ShopOrder:
    """One order, whole. Raises Unreadable."""
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
        payment_state=_MONEY.get(str(entry.get("displayFinancialStatus")), PaymentState.UNKNOWN),
    )


def orders(entries: Iterable[Mapping[str, Any]], *, count_tests: bool) -> tuple[list[ShopOrder], list[UnreadOrder]]:
    """The orders of a page, and those that do not fit. Raises Unreadable for one without an id."""
    told, unread = [], []
    for entry in entries:
        try:
            told.append(order(entry, count_tests=count_tests, most_refunds=REFUNDS_IN_A_PAGE))
        except Unreadable as error:
            unread.append(UnreadOrder(external_id=values.number(entry), reason=str(error)))
    return told, unread


def _codes(entry: Mapping[str, Any]) -> set[str]:
    return {spelling.canonical(code) for code in values.texts(entry, "discountCodes")}


def _applied(entry: Mapping[str, Any]) -> tuple[AppliedCode, ...]:
    """All codes of the order. What each gave is told only where it is the one discount of the order."""
    named = values.texts(entry, "discountCodes")
    alone = len(named) == 1 and len(values.nodes(entry, "discountApplications")) == 1
    given = values.shop_money(entry, "totalDiscountsSet")[0] if alone else None
    return tuple(AppliedCode(code=code, discount=given) for code in named if code)
