"""Mark used, mark unused or cancel many rewards as a job: each row checked first, then done, with its own outcome."""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum

from django.db import transaction

from loyalty.common.actors import Actor, ActorKind
from loyalty.common.errors import DomainError
from loyalty.jobs import lifecycle, work
from loyalty.jobs import queries as job_queries
from loyalty.jobs.models import Job, JobRow, Step, Verdict
from loyalty.jobs.work import Outcome
from loyalty.points import locking
from rewards import cancellation, usage
from rewards.models import FulfillmentStatus, RedeemedReward

MOST_ROWS = 100_000
TASK = "rewards.work_on_bulk"


class BulkAct(StrEnum):
    USED = "used"
    UNUSED = "unused"
    CANCEL = "cancel"


TITLES = {
    BulkAct.USED: "Mark rewards used",
    BulkAct.UNUSED: "Mark rewards unused",
    BulkAct.CANCEL: "Cancel rewards",
}
SUMMARIES = {
    BulkAct.USED: "Each reward is marked used; gifts are thereby ordered.",
    BulkAct.UNUSED: "Each reward is marked unused again.",
    BulkAct.CANCEL: "Each reward is canceled: its code is killed at the shop by a worker, and then its points go back.",
}
DONE = {
    BulkAct.USED: "Marked used.",
    BulkAct.UNUSED: "Marked unused.",
    BulkAct.CANCEL: "Canceled, or being canceled until the shop has proved its code dead.",
}
PERMISSIONS = {
    BulkAct.USED: "rewards.mark_used",
    BulkAct.UNUSED: "rewards.mark_unused",
    BulkAct.CANCEL: "rewards.cancel_redeemedreward",
}
OPPOSITE = {BulkAct.USED: BulkAct.UNUSED, BulkAct.UNUSED: BulkAct.USED}


class Irreversible(DomainError):
    """What the job did to a row cannot be taken back by it."""

    code = "irreversible"


class _RolledBack(Exception):
    """The end of a rehearsal."""


def begin(*, act: BulkAct, ids: Sequence[int], actor: Actor, now: datetime) -> Job:
    """Keep the rows and check them; nothing is changed before a person applies the job.

    Raises NoRows, TooManyRows.
    """
    return lifecycle.create(
        kind=f"rewards.{act}",
        task=TASK,
        title=TITLES[act],
        summary=SUMMARIES[act],
        plan={"act": act, "permission": PERMISSIONS[act], "columns": [["id", "Redeemed reward"]]},
        rows=((number, {"id": pk}) for number, pk in enumerate(ids, start=1)),
        most_rows=MOST_ROWS,
        actor=actor,
        now=now,
    )


def work_on(*, job_id: int, now: datetime, patience: float) -> None:
    """Do batches of the job's present step, when nobody else is at it. Not inside a transaction."""
    claim = work.take(job_id=job_id, now=now)
    if claim is not None:
        steps: dict[Step, work.Handler] = {Step.CHECK: Check(), Step.APPLY: Apply(), Step.UNDO: Undo()}
        work.work(claim=claim, handlers=steps, now=now, patience=patience)


class Check:
    """Rehearses each row: what is refused, is refused with the sentence of the deed itself."""

    batch_size: int = 200

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[Outcome]:
        return [_judged(row, lambda pk: _rehearse(job, pk, now=now)) for row in rows]


class Apply:
    batch_size: int = 100

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[Outcome]:
        act, actor = BulkAct(job.plan["act"]), _actor(job)
        refused = _refused_before(job, rows, Step.CHECK)
        left = [row for row in rows if row.number not in refused]
        _lock_accounts(left, now=now)
        return [_judged(row, lambda pk: _do(act, pk, actor=actor, now=now)) for row in left]


class Undo:
    batch_size: int = 100

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[Outcome]:
        actor, opposite = _actor(job), OPPOSITE.get(BulkAct(job.plan["act"]))
        done = job_queries.outcomes(job=job, step=Step.APPLY, numbers=[row.number for row in rows])
        left = [row for row in rows if row.number in done and done[row.number].verdict == Verdict.OK]
        _lock_accounts(left, now=now)

        def back(pk: int) -> tuple[Verdict, str]:
            if opposite is None:
                raise Irreversible("A canceled reward stays canceled. Grant it anew if the customer is to have it.")
            return _do(opposite, pk, actor=actor, now=now)

        return [_judged(row, back) for row in left]


def _judged(row: JobRow, deed: Callable[[int], tuple[Verdict, str]]) -> Outcome:
    """One row's outcome: its refusal undoes what it began, and nothing else."""
    pk = int(row.data["id"])
    try:
        with transaction.atomic():
            verdict, text = deed(pk)
    except DomainError as refusal:
        return Outcome(
            number=row.number, verdict=Verdict.REFUSED, code=refusal.code, text=refusal.sentence, subject_id=pk
        )
    return Outcome(number=row.number, verdict=verdict, text=text, subject_id=pk)


def _rehearse(job: Job, pk: int, *, now: datetime) -> tuple[Verdict, str]:
    act = BulkAct(job.plan["act"])
    if act == BulkAct.CANCEL:
        plan = cancellation.plan(redeemed_reward_id=pk, now=now, return_points=True)
        if plan.refusal:
            raise cancellation.CancellationRefused(plan.refusal)
        return Verdict.OK, " ".join(effect.sentence for effect in plan.effects)
    found: tuple[Verdict, str] = (Verdict.OK, "")
    try:
        with transaction.atomic():
            found = _do(act, pk, actor=_actor(job), now=now)
            raise _RolledBack  # noqa: TRY301 (what was rehearsed is undone)
    except _RolledBack:
        return found[0], "" if found[0] == Verdict.OK else found[1]


def _do(act: BulkAct, pk: int, *, actor: Actor, now: datetime) -> tuple[Verdict, str]:
    before = RedeemedReward.objects.values_list("usage_status", "fulfillment_status").get(pk=pk)
    if act == BulkAct.CANCEL:
        if before[1] == FulfillmentStatus.CANCELLED:
            return Verdict.UNCHANGED, "It was canceled before."
        cancellation.begin(redeemed_reward_id=pk, actor=actor, now=now)
        return Verdict.OK, DONE[act]
    mark = usage.mark_used if act == BulkAct.USED else usage.mark_unused
    after = mark(redeemed_reward_id=pk, actor=actor, now=now)
    if before[0] == after.usage_status:
        return Verdict.UNCHANGED, "It was so already."
    return Verdict.OK, DONE[act]


def _refused_before(job: Job, rows: Sequence[JobRow], step: Step) -> set[int]:
    """The rows that stay as they are: they were refused, or would change nothing."""
    found = job_queries.outcomes(job=job, step=step, numbers=[row.number for row in rows])
    return {number for number, outcome in found.items() if outcome.verdict != Verdict.OK}


def _lock_accounts(rows: Sequence[JobRow], *, now: datetime) -> None:
    """The accounts of a batch in the order of their ids, before anything is written: batches cannot wait in a circle."""
    ids = [int(row.data["id"]) for row in rows]
    customers = RedeemedReward.objects.filter(pk__in=ids).order_by("customer_id").values_list("customer_id", flat=True)
    for customer_id in customers.distinct():
        locking.lock(customer_id=customer_id, now=now)


def _actor(job: Job) -> Actor:
    return Actor(ActorKind(job.actor_kind), job.actor_id)
