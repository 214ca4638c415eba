"""Let the purchases happen, month by month: people become members, orders are told of, points end, tiers are judged."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from loyalty.common import clock
from loyalty.customers.models import CustomerState
from loyalty.events import reading
from loyalty.merchant.models import Programme
from loyalty.points import expiry
from loyalty.program import imports
from loyalty.program.earning import days
from loyalty.program.purchases import Purchase
from loyalty.program.simulation import figures, setting_up
from loyalty.program.simulation.figures import Figures
from loyalty.program.tiers import evaluation
from loyalty.program.tiers.models import EntryState, TierEntry, TierStanding

AT_ONCE = 2_000  # orders a transaction
SECOND = timedelta(seconds=1)
PATIENCE = 60.0  # seconds to wait for other sessions of the server, which hold up the reading of events

Tell = Callable[[Figures], None]


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the calendar in the programme's zone."""

    first: date
    zone: ZoneInfo

    @property
    def after(self) -> date:
        return date(self.first.year + self.first.month // 12, self.first.month % 12 + 1, 1)

    @property
    def begins_at(self) -> datetime:
        return clock.midnight(self.first, self.zone)

    @property
    def ends_at(self) -> datetime:
        return clock.midnight(self.after, self.zone)

    @property
    def last_second(self) -> datetime:
        return self.ends_at - SECOND

    @property
    def instants(self) -> list[datetime]:
        """When everybody is judged: at the end of the month, and of the first day of a year, when tiers of the last end.

        Ends of days, as the orders of a whole day count on it, and whoever hears late knows of all of them.
        """
        new_year = clock.midnight(self.first + timedelta(days=1), self.zone) - SECOND
        return [new_year, self.last_second] if self.first.month == 1 else [self.last_second]


def run(*, purchases: Sequence[Purchase], shuffle: int | None, tell: Tell) -> datetime:
    """Simulate the whole file in an empty database; gives back the last instant of it, and tells of each month.

    Usually each month's orders are told of within it. With a seed to `shuffle` by, people still become members in
    time, but all orders come late, after the last month, in an order that has nothing to do with their dates; then
    the months are made up for, one after the other. Both must come to the same.
    """
    programme = setting_up.programme()
    months = [Month(first, programme.zone) for first in _firsts(purchases)]
    setting_up.set_up(now=months[0].begins_at)
    joining = _joining(purchases)
    end = months[-1].last_second
    imports.begin()
    for month in months:
        _join(month, joining)
        if shuffle is None:
            _close(month, tell, deliver=[each for each in purchases if _month_of(each) == month.first])
    if shuffle is not None:
        late = list(purchases)
        random.Random(shuffle).shuffle(late)  # noqa: S311 (nothing secret)
        _deliver(late, programme, now=end)
        for month in months:
            _close(month, tell)
    return end


def repeat(*, purchases: Sequence[Purchase], now: datetime) -> None:
    """Let the same file come once more."""
    imports.begin()
    imports.enrol(numbers={each.customer for each in purchases}, state=CustomerState.MEMBER, now=now)
    _welcome(now=now)
    _deliver(purchases, setting_up.programme(), now=now)
    settle(now=now)


def settle(*, now: datetime) -> None:
    """What the workers do in time: points end, everybody something happened to is judged, new tiers give."""
    while expiry.settle_due(now=now):
        pass
    reading.wait(seconds=PATIENCE)
    evaluation.sweep(now=now)
    while _is_left():
        evaluation.sweep(now=now)


def _is_left() -> bool:
    return (
        TierStanding.objects.filter(due_at__isnull=False).exists()
        or TierEntry.objects.filter(state=EntryState.DUE).exists()
    )


def _firsts(purchases: Sequence[Purchase]) -> Iterator[date]:
    """The first days of the months from the first purchase to the last, those without any among them."""
    first = min(each.day for each in purchases).replace(day=1)
    last = max(each.day for each in purchases)
    while first <= last:
        yield first
        first = date(first.year + first.month // 12, first.month % 12 + 1, 1)


def _month_of(purchase: Purchase) -> date:
    return purchase.day.replace(day=1)


def _joining(purchases: Sequence[Purchase]) -> dict[date, set[str]]:
    """Who becomes a member on which day: that of their first purchase."""
    days_of: dict[str, date] = {}
    for each in purchases:
        days_of[each.customer] = min(days_of.get(each.customer, each.day), each.day)
    joining: dict[date, set[str]] = {}
    for number, day in days_of.items():
        joining.setdefault(day, set()).add(number)
    return joining


def _join(month: Month, joining: dict[date, set[str]]) -> None:
    """The month's new members, each on their day, and what they earn by becoming one."""
    for day in sorted(day for day in joining if month.first <= day < month.after):
        imports.enrol(numbers=joining[day], state=CustomerState.MEMBER, now=clock.midnight(day, month.zone))
    _welcome(now=month.last_second)


def _welcome(*, now: datetime) -> None:
    reading.wait(seconds=PATIENCE)
    while days.give_to_members(now=now):
        pass


def _deliver(purchases: Sequence[Purchase], programme: Programme, *, now: datetime) -> None:
    for first in range(0, len(purchases), AT_ONCE):
        imports.take(purchases=purchases[first : first + AT_ONCE], programme=programme, now=now)


def _close(month: Month, tell: Tell, *, deliver: Sequence[Purchase] = ()) -> None:
    """Judge everybody at the month's instants; orders to deliver come before the first that lies behind their day."""
    left = list(deliver)
    for instant in month.instants:
        day = instant.astimezone(month.zone).date()
        _deliver([each for each in left if each.day <= day], setting_up.programme(), now=instant)
        left = [each for each in left if each.day > day]
        settle(now=instant)
    tell(figures.of_month(month=f"{month.first:%Y-%m}", begins_at=month.begins_at, ends_at=month.ends_at))
