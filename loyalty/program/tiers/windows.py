"""The stretch of time whose points or purchases count for a tier."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from loyalty.common import clock
from loyalty.program.tiers.models import TierPeriod, TierRules

BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)  # before anything a shop can tell of


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From an instant (inclusive) until another (exclusive). `begins_at` is BEGINNING where everything counts."""

    begins_at: datetime
    ends_at: datetime
    closes_at: datetime | None = None  # when a new one begins; None: it never does, or moves on each day

    @property
    def known_beginning(self) -> datetime | None:
        return None if self.begins_at == BEGINNING else self.begins_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """What counts now, and what the tier may still rest on: the year before, where the rules keep a tier so long."""

    now: Window
    before: Window | None


def at(*, rules: TierRules, zone: ZoneInfo, now: datetime) -> Windows:
    """The windows at an instant. Days begin and end at midnight in the zone."""
    tomorrow = clock.end_of_day(now, 0, zone)
    earliest = clock.midnight(rules.starts_on, zone) if rules.starts_on else BEGINNING
    today = now.astimezone(zone).date()
    if rules.period == TierPeriod.ROLLING:
        begins_at = clock.midnight(today - timedelta(days=rules.rolling_days - 1), zone)
        return Windows(now=Window(begins_at=max(begins_at, earliest), ends_at=tomorrow), before=None)
    if rules.period == TierPeriod.CALENDAR_YEAR:
        new_year = clock.midnight(today.replace(month=1, day=1), zone)
        year_before = clock.midnight(today.replace(year=today.year - 1, month=1, day=1), zone)
        this_year = Window(begins_at=max(new_year, earliest), ends_at=tomorrow, closes_at=clock.end_of_year(now, zone))
        last_year = Window(begins_at=max(year_before, earliest), ends_at=new_year)
        return Windows(now=this_year, before=last_year if rules.kept_next_year else None)
    return Windows(now=Window(begins_at=earliest, ends_at=tomorrow), before=None)


def period_of_entry(*, rules: TierRules, zone: ZoneInfo, now: datetime) -> str:
    """The period within which a tier is entered once; for a rolling one, the day on which it would begin."""
    day = now.astimezone(zone).date()
    if rules.period == TierPeriod.CALENDAR_YEAR:
        return str(day.year)
    return "lifetime" if rules.period == TierPeriod.LIFETIME else day.isoformat()
