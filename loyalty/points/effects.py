"""What an act would do to a customer's lots, line by line and in sentences, for previews. Reads only."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from loyalty.points import allocation
from loyalty.points.errors import InsufficientPoints
from loyalty.points.models import PointsLot
from loyalty.points.returns import ReturnLine, Way


@dataclass(frozen=True, slots=True, kw_only=True)
class LotLine:
    """Points that leave a lot, or that open one. `left` is what the lot holds afterwards."""

    lot_id: int | None  # none for a lot that is opened
    points: int
    left: int
    expires_at: datetime | None
    idle_days: int | None = None

    @property
    def facts(self) -> list[object]:
        """What a fingerprint is made of."""
        return [self.lot_id, self.points, self.left, self.expires_at]


def paying(*, customer_id: int, points: int, at: datetime) -> tuple[LotLine, ...]:
    """Which lots pay, in spending order, as they stand at that instant. Raises InsufficientPoints."""
    lots = {
        lot.pk: lot
        for lot in PointsLot.objects.filter(customer_id=customer_id, open=True, available_at__lte=at)
        .exclude(expires_at__lte=at)
        .order_by("id")
    }
    have = sum(lot.remaining for lot in lots.values())
    if have < points:
        raise InsufficientPoints(missing=points - have, balance=have)
    spendable = [
        allocation.SpendableLot(lot.pk, lot.remaining, lot.expires_at, lot.created_at) for lot in lots.values()
    ]
    return tuple(line_of(lots[each.lot_id], points=each.points) for each in allocation.allocate(spendable, points))


def line_of(lot: PointsLot, *, points: int) -> LotLine:
    """The line of points that leave a lot."""
    return LotLine(
        lot_id=lot.pk,
        points=points,
        left=lot.remaining - points,
        expires_at=lot.expires_at,
        idle_days=lot.idle_days,
    )


def taken(lines: Iterable[LotLine], *, zone: ZoneInfo) -> list[str]:
    """One sentence a lot: what goes, and what stays."""
    found = []
    for line in lines:
        rest = f"{number(line.left)} stay in it" if line.left else "nothing stays in it"
        found.append(f"{count(line.points)} from lot {line.lot_id} ({life(line, zone=zone)}): {rest}.")
    return found


def opened(line: LotLine, *, zone: ZoneInfo) -> str:
    """What is added, and when it ends."""
    return f"{count(line.points)} as a new lot ({life(line, zone=zone)})."


def life(line: LotLine, *, zone: ZoneInfo) -> str:
    """When the points of a line end, in a few words."""
    if line.expires_at is None:
        return "never expires"
    if line.idle_days is not None:
        return f"last day {day(line.expires_at, zone=zone)}, later with each activity"
    return f"last day {day(line.expires_at, zone=zone)}"


def returned(line: ReturnLine, *, zone: ZoneInfo) -> str:
    """Where points go that come back, and how long they live there."""
    points = count(line.points)
    if line.way is Way.EXPIRES_AT_ONCE:
        return f"{points} to lot {line.lot_id}, which has ended: they expire at once."
    if line.expires_at is None:
        return f"{points} to lot {line.lot_id}, where they came from: they never expire."
    last = day(line.expires_at, zone=zone)
    if line.way is Way.FRESH_LOT:
        return f"{points} to a new lot, because lot {line.lot_id} has ended: their last day is {last}."
    return f"{points} to lot {line.lot_id}, where they came from: their last day is {last}."


def day(expires_at: datetime, *, zone: ZoneInfo) -> str:
    """The last day on which points that end then can be spent."""
    last = (expires_at - timedelta(microseconds=1)).astimezone(zone)
    return f"{last.day} {last:%b %Y}"


def count(points: int) -> str:
    return f"{number(points)} point{'' if points == 1 else 's'}"


def number(points: int) -> str:
    """As every page writes it: with thin spaces between thousands."""
    return f"{points:,}".replace(",", "\u202f")
