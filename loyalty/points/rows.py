"""Writing single ledger rows. For the ledger's own modules only: nobody else calls them."""

from datetime import datetime

from loyalty.common.actors import Actor
from loyalty.common.causes import Cause
from loyalty.points.errors import MOST_POINTS, InvalidPoints
from loyalty.points.models import PointsAccount, PointsTransaction, PointsTransactionNote, TransactionKind


def transaction(
    *,
    account: PointsAccount,
    kind: TransactionKind,
    change: int,
    cause: Cause,
    actor: Actor,
    now: datetime,
    total_before: int | None = None,
    effective_at: datetime | None = None,
    reverses: PointsTransaction | None = None,
    idempotency_key: str | None = None,
    description: str = "",
    internal_note: str = "",
) -> PointsTransaction:
    """Insert one transaction. The sum before it is the account's, unless its figures took the change already.

    Raises InvalidPoints when the customer would have more points than a figure holds.
    """
    before = account.total if total_before is None else total_before
    if before + change > MOST_POINTS:
        raise InvalidPoints(f"The customer would have more than {MOST_POINTS:,} points: that is too many.")
    entry = PointsTransaction.objects.create(
        customer_id=account.customer_id,
        kind=kind,
        points_change=change,
        balance_after=before + change,
        reverses=reverses,
        cause_type=cause.type,
        cause_id=cause.id,
        actor_kind=actor.kind,
        actor_id=actor.id,
        idempotency_key=idempotency_key,
        effective_at=effective_at or now,
        recorded_at=now,
    )
    if description or internal_note:
        PointsTransactionNote.objects.create(transaction=entry, description=description, internal_note=internal_note)
    return entry
