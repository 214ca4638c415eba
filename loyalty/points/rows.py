"""Writing single ledger rows. For the ledger's own modules only: nobody else calls them."""

from datetime import datetime

from loyalty.common.actors import Actor
from loyalty.common.causes import Cause
from loyalty.points.errors import MOST_POINTS, InvalidPoints
from loyalty.points.models import PointsAccount, PointsTransaction, PointsTransactionNote, TransactionKind


def build(
    *,
    account: PointsAccount,
    kind: TransactionKind,
    change: int,
    balance_after: int,
    cause: Cause,
    actor: Actor,
    now: datetime,
    effective_at: datetime | None = None,
    reverses: PointsTransaction | None = None,
    idempotency_key: str | None = None,
) -> PointsTransaction:
    """A transaction that is not stored yet."""
    return PointsTransaction(
        customer_id=account.customer_id,
        kind=kind,
        points_change=change,
        balance_after=balance_after,
        reverses=reverses,
        cause_type=cause.type,
        cause_id=cause.id,
        actor_kind=actor.kind,
        actor_id=actor.id,
        idempotency_key=idempotency_key,
        effective_at=effective_at or now,
        recorded_at=now,
    )


def transaction(
    *,
    account: PointsAccount,
    kind: TransactionKind,
    change: int,
    cause: Cause,
    actor: Actor,
    now: datetime,
    effective_at: datetime | None = None,
    reverses: PointsTransaction | None = None,
    idempotency_key: str | None = None,
    description: str = "",
    internal_note: str = "",
) -> PointsTransaction:
    """Insert one transaction, on top of the account's sum as it is now.

    Raises InvalidPoints when the customer would have more points than a figure holds.
    """
    balance_after = account.total + change
    if balance_after > MOST_POINTS:
        raise InvalidPoints(f"The customer would have more than {MOST_POINTS:,} points: that is too many.")
    entry = build(
        account=account,
        kind=kind,
        change=change,
        balance_after=balance_after,
        cause=cause,
        actor=actor,
        now=now,
        effective_at=effective_at,
        reverses=reverses,
        idempotency_key=idempotency_key,
    )
    entry.save(force_insert=True)
    if description or internal_note:
        PointsTransactionNote.objects.create(transaction=entry, description=description, internal_note=internal_note)
    return entry
