"""Reading jobs: where they are in one word, what became of each row, and the whole of it as CSV."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from loyalty.common.spreadsheets import BYTE_ORDER_MARK, defused
from loyalty.jobs.models import Job, JobOutcome, JobRow, JobState, Step, Verdict

CHUNK = 2_000
WORDS: dict[tuple[Step, JobState], str] = {
    (Step.CHECK, JobState.OPEN): "Checking",
    (Step.CHECK, JobState.PAUSED): "Paused",
    (Step.CHECK, JobState.CANCELLED): "Canceled",
    (Step.CHECK, JobState.DONE): "Ready to apply",
    (Step.APPLY, JobState.OPEN): "Applying",
    (Step.APPLY, JobState.PAUSED): "Paused",
    (Step.APPLY, JobState.CANCELLED): "Stopped",
    (Step.APPLY, JobState.DONE): "Applied",
    (Step.UNDO, JobState.OPEN): "Undoing",
    (Step.UNDO, JobState.PAUSED): "Paused while undoing",
    (Step.UNDO, JobState.DONE): "Undone",
}
VERDICTS: dict[tuple[Step, Verdict], str] = {
    (Step.CHECK, Verdict.OK): "Ready",
    (Step.CHECK, Verdict.UNCHANGED): "No change",
    (Step.CHECK, Verdict.REFUSED): "Refused",
    (Step.APPLY, Verdict.OK): "Applied",
    (Step.APPLY, Verdict.UNCHANGED): "No change",
    (Step.APPLY, Verdict.REFUSED): "Refused",
    (Step.UNDO, Verdict.OK): "Undone",
    (Step.UNDO, Verdict.PART): "Undone in part",
    (Step.UNDO, Verdict.REFUSED): "Not undone",
}


@dataclass(frozen=True, slots=True)
class Reported:
    """One row with what became of it in each step."""

    row: JobRow
    outcomes: dict[str, JobOutcome]


def word(job: Job) -> str:
    """The one word people read."""
    return WORDS[Step(job.step), JobState(job.state)]


def verdict(step: Step, verdict: Verdict) -> str:
    """What a row's outcome is called."""
    return VERDICTS.get((step, verdict), verdict.label)


def columns(job: Job) -> dict[str, str]:
    """What the rows hold, in order: {name: label}."""
    return dict(job.plan.get("columns", []))


def last_step(job: Job) -> Step:
    """The last step that has outcomes: the one a report tells of."""
    begun = [step for step in Step if job.tally.get(step)]
    return begun[-1] if begun else Step.CHECK


def counted(job: Job, step: Step, *verdicts: Verdict) -> int:
    """How many rows came to that in a step; all of them without a verdict."""
    tally: dict[str, int] = job.tally.get(step, {})
    return sum(tally.get(each, 0) for each in (verdicts or Verdict))


def same_input(*, kind: str, digest: str) -> QuerySet[Job]:
    """Jobs that were given the very same file, newest first, those that never changed anything left out."""
    idle = Q(step=Step.CHECK) & ~Q(state=JobState.OPEN)
    return Job.objects.filter(kind=kind, digest=digest).exclude(idle).order_by("-pk")


def outcomes(*, job: Job, step: Step, numbers: Sequence[int]) -> dict[int, JobOutcome]:
    """What became of these rows in a step, by number."""
    found = JobOutcome.objects.filter(job=job, step=step, number__gte=min(numbers), number__lte=max(numbers))
    return {outcome.number: outcome for outcome in found}


def page(*, job: Job, step: Step, after: int = 0, odd_only: bool = False, size: int = 50) -> list[Reported]:
    """Rows in order, beginning after a number; with `odd_only` those that did not simply go well in the step."""
    rows = JobRow.objects.filter(job=job, number__gt=after)
    if odd_only:
        odd = JobOutcome.objects.filter(job=job, step=step, number__gt=after).exclude(verdict=Verdict.OK)
        rows = rows.filter(number__in=list(odd.order_by("number").values_list("number", flat=True)[:size]))
    return _reported(job, list(rows.order_by("number")[:size]))


def csv_lines(*, job: Job) -> Iterator[str]:
    """Every row and what became of it, in constant memory. What a spreadsheet would take for a formula is defused."""
    writer: Any = csv.writer(_Echo())
    names = columns(job)
    heads = ["Row", *names.values(), "Check", "Check says", "Result", "Result says"]
    yield BYTE_ORDER_MARK + writer.writerow([*heads, "Change", "Made", "Undo", "Undo says"])
    after = 0
    while found := page(job=job, step=Step.CHECK, after=after, size=CHUNK):
        after = found[-1].row.number
        for each in found:
            cells = [defused(str(each.row.data.get(name, ""))) for name in names]
            yield writer.writerow([each.row.number, *cells, *_told(each)])


def waiting_since(job: Job, *, now: datetime) -> bool:
    """Whether nobody has begun the work that is due: no worker runs, or all are busy."""
    return job.state == JobState.OPEN and job.claim is None and (now - job.step_began_at).total_seconds() > 30


def _told(each: Reported) -> list[Any]:
    told: list[Any] = []
    for step in Step:
        outcome = each.outcomes.get(step)
        told += [verdict(step, Verdict(outcome.verdict)), defused(outcome.text)] if outcome else ["", ""]
        if step == Step.APPLY:
            told += [outcome.amount, outcome.result_id] if outcome else ["", ""]
    return ["" if value is None else value for value in told]


def _reported(job: Job, rows: list[JobRow]) -> list[Reported]:
    if not rows:
        return []
    found: dict[int, dict[str, JobOutcome]] = {}
    span = JobOutcome.objects.filter(job=job, number__gte=rows[0].number, number__lte=rows[-1].number)
    wanted = [row.number for row in rows]
    for outcome in span.filter(number__in=wanted) if len(rows) < CHUNK else span:
        found.setdefault(outcome.number, {})[outcome.step] = outcome
    return [Reported(row, found.get(row.number, {})) for row in rows]


class _Echo:
    """What the csv module writes to: hands each line straight back."""

    def write(self, line: str) -> str:
        return line
