"""Apply the rows of an import, and undo them. Locks every account of a batch in id order first, then writes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from loyalty.common import copying
from loyalty.common.actors import Actor, ActorKind
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.customers.models import Customer, CustomerState
from loyalty.events.models import Event
from loyalty.jobs import queries as jobs
from loyalty.jobs import work
from loyalty.jobs.models import Job, JobOutcome, JobRow, Step, Verdict
from loyalty.points import bulk, bulk_debits, credit_cancellation, import_checks, ledger
from loyalty.points.import_checks import Figures, refused
from loyalty.points.import_rows import BadRow, Mode, Wanted
from loyalty.points.models import PointsAccount, PointsTransaction, PointsTransactionNote, TransactionKind


class Apply:
    """Make the changes of the rows that were found good, as things are now. The others keep their refusal."""

    batch_size = 1_000

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[work.Outcome]:
        mode, wanted, _ = import_checks.read(job, rows)
        checked = jobs.outcomes(job=job, step=Step.CHECK, numbers=[row.number for row in rows])
        good = {number: outcome for number, outcome in checked.items() if outcome.verdict != Verdict.REFUSED}
        states = _states(good)
        accounts = bulk.lock({pk for pk, state in states.items() if state != CustomerState.DISABLED}, now=now)
        figures = Figures(
            balance={pk: account.balance for pk, account in accounts.items()},
            total={pk: account.total for pk, account in accounts.items()},
        )
        outcomes = [self._decide(row.number, wanted, checked[row.number], states, figures, mode=mode) for row in rows]
        made = _write(job, outcomes, wanted, accounts, now=now)
        return [_with_result(outcome, made) for outcome in outcomes]

    def _decide(
        self,
        number: int,
        wanted: dict[int, Wanted],
        checked: JobOutcome,
        states: dict[int, str],
        figures: Figures,
        *,
        mode: Mode,
    ) -> work.Outcome:
        if checked.verdict == Verdict.REFUSED or checked.subject_id is None:
            return work.Outcome(number=number, verdict=Verdict.REFUSED, code=checked.code, text=checked.text)
        customer_id = checked.subject_id
        try:
            if states.get(customer_id) in {None, CustomerState.DISABLED}:
                raise BadRow(
                    f"Customer: customer {customer_id} was excluded since the rows were checked.",
                    code="customer_disabled",
                )
            return figures.take(number, customer_id, wanted[number].points, mode=mode)
        except DomainError as refusal:
            return refused(number, refusal)


def _states(good: dict[int, JobOutcome]) -> dict[int, str]:
    """The states of the customers who were found when the rows were checked."""
    ids = {outcome.subject_id for outcome in good.values() if outcome.subject_id is not None}
    return dict(Customer.objects.filter(pk__in=ids).values_list("pk", "state"))


def key(*, job_id: int, number: int) -> str:
    """The idempotency key of a row's transaction."""
    return f"job:{job_id}:{number}"


def _write(
    job: Job,
    outcomes: Sequence[work.Outcome],
    wanted: dict[int, Wanted],
    accounts: dict[int, PointsAccount],
    *,
    now: datetime,
) -> dict[int, int]:
    """Write the transactions of a batch with their notes and events; gives back their ids by row."""
    actor, cause = Actor(ActorKind(job.actor_kind), job.actor_id), Cause(CauseType.IMPORT, job.pk)
    changes = {
        key(job_id=job.pk, number=each.number): each for each in outcomes if each.verdict == Verdict.OK and each.amount
    }
    common: dict[str, Any] = {"kind": TransactionKind.ADJUSTMENT, "cause": cause, "actor": actor}
    credits_due = [
        bulk.Credit(customer_id=each.subject_id or 0, points=each.amount or 0, idempotency_key=name, **common)
        for name, each in changes.items()
        if (each.amount or 0) > 0
    ]
    debits_due = [
        bulk_debits.Debit(customer_id=each.subject_id or 0, points=-(each.amount or 0), idempotency_key=name, **common)
        for name, each in changes.items()
        if (each.amount or 0) < 0
    ]
    if credits_due:
        bulk.credit_many(batch=credits_due, now=now, accounts=accounts)
    if debits_due:
        bulk_debits.debit_many(batch=debits_due, now=now, accounts=accounts)
    made: dict[str, int] = dict(
        PointsTransaction.objects.filter(idempotency_key__in=list(changes)).values_list("idempotency_key", "pk")  # type: ignore[arg-type]
    )
    copying.insert(
        [
            PointsTransactionNote(
                transaction_id=made[name],
                internal_note=wanted[each.number].internal_note,
                description=wanted[each.number].customer_note,
            )
            for name, each in changes.items()
            if wanted[each.number].internal_note or wanted[each.number].customer_note
        ]
    )
    copying.insert(
        [
            Event(
                kind="points.adjusted",
                occurred_at=now,
                actor_kind=actor.kind,
                actor_id=actor.id,
                subject_type="points_transaction",
                subject_id=made[name],
                customer_id=each.subject_id,
                data={"points": each.amount, "job_id": job.pk},
            )
            for name, each in changes.items()
        ]
    )
    return {each.number: made[name] for name, each in changes.items()}


