"""Single values of Shopify's answers, each checked before it is believed. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from platforms.redaction import is_plain

MOST_DIGITS = 15
_GLOBAL_ID = re.compile(r"gid://shopify/(\w{1,60})/(\d{1,20})", re.ASCII)
_NUMBER = re.compile(r"\d{1,20}", re.ASCII)


class Unreadable(ValueError):
    """The shop's answer lacks something that every Shopify shop sends; the text says what."""


def global_id(kind: str, reference: str) -> str:
    """Shopify's id of a thing of this kind, from the number in its admin's address or the id itself; empty: neither."""
    text = reference.strip()
    if _NUMBER.fullmatch(text):
        return f"gid://shopify/{kind}/{text}"
    found = _GLOBAL_ID.fullmatch(text)
    return text if found is not None and found[1] == kind else ""


def number(data: Mapping[str, Any], name: str = "id") -> str:
    """The number in a global id: what Shopify's admin has in its addresses. Raises Unreadable."""
    found = _GLOBAL_ID.fullmatch(text(data, name))
    if found is None:
        raise Unreadable(f"{name} is no id of Shopify's")
    return found[2]


def mapping(data: Any, name: str) -> Mapping[str, Any]:
    value = data.get(name) if isinstance(data, Mapping) else None
    if not isinstance(value, Mapping):
        raise Unreadable(f"{name} is missing")
    return value


def objects(data: Any, name: str) -> list[Mapping[str, Any]]:
    value = data.get(name) if isinstance(data, Mapping) else None
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise Unreadable(f"{name} is missing or not a list")
    return value


def nodes(data: Any, name: str) -> list[Mapping[str, Any]]:
    """The entries of one page of a connection. Raises Unreadable."""
    return objects(mapping(data, name), "nodes")


def texts(data: Mapping[str, Any], name: str) -> list[str]:
    value = data.get(name)
    if not isinstance(value, list) or not all(is_plain(entry) for entry in value):
        raise Unreadable(f"{name} is missing or not a list of texts")
    return value


def text(data: Mapping[str, Any], name: str, *, longest: int = 255) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value or not is_plain(value, longest=longest):
        raise Unreadable(f"{name} is missing or no text")
    return value


def maybe_text(data: Mapping[str, Any], name: str) -> str:
    return "" if data.get(name) in (None, "") else text(data, name)


def flag(data: Mapping[str, Any], name: str) -> bool:
    value = data.get(name)
    if not isinstance(value, bool):
        raise Unreadable(f"{name} is not yes or no")
    return value


def count(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 10**MOST_DIGITS:
        raise Unreadable(f"{name} is not a count")
    return value


def decimal(data: Mapping[str, Any], name: str) -> Decimal:
    """A number, which Shopify writes as a text where it is money. Raises Unreadable."""
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise Unreadable(f"{name} is not a number")
    try:
        found = Decimal(value)
    except (InvalidOperation, ValueError) as error:
        raise Unreadable(f"{name} is not a number") from error
    exponent = found.as_tuple().exponent
    if not found.is_finite() or found.adjusted() >= MOST_DIGITS or not isinstance(exponent, int) or exponent < -20:
        raise Unreadable(f"{name} is not a usable number")
    return found


def money(data: Any, name: str) -> tuple[Decimal, str]:
    """An amount and its currency. Raises Unreadable."""
    value = mapping(data, name)
    return decimal(value, "amount"), text(value, "currencyCode", longest=3)


def shop_money(data: Any, name: str) -> tuple[Decimal, str]:
    """The amount in the shop's own currency, of a pair with the buyer's. Raises Unreadable."""
    return money(mapping(data, name), "shopMoney")


def instant(data: Mapping[str, Any], name: str) -> datetime:
    moment = maybe_instant(data, name)
    if moment is None:
        raise Unreadable(f"{name} is missing")
    return moment


def maybe_instant(data: Mapping[str, Any], name: str) -> datetime | None:
    value = data.get(name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Unreadable(f"{name} is not a date and time") from error
