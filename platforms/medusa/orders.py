"""Medusa's orders in our words. Pure.

An order counts as completed from the moment its payment is authorized: Medusa places none before, counts the use of a
code then, and many shops capture the money days later, when they send the parcel.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from platforms import items
from platforms.adapter import AppliedCode, OrderStatus, ShopItem, ShopOrder, ShopRefund
from platforms.medusa import fields

# What is read below. Addresses and names are not asked for. The lines with their sums come along unasked in a list of
# orders, and not with an order alone.
FIELDS = (
    "id,display_id,status,email,customer_id,currency_code,total,created_at,updated_at,canceled_at,"
    "tax_total,shipping_total,shipping_tax_total,discount_total,"
    "items.*,items.product.collection_id,items.product.categories.id,"
    "items.adjustments.code,items.adjustments.amount,items.adjustments.promotion_id,"
    "shipping_methods.adjustments.code,shipping_methods.adjustments.amount,shipping_methods.adjustments.promotion_id,"
    "credit_lines.reference,credit_lines.amount,payment_collections.id,payment_collections.payments.id,"
    "payment_collections.payments.updated_at,payment_collections.payments.refunds.id,"
    "payment_collections.payments.refunds.amount,payment_collections.payments.refunds.created_at"
)

_PAID = frozenset(
    {"authorized", "partially_authorized", "captured", "partially_captured", "refunded", "partially_refunded"}
)
_REFUND = "payment_collection"  # what Medusa calls the credit line that takes a refund off an order's total


def changed_at(entry: Mapping[str, Any]) -> datetime:
    """The stamp by which the shop sorts and filters. Raises Unreadable."""
    return fields.stamp(entry, "updated_at")


def read(entry: Mapping[str, Any]) -> ShopOrder:
    """One order, whole. Raises Unreadable."""
    payments = [
        payment
        for collection in fields.maybe_objects(entry, "payment_collections")
        for payment in fields.maybe_objects(collection, "payments")
    ]
    refunds = [_refund(refund) for payment in payments for refund in fields.maybe_objects(payment, "refunds")]
    # Taking the money leaves the order's own stamp alone.
    moments = [changed_at(entry), *(fields.instant(payment, "updated_at") for payment in payments)]
    total = _total(entry)
    return ShopOrder(
        external_id=fields.identity(entry),
        number=str(fields.count(entry, "display_id")),
        status=_status(entry, total=total),
        placed_at=fields.instant(entry, "created_at"),
        updated_at=max([*moments, *(refund.refunded_at for refund in refunds)]),
        total=total,
        currency=fields.text(entry, "currency_code", longest=10).upper(),
        customer_email=fields.maybe_text(entry, "email"),
        customer_external_id=fields.maybe_text(entry, "customer_id", longest=fields.LONGEST_ID),
        codes=_applied(entry),
        refunds=tuple(refunds),
        tax=_maybe(entry, "tax_total"),
        shipping=_shipping(entry),
        discounts=_maybe(entry, "discount_total"),
        items=_items(entry),
    )


def _maybe(entry: Mapping[str, Any], name: str) -> Decimal | None:
    return None if entry.get(name) is None else fields.amount(entry, name)


def _shipping(entry: Mapping[str, Any]) -> Decimal | None:
    """After discounts, without its tax."""
    whole, tax = _maybe(entry, "shipping_total"), _maybe(entry, "shipping_tax_total")
    return None if whole is None or tax is None else whole - tax


def _items(entry: Mapping[str, Any]) -> tuple[ShopItem, ...] | None:
    """The lines; None when one of them is not as Medusa makes it, for no order is held up by what is only useful.

    Medusa counts what came back no more, in lines and in totals.
    """
    try:
        return items.kept([_item(line) for line in fields.objects(entry, "items")])
    except fields.Unreadable:
        return None


def _item(line: Mapping[str, Any]) -> ShopItem:
    """A product goes by its id; it is in a collection and in categories, by their ids."""
    product = fields.maybe_mapping(line, "product")
    names = [fields.maybe_text(product, "collection_id")]
    names += [fields.identity(each) for each in fields.maybe_objects(product, "categories")]
    return items.line(
        product=fields.maybe_text(line, "product_id"),
        quantity=fields.count(line, "quantity"),
        amount=fields.amount(line, "total"),
        tax=fields.amount(line, "tax_total"),
        categories=names if product else None,
    )


def _total(entry: Mapping[str, Any]) -> Decimal:
    """What the order cost before money went back: a refund is a credit line that lowers the total the shop tells."""
    lines = fields.maybe_objects(entry, "credit_lines")
    refunded = [fields.amount(line, "amount") for line in lines if line.get("reference") == _REFUND]
    return fields.amount(entry, "total") + sum(refunded, Decimal(0))


def _status(entry: Mapping[str, Any], *, total: Decimal) -> OrderStatus:
    status = fields.text(entry, "status", longest=100)
    if status == "canceled" or fields.maybe_instant(entry, "canceled_at") is not None:
        return OrderStatus.CANCELLED
    # For an order that costs nothing Medusa asks for no payment, and calls it not paid ever after.
    if status == "completed" or total == 0 or fields.maybe_text(entry, "payment_status") in _PAID:
        return OrderStatus.COMPLETED
    return OrderStatus.PLACED


def _applied(entry: Mapping[str, Any]) -> tuple[AppliedCode, ...]:
    """Codes by the discounts they gave: what the order lists as its promotions forgets those that were deleted."""
    worth: dict[tuple[str, str], Decimal] = {}
    for part in ("items", "shipping_methods"):
        for line in fields.maybe_objects(entry, part):
            for adjustment in fields.maybe_objects(line, "adjustments"):
                code = fields.maybe_text(adjustment, "code", longest=200)
                if code:
                    key = code, fields.maybe_text(adjustment, "promotion_id", longest=fields.LONGEST_ID)
                    worth[key] = worth.get(key, Decimal(0)) + fields.amount(adjustment, "amount")
    return tuple(
        AppliedCode(code=code, remote_id=remote_id, discount=discount) for (code, remote_id), discount in worth.items()
    )


def _refund(refund: Mapping[str, Any]) -> ShopRefund:
    return ShopRefund(
        external_id=fields.identity(refund),
        amount=fields.amount(refund, "amount"),
        refunded_at=fields.instant(refund, "created_at"),
    )
