"""`manage.py import_points FILE`: add, remove or set points by a table, and undo it."""

import signal
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from loyalty.common.actors import SYSTEM
from loyalty.common.errors import DomainError
from loyalty.jobs import lifecycle, queries, sheets, work
from loyalty.jobs.models import Job, JobState, Step, Verdict
from loyalty.points import imports
from loyalty.points.import_rows import By, Mode
from platforms.models import StoreConnection

ALL_IN, SOME_BAD, UNREADABLE, INTERRUPTED = 0, 1, 2, 130
SECONDS_BETWEEN_SIGNS = 2.0
SECONDS_BETWEEN_LOOKS = 1.0
SHOWN_REFUSALS = 20
DEEDS = {Step.CHECK: "Checking", Step.APPLY: "Applying", Step.UNDO: "Undoing"}


@contextmanager
def heeding_interrupts() -> Iterator[Event]:
    """Ctrl-C is heard between two batches, so that what is said to be done is done. A second one ends at once."""
    heard = Event()

    def hear(number: int, frame: FrameType | None) -> None:
        del number, frame
        if heard.is_set():
            raise KeyboardInterrupt
        heard.set()

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield heard
    finally:
        signal.signal(signal.SIGINT, before)


class Command(BaseCommand):
    help = (
        "Import points from a CSV or XLSX table, or undo an import. The first row names the columns: the customer "
        "(email, phone, customer id, shop id), points, and optionally internal note and customer note. The same file is "
        "applied once: after an interruption run it again, and it goes on. Exit codes: 0 every row is applied (with "
        "--dry-run: could be; with --undo: is undone); 1 some are not, see what is said; 2 the file cannot be read, or "
        "the job is not where this could be done; 130 interrupted."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, nargs="?", help="The table.")
        parser.add_argument("--mode", choices=[mode.value for mode in Mode], help="What to do with the points.")
        parser.add_argument("--by", choices=[by.value for by in By], default="email", help="What names a customer.")
        parser.add_argument("--shop", help="Whose ids are meant by --by shop-id: the shop's name. None: your own ids.")
        parser.add_argument("--dry-run", action="store_true", help="Check every row, say what would happen, and stop.")
        parser.add_argument("--again", action="store_true", help="Apply a file that was applied before once more.")
        parser.add_argument("--undo", type=int, metavar="JOB", help="Undo the import of this number.")
        parser.add_argument("--report", type=Path, help="Where to write what became of each row, as CSV.")

    def handle(self, *args: Any, **options: Any) -> None:
        with heeding_interrupts() as interrupted:
            try:
                job, step = self._undo(options["undo"]) if options["undo"] else self._begin(options)
                if step is Step.CHECK:
                    job = self._work(job, interrupted)
                    job, step = self._after_check(job, dry_run=options["dry_run"])
                if step is not Step.CHECK:
                    job = self._work(job, interrupted)
            except DomainError as refusal:
                raise CommandError(refusal.sentence, returncode=UNREADABLE) from refusal
            except KeyboardInterrupt:
                self._interrupted()
        self._report(job, step, path=options["report"])

    # What to work on

    def _undo(self, job_id: int) -> tuple[Job, Step]:
        job = Job.objects.filter(pk=job_id, kind=imports.KIND).first()
        if job is None:
            raise lifecycle.JobRefused(f"There is no import {job_id}. Check the number.", code="unknown_job")
        if job.step == Step.UNDO:
            return self._gone_on_with(job), Step.UNDO
        if (job.step, job.state) == (Step.APPLY, JobState.PAUSED):
            lifecycle.cancel(job_id=job.pk, now=timezone.now())
        return lifecycle.begin(job_id=job.pk, step=Step.UNDO, actor=SYSTEM, now=timezone.now()), Step.UNDO

    def _begin(self, options: dict[str, Any]) -> tuple[Job, Step]:
        """A new job for the file, or the one it has already: that goes on, or is over and only told of."""
        path: Path | None = options["file"]
        if path is None or options["mode"] is None:
            raise CommandError("Name a file and a --mode, or an import with --undo.", returncode=UNREADABLE)
        mode, by, shop = Mode(options["mode"]), By(options["by"]), self._shop(options["shop"])
        try:
            with path.open("rb") as file:
                before = self._known(sheets.digest(file), mode=mode, by=by, shop=shop)
                if before is not None and not options["dry_run"] and not options["again"]:
                    return before
                return imports.begin(
                    file=file,
                    file_name=path.name,
                    mode=mode,
                    by=by,
                    connection_id=shop,
                    actor=SYSTEM,
                    now=timezone.now(),
                ), Step.CHECK
        except OSError as error:
            raise CommandError(
                f"{path} cannot be read: {error.strerror}. Check the path and its permissions.", returncode=UNREADABLE
            ) from error

    def _shop(self, name: str | None) -> int | None:
        if name is None:
            return None
        shop = StoreConnection.objects.filter(name=name).first()
        if shop is None:
            raise imports.NoShop(f"There is no shop {name!r}. Its name stands under Shops in the admin.")
        return shop.pk

    def _known(self, digest: str, *, mode: Mode, by: By, shop: int | None) -> tuple[Job, Step] | None:
        """The job that this very file has already, when it was meant in the same way."""
        meant = {"mode": mode.value, "by": by.value, "connection_id": shop}
        for job in imports.previous(digest=digest):
            if job.step == Step.UNDO or not meant.items() <= job.plan.items():
                continue
            if job.state == JobState.DONE:
                self.stderr.write(
                    f"This file was applied by import {job.pk} already: nothing is changed now. Add --again if a second "
                    "time is meant.",
                    style_func=str,
                )
            else:
                self.stderr.write(f"Import {job.pk} goes on after row {job.position}.", style_func=str)
            return self._gone_on_with(job), Step(job.step)
        return None

    def _gone_on_with(self, job: Job) -> Job:
        if job.state == JobState.PAUSED:
            return lifecycle.resume(job_id=job.pk, now=timezone.now())
        return job

    # Working

    def _work(self, job: Job, interrupted: Event) -> Job:
        """Do the present step to its end, here or, when a worker has it, by waiting for that."""
        self._job_id, step, began, signed = job.pk, Step(job.step), time.monotonic(), time.monotonic()
        rows_before, claim = job.rows_done, work.take(job_id=job.pk, now=timezone.now())
        while job.state == JobState.OPEN and job.step == step:
            if interrupted.is_set():
                raise KeyboardInterrupt
            if claim is None:
                time.sleep(SECONDS_BETWEEN_LOOKS)
                claim = work.take(job_id=job.pk, now=timezone.now())
            elif not work.batch(claim=claim, handlers=imports.HANDLERS, now=timezone.now()):
                claim = None
            job = Job.objects.get(pk=job.pk)
            if time.monotonic() - signed >= SECONDS_BETWEEN_SIGNS or job.state == JobState.DONE:
                signed = time.monotonic()
                rate = (job.rows_done - rows_before) / max(signed - began, 0.001)
                self.stderr.write(
                    f"{job.rows_done / job.rows_total:5.0%}  {DEEDS[step]}: {job.rows_done:,} of {job.rows_total:,} "
                    f"rows, {rate:,.0f} rows a second",
                    style_func=str,
                )
        return job

    def _after_check(self, job: Job, *, dry_run: bool) -> tuple[Job, Step]:
        if dry_run and job.step == Step.CHECK:
            if job.state == JobState.DONE:
                job = lifecycle.cancel(job_id=job.pk, now=timezone.now())
            return job, Step.CHECK
        if (job.step, job.state) == (Step.CHECK, JobState.DONE):
            job = lifecycle.begin(job_id=job.pk, step=Step.APPLY, actor=SYSTEM, now=timezone.now())
        return job, Step(job.step)

    def _interrupted(self) -> NoReturn:
        """Leave the job where it is, so that nobody goes on with it unasked."""
        job_id = getattr(self, "_job_id", None)
        if job_id is None:
            self.stderr.write("Interrupted before anything was kept.")
        else:
            job = Job.objects.get(pk=job_id)
            if job.state == JobState.OPEN:
                job = lifecycle.pause(job_id=job_id)
            self.stderr.write(
                f"Interrupted. {DEEDS[Step(job.step)]}: {job.rows_done:,} of {job.rows_total:,} rows are done, up to row "
                f"{job.position}. Run it again to go on from there."
            )
        sys.exit(INTERRUPTED)

    # Telling

    def _report(self, job: Job, step: Step, *, path: Path | None) -> None:
        """Say what became of the rows; ends with 1 when some did not go well."""
        if path is not None:
            try:
                with path.open("w", encoding="utf-8", newline="") as file:
                    file.writelines(queries.csv_lines(job=job))
            except OSError as error:
                raise CommandError(f"{path} cannot be written: {error.strerror}.", returncode=UNREADABLE) from error
        counts = ", ".join(
            f"{queries.counted(job, step, each):,} {queries.verdict(step, each).lower()}"
            for each in Verdict
            if queries.counted(job, step, each)
        )
        told = f"Import {job.pk}: {counts or 'nothing to do'}."
        self.stdout.write(f"{told} Nothing was changed." if step is Step.CHECK else told)
        bad = queries.counted(job, step, Verdict.REFUSED, Verdict.PART)
        if bad:
            self._list_refusals(job, step, bad)
            sys.exit(SOME_BAD)
        if job.state in {JobState.PAUSED, JobState.CANCELLED} and step is not Step.CHECK:
            self.stderr.write(f"It was {queries.word(job).lower()} by somebody else before its end.")
            sys.exit(SOME_BAD)

    def _list_refusals(self, job: Job, step: Step, bad: int) -> None:
        shown = [
            (each.row.number, each.outcomes[step].text)
            for each in queries.page(job=job, step=step, odd_only=True, size=SHOWN_REFUSALS * 5)
            if each.outcomes[step].verdict in {Verdict.REFUSED, Verdict.PART}
        ][:SHOWN_REFUSALS]
        for number, text in shown:
            self.stderr.write(f"row {number}: {text}", style_func=str)
        if bad > len(shown):
            self.stderr.write(f"… and {bad - len(shown):,} more. --report FILE writes all of them.", style_func=str)
