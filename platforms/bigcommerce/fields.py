"""Reading BigCommerce's fields. Nothing is taken on trust: what does not fit raises Unreadable. Pure.

V2 writes amounts as texts and instants as RFC 2822 dates, V3 writes numbers and ISO dates, gift certificates count
seconds in a text.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any

from platforms.redaction import is_plain

MOST_DIGITS = 15


class Unreadable(ValueError):
    """The shop's answer lacks something that every BigCommerce store sends; the text says what."""


def entries(data: Any) -> list[Mapping[str, Any]]:
    """A listing: a plain list from V2, which sends nothing at all for none, and `data` from V3."""
    if data is None:
        return []
    found = data.get("data") if isinstance(data, Mapping) else data
    if not isinstance(found, list) or not all(isinstance(entry, Mapping) for entry in found):
        raise Unreadable("a listing is missing or not a list")
    return found


def wrapped(data: Any) -> list[Mapping[str, Any]]:
    """A listing of V3, which says so when there is nothing: an empty answer proves no absence."""
    if not isinstance(data, Mapping):
        raise Unreadable("a listing is missing or not a list")
    return entries(data)


def inside(data: Any) -> Mapping[str, Any]:
    """One thing: as it is from V2, under `data` from V3."""
    found = data.get("data", data) if isinstance(data, Mapping) else data
    if not isinstance(found, Mapping):
        raise Unreadable("the answer is no object")
    return found


def child(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object inside; an empty one where there is none."""
    value = data.get(name)
    return value if isinstance(value, Mapping) else {}


def text(data: Mapping[str, Any], name: str, *, longest: int = 255) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value or not is_plain(value, longest=longest):
        raise Unreadable(f"{name} is missing or no text")
    return value


def maybe_text(data: Mapping[str, Any], name: str) -> str:
    return "" if data.get(name) in (None, "") else text(data, name)


def identity(data: Mapping[str, Any], name: str = "id") -> int:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 10**18:
        raise Unreadable(f"{name} is no id")
    return value


def count(data: Mapping[str, Any], name: str) -> int:
    """Zero where it is missing: V3 leaves limits out that are not set."""
    value = data.get(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**MOST_DIGITS:
        raise Unreadable(f"{name} is not a count")
    return value


def flag(data: Mapping[str, Any], name: str) -> bool:
    value = data.get(name)
    if not isinstance(value, bool):
        raise Unreadable(f"{name} is not true or false")
    return value


def amount(data: Mapping[str, Any], name: str) -> Decimal:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal) or len(str(value)) > 30:
        raise Unreadable(f"{name} is not an amount")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise Unreadable(f"{name} is not an amount") from None
    if not number.is_finite() or number < 0 or number.adjusted() >= MOST_DIGITS or _decimals(number) > 8:
        raise Unreadable(f"{name} is not a usable amount")
    return number


def maybe_sum(data: Mapping[str, Any], *names: str) -> Decimal | None:
    """The parts together; None when one is missing or no amount, for no order is held up by what is only useful."""
    try:
        return sum((abs(amount(data, name)) for name in names), Decimal(0))
    except Unreadable:
        return None


def rfc_date(data: Mapping[str, Any], name: str) -> datetime | None:
    """An RFC 2822 date; None for an empty one."""
    value = data.get(name)
    if value in (None, ""):
        return None
    try:
        moment = parsedate_to_datetime(str(value))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError, IndexError):
        raise Unreadable(f"{name} is not a date") from None


def iso_date(data: Mapping[str, Any], name: str) -> datetime | None:
    value = data.get(name)
    if value in (None, ""):
        return None
    try:
        moment = datetime.fromisoformat(str(value))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unreadable(f"{name} is not a date") from None


def unix_time(data: Mapping[str, Any], name: str) -> datetime | None:
    """Seconds since 1970, as a number or a text of digits; None for none and for zero."""
    value = str(data.get(name) or "0")
    if re.fullmatch(r"\d{1,11}", value, re.ASCII) is None:
        raise Unreadable(f"{name} is not a time")
    return datetime.fromtimestamp(int(value), UTC) if int(value) else None


def required(moment: datetime | None, name: str) -> datetime:
    if moment is None:
        raise Unreadable(f"{name} is missing")
    return moment


def plain(number: Decimal) -> str:
    """A decimal without exponent or needless zeros, as the shop reads it."""
    written = format(number, "f")
    return written.rstrip("0").rstrip(".") if "." in written else written


def _decimals(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0
