"""Cancel a credit that was a mistake: take what is left of its lots, and say what was spent already."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from loyalty.common.actors import Actor
from loyalty.common.among import Among
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.points import ledger, locking, queries
from loyalty.points.allocation import Charge
from loyalty.points.models import HoldState, PointsHoldCharge, PointsLot, PointsTransaction, TransactionKind

CANCELLABLE = (TransactionKind.EARNING, TransactionKind.ADJUSTMENT)


class CreditNotCancellable(DomainError):
    """This transaction cannot be canceled. `code` says why."""

    code = "credit_not_cancellable"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditPlan:
    """What canceling a credit would take, and what it would not."""

    transaction_id: int
    credited: int
    charges: tuple[Charge, ...]  # what is left, by lot
    pending: int  # of what is left
    held: int  # set aside at the moment: it comes back to the customer when the hold is released

    @property
    def left(self) -> int:
        return sum(charge.points for charge in self.charges)

    @property
    def gone(self) -> int:
        """Spent, expired or taken otherwise."""
        return self.credited - self.left - self.held


class NotACredit(CreditNotCancellable):
    """The transaction credited nothing that could be canceled."""

    code = "not_a_credit"

    def __init__(self, transaction_id: int) -> None:
        super().__init__(
            f"Transaction {transaction_id} credited no points: only an earning or an upward adjustment can be canceled."
        )


class NothingLeft(CreditNotCancellable):
    """All of the credit is spent, expired or held."""

    code = "nothing_left"

    def __init__(self, plan: CreditPlan) -> None:
        super().__init__(
            f"Nothing is left of the {plan.credited} points of transaction {plan.transaction_id}: {plan.gone} are spent "
            f"or expired, {plan.held} are held. An adjustment can take other points instead."
        )


def plan(*, transaction_id: int, now: datetime) -> CreditPlan:
    """What canceling would do now. Reads only. Raises CreditNotCancellable."""
    found = plans(at={transaction_id: now})
    if transaction_id not in found:
        raise NotACredit(transaction_id)
    return found[transaction_id]


def plans(*, at: Mapping[int, datetime]) -> dict[int, CreditPlan]:
    """The same for many transactions, each at an instant of its own; those that are no credits are left out.

    Asks the database as often for many as for one.
    """
    found = PointsTransaction.objects.filter(Among("pk", at), points_change__gt=0, kind__in=CANCELLABLE)
    credited: dict[int, int] = dict(found.values_list("pk", "points_change"))
    lots = queries.lots_of_many(transaction_ids=credited.keys())
    held: dict[int, int] = {}
    charges = PointsHoldCharge.objects.filter(
        Among("lot_id", [lot.pk for each in lots.values() for lot in each]), hold__state=HoldState.OPEN
    )
    for lot_id, points in charges.values_list("lot_id", "points"):
        held[lot_id] = held.get(lot_id, 0) + points
    return {
        pk: CreditPlan(
            transaction_id=pk,
            credited=points,
            charges=tuple(Charge(lot.pk, lot.remaining) for lot in lots[pk] if _holds(lot, now=at[pk])),
            pending=sum(lot.remaining for lot in lots[pk] if lot.available_at > at[pk]),
            held=sum(held.get(lot.pk, 0) for lot in lots[pk]),
        )
        for pk, points in credited.items()
    }


def _holds(lot: PointsLot, *, now: datetime) -> bool:
    """Whether something can be taken from it: past its end nothing can, whether that was written down yet or not."""
    return bool(lot.remaining) and (lot.expires_at is None or lot.expires_at > now)


@transaction.atomic
def cancel(*, transaction_id: int, actor: Actor, now: datetime, internal_note: str = "") -> PointsTransaction:
    """Take what is left of a credit. Once only: again gives the same transaction.

    Raises CreditNotCancellable, also when nothing is left.
    """
    entry = PointsTransaction.objects.filter(pk=transaction_id).first()
    if entry is None:
        raise NotACredit(transaction_id)
    account = locking.lock(customer_id=entry.customer_id, now=now)
    before = entry.reversals.filter(kind=TransactionKind.CANCELLATION).first()
    if before is not None:
        return before
    current = plan(transaction_id=transaction_id, now=account.settled_at)
    if not current.charges:
        raise NothingLeft(current)
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
