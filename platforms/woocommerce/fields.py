"""Reading single fields of WooCommerce's JSON. Nothing is taken on trust: what does not fit raises Unreadable."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from platforms.redaction import is_plain

LONGEST_ID = 18  # digits


class Unreadable(ValueError):
    """The shop's answer lacks something that every WooCommerce sends; the text says what."""


def mapping(data: Any, name: str) -> Mapping[str, Any]:
    value = _field(data, name)
    if not isinstance(value, Mapping):
        raise Unreadable(f"{name} is no object")
    return value


def entries(data: Any, what: str) -> list[Mapping[str, Any]]:
    """A whole answer that has to be a list of objects."""
    if not isinstance(data, list) or not all(isinstance(entry, Mapping) for entry in data):
        raise Unreadable(f"the {what} are no list")
    return data


def objects(data: Any, name: str) -> list[Mapping[str, Any]]:
    return entries(_field(data, name), name)


def identity(data: Any, name: str = "id") -> int:
    value = _field(data, name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 10**LONGEST_ID:
        raise Unreadable(f"{name} is no number of a thing")
    return value


def count(data: Any, name: str) -> int:
    value = _field(data, name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**LONGEST_ID:
        raise Unreadable(f"{name} is no count")
    return value


def limit(data: Any, name: str) -> int | None:
    """A count for which null, and 0 in old shops, mean that there is no limit."""
    return None if _field(data, name) is None else count(data, name) or None


def flag(data: Any, name: str) -> bool:
    value = _field(data, name)
    if not isinstance(value, bool):
        raise Unreadable(f"{name} is not true or false")
    return value


def text(data: Any, name: str, *, longest: int = 1000) -> str:
    value = _field(data, name)
    if not isinstance(value, str) or not is_plain(value, longest=longest):
        raise Unreadable(f"{name} is no text")
    return value


def named(data: Any, name: str, *, longest: int = 1000) -> str:
    value = text(data, name, longest=longest)
    if not value:
        raise Unreadable(f"{name} is empty")
    return value


def texts(data: Any, name: str) -> tuple[str, ...]:
    value = _field(data, name)
    if not isinstance(value, list) or not all(isinstance(entry, str) and is_plain(entry) for entry in value):
        raise Unreadable(f"{name} is no list of texts")
    return tuple(value)


def identities(data: Any, name: str) -> tuple[str, ...]:
    """Numbers of things, as texts, smallest first."""
    value = _field(data, name)
    good = isinstance(value, list) and all(
        isinstance(entry, int) and not isinstance(entry, bool) and 0 <= entry < 10**LONGEST_ID for entry in value
    )
    if not good:
        raise Unreadable(f"{name} is no list of numbers")
    return tuple(str(entry) for entry in sorted(value))


def amount(data: Any, name: str) -> Decimal:
    """Money or a percentage; WooCommerce writes both as texts."""
    value = _field(data, name)
    if not isinstance(value, str) or re.fullmatch(r"-?\d{1,12}(\.\d{1,8})?", value, re.ASCII) is None:
        raise Unreadable(f"{name} is no amount")
    return Decimal(value)


def maybe_sum(data: Mapping[str, Any], *names: str) -> Decimal | None:
    """The parts together; None when one is missing or no amount, for no order is held up by what is only useful."""
    try:
        return sum((abs(amount(data, name)) for name in names), Decimal(0))
    except Unreadable:
        return None


def instant(data: Any, name: str) -> datetime:
    """A time in GMT; WooCommerce writes no zone behind it."""
    value = text(data, name, longest=40)
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Unreadable(f"{name} is no date and time") from error


def maybe_instant(data: Any, name: str) -> datetime | None:
    return None if _field(data, name) is None else instant(data, name)


def _field(data: Any, name: str) -> Any:
    if not isinstance(data, Mapping) or name not in data:
        raise Unreadable(f"{name} is missing")
    return data[name]
