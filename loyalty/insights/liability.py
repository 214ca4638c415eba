"""What all customers together hold, in points and, where the programme says what a point is worth, in money.

Every number can be recomputed from what stands beside it: points, times the value of one. What may expire unspent is not
taken off, and what customers owe from refunds is not netted.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

from django.db import connection
from django.db.models import Sum

from loyalty.common import money
from loyalty.merchant.models import Programme
from loyalty.points.models import PointsAccount

# What remains in lots, by the month, in the programme's zone, in which it ends. Lots past their end are nobody's, whether
# or not their account was settled since.
LOTS = """
SELECT date_trunc('month', expires_at AT TIME ZONE %(zone)s - interval '1 microsecond')::date AS month,
    coalesce(sum(remaining) FILTER (WHERE available_at <= %(now)s), 0),
    coalesce(sum(remaining) FILTER (WHERE available_at > %(now)s), 0)
FROM points_pointslot WHERE open AND (expires_at IS NULL OR expires_at > %(now)s)
GROUP BY month ORDER BY month NULLS LAST"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Points whose last day lies in one month; None: they never end. `points` can be spent or will be."""

    month: date | None
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Liability:
    """All that is outstanding at an instant. `point_value` is unknown, None, until the programme says it."""

    active: int  # can be spent now
    pending: int  # earned, cannot be spent yet
    held: int  # set aside for rewards that are being made
    endings: tuple[Ending, ...]  # of active and pending ones, the earliest first
    point_value: Decimal | None
    currency: str

    @property
    def points(self) -> int:
        return self.active + self.pending + self.held

    def worth(self, points: int) -> Decimal | None:
        """So many points in money, rounded to the currency's coin; None where the value is unknown."""
        if self.point_value is None:
            return None
        coin = Decimal(1).scaleb(-money.places(self.currency))
        return (points * self.point_value).quantize(coin, ROUND_HALF_UP)


def outstanding(*, programme: Programme, now: datetime) -> Liability:
    """What customers hold now, in two statements however many they are."""
    with connection.cursor() as cursor:
        cursor.execute(LOTS, {"zone": programme.time_zone, "now": now})
        rows = cursor.fetchall()
    return Liability(
        active=sum(int(active) for _, active, _ in rows),
        pending=sum(int(pending) for _, _, pending in rows),
        held=PointsAccount.objects.aggregate(held=Sum("held"))["held"] or 0,
        endings=tuple(Ending(month=month, points=int(active + pending)) for month, active, pending in rows),
        point_value=programme.point_value,
        currency=programme.currency,
    )
