"""Vendure's answers in our words: its promotions as codes, its orders as shop orders. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from platforms.adapter import AppliedCode, OrderStatus, PlatformCode, ShopOrder, ShopRefund, UnreadOrder
from platforms.redaction import is_plain
from platforms.vendure import money

PERCENTAGE = "order_percentage_discount"
FIXED_AMOUNT = "order_fixed_discount"
FREE_DELIVERY = "free_shipping"
MINIMUM_ORDER = "minimum_order_amount"

# The promotion's description carries our reference: staff of the shop see where it comes from, and we know it again.
_DESCRIPTION = "Made by Loyalty Desk, reference {reference}"
_REFERENCE = re.compile(r"Made by Loyalty Desk, reference (\S+)")

LONGEST = {"id": 120}
MOST_DIGITS = 15
MOST_DECIMALS = 8

_COMPLETED = frozenset({"PaymentSettled", "PartiallyShipped", "Shipped", "PartiallyDelivered", "Delivered"})
_NO_ORDER_YET = frozenset({"Draft", "Created", "AddingItems", "ArrangingPayment"})


class Unreadable(ValueError):
    """The shop's answer lacks something that every Vendure sends; the text says what."""


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
    channel = _mapping(data, "activeChannel")
    precision = _whole(_mapping(_mapping(data, "globalSettings"), "serverConfig"), "moneyStrategyPrecision")
    if not 0 <= precision <= MOST_DECIMALS:
        raise Unreadable("moneyStrategyPrecision is no count of decimals")
    return Shop(
        channel=_text(channel, "code"),
        channel_token=_text(channel, "token"),
        language=_text(channel, "defaultLanguageCode"),
        currency=_text(channel, "defaultCurrencyCode"),
        prices_include_tax=channel.get("pricesIncludeTax") is True,
        precision=precision,
    )


def promotions(data: Mapping[str, Any], *, code: str, now: datetime) -> list[Promotion]:
    """The promotions whose code is this one in any case, oldest first. Raises Unreadable."""
    seen = shop(data)
    found = _list(_mapping(data, "promotions"), "items")
    same = [entry for entry in found if str(entry.get("couponCode") or "").casefold() == code.casefold()]
    return sorted((_promotion(entry, shop=seen, now=now) for entry in same), key=lambda promotion: promotion.age)


def promotion_page(data: Mapping[str, Any], *, now: datetime) -> list[Promotion]:
    """The promotions of one page that have a code, in the order in which the shop sent them. Raises Unreadable.

    One whose worth cannot be read, such as with an action of the merchant's own, is told without it: it holds up no other.
    """
    seen = shop(data)
    found = _list(_mapping(data, "promotions"), "items")
    return [_promotion_or_bare(entry, shop=seen, now=now) for entry in found]


def _promotion_or_bare(entry: Mapping[str, Any], *, shop: Shop, now: datetime) -> Promotion:
    try:
        return _promotion(entry, shop=shop, now=now)
    except Unreadable:
        return _promotion({**entry, "actions": [], "conditions": []}, shop=shop, now=now)


def _promotion(entry: Mapping[str, Any], *, shop: Shop, now: datetime) -> Promotion:
    ends_at = _moment(entry, "endsAt")
    arguments = {
        str(operation.get("code")): {str(arg.get("name")): str(arg.get("value")) for arg in _list(operation, "args")}
        for operation in (*_list(entry, "actions"), *_list(entry, "conditions"))
    }
    reference = _REFERENCE.search(str(entry.get("description") or ""))
    enabled = entry.get("enabled") is True
    return Promotion(
        code=PlatformCode(
            code=_text(entry, "couponCode"),
            remote_id=_text(entry, "id"),
            alive=enabled and (ends_at is None or ends_at > now),
            reference=reference[1] if reference else "",
            percent=_decimal(arguments, PERCENTAGE, "discount"),
            amount=_amount(arguments, FIXED_AMOUNT, "discount", shop=shop),
            minimum_order=_amount(arguments, MINIMUM_ORDER, "amount", shop=shop),
            expires_at=ends_at,
        ),
        created_at=_instant(entry, "createdAt"),
        enabled=enabled,
        usage_limit=entry.get("usageLimit"),
    )


