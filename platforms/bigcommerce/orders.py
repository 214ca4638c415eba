"""Orders: their lines, coupons, refunds and gift certificates each stand in a place of their own, and are asked for there.

An order's `refunded_amount` is always 0 and its `coupon_discount` may be, so neither is believed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from platforms.adapter import Answer, AppliedCode, OrderStatus, Outcome, ShopOrder, ShopRefund, UnreadOrder
from platforms.bigcommerce import client, fields, lines
from platforms.http import HttpAnswer

PATH = "/v2/orders"
REFUNDS = "/v3/orders/payment_actions/refunds"
NO_ORDER_YET = frozenset({0, 1})  # a checkout that was begun, and left
REFUNDED = 4
_CANCELLED = frozenset({5, 6})
# Disputed says nothing of goods or money: a dispute follows a payment. Refunds stand beside the order.
_PAID_BEFORE = frozenset({4, 13, 14})
_REFUNDS_PER_PAGE = 250

Refunds = Mapping[int, tuple[ShopRefund, ...]]


def is_order(entry: Mapping[str, Any]) -> bool:
    return fields.count(entry, "status_id") not in NO_ORDER_YET


def changed_at(entry: Mapping[str, Any]) -> datetime:
    """The order's own time stamp, by which the shop sorts and filters. Raises Unreadable."""
    return fields.required(fields.rfc_date(entry, "date_modified"), "date_modified")


@dataclass(frozen=True, slots=True)
class _Parts:
    """What stands beside an order."""

    codes: tuple[AppliedCode, ...]
    refunds: tuple[ShopRefund, ...]
    items: lines.Items


@dataclass(frozen=True, slots=True)
class Told:
    """What a listing of orders came to. `read` entries of it were dealt with; the shop left no time for the others."""

    orders: tuple[ShopOrder, ...]
    unread: tuple[UnreadOrder, ...]
    read: int


def tell(
    conversation: client.Conversation, entries: Sequence[Mapping[str, Any]], *, completed: frozenset[int]
) -> Answer[Told]:
    """The orders among these entries, whole, and those that cannot be understood. Raises Unreadable without an id.

    When the shop wants no more questions half way, what was read until then counts: a slow shop, or one whose quota
    others use up, is read in smaller steps.
    """
    ids = [fields.identity(entry) for entry in entries]
    if not ids:
        return Answer(outcome=Outcome.OK, value=Told((), (), 0))
    answer = _refunds(conversation, ids)
    if answer.value is None:
        return client.relay(answer)
    refunds = answer.value
    told: list[ShopOrder] = []
    unread: list[UnreadOrder] = []
    for read, (order_id, entry) in enumerate(zip(ids, entries, strict=True)):
        try:
            if not is_order(entry):
                continue
            applied = _applied(conversation, order_id, entry)
            if applied.value is None:
                return client.ok(answer, Told(tuple(told), tuple(unread), read)) if read else client.relay(applied)
            bought = lines.of_order(conversation, order_id)
            if bought.value is None:
                return client.ok(answer, Told(tuple(told), tuple(unread), read)) if read else client.relay(bought)
            parts = _Parts(applied.value, refunds.get(order_id, ()), bought.value[0])
            told.append(_order(entry, parts, completed=completed))
        except fields.Unreadable as error:
            unread.append(UnreadOrder(external_id=str(order_id), reason=str(error)))
    return client.ok(answer, Told(tuple(told), tuple(unread), len(ids)))


def one(conversation: client.Conversation, order_id: str, *, completed: frozenset[int]) -> Answer[ShopOrder | None]:
    """One order, whole; OK with None when the shop has none of that id, or only a checkout that was left."""
    answer = conversation.ask("GET", f"{PATH}/{order_id}")
    if answer.outcome is Outcome.REJECTED and answer.status == 404:
        return client.ok(answer, None)
    if not answer.ok:
        return answer.failure()
    try:
        told = tell(conversation, [fields.inside(answer.data)], completed=completed)
    except fields.Unreadable as error:
        return answer.unusable(str(error))
    if told.value is None:
        return client.relay(told)
    if told.value.unread:
        return answer.unusable(told.value.unread[0].reason)
    return client.ok(answer, told.value.orders[0] if told.value.orders else None)


