"""`manage.py backfill_earning RULE`: say what a rule would have given for past orders, give it, and take it back."""

import time
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from loyalty.common.actors import SYSTEM
from loyalty.common.errors import DomainError
from loyalty.jobs import lifecycle
from loyalty.jobs import queries as jobs
from loyalty.jobs.models import Job, JobState, Step
from loyalty.program.backfill import acts, queries, steps

PORTION = 30.0  # seconds between two words on how far it is
SECONDS_BETWEEN_LOOKS = 1.0  # while a worker has the job


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no day written as 2026-01-31.") from error


class Command(BaseCommand):
    help = (
        "Judge completed orders of the past by one earning rule, as if it had been on. Without --apply nothing is given: "
        "the report says exactly what would be. What was applied is undone with --undo and the job's number."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("rule", type=int, nargs="?", help="The rule's number.")
        parser.add_argument("--from", dest="first", type=day, help="The first day, such as 2026-01-01.")
        parser.add_argument("--until", dest="last", type=day, help="The last day, which counts.")
        parser.add_argument("--apply", action="store_true", help="Give it.")
        parser.add_argument("--undo", type=int, metavar="JOB", help="Take back what is left of what that job gave.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            job = self._undo(options["undo"]) if options["undo"] is not None else self._give(options)
        except DomainError as refusal:
            raise CommandError(refusal.sentence) from refusal
        self._tell(job)

    def _give(self, options: dict[str, Any]) -> Job:
        if options["rule"] is None or options["first"] is None or options["last"] is None:
            raise CommandError("Say which rule, --from which day and --until which; or --undo which job.")
        job = acts.plan(
            rule_id=options["rule"], first=options["first"], last=options["last"], actor=SYSTEM, now=timezone.now()
        )
        job = self._work(job)
        if options["apply"]:
            job = self._work(lifecycle.begin(job_id=job.pk, step=Step.APPLY, actor=SYSTEM, now=timezone.now()))
        return job

    def _undo(self, job_id: int) -> Job:
        if not Job.objects.filter(pk=job_id, kind=acts.KIND).exists():
            raise CommandError(f"There is no backfill with the number {job_id}. Look under Jobs.")
        return self._work(lifecycle.begin(job_id=job_id, step=Step.UNDO, actor=SYSTEM, now=timezone.now()))

    def _work(self, job: Job) -> Job:
        """Do the present step to its end, here or, while a worker has it, by waiting for that."""
        while job.state == JobState.OPEN:
            steps.work_on(job_id=job.pk, now=timezone.now(), patience=PORTION)
            job = Job.objects.get(pk=job.pk)
            if job.state == JobState.OPEN and job.claim is not None:
                time.sleep(SECONDS_BETWEEN_LOOKS)
        if job.state != JobState.DONE:
            raise CommandError(f"Job {job.pk} is not done: {jobs.word(job).lower()}. {job.note}".strip())
        return job

    def _tell(self, job: Job) -> None:
        """The exact sums of the last step, and why the others came to nothing."""
        step = jobs.last_step(job)
        told = queries.report(job=job, step=step)
        deed = {Step.CHECK: "would give", Step.APPLY: "gave", Step.UNDO: "took back"}[step]
        what = f"{told.rewards:,} rewards" if job.plan.get("grants") else f"{told.points:,} points"
        self.stdout.write(
            f"Job {job.pk}, {job.title}: {deed} {what} for {told.orders:,} of {job.rows_total:,} orders, of "
            f"{told.customers:,} customer{'' if told.customers == 1 else 's'}."
        )
        for reason in told.reasons:
            self.stdout.write(f"{reason.orders:,} not: {reason.text}")
