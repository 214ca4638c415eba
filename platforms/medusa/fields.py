"""Reading single fields of Medusa's JSON. Nothing is taken on trust: what does not fit raises Unreadable."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from platforms.redaction import is_plain

LONGEST_ID = 120
MOST_DIGITS = 15
LAST_YEAR = 9000


class Unreadable(ValueError):
    """The shop's answer lacks something that every Medusa sends; the text says what."""


def mapping(data: Any, name: str) -> Mapping[str, Any]:
    value = _field(data, name)
    if not isinstance(value, Mapping):
        raise Unreadable(f"{name} is no object")
    return value


def maybe_mapping(data: Any, name: str) -> Mapping[str, Any]:
    """An object that may be null or left out: then an empty one."""
    return {} if not isinstance(data, Mapping) or data.get(name) is None else mapping(data, name)


def objects(data: Any, name: str) -> list[Mapping[str, Any]]:
    value = _field(data, name)
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise Unreadable(f"{name} is no list of objects")
    return value


def maybe_objects(data: Any, name: str) -> list[Mapping[str, Any]]:
    """A list that may be null or left out, as of what an order has none of."""
    return [] if not isinstance(data, Mapping) or data.get(name) is None else objects(data, name)


def text(data: Any, name: str, *, longest: int = 1000) -> str:
    value = _field(data, name)
    if not isinstance(value, str) or not value or not is_plain(value, longest=longest):
        raise Unreadable(f"{name} is no text")
    return value


def maybe_text(data: Any, name: str, *, longest: int = 1000) -> str:
    """A text that may be null, empty or left out: then empty."""
    missing = not isinstance(data, Mapping) or data.get(name) in (None, "")
    return "" if missing else text(data, name, longest=longest)


def identity(data: Any, name: str = "id") -> str:
    return text(data, name, longest=LONGEST_ID)


def flag(data: Any, name: str) -> bool:
    value = _field(data, name)
    if not isinstance(value, bool):
        raise Unreadable(f"{name} is not true or false")
    return value


def count(data: Any, name: str) -> int:
    number = amount(data, name)
    if number < 0 or number != number.to_integral_value():
        raise Unreadable(f"{name} is no count")
    return int(number)


def maybe_count(data: Any, name: str) -> int | None:
    return None if _field(data, name) is None else count(data, name)


def amount(data: Any, name: str) -> Decimal:
    """Money or a percentage; Medusa writes both as numbers in major units."""
    return _decimal(_field(data, name), name)


def written_amount(value: str, name: str) -> Decimal:
    """A number that stands in a text, as in a rule."""
    try:
        return _decimal(Decimal(value), name)
    except ArithmeticError as error:
        raise Unreadable(f"{name} is no amount") from error


def instant(data: Any, name: str) -> datetime:
    value = text(data, name, longest=40)
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Unreadable(f"{name} is no date and time") from error


def stamp(data: Any, name: str) -> datetime:
    """When a row was made or changed, by which the shop sorts: an instant that can be counted on from."""
    found = instant(data, name)
    if not 1970 <= found.year < LAST_YEAR:
        raise Unreadable(f"{name} cannot be")
    return found


def maybe_instant(data: Any, name: str) -> datetime | None:
    missing = not isinstance(data, Mapping) or data.get(name) is None
    return None if missing else instant(data, name)


def _decimal(value: Any, name: str) -> Decimal:
    # The size first: to write 1e999999999 out would take all of the memory.
    usable = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if not usable or (isinstance(value, Decimal) and (not value.is_finite() or abs(value.adjusted()) > MOST_DIGITS)):
        raise Unreadable(f"{name} is no amount")
    if not -(10**MOST_DIGITS) < value < 10**MOST_DIGITS:
        raise Unreadable(f"{name} is no usable amount")
    return Decimal(value)


def _field(data: Any, name: str) -> Any:
    if not isinstance(data, Mapping) or name not in data:
        raise Unreadable(f"{name} is missing")
    return data[name]