def _with_result(outcome: work.Outcome, made: dict[int, int]) -> work.Outcome:
    return replace(outcome, result_id=made.get(outcome.number))


class Undo:
    """Take back what is left of what was added, and return what was removed. Rows that changed nothing say nothing."""

    batch_size = 100

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[work.Outcome]:
        applied = jobs.outcomes(job=job, step=Step.APPLY, numbers=[row.number for row in rows])
        done = [each for each in applied.values() if each.result_id is not None]
        bulk.lock({each.subject_id for each in done if each.subject_id is not None}, now=now)
        actor = Actor(ActorKind(job.actor_kind), job.actor_id)
        return [self._undo(each, job=job, actor=actor, now=now) for each in sorted(done, key=lambda each: each.number)]

    def _undo(self, applied: JobOutcome, *, job: Job, actor: Actor, now: datetime) -> work.Outcome:
        try:
            if (applied.amount or 0) > 0:
                return self._take_back(applied, actor=actor, now=now)
            return self._give_back(applied, job=job, actor=actor, now=now)
        except DomainError as refusal:
            return work.Outcome(
                number=applied.number,
                verdict=Verdict.REFUSED,
                code=refusal.code,
                text=refusal.sentence,
                subject_id=applied.subject_id,
            )

    def _take_back(self, applied: JobOutcome, *, actor: Actor, now: datetime) -> work.Outcome:
        transaction_id = applied.result_id or 0
        before = PointsTransaction.objects.filter(reverses_id=transaction_id, kind=TransactionKind.CANCELLATION).first()
        if before is not None:
            raise credit_cancellation.CreditNotCancellable(
                f"The credit was canceled before: {-before.points_change} points were taken then.", code="done_before"
            )
        plan = credit_cancellation.plan(transaction_id=transaction_id)
        entry = credit_cancellation.cancel(
            transaction_id=transaction_id, actor=actor, now=now, internal_note="Import undone"
        )
        rest = [f"{plan.gone} are spent or expired" if plan.gone else "", f"{plan.held} are held" if plan.held else ""]
        return work.Outcome(
            number=applied.number,
            verdict=Verdict.PART if plan.gone or plan.held else Verdict.OK,
            code="partly_gone" if plan.gone or plan.held else "",
            text=f"{plan.left} of {plan.credited} points taken back{''.join('; ' + part for part in rest if part)}.",
            subject_id=applied.subject_id,
            amount=-plan.left,
            result_id=entry.pk,
        )

    def _give_back(self, applied: JobOutcome, *, job: Job, actor: Actor, now: datetime) -> work.Outcome:
        removed = -(applied.amount or 0)
        entry = ledger.reverse(
            transaction_id=applied.result_id or 0,
            cause=Cause(CauseType.IMPORT, job.pk),
            actor=actor,
            now=now,
            internal_note="Import undone",
        )
        back = entry.points_change
        return work.Outcome(
            number=applied.number,
            verdict=Verdict.OK if back == removed else Verdict.PART,
            code="" if back == removed else "returned_before",
            text=f"{back} of {removed} points returned."
            if back == removed
            else f"{back} of {removed} points returned; the others were returned before.",
            subject_id=applied.subject_id,
            amount=back,
            result_id=entry.pk,
        )
