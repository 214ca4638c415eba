"""Import points from a table and adjust in bulk: check every row, apply, undo. Each is a step of a job.

What is applied is the change of a row, once: its transaction carries the job's and the row's number as its key. Undoing
takes back what is left of what was added and returns what was removed; the rest is told row by row.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO

from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.jobs import lifecycle, sheets, work
from loyalty.jobs import queries as jobs
from loyalty.jobs.models import Job, Step
from loyalty.points import import_changes, import_checks, import_rows, import_undo
from loyalty.points.import_rows import By, Mode
from platforms.models import StoreConnection

KIND = "points_import"
TASK = "points.work_on_import"
MOST_ROWS = 250_000
DEEDS = {Mode.ADD: "Adds points", Mode.REMOVE: "Removes points", Mode.SET: "Sets active points"}


class NoShop(DomainError):
    """Customers are named by the id of a shop that does not exist, or a shop is named without need."""

    code = "no_shop"


def begin(
    *,
    file: BinaryIO,
    file_name: str,
    mode: Mode,
    by: By,
    actor: Actor,
    now: datetime,
    connection_id: int | None = None,
) -> Job:
    """Keep the rows of a table as a job that checks them. `connection_id` says whose ids are meant by a shop id.

    Raises UnreadableSheet, BadHeader, NoRows, TooManyRows, NoShop; then nothing is kept.
    """
    whose = _shop(by, connection_id)
    digest = sheets.digest(file)
    sheet = sheets.Sheet(file)
    names = import_rows.columns(sheet.header, by=by)
    return lifecycle.create(
        kind=KIND,
        task=TASK,
        title=f"{DEEDS[mode]}: {file_name.strip()[-120:] or 'a table'}",
        summary=f"{DEEDS[mode]}{' to what each row says' if mode is Mode.SET else ''}. Customers are named by {whose}.",
        plan={
            "mode": mode.value,
            "by": by.value,
            "connection_id": connection_id,
            "names": names,
            "columns": [[name, import_rows.COLUMNS[name]] for name in names],
        },
        rows=((number, import_rows.data(cells, names)) for number, cells in sheet),
        most_rows=MOST_ROWS,
        digest=digest,
        actor=actor,
        now=now,
    )


def _shop(by: By, connection_id: int | None) -> str:
    if by is not By.SHOP_ID:
        if connection_id is not None:
            raise NoShop(f"A shop is named, but customers are named by {import_rows.by_words(by)}. Leave the shop out.")
        return import_rows.by_words(by)
    if connection_id is None:
        return "an id of no shop: your own"
    name = StoreConnection.objects.filter(pk=connection_id).values_list("name", flat=True).first()
    if name is None:
        raise NoShop(f"There is no shop {connection_id}.")
    return f"their id in {name}"


HANDLERS: dict[Step, work.Handler] = {
    Step.CHECK: import_checks.Check(),
    Step.APPLY: import_changes.Apply(),
    Step.UNDO: import_undo.Undo(),
}


def work_on(*, job_id: int, now: datetime, patience: float) -> bool:
    """Do what is due on a job for a while; whoever comes next does the rest. Says whether there is more for us to do."""
    claim = work.take(job_id=job_id, now=now)
    if claim is None:
        return False
    return work.work(claim=claim, handlers=HANDLERS, now=now, patience=patience)


def previous(*, digest: str) -> Iterator[Job]:
    """Jobs that were given the very same file, newest first."""
    yield from jobs.same_input(kind=KIND, digest=digest)
