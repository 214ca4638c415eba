"""Edges of days, months and years in the programme's time zone. An interval ends exclusively, at midnight."""

import time as time_module
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a day in that zone, in UTC; the later of two where the clock is set back, never skipped."""
    local = datetime.combine(day, time.min, tzinfo=zone)
    return local.astimezone(timezone.get_fixed_timezone(0))


def end_of_day(instant: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The end (exclusive) of the day that lies `days` after the instant's own day in that zone."""
    return midnight(instant.astimezone(zone).date() + timedelta(days=days + 1), zone)


def start_of_day(instant: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The beginning of the day that lies `days` after the instant's own day in that zone."""
    return midnight(instant.astimezone(zone).date() + timedelta(days=days), zone)


def end_of_month(instant: datetime, zone: ZoneInfo) -> datetime:
    day = instant.astimezone(zone).date()
    return midnight(date(day.year + day.month // 12, day.month % 12 + 1, 1), zone)


def end_of_year(instant: datetime, zone: ZoneInfo) -> datetime:
    return midnight(date(instant.astimezone(zone).year + 1, 1, 1), zone)


class Stopwatch:
    """The time as it goes on from a given `now`, for acts that wait for a shop: the domain reads no wall clock."""

    def __init__(self, now: datetime) -> None:
        self._began_at = now
        self._began = time_module.monotonic()

    @property
    def now(self) -> datetime:
        return self._began_at + timedelta(seconds=self.elapsed)

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time_module.monotonic() - self._began
