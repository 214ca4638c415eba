"""Forgetting: some time after a job, nothing in it speaks of people; what became of its rows stays, and can be undone."""

from datetime import timedelta

import pytest
import time_machine
from django.db import DatabaseError, transaction

from loyalty.common.actors import SYSTEM, staff
from loyalty.jobs import forgetting, lifecycle, tasks
from loyalty.jobs.models import Job, JobOutcome, JobRow, Step
from loyalty.points import imports, queries
from loyalty.points.import_rows import By, Mode
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW
from tests.jobs.sheets import csv_file

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=90, minutes=1)


def work_on(job):
    imports.work_on(job_id=job.pk, now=NOW, patience=600)
    job.refresh_from_db()


@pytest.fixture
def checked():
    CustomerFactory(email="anna@example.com")
    rows = ("email,points,internal note", "anna@example.com,50,Her ticket", "nobody@example.com,5,")
    job = imports.begin(
        file=csv_file(*rows), file_name="points.csv", mode=Mode.ADD, by=By.EMAIL, actor=staff(7), now=NOW
    )
    work_on(job)
    return job


@pytest.fixture
def applied(checked):
    lifecycle.begin(job_id=checked.pk, step=Step.APPLY, actor=staff(7), now=NOW)
    work_on(checked)
    return checked


def everything_told(job):
    return [
        *JobRow.objects.filter(job=job).values_list("data", flat=True),
        *JobOutcome.objects.filter(job=job).values_list("text", flat=True),
    ]


def test_blanks_rows_and_refusals_after_the_days_and_keeps_what_became_of_them(applied):
    facts = ("step", "number", "verdict", "code", "subject_id", "amount", "result_id")
    before = list(JobOutcome.objects.filter(job=applied).order_by("id").values_list(*facts))
    assert "anna@example.com" in str(everything_told(applied))
    assert forgetting.forget(now=NOW + timedelta(days=90) - timedelta(seconds=1)) == 0

    assert forgetting.forget(now=LATER) == 1
    assert forgetting.forget(now=LATER) == 0

    applied.refresh_from_db()
    assert applied.rows_forgotten_at == LATER
    assert "example.com" not in str(everything_told(applied))
    assert "ticket" not in str(everything_told(applied))
    assert list(JobOutcome.objects.filter(job=applied).order_by("id").values_list(*facts)) == before


def test_leaves_undoing_possible(applied):
    customer_id = JobOutcome.objects.get(job=applied, step="apply", verdict="ok").subject_id
    forgetting.forget(now=LATER)

    lifecycle.begin(job_id=applied.pk, step=Step.UNDO, actor=staff(7), now=LATER)
    imports.work_on(job_id=applied.pk, now=LATER, patience=600)

    assert Job.objects.get(pk=applied.pk).tally["undo"] == {"ok": 1}
    assert queries.balance(customer_id=customer_id, now=LATER).balance == 0


def test_refuses_to_apply_rows_that_were_forgotten_and_the_database_holds_it(checked):
    forgetting.forget(now=LATER)

    with pytest.raises(lifecycle.JobRefused, match="Send the table again") as refusal:
        lifecycle.begin(job_id=checked.pk, step=Step.APPLY, actor=staff(7), now=LATER)
    with pytest.raises(DatabaseError, match="job_forgotten_rows_are_only_undone"), transaction.atomic():
        Job.objects.filter(pk=checked.pk).update(step="apply", state="open", due_at=LATER, step_ended_at=None)

    assert refusal.value.code == "rows_forgotten"


def test_leaves_jobs_alone_that_are_not_over(applied):
    lifecycle.begin(job_id=applied.pk, step=Step.UNDO, actor=staff(7), now=NOW)
    lifecycle.pause(job_id=applied.pk)

    assert forgetting.forget(now=LATER) == 0
    assert "anna@example.com" in str(everything_told(applied))


def test_takes_some_jobs_at_a_time_the_oldest_first(applied, settings):
    settings.JOB_ROWS_KEPT_DAYS = 1
    other = lifecycle.create(
        kind="counting", task="tests.count", title="Count", summary="", plan={}, rows=[(1, {"who": "Ben"})],
        most_rows=1, actor=SYSTEM, now=NOW,
    )  # fmt: skip
    lifecycle.cancel(job_id=other.pk, now=NOW - timedelta(days=1))

    assert forgetting.forget(now=LATER, limit=1) == 1
    assert Job.objects.get(rows_forgotten_at__isnull=False) == other
    with time_machine.travel(LATER, tick=False):
        tasks.forget_rows()
    assert not Job.objects.filter(rows_forgotten_at__isnull=True).exists()


@pytest.mark.parametrize("change", [{"text": "Something else"}, {"code": ""}, {"verdict": "ok"}, {"amount": 7}])
def test_an_outcome_can_be_blanked_and_not_rewritten(applied, change):
    refused = JobOutcome.objects.filter(job=applied, step="check", verdict="refused")

    with pytest.raises(DatabaseError), transaction.atomic():
        refused.update(**change)

    assert refused.update(text="") == 1
