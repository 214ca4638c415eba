"""Staff or an integrator change a balance."""

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from loyalty.common.actors import Actor
from loyalty.common.causes import Cause, CauseType
from loyalty.events import log
from loyalty.points import ledger
from loyalty.points.errors import MOST_POINTS, IdempotencyConflict, InvalidPoints
from loyalty.points.models import AdjustmentReason, PointsAdjustment, PointsTransaction, TransactionKind


@transaction.atomic
def adjust(
    *,
    customer_id: int,
    points: int,
    actor: Actor,
    now: datetime,
    reason: str = "",
    internal_note: str = "",
    description: str = "",
    idempotency_key: str | None = None,
) -> PointsAdjustment:
    """Add points (positive) or take them (negative, soonest expiring first). Both notes are optional.

    `description` is read by the customer, `internal_note` never is. The same idempotency key gives the same adjustment.
    Raises InvalidPoints, InsufficientPoints, UnknownCustomer, IdempotencyConflict.
    """
    _require_whole(points)
    if reason and reason not in AdjustmentReason.values:
        raise InvalidPoints(f"Reason: {reason!r} is not one of {', '.join(AdjustmentReason.values)}.")
    adjustment_id = _next_id()
    change = ledger.credit if points > 0 else ledger.debit
    entry = change(
        customer_id=customer_id,
        points=abs(points),
        kind=TransactionKind.ADJUSTMENT,
        cause=Cause(CauseType.ADJUSTMENT, adjustment_id),
        actor=actor,
        now=now,
        idempotency_key=idempotency_key,
        description=description.strip(),
        internal_note=internal_note.strip(),
    )
    before = PointsAdjustment.objects.filter(transaction=entry).first()
    if before is not None:
        _require_same(before, key=idempotency_key or "", internal_note=internal_note, description=description)
        return before
    adjustment = PointsAdjustment.objects.create(
        pk=adjustment_id, customer_id=customer_id, transaction=entry, points=points, reason=reason, created_at=now
    )
    log.record(
        kind="points.adjusted",
        subject_type="points_adjustment",
        subject_id=adjustment.pk,
        customer_id=customer_id,
        actor=actor,
        now=now,
        points=points,
    )
    return adjustment


def _require_whole(points: Any) -> None:
    if isinstance(points, bool) or not isinstance(points, int) or points == 0 or abs(points) > MOST_POINTS:
        raise InvalidPoints(
            f"Points adjustment: {points!r} is not a whole number between -{MOST_POINTS:,} and {MOST_POINTS:,} "
            "other than 0. Write 50 to add, -50 to remove."
        )


def _next_id() -> int:
    """The adjustment's id, before its row: the transaction names it as its cause and is never changed afterwards."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('points_pointsadjustment', 'id'))")
        return int(cursor.fetchone()[0])


def _require_same(before: PointsAdjustment, *, key: str, internal_note: str, description: str) -> None:
    note = getattr(PointsTransaction.objects.select_related("note").get(pk=before.transaction_id), "note", None)
    written = (note.description, note.internal_note) if note is not None else ("", "")
    if written != (description.strip(), internal_note.strip()):
        raise IdempotencyConflict(key)
