"""Points that expire after days without activity: what counts as activity, and where it moves their end.

Activity is earning, redeeming, an adjustment, and points moved between customers, at the moment it is written down.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from loyalty.common import clock
from loyalty.merchant import queries as merchant
from loyalty.points.models import PointsAccount, PointsLot, TransactionKind

ACTIVITY = (
    TransactionKind.EARNING,
    TransactionKind.REDEMPTION,
    TransactionKind.ADJUSTMENT,
    TransactionKind.TRANSFER,
)


def note(*, account: PointsAccount, kind: TransactionKind) -> None:
    """Write down on a locked account that it was active, and move the ends of its lots that depend on that.

    The caller saves the account. Lots that have ended already stay ended: settling came first.
    """
    if kind not in ACTIVITY:
        return
    account.last_activity_at = account.settled_at
    if not account.has_idle_lots:
        return
    zone = merchant.programme().zone
    lots = PointsLot.objects.filter(customer_id=account.customer_id, open=True, idle_days__isnull=False)
    for days in lots.values_list("idle_days", flat=True).distinct().order_by("idle_days"):
        end = clock.end_of_day(account.settled_at, days or 0, zone)
        lots.filter(idle_days=days, expires_at__lt=end).update(expires_at=end)


def idle_end(
    *, account: PointsAccount, idle_days: int, available_at: datetime, zone: ZoneInfo | None = None
) -> datetime:
    """The end of such a lot that is opened now: it lives its days at least once, from when it can be spent.

    `zone` is the programme's, for callers who have many lots.
    """
    since = max(account.last_activity_at or account.settled_at, available_at)
    return clock.end_of_day(since, idle_days, zone or merchant.programme().zone)


def end_of(*, lot: PointsLot, account: PointsAccount, zone: ZoneInfo | None = None) -> datetime | None:
    """When a lot ends, spent ones too: those are not moved along, so theirs is worked out when points come back."""
    if lot.idle_days is None or lot.expires_at is None:
        return lot.expires_at
    end = idle_end(account=account, idle_days=lot.idle_days, available_at=lot.available_at, zone=zone)
    return max(lot.expires_at, end)
