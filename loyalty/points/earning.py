"""Credit what customers earn, with the programme's waiting time and expiry for new lots."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import transaction

from loyalty.common import clock
from loyalty.common.actors import Actor
from loyalty.common.causes import Cause
from loyalty.events import log
from loyalty.merchant.models import ExpiryMode, Programme
from loyalty.points import ledger, locking, shortfalls
from loyalty.points.ledger import NewLot
from loyalty.points.models import PointsTransaction, TransactionKind


@transaction.atomic
def earn(
    *,
    customer_id: int,
    points: int,
    cause: Cause,
    actor: Actor,
    programme: Programme,
    earned_at: datetime,
    now: datetime,
    idempotency_key: str,
    description: str = "",
    pending_days: int | None = None,
) -> PointsTransaction:
    """Credit earned points, effective when they were earned; pending for so many days, else as the programme says.

    The same key never credits twice: it gives back what was credited then, whatever it would be worth by now. Later
    news of what earned the points is not a second earning, and no mistake of the caller either. What the customer owes
    from refunds is collected at once when the programme says so.
    Raises UnknownCustomer, InvalidPoints.
    """
    account = locking.lock(customer_id=customer_id, now=now)
    before = PointsTransaction.objects.filter(idempotency_key=idempotency_key).first()
    if before is not None:
        return before
    entry = ledger.credit_lots(
        customer_id=customer_id,
        lots=[new_lot(programme=programme, points=points, earned_at=earned_at, pending_days=pending_days)],
        kind=TransactionKind.EARNING,
        cause=cause,
        actor=actor,
        now=now,
        effective_at=earned_at,
        idempotency_key=idempotency_key,
        description=description,
    )
    log.record(
        kind="points.earned",
        subject_type="points_transaction",
        subject_id=entry.pk,
        customer_id=customer_id,
        actor=actor,
        now=now,
        points=points,
    )
    if account.owed and shortfalls.collects():
        shortfalls.collect(customer_id=customer_id, actor=actor, now=now)
    return entry


def new_lot(*, programme: Programme, points: int, earned_at: datetime, pending_days: int | None = None) -> NewLot:
    """The lot of points earned then: pending and expiring as the programme says now, unless the days are given."""
    available_at = earned_at
    days = programme.pending_days if pending_days is None else pending_days
    if days:
        available_at = clock.start_of_day(earned_at, days, programme.zone)
    return NewLot(
        points=points,
        available_at=available_at,
        expires_at=lot_expiry(programme=programme, available_at=available_at),
        idle_days=programme.expiry_days if programme.expiry_mode == ExpiryMode.IDLE else None,
    )


def lot_expiry(*, programme: Programme, available_at: datetime) -> datetime | None:
    """When points that become available at that instant expire, as the programme says now. As `end_by`."""
    mode = ExpiryMode(programme.expiry_mode)
    return end_by(mode=mode, days=programme.expiry_days, zone=programme.zone, available_at=available_at)


def end_by(*, mode: ExpiryMode, days: int, zone: ZoneInfo, available_at: datetime) -> datetime | None:
    """When such points expire in that mode: at the end of a day in the zone.

    None for those that never do, and for those whose end moves with the customer's activity.
    """
    match mode:
        case ExpiryMode.DAYS:
            return clock.end_of_day(available_at, days, zone)
        case ExpiryMode.MONTH_END:
            return clock.end_of_month(available_at, zone)
        case ExpiryMode.YEAR_END:
            return clock.end_of_year(available_at, zone)
        case _:
            return None
