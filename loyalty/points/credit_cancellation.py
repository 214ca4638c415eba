"""Cancel a credit that was a mistake: take what is left of its lots, and say what was spent already."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from loyalty.common.actors import Actor
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.points import ledger, locking, queries
from loyalty.points.allocation import Charge
from loyalty.points.models import HoldState, PointsHoldCharge, PointsTransaction, TransactionKind


class CreditNotCancellable(DomainError):
    """This transaction cannot be canceled. `code` says why."""

    code = "credit_not_cancellable"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditPlan:
    """What canceling a credit would take, and what it would not."""

    credited: int
    charges: tuple[Charge, ...]  # what is left, by lot
    held: int  # set aside at the moment: it comes back to the customer when the hold is released

    @property
    def left(self) -> int:
        return sum(charge.points for charge in self.charges)

    @property
    def gone(self) -> int:
        """Spent, expired or taken otherwise."""
        return self.credited - self.left - self.held


def plan(*, transaction_id: int) -> CreditPlan:
    """What canceling would do now. Reads only. Raises CreditNotCancellable."""
    entry = PointsTransaction.objects.filter(pk=transaction_id).first()
    if (
        entry is None
        or entry.points_change < 0
        or entry.kind
        not in (
            TransactionKind.EARNING,
            TransactionKind.ADJUSTMENT,
        )
    ):
        raise CreditNotCancellable(
            f"Transaction {transaction_id} credited no points: only an earning or an upward adjustment can be canceled.",
            code="not_a_credit",
        )
    lots = queries.lots_of(transaction=entry)
    held = PointsHoldCharge.objects.filter(lot__in=lots, hold__state=HoldState.OPEN).values_list("points", flat=True)
    charges = tuple(Charge(lot.pk, lot.remaining) for lot in lots if lot.remaining)
    return CreditPlan(credited=entry.points_change, charges=charges, held=sum(held))


@transaction.atomic
def cancel(*, transaction_id: int, actor: Actor, now: datetime, internal_note: str = "") -> PointsTransaction:
    """Take what is left of a credit. Once only: again gives the same transaction.

    Raises CreditNotCancellable, also when nothing is left.
    """
    entry = PointsTransaction.objects.filter(pk=transaction_id).first()
    if entry is not None:
        locking.lock(customer_id=entry.customer_id, now=now)
        before = entry.reversals.filter(kind=TransactionKind.CANCELLATION).first()
        if before is not None:
            return before
    current = plan(transaction_id=transaction_id)
    if entry is None or not current.charges:
        raise CreditNotCancellable(
            f"Nothing is left of the {current.credited} points of transaction {transaction_id}: {current.gone} are spent "
            f"or expired, {current.held} are held. An adjustment can take other points instead.",
            code="nothing_left",
        )
    taken = ledger.debit_lots(
        customer_id=entry.customer_id,
        charges=current.charges,
        kind=TransactionKind.CANCELLATION,
        cause=Cause(CauseType.TRANSACTION, entry.pk),
        actor=actor,
        now=now,
        reverses=entry,
        internal_note=internal_note.strip(),
    )
    log.record(
        kind="points.credit_cancelled",
        subject_type="points_transaction",
        subject_id=entry.pk,
        customer_id=entry.customer_id,
        actor=actor,
        now=now,
        taken=current.left,
        gone=current.gone,
        held=current.held,
    )
    return taken
