"""Credit what customers earn, with the programme's waiting time and expiry for new lots."""

from datetime import datetime

from loyalty.common import clock
from loyalty.common.actors import Actor
from loyalty.common.causes import Cause
from loyalty.merchant.models import ExpiryMode, Programme
from loyalty.points import ledger
from loyalty.points.models import PointsTransaction, TransactionKind


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
) -> PointsTransaction:
    """Credit earned points, effective when they were earned. The same key never credits twice.

    Raises UnknownCustomer, InvalidPoints, IdempotencyConflict.
    """
    available_at = earned_at
    if programme.pending_days:
        available_at = clock.start_of_day(earned_at, programme.pending_days, programme.zone)
    return ledger.credit(
        customer_id=customer_id,
        points=points,
        kind=TransactionKind.EARNING,
        cause=cause,
        actor=actor,
        now=now,
        available_at=available_at,
        expires_at=lot_expiry(programme=programme, available_at=available_at),
        effective_at=earned_at,
        idempotency_key=idempotency_key,
        description=description,
    )


def lot_expiry(*, programme: Programme, available_at: datetime) -> datetime | None:
    """When points that become available at that instant expire: at the end of a day in the programme's zone."""
    match programme.expiry_mode:
        case ExpiryMode.DAYS:
            return clock.end_of_day(available_at, programme.expiry_days, programme.zone)
        case ExpiryMode.MONTH_END:
            return clock.end_of_month(available_at, programme.zone)
        case ExpiryMode.YEAR_END:
            return clock.end_of_year(available_at, programme.zone)
        case _:
            return None
