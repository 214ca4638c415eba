"""Work on a job batch by batch: claim it, do some rows and write down their outcomes in one transaction, go on.

A row is done exactly once in a step: its outcome, its effect and the job's position are one commit, made under the
lock of the job's row. Whoever is killed loses at most the batch that was not committed, and the next one does it.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from loyalty.common import copying, queue
from loyalty.common.clock import Stopwatch
from loyalty.jobs import lifecycle
from loyalty.jobs.models import Job, JobRow, JobState, Step, Verdict

MOST_STALLS = 5
RING_AGAIN = timedelta(seconds=15)  # a sweep that has rung for a job leaves it alone for so long


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a job until it runs out."""

    job_id: int
    token: uuid.UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one row."""

    number: int
    verdict: Verdict
    code: str = ""
    text: str = ""
    subject_id: int | None = None
    amount: int | None = None
    result_id: int | None = None


class NotYet(Exception):
    """Raised by a handler whose rows must wait for somebody else: the batch changes nothing, and is done again later."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(wait)
        self.wait = wait


class Handler(Protocol):
    """Does one batch of a step inside the transaction that records it. A row may have no outcome worth a word."""

    batch_size: int

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> Sequence[Outcome]: ...


def lease() -> timedelta:
    return timedelta(seconds=settings.JOB_LEASE_SECONDS)


@transaction.atomic
def take(*, job_id: int, now: datetime) -> Claim | None:
    """Claim the work on a job; none when there is nothing to do, or somebody is at it.

    A job whose holders die again and again at the same row is paused, with a note.
    """
    job = (
        Job.objects.select_for_update(skip_locked=True)
        .filter(pk=job_id, state=JobState.OPEN)
        .filter(Q(claim__isnull=True) | Q(claimed_until__lte=now))
        .first()
    )
    if job is None:
        return None
    if job.claim is not None:
        job.stalls = job.stalls + 1 if job.position == job.claimed_at_row else 0
    if job.stalls >= MOST_STALLS:
        Job.objects.filter(pk=job.pk).update(stalls=0)
        lifecycle.pause(job_id=job.pk, note=_stalled(job))
        return None
    job.claim, job.claimed_until = uuid.uuid4(), now + lease()
    job.claimed_at_row, job.due_at = job.position, job.claimed_until
    job.save(update_fields=["claim", "claimed_until", "claimed_at_row", "stalls", "due_at"])
    return Claim(job.pk, job.claim)


def work(*, claim: Claim, handlers: Mapping[Step, Handler], now: datetime, patience: float) -> bool:
    """Do batches until the step is over or `patience` (seconds) is, and then hand the rest on; says whether there is one.

    False too when the job was paused, canceled or taken over, or has to wait. Not inside a transaction.
    """
    watch = Stopwatch(now)
    try:
        while more := batch(claim=claim, handlers=handlers, now=watch.now):
            if watch.elapsed >= patience:
                let_go(claim=claim, now=watch.now)
                break
    except NotYet as pause:
        put_off(claim=claim, due_at=watch.now + pause.wait)
        return False
    return more


@transaction.atomic
def batch(*, claim: Claim, handlers: Mapping[Step, Handler], now: datetime) -> bool:
    """Do one batch; says whether there is more for us to do."""
    job = Job.objects.select_for_update().filter(pk=claim.job_id, claim=claim.token, state=JobState.OPEN).first()
    if job is None:
        return False
    handler = handlers[Step(job.step)]
    rows = list(JobRow.objects.filter(job=job, number__gt=job.position).order_by("number")[: handler.batch_size])
    if rows:
        _record(job, handler(job=job, rows=rows, now=now))
        job.position, job.rows_done = rows[-1].number, job.rows_done + len(rows)
    more = job.rows_done < job.rows_total
    if more:
        job.claimed_until = job.due_at = now + lease()
    else:
        lifecycle.finish(job=job, now=now)
    job.save()
    return more


def let_go(*, claim: Claim, now: datetime) -> None:
    """Hand the rest to whoever comes next, at once."""
    with transaction.atomic():
        kept = Job.objects.filter(pk=claim.job_id, claim=claim.token, state=JobState.OPEN)
        if kept.update(claim=None, claimed_until=None, due_at=now):
            queue.enqueue(Job.objects.values_list("task", flat=True).get(pk=claim.job_id), job_id=claim.job_id)


def put_off(*, claim: Claim, due_at: datetime) -> None:
    """Leave the rest until then: the sweep rings for it."""
    kept = Job.objects.filter(pk=claim.job_id, claim=claim.token, state=JobState.OPEN)
    kept.update(claim=None, claimed_until=None, due_at=due_at)


@transaction.atomic
def sweep(*, now: datetime, limit: int = 100) -> int:
    """Ring for every job that waits; gives back how many. A flushed broker, or a killed worker, loses nothing."""
    due = list(
        Job.objects.select_for_update(skip_locked=True)
        .filter(state=JobState.OPEN, due_at__lte=now)
        .order_by("due_at", "pk")[:limit]
    )
    Job.objects.filter(pk__in=[job.pk for job in due]).update(due_at=now + RING_AGAIN)
    for job in due:
        queue.enqueue(job.task, job_id=job.pk)
    return len(due)


def count(*, job: Job, verdict: Verdict, rows: int = 1) -> None:
    """Count rows of the present step; for handlers whose rows have no outcome worth a word. The batch saves the job."""
    counts = job.tally.setdefault(job.step, {})
    counts[verdict.value] = counts.get(verdict.value, 0) + rows


def _record(job: Job, outcomes: Sequence[Outcome]) -> None:
    copying.stream(
        "jobs_joboutcome",
        ("job_id", "step", "number", "verdict", "code", "text", "subject_id", "amount", "result_id"),
        (
            (
                job.pk,
                str(job.step),
                outcome.number,
                outcome.verdict.value,
                outcome.code,
                outcome.text[:400],
                outcome.subject_id,
                outcome.amount,
                outcome.result_id,
            )
            for outcome in outcomes
        ),
    )
    for outcome in outcomes:
        count(job=job, verdict=outcome.verdict)


def _stalled(job: Job) -> str:
    return (
        f"Workers stopped {MOST_STALLS} times after row {job.position} without getting further. Their log says why. "
        "Resume it to try again."
    )
