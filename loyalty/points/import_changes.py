"""Apply the rows of an import. Locks every account of a batch in id order first, then writes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from loyalty.common.actors import Actor, ActorKind
from loyalty.common.among import Among
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.customers.models import Customer, CustomerState
from loyalty.events import log
from loyalty.jobs import queries as jobs
from loyalty.jobs import work
from loyalty.jobs.models import Job, JobOutcome, JobRow, Step, Verdict
from loyalty.points import bulk, bulk_debits, bulk_rows, import_checks
from loyalty.points.import_checks import Figures, refused
from loyalty.points.import_rows import BadRow, Mode, Wanted
from loyalty.points.models import PointsAccount, TransactionKind


class Apply:
    """Make the changes of the rows that were found good, as things are now. The others keep their refusal."""

    batch_size = 1_000

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[work.Outcome]:
        mode, wanted, _ = import_checks.read(job, rows)
        checked = jobs.outcomes(job=job, step=Step.CHECK, numbers=[row.number for row in rows])
        good = {number: outcome for number, outcome in checked.items() if outcome.verdict != Verdict.REFUSED}
        states = _states(good)
        accounts = bulk_rows.lock({pk for pk, state in states.items() if state != CustomerState.DISABLED}, now=now)
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
    return dict(Customer.objects.filter(Among("pk", ids)).values_list("pk", "state"))


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
    made: dict[str, int] = {}
    if credits_due:
        made |= bulk.credit_many(batch=credits_due, now=now, accounts=accounts)
    if debits_due:
        made |= bulk_debits.debit_many(batch=debits_due, now=now, accounts=accounts)
    bulk_rows.insert_notes(
        (made[name], wanted[each.number].internal_note, wanted[each.number].customer_note)
        for name, each in changes.items()
    )
    log.record_many(
        kind="points.adjusted",
        subject_type="points_transaction",
        actor=actor,
        facts=[
            log.Fact(made[name], each.subject_id or 0, now, {"points": each.amount, "job_id": job.pk})
            for name, each in changes.items()
        ],
    )
    return {each.number: made[name] for name, each in changes.items()}


def _with_result(outcome: work.Outcome, made: dict[int, int]) -> work.Outcome:
    return replace(outcome, result_id=made.get(outcome.number))
