"""Undo the rows of an import. Locks every account of a batch in id order first, then writes."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from loyalty.common.actors import Actor, ActorKind
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.jobs import queries as jobs
from loyalty.jobs import work
from loyalty.jobs.models import Job, JobOutcome, JobRow, Step, Verdict
from loyalty.points import bulk_cancellations, bulk_returns, bulk_rows
from loyalty.points.models import PointsAccount

NOTE = "Import undone"


class Undo:
    """Take back what is left of what was added, and return what was removed. Rows that changed nothing say nothing."""

    batch_size = 1_000

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[work.Outcome]:
        applied = jobs.outcomes(job=job, step=Step.APPLY, numbers=[row.number for row in rows])
        done = [
            (each.subject_id, each)
            for _, each in sorted(applied.items())
            if each.result_id is not None and each.subject_id is not None
        ]
        accounts = bulk_rows.lock({customer_id for customer_id, _ in done}, now=now)
        actor = Actor(ActorKind(job.actor_kind), job.actor_id)
        outcomes: list[work.Outcome] = []
        for turn in bulk_rows.turns(done):
            added = [each for each in turn if (each.amount or 0) > 0]
            removed = [each for each in turn if (each.amount or 0) < 0]
            if added:
                outcomes += _take_back(added, accounts, actor=actor, now=now)
            if removed:
                outcomes += _give_back(removed, accounts, cause=Cause(CauseType.IMPORT, job.pk), actor=actor, now=now)
        return sorted(outcomes, key=lambda outcome: outcome.number)


def _take_back(
    added: Sequence[JobOutcome], accounts: Mapping[int, PointsAccount], *, actor: Actor, now: datetime
) -> list[work.Outcome]:
    done = bulk_cancellations.cancel_many(
        credited=_with_accounts(added, accounts), actor=actor, now=now, internal_note=NOTE
    )
    return [_taken_back(each, done[each.result_id or 0]) for each in added]


def _taken_back(added: JobOutcome, done: bulk_cancellations.Cancelled | DomainError) -> work.Outcome:
    if isinstance(done, DomainError):
        return _refused(added, done)
    plan = done.plan
    rest = [f"{plan.gone} are spent or expired" if plan.gone else "", f"{plan.held} are held" if plan.held else ""]
    return work.Outcome(
        number=added.number,
        verdict=Verdict.PART if plan.gone or plan.held else Verdict.OK,
        code="partly_gone" if plan.gone or plan.held else "",
        text=f"{plan.left} of {plan.credited} points taken back{''.join('; ' + part for part in rest if part)}.",
        subject_id=added.subject_id,
        amount=-plan.left,
        result_id=done.transaction_id,
    )


def _give_back(
    removed: Sequence[JobOutcome],
    accounts: Mapping[int, PointsAccount],
    *,
    cause: Cause,
    actor: Actor,
    now: datetime,
) -> list[work.Outcome]:
    done = bulk_returns.reverse_many(
        debited=_with_accounts(removed, accounts), cause=cause, actor=actor, now=now, internal_note=NOTE
    )
    return [_given_back(each, done[each.result_id or 0]) for each in removed]


def _given_back(removed: JobOutcome, done: bulk_returns.Returned | DomainError) -> work.Outcome:
    if isinstance(done, DomainError):
        return _refused(removed, done)
    points = -(removed.amount or 0)
    whole = done.points == points
    return work.Outcome(
        number=removed.number,
        verdict=Verdict.OK if whole else Verdict.PART,
        code="" if whole else "returned_before",
        text=f"{done.points} of {points} points returned{'' if whole else '; the others were returned before'}.",
        subject_id=removed.subject_id,
        amount=done.points,
        result_id=done.transaction_id,
    )


def _with_accounts(applied: Sequence[JobOutcome], accounts: Mapping[int, PointsAccount]) -> dict[int, PointsAccount]:
    """The transactions that rows made, with the accounts of their customers."""
    return {each.result_id or 0: accounts[each.subject_id or 0] for each in applied}


def _refused(applied: JobOutcome, refusal: DomainError) -> work.Outcome:
    return work.Outcome(
        number=applied.number,
        verdict=Verdict.REFUSED,
        code=refusal.code,
        text=refusal.sentence,
        subject_id=applied.subject_id,
    )
