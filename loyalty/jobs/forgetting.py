"""Forget what the rows of jobs said about people, some time after the jobs are over.

A table that was sent holds addresses, phone numbers and notes of people, and refusals quote them. What became of each row
stays: its verdict, code, amount and ids. Undoing needs no more than that, and is still possible; applying is not.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from loyalty.jobs.models import Job, JobOutcome, JobRow, JobState, Verdict


def kept_for() -> timedelta:
    return timedelta(days=settings.JOB_ROWS_KEPT_DAYS)


def forget(*, now: datetime, limit: int = 20) -> int:
    """Blank the rows of up to `limit` jobs whose present step ended so long ago; gives back of how many jobs.

    Each job is a transaction, so a killed run keeps what it did. Jobs that somebody is moving are left to the next run.
    """
    done = 0
    while done < limit and _forget_one(ended_before=now - kept_for(), now=now):
        done += 1
    return done


@transaction.atomic
def _forget_one(*, ended_before: datetime, now: datetime) -> bool:
    job = (
        Job.objects.select_for_update(skip_locked=True)
        .filter(
            state__in=[JobState.DONE, JobState.CANCELLED],
            rows_forgotten_at__isnull=True,
            step_ended_at__lte=ended_before,
        )
        .order_by("step_ended_at", "pk")
        .first()
    )
    if job is None:
        return False
    JobRow.objects.filter(job=job).update(data={})
    JobOutcome.objects.filter(job=job, verdict=Verdict.REFUSED).exclude(text="").update(text="")
    job.rows_forgotten_at = now
    job.save(update_fields=["rows_forgotten_at"])
    return True
