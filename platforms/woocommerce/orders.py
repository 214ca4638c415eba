"""WooCommerce's orders in our words. Pure.

A line names its product by its number, and no category: those stand with the products (`categories`), and are asked for
where a rule names some.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from platforms import items
from platforms.adapter import AppliedCode, OrderStatus, ShopItem, ShopOrder, ShopRefund
from platforms.woocommerce import fields
from platforms.woocommerce.fields import Unreadable

Refunds = Sequence[Mapping[str, Any]]

# What is read below, and no more: addresses stay in the shop.
FIELDS = (
    "id,number,status,currency,date_created_gmt,date_modified_gmt,date_paid_gmt,total,customer_id,billing,coupon_lines,"
    "line_items,refunds,total_tax,shipping_total,discount_total,discount_tax"
)

_STATUSES = {
    "pending": OrderStatus.PLACED,
    "on-hold": OrderStatus.PLACED,
    "processing": OrderStatus.COMPLETED,
    "completed": OrderStatus.COMPLETED,
    "refunded": OrderStatus.COMPLETED,  # the money went back, the use did not
    "cancelled": OrderStatus.CANCELLED,
    "trash": OrderStatus.CANCELLED,  # binned orders give the use back
}
_NO_ORDER_YET = frozenset({"checkout-draft", "auto-draft", "draft", "new"})


def is_order(entry: Mapping[str, Any]) -> bool:
    """False for a cart at the checkout, which the shop lists among its orders. Raises Unreadable."""
    return fields.named(entry, "status", longest=100) not in _NO_ORDER_YET


def has_refunds(entry: Mapping[str, Any]) -> bool:
    """Whether its refunds have to be asked for: the order names them without their dates. Raises Unreadable."""
    return bool(fields.objects(entry, "refunds"))


def changed_at(entry: Mapping[str, Any]) -> datetime:
    """The stamp by which the shop sorts and filters, in whole seconds. Raises Unreadable."""
    return fields.maybe_instant(entry, "date_modified_gmt") or fields.instant(entry, "date_created_gmt")


def read(entry: Mapping[str, Any], *, refunds: Refunds) -> ShopOrder:
    """One order, whole, with its refunds as the shop tells them apart from it. Raises Unreadable."""
    customer = fields.count(entry, "customer_id")
    return ShopOrder(
        external_id=str(fields.identity(entry)),
        number=fields.named(entry, "number", longest=200),
        status=_status(entry),
        placed_at=fields.instant(entry, "date_created_gmt"),
        updated_at=changed_at(entry),
        total=fields.amount(entry, "total"),
        currency=fields.named(entry, "currency", longest=10),
        customer_email=fields.text(fields.mapping(entry, "billing"), "email"),
        customer_external_id=str(customer) if customer else "",
        codes=tuple(_applied(line) for line in fields.objects(entry, "coupon_lines")),
        refunds=tuple(
            ShopRefund(
                external_id=str(fields.identity(refund)),
                amount=abs(fields.amount(refund, "amount")),
                refunded_at=fields.instant(refund, "date_created_gmt"),
            )
            for refund in refunds
        ),
        tax=fields.maybe_sum(entry, "total_tax"),
        shipping=fields.maybe_sum(entry, "shipping_total"),
        discounts=fields.maybe_sum(entry, "discount_total", "discount_tax"),
        items=_items(entry),
    )


def _items(entry: Mapping[str, Any]) -> tuple[ShopItem, ...] | None:
    """The lines; None when one of them is not as WooCommerce makes it, for no order is held up by what is only useful."""
    try:
        return items.kept([_item(line) for line in fields.objects(entry, "line_items")])
    except Unreadable:
        return None


def _item(line: Mapping[str, Any]) -> ShopItem:
    """A line's total is after discounts and before tax; its product is 0 when there is none any more."""
    product, tax = fields.count(line, "product_id"), fields.amount(line, "total_tax")
    return items.line(
        product=str(product) if product else "",
        quantity=fields.count(line, "quantity"),
        amount=fields.amount(line, "total") + tax,
        tax=tax,
        categories=None,
    )


def _status(entry: Mapping[str, Any]) -> OrderStatus:
    status = fields.named(entry, "status", longest=100)
    was_paid = fields.maybe_instant(entry, "date_paid_gmt") is not None
    if status == "failed":
        # A payment that failed may be tried again within the second. Only what was paid before has a use to give back.
        return OrderStatus.CANCELLED if was_paid else OrderStatus.PLACED
    if status in _STATUSES:
        return _STATUSES[status]
    # A state that a plugin added: the order is completed once it was paid.
    return OrderStatus.COMPLETED if was_paid else OrderStatus.PLACED


def _applied(line: Mapping[str, Any]) -> AppliedCode:
    """A line's own id is not the coupon's, and of free delivery the shop does not say what it was worth."""
    worth = fields.amount(line, "discount") + fields.amount(line, "discount_tax")
    return AppliedCode(code=fields.named(line, "code", longest=200), discount=abs(worth) or None)
