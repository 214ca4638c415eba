"""Make jobs and move them: the one writer of a job's step and state.

check → (a person says so) → apply → (a person says so) → undo; any of them may pause and go on.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

from loyalty.common import copying, queue
from loyalty.common.actors import Actor, ActorKind
from loyalty.common.errors import DomainError
from loyalty.jobs.models import Job, JobState, Step

BEGINS: dict[tuple[Step, JobState], Step] = {
    (Step.CHECK, JobState.DONE): Step.APPLY,
    (Step.APPLY, JobState.DONE): Step.UNDO,
    (Step.APPLY, JobState.CANCELLED): Step.UNDO,
}
GOES_ON = "goes_on"  # in a plan: what was found fit is applied without anybody saying so once more
MOVES: dict[JobState, frozenset[JobState]] = {
    JobState.OPEN: frozenset({JobState.PAUSED, JobState.CANCELLED, JobState.DONE}),
    JobState.PAUSED: frozenset({JobState.OPEN, JobState.CANCELLED}),
    JobState.CANCELLED: frozenset(),
    JobState.DONE: frozenset(),
}


class JobRefused(DomainError):
    """The job is not where this could be done, or not by this person. The sentence says why."""

    code = "job_refused"


class TooManyRows(DomainError):
    """The input is longer than one job takes."""

    code = "too_many_rows"


class NoRows(DomainError):
    """The input holds nothing to do."""

    code = "no_rows"


@transaction.atomic
def create(
    *,
    kind: str,
    task: str,
    title: str,
    summary: str,
    plan: Mapping[str, Any],
    rows: Iterable[tuple[int, Mapping[str, Any]]],
    most_rows: int,
    actor: Actor,
    now: datetime,
    digest: str = "",
) -> Job:
    """Keep the rows and begin to check them. Rows are streamed, in ascending order of their numbers.

    Raises NoRows, TooManyRows, and whatever reading the rows raises; then nothing is kept.
    """
    job = Job.objects.create(
        kind=kind,
        task=task,
        title=title,
        summary=summary,
        plan=dict(plan),
        digest=digest,
        actor_kind=actor.kind,
        actor_id=actor.id,
        due_at=now,
        created_at=now,
        step_began_at=now,
    )
    job.rows_total = _store(job.pk, rows, most_rows=most_rows)
    if not job.rows_total:
        raise NoRows("The file holds no rows below its header: there is nothing to do.")
    job.save(update_fields=["rows_total"])
    queue.enqueue(task, job_id=job.pk)
    return job


@transaction.atomic
def begin(*, job_id: int, step: Step, actor: Actor, now: datetime) -> Job:
    """Go on to the next step, when the one before is over. Raises JobRefused.

    Staff need the permission that the job's plan names, too: what they may not do to one row they may not do to many.
    """
    job = _locked(job_id)
    require_begin(job, step)
    _require_allowed(job, actor)
    job.step, job.state = step, JobState.OPEN
    job.rows_done = job.position = job.stalls = job.claimed_at_row = 0
    job.actor_kind, job.actor_id = actor.kind, actor.id
    job.step_began_at, job.step_ended_at, job.due_at, job.note = now, None, now, ""
    job.save()
    queue.enqueue(job.task, job_id=job.pk)
    return job


def _require_allowed(job: Job, actor: Actor) -> None:
    permission = job.plan.get("permission", "")
    if not permission or actor.kind != ActorKind.STAFF:
        return
    user = get_user_model().objects.filter(pk=actor.id or 0).first()
    if user is None or not user.has_perm(permission):
        raise JobRefused(
            f"Job {job.pk} does what you are not allowed to do ({permission}). Ask somebody who is, or your administrator."
        )


@transaction.atomic
def pause(*, job_id: int, note: str = "") -> Job:
    """Stop after the batch that is being done. Pausing twice changes nothing. Raises JobRefused."""
    job = _locked(job_id)
    if job.state != JobState.PAUSED:
        _move(job, JobState.PAUSED, "paused")
        job.claim = job.claimed_until = job.due_at = None
        job.note = note
        job.save()
    return job


@transaction.atomic
def resume(*, job_id: int, now: datetime) -> Job:
    """Go on with the row after the last one that is done. Raises JobRefused."""
    job = _locked(job_id)
    if job.state != JobState.OPEN:
        _move(job, JobState.OPEN, "gone on with")
        job.due_at, job.note, job.stalls = now, "", 0
        job.save()
        queue.enqueue(job.task, job_id=job.pk)
    return job


@transaction.atomic
def cancel(*, job_id: int, now: datetime) -> Job:
    """Stop for good. What was applied stays, and can be undone. Raises JobRefused, always while undoing."""
    job = _locked(job_id)
    require_cancel(job)
    if (job.step, job.state) == (Step.CHECK, JobState.DONE):
        job.state = JobState.CANCELLED
    else:
        _move(job, JobState.CANCELLED, "canceled")
    job.claim = job.claimed_until = job.due_at = None
    job.step_ended_at = now
    job.save()
    return job


def finish(*, job: Job, now: datetime) -> None:
    """The present step is through. The caller has locked the job and saves it.

    A job whose plan goes on by itself begins to apply in the same moment: whoever made it has said so.
    """
    if job.step == Step.CHECK and job.plan.get(GOES_ON):
        _go_on(job, now=now)
        return
    _move(job, JobState.DONE, "finished")
    job.claim = job.claimed_until = job.due_at = None
    job.step_ended_at = now


def _go_on(job: Job, *, now: datetime) -> None:
    job.step = Step.APPLY
    job.rows_done = job.position = job.stalls = job.claimed_at_row = 0
    job.claim = job.claimed_until = None
    job.step_began_at = job.due_at = now
    queue.enqueue(job.task, job_id=job.pk)


def require_begin(job: Job, step: Step) -> None:
    """Raises JobRefused unless the job could go on to that step now."""
    if BEGINS.get((Step(job.step), JobState(job.state))) is not step:
        raise JobRefused(f"Job {job.pk} cannot {step.label.lower()} its rows now: {where(job)}")
    if step is Step.APPLY and job.rows_forgotten_at is not None:
        raise JobRefused(
            f"Job {job.pk} cannot apply its rows any more: what they said was forgotten, some time after they were checked. "
            "Send the table again.",
            code="rows_forgotten",
        )


def require_cancel(job: Job) -> None:
    """Raises JobRefused unless the job could be canceled now."""
    if job.step == Step.UNDO or (job.step, job.state) == (Step.APPLY, JobState.DONE):
        raise JobRefused(f"Job {job.pk} cannot be canceled now: {where(job)}")
    if job.state == JobState.CANCELLED:
        raise JobRefused(f"Job {job.pk} is canceled already.")


def where(job: Job) -> str:
    """A sentence for whoever wanted something else."""
    words = {
        JobState.OPEN: "its step is under way.",
        JobState.PAUSED: "its step is paused.",
        JobState.CANCELLED: "its step was canceled.",
        JobState.DONE: "its step is done.",
    }
    return f"the step “{Step(job.step).label}” has been begun, and {words[JobState(job.state)]}"


def _move(job: Job, state: JobState, deed: str) -> None:
    if state not in MOVES[JobState(job.state)]:
        raise JobRefused(f"Job {job.pk} cannot be {deed} now: {where(job)}")
    job.state = state


def _locked(job_id: int) -> Job:
    job = Job.objects.select_for_update().filter(pk=job_id).first()
    if job is None:
        raise JobRefused(f"There is no job {job_id}. Check the number.", code="unknown_job")
    return job


def _store(job_id: int, rows: Iterable[tuple[int, Mapping[str, Any]]], *, most_rows: int) -> int:
    """Stream the rows into the table; gives back how many."""

    def kept() -> Iterator[tuple[int, int, str]]:
        for place, (number, data) in enumerate(rows, start=1):
            if place > most_rows:
                raise TooManyRows(
                    f"The file holds more than {most_rows:,} rows. Split it, and import the parts one by one."
                )
            yield job_id, number, json.dumps(data, ensure_ascii=False)

    return copying.stream("jobs_jobrow", ("job_id", "number", "data"), kept())
