"""Cancel many credits at once: the ledger's rows for undone imports, written by the batch instead of one by one.

It leaves exactly the rows that `credit_cancellation.cancel` would leave, called once for each credit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from loyalty.common.actors import Actor
from loyalty.common.among import Among
from loyalty.common.causes import Cause, CauseType
from loyalty.events import log
from loyalty.points import bulk_rows, credit_cancellation
from loyalty.points.credit_cancellation import CreditNotCancellable, CreditPlan
from loyalty.points.models import PointsAccount, PointsTransaction, TransactionKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The transaction that took what was left of a credit, as planned."""

    plan: CreditPlan
    transaction_id: int


def cancel_many(
    *,
    credited: Mapping[int, PointsAccount],
    actor: Actor,
    now: datetime,
    internal_note: str = "",
) -> dict[int, Cancelled | CreditNotCancellable]:
    """Take what is left of credits; gives back by credit what became of it, or why nothing could.

    `credited` are the credits' ids with their customers' accounts, each another one, which the caller has locked by
    `bulk_rows.lock` in the same transaction. A credit that was canceled before is refused.
    """
    plans = credit_cancellation.plans(at={pk: account.settled_at for pk, account in credited.items()})
    refusals = _refusals(credited, plans)
    taken = {pk: plan for pk, plan in plans.items() if pk not in refusals}
    ids = dict(zip(taken, bulk_rows.next_ids(bulk_rows.Entry, len(taken)), strict=True))
    bulk_rows.insert([_entry(credited[pk], plan, pk=ids[pk], actor=actor, now=now) for pk, plan in taken.items()])
    bulk_rows.insert(
        [
            bulk_rows.Allocation(transaction_id=ids[pk], lot_id=charge.lot_id, points=charge.points)
            for pk, plan in taken.items()
            for charge in plan.charges
        ]
    )
    bulk_rows.insert_notes((pk, internal_note.strip(), "") for pk in ids.values())
    bulk_rows.charge_lots({charge.lot_id: charge.points for plan in taken.values() for charge in plan.charges})
    for pk, plan in taken.items():
        credited[pk].pending -= plan.pending
        credited[pk].balance -= plan.left - plan.pending
    bulk_rows.write_figures([credited[pk] for pk in taken])
    log.record_many(
        kind="points.credit_cancelled",
        subject_type="points_transaction",
        actor=actor,
        facts=[_fact(credited[pk], plan, now=now) for pk, plan in taken.items()],
    )
    return refusals | {pk: Cancelled(plan=plan, transaction_id=ids[pk]) for pk, plan in taken.items()}


def _refusals(
    credited: Mapping[int, PointsAccount], plans: Mapping[int, CreditPlan]
) -> dict[int, Cancelled | CreditNotCancellable]:
    before = PointsTransaction.objects.filter(Among("reverses_id", credited), kind=TransactionKind.CANCELLATION)
    refusals: dict[int, Cancelled | CreditNotCancellable] = {
        entry.reverses_id or 0: CreditNotCancellable(
            f"The credit was canceled before: {-entry.points_change} points were taken then.", code="done_before"
        )
        for entry in before
    }
    for pk in credited.keys() - refusals.keys():
        if pk not in plans:
            refusals[pk] = credit_cancellation.NotACredit(pk)
        elif not plans[pk].charges:
            refusals[pk] = credit_cancellation.NothingLeft(plans[pk])
    return refusals


def _entry(account: PointsAccount, plan: CreditPlan, *, pk: int, actor: Actor, now: datetime) -> bulk_rows.Entry:
    return bulk_rows.entry(
        pk=pk,
        account=account,
        kind=TransactionKind.CANCELLATION,
        change=-plan.left,
        cause=Cause(CauseType.TRANSACTION, plan.transaction_id),
        actor=actor,
        now=now,
        reverses_id=plan.transaction_id,
    )


def _fact(account: PointsAccount, plan: CreditPlan, *, now: datetime) -> log.Fact:
    return log.Fact(
        subject_id=plan.transaction_id,
        customer_id=account.customer_id,
        occurred_at=now,
        data={"taken": plan.left, "gone": plan.gone, "held": plan.held},
    )
