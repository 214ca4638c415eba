"""Vendure's answers in our words: its promotions as codes, its orders as shop orders. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from platforms.adapter import AppliedCode, OrderStatus, PlatformCode, ShopOrder, ShopRefund, UnreadOrder
from platforms.vendure import fields, lines, money

PERCENTAGE = "order_percentage_discount"
FIXED_AMOUNT = "order_fixed_discount"
FREE_DELIVERY = "free_shipping"
MINIMUM_ORDER = "minimum_order_amount"

# The promotion's description carries our reference: staff of the shop see where it comes from, and we know it again.
_DESCRIPTION = "Made by Loyalty Desk, reference {reference}"
_REFERENCE = re.compile(r"Made by Loyalty Desk, reference (\S+)")

MOST_DECIMALS = 8

_COMPLETED = frozenset({"PaymentSettled", "PartiallyShipped", "Shipped", "PartiallyDelivered", "Delivered"})
_NO_ORDER_YET = frozenset({"Draft", "Created", "AddingItems", "ArrangingPayment"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """What the shop says about itself, and what is needed to read its amounts."""

    channel: str
    channel_token: str
    language: str
    currency: str
    prices_include_tax: bool
    precision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """One promotion with a code."""

    code: PlatformCode
    created_at: datetime
    enabled: bool
    usage_limit: int | None

    @property
    def is_ours(self) -> bool:
        return bool(self.code.reference)

    @property
    def age(self) -> tuple[datetime, int, str]:
        """Sorts the oldest first; among equals the one with the smaller id."""
        remote_id = self.code.remote_id
        return self.created_at, int(remote_id) if re.fullmatch(r"\d{1,18}", remote_id, re.ASCII) else 0, remote_id


def describe(reference: str) -> str:
    """The description of a promotion that stands for this reference of ours."""
    return _DESCRIPTION.format(reference=reference)


def shop(data: Mapping[str, Any]) -> Shop:
    """The shop's channel and how it keeps money. Raises Unreadable."""
    channel = fields.mapping(data, "activeChannel")
    precision = fields.whole(
        fields.mapping(fields.mapping(data, "globalSettings"), "serverConfig"), "moneyStrategyPrecision"
    )
    if not 0 <= precision <= MOST_DECIMALS:
        raise fields.Unreadable("moneyStrategyPrecision is no count of decimals")
    return Shop(
        channel=fields.text(channel, "code"),
        channel_token=fields.text(channel, "token"),
        language=fields.text(channel, "defaultLanguageCode"),
        currency=fields.text(channel, "defaultCurrencyCode"),
        prices_include_tax=channel.get("pricesIncludeTax") is True,
        precision=precision,
    )


def promotions(data: Mapping[str, Any], *, code: str, now: datetime) -> list[Promotion]:
    """The promotions whose code is this one in any case, oldest first. Raises Unreadable."""
    seen = shop(data)
    found = fields.objects(fields.mapping(data, "promotions"), "items")
    same = [entry for entry in found if str(entry.get("couponCode") or "").casefold() == code.casefold()]
    return sorted((_promotion(entry, shop=seen, now=now) for entry in same), key=lambda promotion: promotion.age)


def promotion_page(data: Mapping[str, Any], *, now: datetime) -> list[Promotion]:
    """The promotions of one page that have a code, in the order in which the shop sent them. Raises Unreadable.

    One whose worth cannot be read, such as with an action of the merchant's own, is told without it: it holds up no other.
    """
    seen = shop(data)
    found = fields.objects(fields.mapping(data, "promotions"), "items")
    return [_promotion_or_bare(entry, shop=seen, now=now) for entry in found]


def _promotion_or_bare(entry: Mapping[str, Any], *, shop: Shop, now: datetime) -> Promotion:
    try:
        return _promotion(entry, shop=shop, now=now)
    except fields.Unreadable:
        return _promotion({**entry, "actions": [], "conditions": []}, shop=shop, now=now)


def _promotion(entry: Mapping[str, Any], *, shop: Shop, now: datetime) -> Promotion:
    ends_at = fields.maybe_instant(entry, "endsAt")
    arguments = {
        str(operation.get("code")): {
            str(arg.get("name")): str(arg.get("value")) for arg in fields.objects(operation, "args")
        }
        for operation in (*fields.objects(entry, "actions"), *fields.objects(entry, "conditions"))
    }
    reference = _REFERENCE.search(str(entry.get("description") or ""))
    enabled = entry.get("enabled") is True
    return Promotion(
        code=PlatformCode(
            code=fields.text(entry, "couponCode"),
            remote_id=fields.text(entry, "id"),
            alive=enabled and (ends_at is None or ends_at > now),
            reference=reference[1] if reference else "",
            percent=_decimal(arguments, PERCENTAGE, "discount"),
            amount=_amount(arguments, FIXED_AMOUNT, "discount", shop=shop),
            minimum_order=_amount(arguments, MINIMUM_ORDER, "amount", shop=shop),
            expires_at=ends_at,
        ),
        created_at=fields.instant(entry, "createdAt"),
        enabled=enabled,
        usage_limit=entry.get("usageLimit"),
    )


