"""Work on jobs: each row is done once in a step, whoever pauses, dies or comes twice."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction

from loyalty.common import actors
from loyalty.jobs import lifecycle, queries, work
from loyalty.jobs.lifecycle import JobRefused
from loyalty.jobs.models import Job, JobOutcome, JobState, Step, Verdict
from tests.factories.points import NOW

pytestmark = pytest.mark.django_db

LEASE = timedelta(seconds=60)


class Count:
    """Takes note of the rows it is given."""

    batch_size = 2

    def __init__(self):
        self.seen = []

    def __call__(self, *, job, rows, now):
        self.seen += [row.number for row in rows]
        return [
            work.Outcome(number=row.number, verdict=Verdict.OK if row.number % 2 else Verdict.REFUSED) for row in rows
        ]


@pytest.fixture
def count():
    return Count()


@pytest.fixture
def handlers(count):
    return dict.fromkeys(Step, count)


@pytest.fixture
def job():
    return lifecycle.create(
        kind="counting",
        task="tests.count",
        title="Count",
        summary="Counts rows.",
        plan={"columns": [["who", "Who"], ["points", "Points"]]},
        rows=((number, {"who": f"={number}", "points": number}) for number in (2, 3, 5, 8, 13)),
        most_rows=5,
        actor=actors.staff(7),
        now=NOW,
    )


def run(job, handlers, *, now=NOW):
    work.work(claim=work.take(job_id=job.pk, now=now), handlers=handlers, now=now, patience=60)
    job.refresh_from_db()


def test_does_every_row_once_in_order_and_counts_the_verdicts(job, handlers, count):
    run(job, handlers)

    assert count.seen == [2, 3, 5, 8, 13]
    assert (job.state, job.rows_done, job.position, job.claim) == ("done", 5, 13, None)
    assert job.tally == {"check": {"ok": 3, "refused": 2}}
    assert queries.word(job) == "Ready to apply"


def test_only_one_holds_a_claim_and_another_takes_over_when_it_runs_out(job, handlers, count):
    first = work.take(job_id=job.pk, now=NOW)
    assert work.batch(claim=first, handlers=handlers, now=NOW)
    assert work.take(job_id=job.pk, now=NOW + LEASE - timedelta(seconds=1)) is None

    second = work.take(job_id=job.pk, now=NOW + LEASE)

    assert not work.batch(claim=first, handlers=handlers, now=NOW + LEASE)
    assert work.work(claim=second, handlers=handlers, now=NOW + LEASE, patience=60) is False
    assert count.seen == [2, 3, 5, 8, 13]


def test_a_batch_that_fails_leaves_nothing_behind(job, handlers, count):
    def fails(**given):
        count(**given)
        raise ZeroDivisionError

    fails.batch_size = 2
    claim = work.take(job_id=job.pk, now=NOW)
    work.batch(claim=claim, handlers=handlers, now=NOW)

    with pytest.raises(ZeroDivisionError):
        work.batch(claim=claim, handlers={Step.CHECK: fails}, now=NOW)

    job.refresh_from_db()
    assert (job.rows_done, job.position) == (2, 3)
    assert JobOutcome.objects.count() == 2


def test_hands_the_rest_on_when_its_patience_is_over(job, handlers, count):
    claim = work.take(job_id=job.pk, now=NOW)

    assert work.work(claim=claim, handlers=handlers, now=NOW, patience=0) is True

    assert count.seen == [2, 3]
    run(job, handlers)
    assert count.seen == [2, 3, 5, 8, 13]


def test_pausing_stops_it_between_two_batches_and_resuming_goes_on(job, handlers, count):
    claim = work.take(job_id=job.pk, now=NOW)
    work.batch(claim=claim, handlers=handlers, now=NOW)

    lifecycle.pause(job_id=job.pk)
    assert not work.batch(claim=claim, handlers=handlers, now=NOW)
    assert work.take(job_id=job.pk, now=NOW + LEASE * 2) is None
    lifecycle.resume(job_id=job.pk, now=NOW)
    run(job, handlers)

    assert count.seen == [2, 3, 5, 8, 13]


def test_a_job_that_kills_its_workers_is_paused_with_a_note(job, handlers):
    now = NOW
    for _ in range(work.MOST_STALLS):
        assert work.take(job_id=job.pk, now=now) is not None
        now += LEASE

    assert work.take(job_id=job.pk, now=now) is None

    job.refresh_from_db()
    assert job.state == JobState.PAUSED
    assert job.note.startswith("Workers stopped 5 times after row 0 without getting further.")
    lifecycle.resume(job_id=job.pk, now=now)
    run(job, handlers, now=now)
    assert job.state == JobState.DONE


def test_taking_over_a_job_that_gets_further_never_pauses_it(job, handlers, count):
    now = NOW
    count.batch_size = 1
    for _ in range(4):
        assert work.batch(claim=work.take(job_id=job.pk, now=now), handlers=handlers, now=now)
        now += LEASE
    run(job, handlers, now=now)

    assert count.seen == [2, 3, 5, 8, 13]


def test_the_sweep_rings_for_jobs_nobody_holds_and_not_twice_at_once(job, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as rung:
        assert work.sweep(now=NOW) == 1
        assert work.sweep(now=NOW + timedelta(seconds=1)) == 0
        assert work.sweep(now=NOW + work.RING_AGAIN) == 1
        work.take(job_id=job.pk, now=NOW + work.RING_AGAIN)
        assert work.sweep(now=NOW + work.RING_AGAIN + timedelta(seconds=30)) == 0
        assert work.sweep(now=NOW + work.RING_AGAIN + LEASE) == 1

    assert len(rung) == 3


def moved(job, step, state):
    """The same job, put somewhere."""
    open_ = state == "open"
    still = state in {"open", "paused"}
    Job.objects.filter(pk=job.pk).update(
        step=step, state=state, due_at=NOW if open_ else None, step_ended_at=None if still else NOW
    )
    return Job.objects.get(pk=job.pk)


# (step, state): what may be done there.
ALLOWED = {
    ("check", "open"): {"pause", "resume", "cancel"},
    ("check", "paused"): {"pause", "resume", "cancel"},
    ("check", "cancelled"): set(),
    ("check", "done"): {"apply", "cancel"},
    ("apply", "open"): {"pause", "resume", "cancel"},
    ("apply", "paused"): {"pause", "resume", "cancel"},
    ("apply", "cancelled"): {"undo"},
    ("apply", "done"): {"undo"},
    ("undo", "open"): {"pause", "resume"},
    ("undo", "paused"): {"pause", "resume"},
    ("undo", "done"): set(),
}
DEEDS = {
    "apply": lambda pk: lifecycle.begin(job_id=pk, step=Step.APPLY, actor=actors.staff(1), now=NOW),
    "undo": lambda pk: lifecycle.begin(job_id=pk, step=Step.UNDO, actor=actors.staff(1), now=NOW),
    "pause": lambda pk: lifecycle.pause(job_id=pk),
    "resume": lambda pk: lifecycle.resume(job_id=pk, now=NOW),
    "cancel": lambda pk: lifecycle.cancel(job_id=pk, now=NOW),
}


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("place", ALLOWED, ids="-".join)
def test_moves_only_where_it_may(job, place, deed):
    before = moved(job, *place)

    if deed in ALLOWED[place]:
        DEEDS[deed](job.pk)
    else:
        with pytest.raises(JobRefused, match=f"Job {job.pk} "):
            DEEDS[deed](job.pk)
        after = Job.objects.get(pk=job.pk)
        assert (after.step, after.state) == (before.step, before.state)


def test_outcomes_are_never_altered_and_stand_once(job, handlers):
    run(job, handlers)

    for change in (
        lambda: JobOutcome.objects.update(text="other"),
        lambda: JobOutcome.objects.all().delete(),
        lambda: JobOutcome.objects.create(job=job, step="check", number=2, verdict="ok"),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_the_outcomes_as_csv_name_every_row_and_hold_no_formula(job, handlers, django_assert_max_num_queries):
    run(job, handlers)

    with django_assert_max_num_queries(4):
        lines = "".join(queries.csv_lines(job=job)).splitlines()

    assert lines[0] == "\ufeffRow,Who,Points,Check,Check says,Result,Result says,Change,Made,Undo,Undo says"
    assert lines[1:3] == ["2,'=2,2,Refused,,,,,,,", "3,'=3,3,Ready,,,,,,,"]
    assert len(lines) == 6


def test_pages_show_the_rows_to_look_at_first(job, handlers):
    run(job, handlers)

    odd = queries.page(job=job, step=Step.CHECK, odd_only=True)
    rest = queries.page(job=job, step=Step.CHECK, after=3, size=2)

    assert [each.row.number for each in odd] == [2, 8]
    assert [each.row.number for each in rest] == [5, 8]
    assert odd[0].outcomes["check"].verdict == "refused"
