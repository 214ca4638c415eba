"""Instants as people and programs write them: a date, or a date and a time, in the current zone unless they say more.

A date alone means the whole day: as a beginning its first instant, as an end (exclusive) the first instant of the next.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms.utils import flatatt
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from loyalty.common import clock

EARLIEST, LATEST = 1900, 2200


def current_zone() -> ZoneInfo:
    """The zone in which an instant without an offset is read."""
    return ZoneInfo(timezone.get_current_timezone_name())


def parse(text: str, *, end: bool, zone: ZoneInfo) -> datetime:
    """The instant somebody wrote. Raises ValueError when it is none, or lies outside 1900 to 2200."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return moment(datetime.fromisoformat(text), zone)
    require_sane(day.year)
    return clock.midnight(day + timedelta(days=1) if end else day, zone)


def moment(instant: datetime, zone: ZoneInfo) -> datetime:
    """In UTC; what says no offset is meant in the zone."""
    require_sane(instant.year)
    aware = instant if instant.tzinfo is not None else instant.replace(tzinfo=zone)
    return aware.astimezone(UTC)


def require_sane(year: int) -> None:
    if not EARLIEST <= year <= LATEST:
        raise ValueError(f"The year {year} lies outside {EARLIEST} to {LATEST}.")


class MomentInput(forms.MultiWidget):
    """A date and a time that may stay empty. Also reads both from one parameter, as programs and links send it."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        widgets: dict[str, forms.Widget | type[forms.Widget]] = {
            "date": forms.DateInput(attrs={"type": "date", "aria-label": "Date"}, format="%Y-%m-%d"),
            "time": forms.TimeInput(attrs={"type": "time", "aria-label": "Time"}, format="%H:%M"),
        }
        super().__init__(widgets, attrs)

    def decompress(self, value: Any) -> list[str]:
        day, _, time = str(value or "").strip().replace("T", " ").partition(" ")
        return [day, time]

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> str:  # type: ignore[override]
        whole = str(data.get(name) or "").strip()
        if whole:
            return whole
        day, time = (str(data.get(f"{name}_{part}") or "").strip() for part in ("date", "time"))
        return f"{day} {time}".strip()

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        return not any(key in data for key in (name, f"{name}_date", f"{name}_time"))

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        """Without the templates of its parts: a list draws a handful of these on each page."""
        given = dict(attrs or {})
        start = given.pop("id", f"id_{name}")
        day, time = value if isinstance(value, list) else self.decompress(value)
        parts = (("date", "Date", day), ("time", "Time", time))
        inputs = format_html_join(
            "",
            '<input type="{0}" name="{1}_{0}" value="{2}" aria-label="{3}" id="{4}_{5}"{6}>',
            (
                (kind, name, text, label, start, place, flatatt(given))
                for place, (kind, label, text) in enumerate(parts)
            ),
        )
        return format_html('<span class="desk-moment">{}</span>', inputs)

    def names(self, name: str) -> tuple[str, ...]:
        """Every parameter this input reads."""
        return name, f"{name}_date", f"{name}_time"


class MomentField(forms.Field):
    """Cleans to an aware instant in UTC, or None."""

    widget = MomentInput

    def __init__(self, *, end: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.end = end

    def to_python(self, value: Any) -> datetime | None:
        text = str(value or "").strip()
        if not text:
            return None
        try:
            return parse(text, end=self.end, zone=current_zone())
        except (ValueError, OverflowError) as error:
            raise ValidationError(
                f"“{text[:40]}” is not a date. Write a date such as 2026-03-01, with a time such as 2026-03-01 14:30 "
                "if it matters.",
                code="invalid",
            ) from error


class MomentFilter(django_filters.Filter):
    """One end of a range of instants: `end=False` from (inclusive), `end=True` until (exclusive)."""

    field_class = MomentField

    def __init__(self, *args: Any, end: bool, **kwargs: Any) -> None:
        kwargs.setdefault("lookup_expr", "lt" if end else "gte")
        super().__init__(*args, end=end, **kwargs)

    def filter(self, qs: QuerySet, value: datetime | None) -> QuerySet:
        return qs if value is None else super().filter(qs, value)