def order(entry: Any, *, precision: int) -> ShopOrder | None:
    """One order, whole; None for a cart or a draft, which are no orders yet. Raises Unreadable."""
    if not isinstance(entry, Mapping):
        raise Unreadable("the order is no object")
    state = _text(entry, "state")
    if entry.get("active") is True or state in _NO_ORDER_YET:
        return None
    currency = _text(entry, "currencyCode")
    payments = _list(entry, "payments")
    refunds = [refund for payment in payments for refund in _list(payment, "refunds")]
    customer = _mapping(entry, "customer") if entry.get("customer") is not None else {}
    return ShopOrder(
        external_id=_text(entry, "id"),
        number=_text(entry, "code"),
        status=_status(state, payments),
        placed_at=_moment(entry, "orderPlacedAt") or _instant(entry, "createdAt"),
        updated_at=_last_change(entry, payments, refunds),
        total=money.from_shop(_whole(entry, "totalWithTax"), currency=currency, precision=precision),
        currency=currency,
        customer_email=_maybe_text(customer, "emailAddress"),
        customer_external_id=_maybe_text(customer, "id"),
        codes=_applied(entry, currency=currency, precision=precision),
        refunds=tuple(
            ShopRefund(
                external_id=_text(refund, "id"),
                amount=money.from_shop(_whole(refund, "total"), currency=currency, precision=precision),
                refunded_at=_instant(refund, "updatedAt"),
            )
            for refund in refunds
            if refund.get("state") == "Settled"
        ),
    )


def orders(entries: Iterable[Mapping[str, Any]], *, precision: int) -> tuple[list[ShopOrder], list[UnreadOrder]]:
    """The orders among the entries of a page, and those that do not fit. Raises Unreadable for one without an id."""
    told, unread = [], []
    for entry in entries:
        try:
            found = order(entry, precision=precision)
        except Unreadable as error:
            unread.append(UnreadOrder(external_id=_text(entry, "id"), reason=str(error)))
        else:
            told += [found] if found is not None else []
    return told, unread


def order_entries(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The orders of one page as the shop sent them. Raises Unreadable."""
    return _list(_mapping(data, "orders"), "items")


def total(data: Mapping[str, Any], name: str) -> int:
    """How many entries a listing has in all. Raises Unreadable."""
    return _whole(_mapping(data, name), "totalItems")


def updated_at(entry: Mapping[str, Any]) -> datetime:
    """The order's own time stamp, by which the shop sorts and filters. Raises Unreadable."""
    return _instant(entry, "updatedAt")


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
    moments = [_instant(part, "updatedAt") for part in (entry, *payments, *refunds)]
    placed = _moment(entry, "orderPlacedAt")
    return max(moments if placed is None else [*moments, placed])


def _applied(entry: Mapping[str, Any], *, currency: str, precision: int) -> tuple[AppliedCode, ...]:
    """The codes whose promotion took effect. `couponCodes` also lists what was typed in vain, so it is not read."""
    discounts: dict[str, int] = {}
    for discount in _list(entry, "discounts"):
        source = str(discount.get("adjustmentSource"))
        discounts[source] = discounts.get(source, 0) - _whole(discount, "amountWithTax")
    return tuple(
        AppliedCode(
            code=_text(promotion, "couponCode"),
            remote_id=_text(promotion, "id"),
            discount=money.from_shop(
                discounts.get(f"PROMOTION:{promotion['id']}", 0), currency=currency, precision=precision
            ),
        )
        for promotion in _list(entry, "promotions")
        if promotion.get("couponCode")
    )


def _decimal(arguments: Mapping[Any, Mapping[str, str]], operation: str, name: str) -> Decimal | None:
    text = arguments.get(operation, {}).get(name)
    if text is None:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise Unreadable(f"the {name} of {operation} is not a number") from error
    if not number.is_finite() or number.adjusted() >= MOST_DIGITS:
        raise Unreadable(f"the {name} of {operation} is not a usable number")
    return number


def _amount(arguments: Mapping[Any, Mapping[str, str]], operation: str, name: str, *, shop: Shop) -> Decimal | None:
    number = _decimal(arguments, operation, name)
    if number is None:
        return None
    if number != number.to_integral_value():
        raise Unreadable(f"the {name} of {operation} is not a whole number")
    return money.from_shop(int(number), currency=shop.currency, precision=shop.precision)


def _mapping(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    if not isinstance(value, Mapping):
        raise Unreadable(f"{name} is missing")
    return value


def _list(data: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = data.get(name)
    if value is None and name in {"payments", "refunds"}:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise Unreadable(f"{name} is missing or not a list")
    return value


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value or not is_plain(value, longest=LONGEST.get(name, 1000)):
        raise Unreadable(f"{name} is missing or no text")
    return value


def _maybe_text(data: Mapping[str, Any], name: str) -> str:
    return "" if data.get(name) in (None, "") else _text(data, name)


def _whole(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name)
    # The size first: to write 1e999999999 out would take all of the memory.
    if (
        not isinstance(value, int | Decimal)
        or isinstance(value, bool)
        or not -(10**MOST_DIGITS) < value < 10**MOST_DIGITS
        or value != int(value)
    ):
        raise Unreadable(f"{name} is not a whole number")
    return int(value)


def _instant(data: Mapping[str, Any], name: str) -> datetime:
    moment = _moment(data, name)
    if moment is None:
        raise Unreadable(f"{name} is missing")
    return moment


def _moment(data: Mapping[str, Any], name: str) -> datetime | None:
    value = data.get(name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Unreadable(f"{name} is not a date and time") from error
