"""The wire's types: strict on what comes in, exact on what goes out."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from rest_framework import serializers

WHOLE = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
LARGEST_WHOLE = 2**63 - 1
LARGEST_EXACT = 2**53  # of numbers with a point: beyond it several are written alike


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC, with milliseconds and Z."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


class InstantField(serializers.DateTimeField):
    """An instant, as `2024-12-07T20:15:27.893Z`."""

    def to_representation(self, value: Any) -> str:
        return instant(value)


class EndField(serializers.DateTimeField):
    """The last millisecond before an exclusive end: what ends at midnight reads 23:59:59.999."""

    def to_representation(self, value: Any) -> str:
        return instant(value - timedelta(milliseconds=1))


class WholeNumberField(serializers.IntegerField):
    """A whole number, also as 100.0, which JSON takes for the same, or as a string. No boolean, no fraction, no blank."""

    def to_internal_value(self, data: Any) -> int:
        number: int | None = None
        if isinstance(data, int) and not isinstance(data, bool):
            number = data
        elif (isinstance(data, str) and WHOLE.fullmatch(data)) or (
            isinstance(data, float) and data.is_integer() and abs(data) <= LARGEST_EXACT
        ):
            number = int(data)
        if number is None or abs(number) > LARGEST_WHOLE:
            raise serializers.ValidationError("This is not a whole number that fits. Write one such as 100.")
        return number


class TextField(serializers.CharField):
    """Text as it was sent, spaces included."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("This is not a text. Write it in quotation marks.")
        return super().to_internal_value(data)


class NameField(TextField):
    """What another system calls a thing: a text, or a whole number as some systems write theirs."""

    def to_internal_value(self, data: Any) -> str:
        is_number = isinstance(data, int) and not isinstance(data, bool) and 0 <= data <= LARGEST_WHOLE
        return super().to_internal_value(str(data) if is_number else data)


class TrimmedTextField(serializers.CharField):
    """Text without the spaces around it, of which something must be left."""


class OptionalTextField(serializers.CharField):
    """Text that is null when there is none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, **kwargs)

    def to_representation(self, value: Any) -> str | None:  # type: ignore[override]
        return str(value) if value else None


class WordField(serializers.ChoiceField):
    """One of a list of words; a refusal names them."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or data not in self.choices:
            raise serializers.ValidationError(f"{str(data)[:40]!r} is unknown. Write one of {', '.join(self.choices)}.")
        return data
