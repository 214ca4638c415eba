"""Single values of payout providers' answers, each checked before it is believed. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from platforms.redaction import is_plain


class Unreadable(ValueError):
    """An answer lacks something that every answer of its kind has; the text says what."""


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


def text(data: Any, name: str, *, longest: int = 120) -> str:
    value = maybe_text(data, name, longest=longest)
    if not value:
        raise Unreadable(f"{name} is missing")
    return value


def maybe_text(data: Any, name: str, *, longest: int = 120) -> str:
    """Empty where there is none. Raises Unreadable for anything but a text of that length."""
    value = data.get(name) if isinstance(data, Mapping) else None
    if value is None:
        return ""
    if not is_plain(value, longest=longest):
        raise Unreadable(f"{name} is no text, or too long")
    found: str = value
    return found


def amount(data: Any, name: str) -> Decimal:
    """Money, written as a text or a number. Raises Unreadable."""
    value = data.get(name) if isinstance(data, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal) or len(str(value)) > 30:
        raise Unreadable(f"{name} is not an amount")
    try:
        found = Decimal(value)
    except InvalidOperation as error:
        raise Unreadable(f"{name} is not an amount") from error
    if not found.is_finite() or not -15 < found.adjusted() < 15:
        raise Unreadable(f"{name} is not an amount")
    return found


def maybe_instant(data: Any, name: str) -> datetime | None:
    value = maybe_text(data, name)
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Unreadable(f"{name} is not a date and time") from error