def order(entry: Any, *, precision: int) -> ShopOrder | None:
    """One order, whole; None for a cart or a draft, which are no orders yet. Raises Unreadable."""
    if not isinstance(entry, Mapping):
        raise fields.Unreadable("the order is no object")
    state = fields.text(entry, "state")
    if entry.get("active") is True or state in _NO_ORDER_YET:
        return None
    currency = fields.text(entry, "currencyCode")
    amount = partial(money.from_shop, currency=currency, precision=precision)
    payments = fields.objects(entry, "payments")
    refunds = [refund for payment in payments for refund in fields.objects(payment, "refunds")]
    customer = fields.mapping(entry, "customer") if entry.get("customer") is not None else {}
    return ShopOrder(
        external_id=fields.text(entry, "id"),
        number=fields.text(entry, "code"),
        status=_status(state, payments),
        placed_at=fields.maybe_instant(entry, "orderPlacedAt") or fields.instant(entry, "createdAt"),
        updated_at=_last_change(entry, payments, refunds),
        total=amount(fields.whole(entry, "totalWithTax")),
        currency=currency,
        customer_email=fields.maybe_text(customer, "emailAddress"),
        customer_external_id=fields.maybe_text(customer, "id"),
        codes=_applied(entry, currency=currency, precision=precision),
        refunds=tuple(
            ShopRefund(
                external_id=fields.text(refund, "id"),
                amount=amount(fields.whole(refund, "total")),
                refunded_at=fields.instant(refund, "updatedAt"),
            )
            for refund in refunds
            if refund.get("state") == "Settled"
        ),
        tax=amount(fields.whole(entry, "totalWithTax") - fields.whole(entry, "total")),
        shipping=amount(fields.whole(entry, "shipping")),
        discounts=amount(-sum(fields.whole(one, "amountWithTax") for one in fields.objects(entry, "discounts"))),
        items=lines.items(entry, currency=currency, precision=precision),
    )


def orders(entries: Iterable[Mapping[str, Any]], *, precision: int) -> tuple[list[ShopOrder], list[UnreadOrder]]:
    """The orders among the entries of a page, and those that do not fit. Raises Unreadable for one without an id."""
    told, unread = [], []
    for entry in entries:
        try:
            found = order(entry, precision=precision)
        except fields.Unreadable as error:
            unread.append(UnreadOrder(external_id=fields.text(entry, "id"), reason=str(error)))
        else:
            told += [found] if found is not None else []
    return told, unread


def order_entries(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The orders of one page as the shop sent them. Raises Unreadable."""
    return fields.objects(fields.mapping(data, "orders"), "items")


def total(data: Mapping[str, Any], name: str) -> int:
    """How many entries a listing has in all. Raises Unreadable."""
    return fields.whole(fields.mapping(data, name), "totalItems")


def updated_at(entry: Mapping[str, Any]) -> datetime:
    """The order's own time stamp, by which the shop sorts and filters. Raises Unreadable."""
    return fields.instant(entry, "updatedAt")


def _status(state: str, payments: Iterable[Mapping[str, Any]]) -> OrderStatus:
    if state == "Cancelled":
        return OrderStatus.CANCELLED
    if state in _COMPLETED:
        return OrderStatus.COMPLETED
    if state == "PaymentAuthorized":
        return OrderStatus.PLACED
    # An order being modified, or a state the merchant added: it was completed once its money had arrived.
    paid = any(payment.get("state") == "Settled" for payment in payments)
    return OrderStatus.COMPLETED if paid else OrderStatus.PLACED


def _last_change(
    entry: Mapping[str, Any], payments: list[Mapping[str, Any]], refunds: list[Mapping[str, Any]]
) -> datetime:
    # Neither a payment nor a refund touches the order's own time stamp.
    moments = [fields.instant(part, "updatedAt") for part in (entry, *payments, *refunds)]
    placed = fields.maybe_instant(entry, "orderPlacedAt")
    return max(moments if placed is None else [*moments, placed])


def _applied(entry: Mapping[str, Any], *, currency: str, precision: int) -> tuple[AppliedCode, ...]:
    """The codes whose promotion took effect. `couponCodes` also lists what was typed in vain, so it is not read."""
    discounts: dict[str, int] = {}
    for discount in fields.objects(entry, "discounts"):
        source = str(discount.get("adjustmentSource"))
        discounts[source] = discounts.get(source, 0) - fields.whole(discount, "amountWithTax")
    return tuple(
        AppliedCode(
            code=fields.text(promotion, "couponCode"),
            remote_id=fields.text(promotion, "id"),
            discount=money.from_shop(
                discounts.get(f"PROMOTION:{promotion['id']}", 0), currency=currency, precision=precision
            ),
        )
        for promotion in fields.objects(entry, "promotions")
        if promotion.get("couponCode")
    )


def _decimal(arguments: Mapping[Any, Mapping[str, str]], operation: str, name: str) -> Decimal | None:
    text = arguments.get(operation, {}).get(name)
    if text is None:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise fields.Unreadable(f"the {name} of {operation} is not a number") from error
    if not number.is_finite() or number.adjusted() >= fields.MOST_DIGITS:
        raise fields.Unreadable(f"the {name} of {operation} is not a usable number")
    return number


def _amount(arguments: Mapping[Any, Mapping[str, str]], operation: str, name: str, *, shop: Shop) -> Decimal | None:
    number = _decimal(arguments, operation, name)
    if number is None:
        return None
    if number != number.to_integral_value():
        raise fields.Unreadable(f"the {name} of {operation} is not a whole number")
    return money.from_shop(int(number), currency=shop.currency, precision=shop.precision)
