"""Single fields of Vendure's answers, each checked before it is believed. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from platforms.redaction import is_plain

LONGEST = {"id": 120, "productId": 120}
MOST_DIGITS = 15


class Unreadable(ValueError):
    """The shop's answer lacks something that every Vendure sends; the text says what."""


def mapping(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    if not isinstance(value, Mapping):
        raise Unreadable(f"{name} is missing")
    return value


def objects(data: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = data.get(name)
    if value is None and name in {"payments", "refunds"}:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise Unreadable(f"{name} is missing or not a list")
    return value


def text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value or not is_plain(value, longest=LONGEST.get(name, 1000)):
        raise Unreadable(f"{name} is missing or no text")
    return value


def maybe_text(data: Mapping[str, Any], name: str) -> str:
    return "" if data.get(name) in (None, "") else text(data, name)


def whole(data: Mapping[str, Any], name: str) -> int:
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
