"""An import of codes checks every row, names what is wrong, brings each code once, goes on after a kill, is undone."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from loyalty.common import actors
from loyalty.events.models import Event
from loyalty.jobs import lifecycle, work
from loyalty.jobs.models import JobOutcome, Step
from loyalty.merchant.models import Programme
from rewards import pool_imports, pools
from rewards.models import CodePool, PoolCandidate, Reward, RewardCode
from rewards.pool_rows import BadHeader
from tests.factories.catalogue import GiftFactory, RewardFactory
from tests.factories.points import NOW
from tests.factories.pools import fill
from tests.jobs.sheets import csv_file, workbook

pytestmark = pytest.mark.django_db

STAFF = actors.staff(7)
DAY = timedelta(days=1)


@pytest.fixture
def reward():
    return RewardFactory()


def begin(reward, file):
    return pool_imports.begin(reward_id=reward.pk, file=file, file_name="codes.csv", actor=STAFF, now=NOW)


def run(job, *, now=NOW):
    pool_imports.work_on(job_id=job.pk, now=now, patience=600)
    job.refresh_from_db()
    assert job.state == "done"
    return job


def step(job, name, *, now=NOW):
    lifecycle.begin(job_id=job.pk, step=Step(name), actor=STAFF, now=now)
    return run(job, now=now)


def applied(reward, *lines):
    return step(run(begin(reward, csv_file(*lines))), "apply")


def told(job, name):
    found = JobOutcome.objects.filter(job=job, step=name).order_by("number")
    return {each.number: (each.verdict, each.code) for each in found}


def texts(reward):
    return list(RewardCode.objects.filter(pool=reward.pk).order_by("code").values_list("code", flat=True))


class TestChecking:
    def test_says_of_each_bad_row_which_field_is_wrong_and_changes_nothing(self, reward):
        lines = {
            "GOOD-1,,": None,
            ",,": None,  # a blank row is none
            ",2027-01-01,": ("refused", "no_code"),
            "=A1,,": ("refused", "formula"),
            "1.23E+12,,": ("refused", "shortened_number"),
            f"{'X' * 61},,": ("refused", "code_too_long"),
            "BELL\a,,": ("refused", "bad_code"),
            "A,soon,": ("refused", "bad_date"),
            "B,,31.12.2027": ("refused", "bad_date"),
            "C,,46357": ("refused", "bad_date"),
            "D,,2999-01-01": ("refused", "bad_date"),
            "E,,2020-01-01": ("refused", "over"),
            "F,2027-02-01,2027-01-01": ("refused", "ends_before_start"),
            "G,,,more": ("refused", "too_many_cells"),
            "GOOD-2,2027-01-01,2027-01-01": None,
        }

        job = run(begin(reward, csv_file("code,start,end", *lines)))

        numbers = enumerate(lines.values(), start=2)
        assert told(job, "check") == {number: expected for number, expected in numbers if expected}
        assert job.tally == {"check": {"ok": 2, "refused": 12}}
        assert RewardCode.objects.count() == CodePool.objects.count() == 0
        assert JobOutcome.objects.get(job=job, number=9).text == (
            "Start: “soon” is no date. Write a date such as 2027-01-31, or a date and time such as 2027-01-31 18:00."
        )

    def test_reports_duplicates_by_where_the_other_one_is(self, reward):
        fill(reward, "mine")
        fill(RewardFactory(name="Other offer"), "THEIRS")
        RewardCode.objects.create(code="SINGLE", canonical="SINGLE", created_at=NOW)

        job = run(begin(reward, csv_file("code", "FRESH", "fresh ", "MINE", "theirs", "Single")))

        assert told(job, "check") == {
            3: ("refused", "twice_in_file"),
            4: ("unchanged", "in_this_pool"),
            5: ("refused", "in_use"),
            6: ("refused", "in_use"),
        }
        assert list(JobOutcome.objects.filter(job=job).order_by("number").values_list("text", flat=True)) == [
            "Code: “fresh” stands in row 2 already.",
            "Code: “MINE” is in this pool already, or came out of it.",
            "Code: “theirs” is used in this shop already: the pool of “Other offer” has it.",
            "Code: “Single” is used in this shop already: it was made for a customer.",
        ]

    def test_finds_a_duplicate_in_another_batch_of_rows(self, reward, monkeypatch):
        monkeypatch.setattr(pool_imports.Check, "batch_size", 2)

        job = run(begin(reward, csv_file("code", "A", "B", "C", "D", "a")))

        assert told(job, "check") == {6: ("refused", "twice_in_file")}

    @pytest.mark.parametrize("head", ["start,end", "code,code", "code,value"])
    def test_refuses_a_table_whose_columns_it_cannot_tell(self, reward, head):
        with pytest.raises(BadHeader):
            begin(reward, csv_file(head, "A,B"))

    def test_refuses_a_reward_without_codes(self):
        with pytest.raises(pools.NoPool):
            begin(GiftFactory(), csv_file("code", "A"))


class TestApplying:
    def test_brings_the_good_codes_with_their_times_in_the_programmes_zone(self, reward):
        Programme.objects.update_or_create(pk=1, defaults={"time_zone": "Europe/Warsaw"})

        job = applied(
            reward,
            "Code,Start,End",
            "whole-days,2027-01-01,2027-01-31",
            "hours,2027-07-01 10:00,2027-07-01T12:30+00:00",
            "for-ever,,",
        )

        made = {code.code: code for code in RewardCode.objects.filter(pool=reward.pk)}
        assert (made["whole-days"].starts_at, made["whole-days"].ends_at) == (
            datetime(2026, 12, 31, 23, tzinfo=UTC),
            datetime(2027, 1, 31, 23, tzinfo=UTC),
        )
        assert (made["hours"].starts_at, made["hours"].ends_at) == (
            datetime(2027, 7, 1, 8, tzinfo=UTC),
            datetime(2027, 7, 1, 12, 30, tzinfo=UTC),
        )
        assert (made["for-ever"].canonical, made["for-ever"].ends_at) == ("FOR-EVER", None)
        assert job.tally["apply"] == {"ok": 3}
        assert PoolCandidate.objects.count() == 0
        event = Event.objects.get(kind="pool.codes_added")
        assert (event.subject_id, event.data) == (reward.pk, {"job_id": job.pk, "codes": 3})

    def test_reads_a_workbook_too(self, reward):
        step(run(begin(reward, workbook(["code", "end"], ["A-1", "2027-01-31"]))), "apply")

        assert texts(reward) == ["A-1"]

    def test_refuses_what_came_into_the_shop_after_the_check(self, reward):
        job = run(begin(reward, csv_file("code", "A", "B")))
        fill(RewardFactory(), "b")

        step(job, "apply")

        assert texts(reward) == ["A"]
        assert told(job, "apply") == {3: ("refused", "in_use")}
        assert job.tally["apply"] == {"ok": 1, "refused": 1}

    def test_refuses_every_row_when_the_reward_has_moved_to_another_shop(self, reward, connection):
        job = run(begin(reward, csv_file("code", "A", "B")))
        Reward.objects.filter(pk=reward.pk).update(connection=connection)

        step(job, "apply")

        assert set(told(job, "apply").values()) == {("refused", "other_shop")}
        assert RewardCode.objects.count() == 0

    def test_brings_nothing_a_second_time(self, reward):
        applied(reward, "code", "A", "B")

        again = applied(reward, "code", "A", "B")

        assert again.tally["apply"] == {"unchanged": 2, "ok": 0}
        assert texts(reward) == ["A", "B"]

    def test_goes_on_where_a_killed_worker_stopped(self, reward, monkeypatch):
        monkeypatch.setattr(pool_imports.Apply, "batch_size", 2)
        monkeypatch.setattr(pool_imports.Check, "batch_size", 3)
        job = begin(reward, csv_file("code", *(f"CODE-{number}" for number in range(7))))
        work.batch(claim=work.take(job_id=job.pk, now=NOW), handlers=pool_imports.HANDLERS, now=NOW)
        later = NOW + timedelta(hours=1)  # the claim of whoever was killed is over
        run(job, now=later)
        lifecycle.begin(job_id=job.pk, step=Step.APPLY, actor=STAFF, now=later)
        work.batch(claim=work.take(job_id=job.pk, now=later), handlers=pool_imports.HANDLERS, now=later)
        assert len(texts(reward)) == 2

        run(job, now=later + timedelta(hours=1))

        assert texts(reward) == [f"CODE-{number}" for number in range(7)]
        assert job.tally == {"check": {"ok": 7}, "apply": {"ok": 7}}

    def test_takes_as_many_statements_for_many_rows_as_for_few(self, reward):
        jobs = [begin(reward, csv_file("code", *(f"{n}-{i}" for i in range(n)))) for n in (1, 3, 300)]
        run(jobs[0])  # the programme is read for the first time
        counts = []
        for job in jobs[1:]:
            with CaptureQueriesContext(database) as queries:
                run(job)
            counts.append(len(queries))

        assert counts[0] == counts[1]


class TestUndoing:
    def test_removes_what_nobody_has_got_and_tells_of_the_rest(self, reward):
        fill(reward, "BEFORE")
        job = applied(reward, "code,end", "TAKEN,2027-01-01", "LEFT,", "BEFORE,")
        assert pools.draw(reward=reward, now=NOW).code == "TAKEN"

        step(job, "undo")

        assert texts(reward) == ["BEFORE", "TAKEN"]
        assert told(job, "undo") == {2: ("refused", "handed_out")}
        assert job.tally["undo"] == {"ok": 1, "refused": 1}
        assert Event.objects.get(kind="pool.codes_removed").data == {"job_id": job.pk, "codes": 1}

    def test_forgets_the_candidates_of_an_import_that_was_canceled(self, reward):
        job = run(begin(reward, csv_file("code", "A")))
        lifecycle.cancel(job_id=job.pk, now=NOW)

        pools.watch(now=NOW)

        assert PoolCandidate.objects.count() == 0
