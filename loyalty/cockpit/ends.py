"""What expires when, as a small chart: a column for each day on which points end, drawn on the server."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import formats, timezone
from django.utils.translation import gettext as _

from loyalty.points.models import PointsLot

MOST_COLUMNS = 7
SOON_DAYS = 14
STEP, WIDTH = 48, 34  # from one column to the next, and of a column: units of the drawing
TALLEST, FLOOR, HEIGHT = 96, 118, 152


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Points that end together. Positions and sizes are units of the drawing, counted from its upper left corner."""

    label: str
    year: str  # where it is not this one
    points: int
    x: int
    y: int
    height: int
    soon: bool

    @property
    def middle(self) -> int:
        return self.x + WIDTH // 2

    @property
    def above(self) -> int:
        """Where the number stands."""
        return self.y - 6


@dataclass(frozen=True, slots=True)
class Chart:
    """The columns, soonest first, and the size of the drawing."""

    columns: tuple[Column, ...]

    @property
    def width(self) -> int:
        return STEP * len(self.columns)

    height = HEIGHT
    floor = FLOOR
    column_width = WIDTH
    label_at = FLOOR + 16
    year_at = FLOOR + 30


def chart(*, lots: Iterable[PointsLot], now: datetime) -> Chart | None:
    """The chart of these lots, in the zone that is active; None where there is nothing to draw.

    Days that find no room stand in a column "later"; points that never end come last.
    """
    ends: dict[date, int] = {}
    never = 0
    for lot in lots:
        day = last_day(lot.expires_at)
        if day is None:
            never += lot.remaining
        else:
            ends[day] = ends.get(day, 0) + lot.remaining
    if not ends and not never:
        return None
    days = sorted(ends.items())
    room = MOST_COLUMNS - bool(never)
    shown, rest = (days, []) if len(days) <= room else (days[: room - 1], days[room - 1 :])
    drawn = [_Drawn(_label(day), points, day) for day, points in shown]
    if rest:
        drawn.append(_Drawn(_("later"), sum(points for _day, points in rest)))
    if never:
        drawn.append(_Drawn(_("no end"), never))
    today, tallest = timezone.localtime(now).date(), max(each.points for each in drawn)
    return Chart(tuple(_column(place, each, today=today, tallest=tallest) for place, each in enumerate(drawn)))


def last_day(end: datetime | None) -> date | None:
    """The last whole day on which something works that ends at this instant, exclusively; None: it does not end."""
    return None if end is None else timezone.localtime(end - timedelta(microseconds=1)).date()


@dataclass(frozen=True, slots=True)
class _Drawn:
    label: str
    points: int
    day: date | None = None


def _column(place: int, drawn: _Drawn, *, today: date, tallest: int) -> Column:
    height = max(round(drawn.points * TALLEST / tallest), 3)
    return Column(
        label=drawn.label,
        year=str(drawn.day.year) if drawn.day is not None and drawn.day.year != today.year else "",
        points=drawn.points,
        x=place * STEP + (STEP - WIDTH) // 2,
        y=FLOOR - height,
        height=height,
        soon=drawn.day is not None and drawn.day <= today + timedelta(days=SOON_DAYS),
    )


def _label(day: date) -> str:
    # Translators: how a day and its month are written in short, in the letters of Django's date filter.
    return str(formats.date_format(day, _("M j")))