def _order(entry: Mapping[str, Any], parts: _Parts, *, completed: frozenset[int]) -> ShopOrder:
    status, changed = fields.count(entry, "status_id"), changed_at(entry)
    total = fields.amount(entry, "total_inc_tax")
    order_id, refunds = str(fields.identity(entry)), parts.refunds
    if status == REFUNDED and not refunds:
        # Set by hand, without the shop's refund: the whole of it.
        refunds = (ShopRefund(external_id=f"{order_id}-status", amount=total, refunded_at=changed),)
    customer = fields.count(entry, "customer_id")
    return ShopOrder(
        external_id=order_id,
        number=order_id,
        status=_status(status, completed=completed),
        placed_at=fields.required(fields.rfc_date(entry, "date_created"), "date_created"),
        updated_at=max([changed, *(refund.refunded_at for refund in refunds)]),
        total=total,
        currency=fields.text(entry, "default_currency_code", longest=3),  # `currency_code` is what was displayed
        customer_email=fields.maybe_text(fields.child(entry, "billing_address"), "email"),
        customer_external_id=str(customer) if customer else "",
        codes=parts.codes,
        refunds=refunds,
        tax=fields.maybe_sum(entry, "total_tax"),
        shipping=fields.maybe_sum(entry, "shipping_cost_ex_tax"),
        discounts=fields.maybe_sum(entry, "discount_amount", "coupon_discount"),
        items=parts.items,
    )


def _status(status: int, *, completed: frozenset[int]) -> OrderStatus:
    if status in _CANCELLED:
        return OrderStatus.CANCELLED
    return OrderStatus.COMPLETED if status in completed | _PAID_BEFORE else OrderStatus.PLACED


def _applied(
    conversation: client.Conversation, order_id: int, entry: Mapping[str, Any]
) -> Answer[tuple[AppliedCode, ...]]:
    """The codes on an order. Raises Unreadable."""
    answer = conversation.ask("GET", f"{PATH}/{order_id}/coupons", params={"limit": "250"})
    if not answer.ok:
        return _failed(answer, "coupons")
    found = [_coupon(coupon) for coupon in fields.entries(answer.data)]
    if entry.get("gift_certificate_amount") not in (None, "") and fields.amount(entry, "gift_certificate_amount"):
        answer = conversation.ask("GET", f"/v3/orders/{order_id}/transactions")
        if not answer.ok:
            return _failed(answer, "transactions")
        found += _certificates(answer.data)
    return answer.success(tuple(found))


def _coupon(entry: Mapping[str, Any]) -> AppliedCode:
    return AppliedCode(code=fields.text(entry, "code"), discount=fields.amount(entry, "discount"))


def _certificates(data: Any) -> list[AppliedCode]:
    """What gift certificates paid: a transaction for each payment with one, and others that took nothing."""
    paid: dict[str, Decimal] = {}
    for entry in fields.entries(data):
        if entry.get("method") == "gift_certificate" and entry.get("status") in {"ok", None}:
            code = fields.text(fields.child(entry, "gift_certificate"), "code")
            paid[code] = paid.get(code, Decimal(0)) + fields.amount(entry, "amount")
    return [AppliedCode(code=code, discount=amount) for code, amount in paid.items()]


def _refunds(conversation: client.Conversation, order_ids: Sequence[int]) -> Answer[Refunds]:
    """The refunds of these orders that went through."""
    found: dict[int, tuple[ShopRefund, ...]] = {}
    wanted = {"order_id:in": ",".join(str(each) for each in order_ids), "limit": str(_REFUNDS_PER_PAGE)}
    page = 1
    while True:
        answer = conversation.ask("GET", REFUNDS, params=wanted | {"page": str(page)})
        if not answer.ok:
            return answer.failure()
        try:
            listed = fields.entries(answer.data)
            for entry in listed:
                if not _declined(entry):
                    order_id = fields.identity(entry, "order_id")
                    found[order_id] = (*found.get(order_id, ()), _refund(entry))
        except fields.Unreadable as error:
            return answer.unusable(str(error))
        if len(listed) < _REFUNDS_PER_PAGE:
            return answer.success(found)
        page += 1  # the deadline of the conversation ends a listing without end


def _declined(entry: Mapping[str, Any]) -> bool:
    payments = entry.get("payments")
    if not isinstance(payments, list) or not payments:
        return False
    return all(isinstance(payment, Mapping) and payment.get("is_declined") is True for payment in payments)


def _refund(entry: Mapping[str, Any]) -> ShopRefund:
    return ShopRefund(
        external_id=str(fields.identity(entry)),
        amount=fields.amount(entry, "total_amount"),
        refunded_at=fields.required(fields.iso_date(entry, "created"), "created"),
    )


def _failed(answer: HttpAnswer, what: str) -> Answer[Any]:
    """An order whose parts are gone, or make the shop fail, holds up no other. Raises Unreadable."""
    gone = answer.outcome is Outcome.REJECTED and answer.status == 404
    broken = answer.outcome is Outcome.UNKNOWN and answer.status is not None
    if gone or broken:
        raise fields.Unreadable(f"the shop does not show its {what} (status {answer.status})")
    return answer.failure()
