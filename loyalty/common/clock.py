"""Edges of days, months and years in the programme's time zone. An interval ends exclusively, at midnight."""

import time as time_module
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

TICK = timedelta(microseconds=1)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, at which the calendars of that zone turn to a day and never turn back.

    Mostly 00:00. Where the clock skips 00:00 the day begins later, at the first time that exists. Where 00:00 comes
    twice it begins at the first (America/Havana sets the clock back within the day), or at the second when the clock
    went back into the day before (America/St_Johns, until 2011). A day the zone skipped is empty: it begins where the
    next one does (Pacific/Apia, 30 December 2011).
    """
    local = datetime.combine(day, time.min, tzinfo=zone)
    first, second = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
    if second > first and _day(second - TICK, zone) < day:
        return second
    if second < first and _day(first - TICK, zone) >= day:
        return _turn(second, first, day, zone)
    return first


def _turn(before: datetime, after: datetime, day: date, zone: ZoneInfo) -> datetime:
    """The first second at which the zone's calendar shows the day or a later one: not yet `before`, but `after`."""
    seconds = round((after - before).total_seconds())
    low, high = 0, seconds
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _day(before + timedelta(seconds=middle), zone) >= day else (middle, high)
    return before + timedelta(seconds=high)


def _day(instant: datetime, zone: ZoneInfo) -> date:
    return instant.astimezone(zone).date()


def end_of_day(instant: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The end (exclusive) of the day that lies `days` after the instant's own day in that zone: always after it."""
    return midnight(_day(instant, zone) + timedelta(days=days + 1), zone)


def start_of_day(instant: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The beginning of the day that lies `days` after the instant's own day in that zone."""
    return midnight(_day(instant, zone) + timedelta(days=days), zone)


def end_of_month(instant: datetime, zone: ZoneInfo) -> datetime:
    day = _day(instant, zone)
    return midnight(date(day.year + day.month // 12, day.month % 12 + 1, 1), zone)


def end_of_year(instant: datetime, zone: ZoneInfo) -> datetime:
    return midnight(date(_day(instant, zone).year + 1, 1, 1), zone)


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
