"""From the sandbox shop's JSON to our words. Nothing is taken on trust: what does not fit raises Unreadable."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from platforms import items
from platforms.adapter import AppliedCode, OrderStatus, PlatformCode, ShopItem, ShopOrder, ShopRefund, UnreadOrder
from platforms.redaction import is_plain

LONGEST = {"id": 120, "cursor": 120}


class Unreadable(Exception):
    """The data is not what the sandbox shop sends; the text names the field."""


def code(data: Any) -> PlatformCode:
    return PlatformCode(
        code=text(data, "code"),
        remote_id=text(data, "id"),
        alive=flag(data, "alive"),
        reference=text(data, "reference"),
        uses=count(data, "uses"),
        percent=_maybe_decimal(data, "percent"),
        amount=_maybe_decimal(data, "amount"),
        product_reference=_maybe_text(data, "product"),
        minimum_order=_maybe_decimal(data, "minimum_order"),
        collections=_maybe_texts(data, "collections"),
        expires_at=None if _field(data, "expires_at") is None else instant(data, "expires_at"),
    )


def order(data: Any) -> ShopOrder:
    status = text(data, "status")
    if status not in set(OrderStatus):
        raise Unreadable(f"status {status[:40]!r} is unknown")
    return ShopOrder(
        external_id=_named(data, "id"),
        number=text(data, "number"),
        status=OrderStatus(status),
        placed_at=instant(data, "placed_at"),
        updated_at=instant(data, "updated_at"),
        total=decimal(data, "total"),
        currency=text(data, "currency"),
        customer_email=text(data, "email"),
        codes=tuple(
            AppliedCode(code=_named(entry, "code"), remote_id=text(entry, "id"), discount=decimal(entry, "discount"))
            for entry in objects(data, "codes")
        ),
        refunds=tuple(
            ShopRefund(
                external_id=_named(entry, "id"),
                amount=decimal(entry, "amount"),
                refunded_at=instant(entry, "refunded_at"),
            )
            for entry in objects(data, "refunds")
        ),
        tax=_told(data, "tax"),
        shipping=_told(data, "shipping"),
        discounts=_told(data, "discount"),
        items=_items(data),
    )


def _told(data: Mapping[str, Any], name: str) -> Decimal | None:
    return decimal(data, name) if data.get(name) is not None else None


def _items(data: Any) -> tuple[ShopItem, ...] | None:
    """The lines; None of a shop of an older release, which names no products."""
    if not all(isinstance(line, Mapping) and "product" in line for line in data.get("lines") or [None]):
        return None
    return items.kept(
        [
            items.line(
                product=text(line, "product"),
                quantity=count(line, "quantity"),
                amount=decimal(line, "discounted_total"),
                tax=Decimal(0),
                categories=[text(line, "collection")],
            )
            for line in objects(data, "lines")
        ]
    )


def orders(entries: list[Any]) -> tuple[list[ShopOrder], list[UnreadOrder]]:
    """The orders of a page, and those that do not fit. Raises Unreadable when one has not even an id."""
    told, unread = [], []
    for entry in entries:
        try:
            told.append(order(entry))
        except Unreadable as error:
            unread.append(UnreadOrder(external_id=_named(entry, "id"), reason=str(error)))
    return told, unread


def plain(amount: Decimal) -> str:
    """A decimal without exponent or needless zeros, as the shop reads it."""
    written = format(amount, "f")
    return written.rstrip("0").rstrip(".") if "." in written else written


def text(data: Any, name: str) -> str:
    value = _field(data, name)
    if not isinstance(value, str) or not is_plain(value, longest=LONGEST.get(name, 1000)):
        raise Unreadable(f"{name} is not a text")
    return value


def flag(data: Any, name: str) -> bool:
    value = _field(data, name)
    if not isinstance(value, bool):
        raise Unreadable(f"{name} is not true or false")
    return value


def decimal(data: Any, name: str) -> Decimal:
    value = text(data, name)
    if re.fullmatch(r"\d{1,12}(\.\d{1,4})?", value, re.ASCII) is None:
        raise Unreadable(f"{name} is not an amount")
    return Decimal(value)


def instant(data: Any, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(text(data, name))
        if found.tzinfo is None:
            raise Unreadable(f"{name} has no time zone")
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unreadable(f"{name} is not an instant") from None


def child(data: Any, name: str) -> Any:
    """Another object inside; its own readers judge it."""
    return _field(data, name)


def objects(data: Any, name: str) -> list[Any]:
    value = _field(data, name)
    if not isinstance(value, list):
        raise Unreadable(f"{name} is not a list")
    return value


def _field(data: Any, name: str) -> Any:
    if not isinstance(data, Mapping) or name not in data:
        raise Unreadable(f"{name} is missing")
    return data[name]


def _named(data: Any, name: str) -> str:
    value = text(data, name)
    if not value:
        raise Unreadable(f"{name} is empty")
    return value


def count(data: Any, name: str) -> int:
    value = _field(data, name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Unreadable(f"{name} is not a count")
    return value


def _maybe_text(data: Any, name: str) -> str:
    """Empty when it is null, or missing: a shop of an older release has no such field."""
    return text(data, name) if isinstance(data, Mapping) and data.get(name) is not None else ""


def _maybe_texts(data: Any, name: str) -> tuple[str, ...]:
    """In alphabetical order; none when it is missing, as in a shop of an older release."""
    if not isinstance(data, Mapping) or data.get(name) is None:
        return ()
    found = objects(data, name)
    if not all(isinstance(each, str) and is_plain(each, longest=120) for each in found):
        raise Unreadable(f"{name} is not a list of texts")
    return tuple(sorted(found))


def _maybe_decimal(data: Any, name: str) -> Decimal | None:
    return None if _field(data, name) is None else decimal(data, name)
