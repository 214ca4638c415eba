"""Strict reading of what programs send: every field is known and well formed, or the refusal names it."""

import json
import math
import re
from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn

from platforms.sandbox.shop import money
from platforms.sandbox.shop.refusals import Refused


def parse_object(body: bytes, *, known: Collection[str]) -> "Fields":
    """The JSON object in the body, which may be empty. Raises Refused for anything else and for unknown fields."""
    try:
        data = json.loads(body, parse_constant=_refuse_constant) if body.strip() else {}
    except (ValueError, RecursionError):
        raise Refused("invalid_json", "The body is not valid JSON.", status=400) from None
    if not isinstance(data, dict):
        raise Refused("invalid_json", "The body must be a JSON object.", status=400)
    return Fields(data, known=known)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


class Fields:
    """The fields of one object. Each reader returns a value of its type, or raises Refused naming the field."""

    def __init__(self, data: dict[str, Any], *, known: Collection[str]) -> None:
        unknown = sorted(set(data) - set(known))
        if unknown:
            raise Refused("unknown_field", f"Unknown field {unknown[0][:60]!r}. Known: {', '.join(sorted(known))}.")
        self._data = data

    def has(self, name: str) -> bool:
        return self._data.get(name) is not None

    def text(self, name: str, *, longest: int = 200, required: bool = False, pattern: str = "") -> str:
        value = self._data.get(name)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or len(value) > longest or (required and not value.strip()) or "\x00" in value:
            self._refuse(name, f"a text of at most {longest} characters")
        if not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
            self._refuse(name, "valid Unicode text")
        if pattern and value and re.fullmatch(pattern, value, re.ASCII) is None:
            self._refuse(name, f"a text of the form {pattern}")
        return value

    def texts(self, name: str, *, longest: int, most: int) -> tuple[str, ...]:
        """A list of words without spaces; empty when it is not given."""
        value = self._data.get(name)
        if value is None:
            return ()
        word = re.compile(rf"[\w-]{{1,{longest}}}", re.ASCII)
        if (
            not isinstance(value, list)
            or not 1 <= len(value) <= most
            or not all(isinstance(one, str) and word.fullmatch(one) for one in value)
        ):
            self._refuse(name, f"a list of 1 to {most} words of letters and digits")
        return tuple(value)

    def choice(self, name: str, choices: Collection[str]) -> str:
        value = self._data.get(name)
        if not isinstance(value, str) or value not in choices:
            self._refuse(name, f"one of: {', '.join(choices)}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._data.get(name, default)
        if not isinstance(value, bool):
            self._refuse(name, "true or false")
        return value

    def whole(self, name: str, *, default: int | None, least: int, most: int) -> int | None:
        value = self._data.get(name, default)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self._refuse(name, f"a whole number from {least} to {most}")
        return value

    def seconds(self, name: str) -> float | None:
        value = self._data.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self._refuse(name, "a number")
        return float(value)

    def amount(self, name: str, currency: str) -> int | None:
        value = self._data.get(name)
        if value is None:
            return None
        try:
            return (
                money.from_text(value, currency) if isinstance(value, str) else self._refuse(name, "a decimal string")
            )
        except ValueError:
            self._refuse(name, f'a decimal string in {currency} such as "5.00"')

    def percent(self, name: str) -> Decimal | None:
        value = self._data.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or re.fullmatch(r"\d{1,3}(\.\d{1,4})?", value, re.ASCII) is None:
            self._refuse(name, 'a decimal string such as "10" or "12.5"')
        if not 0 < Decimal(value) <= 100:
            self._refuse(name, "above 0 and at most 100")
        return Decimal(value)

    def instant(self, name: str) -> datetime | None:
        value = self._data.get(name)
        if value is None:
            return None
        try:
            found = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            found = None
        if found is None or found.tzinfo is None or not 1971 <= found.year <= 9998:
            self._refuse(name, 'an instant with its zone such as "2026-12-31T23:59:59Z"')
        return found

    def objects(self, name: str, *, known: Collection[str], most: int) -> "list[Fields]":
        value = self._data.get(name)
        if (
            not isinstance(value, list)
            or not 1 <= len(value) <= most
            or not all(isinstance(one, dict) for one in value)
        ):
            self._refuse(name, f"a list of 1 to {most} objects")
        return [Fields(one, known=known) for one in value]

    def _refuse(self, name: str, what: str) -> NoReturn:
        raise Refused("invalid_field", f"{name} must be {what}.")
