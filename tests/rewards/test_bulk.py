"""Bulk acts as a job: checked first, then done, each row with its own outcome, and undone where that is possible."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model

from loyalty.common import actors
from loyalty.common.adminkit import acts as desk_acts
from loyalty.jobs import lifecycle
from loyalty.jobs.models import Job, JobOutcome, Step
from rewards import bulk
from rewards.models import Cancellation, RedeemedReward
from tests.rewards.admin_rows import AT, GRID, VIEW, attempt, gift_row, row, staff, words

pytestmark = pytest.mark.django_db(transaction=True)
NOW = AT + timedelta(days=2)
STAFF, HELPER = actors.staff(7_000_001), actors.staff(7_000_002)


@pytest.fixture(autouse=True)
def _people(transactional_db):
    users = get_user_model().objects
    users.create(pk=STAFF.id, email="manager@example.com", is_staff=True, is_superuser=True)
    users.create(pk=HELPER.id, email="helper@example.com", is_staff=True)


def begun(act, *rows):
    return bulk.begin(act=act, ids=[each.pk for each in rows], actor=STAFF, now=NOW)


def worked(job):
    bulk.work_on(job_id=job.pk, now=NOW, patience=60)
    return told(job, Job.objects.get(pk=job.pk).step)


def applied(job, step=Step.APPLY):
    lifecycle.begin(job_id=job.pk, step=step, actor=STAFF, now=NOW)
    return worked(job)


def told(job, step):
    return list(
        JobOutcome.objects.filter(job=job, step=step).order_by("number").values_list("subject_id", "verdict", "code")
    )


def usages(*rows):
    return [RedeemedReward.objects.get(pk=each.pk).usage_status for each in rows]


def test_checking_changes_nothing_and_says_for_each_row_what_would_come_of_it():
    good, used, expired, untracked = (
        gift_row(),
        gift_row(usage_status="used"),
        row(expires_at=NOW),
        row(usage_status="untracked"),
    )
    job = begun(bulk.BulkAct.USED, good, used, expired, untracked)

    assert worked(job) == [
        (good.pk, "ok", ""),
        (used.pk, "unchanged", ""),
        (expired.pk, "refused", "usage_refused"),
        (untracked.pk, "refused", "usage_refused"),
    ]
    assert usages(good, used, expired) == ["unused", "used", "unused"]


def test_applying_does_what_was_willing_and_undoing_takes_back_only_that():
    good, used, expired = gift_row(), gift_row(usage_status="used"), row(expires_at=NOW)
    job = begun(bulk.BulkAct.USED, good, used, expired)
    worked(job)

    assert applied(job) == [(good.pk, "ok", "")]
    assert usages(good, used, expired) == ["used", "used", "unused"]
    assert applied(job, Step.UNDO) == [(good.pk, "ok", "")]
    assert usages(good, used, expired) == ["unused", "used", "unused"]


def test_a_row_that_moved_since_the_check_is_judged_once_more():
    gift = gift_row(usage_status="used")
    job = begun(bulk.BulkAct.UNUSED, gift)
    worked(job)
    RedeemedReward.objects.filter(pk=gift.pk).update(delivery_status="shipped")

    assert applied(job) == [(gift.pk, "refused", "usage_refused")]
    assert usages(gift) == ["used"]


def test_canceling_ends_what_no_shop_knows_refuses_what_was_used_and_cannot_be_undone():
    ours, used = row(), row(usage_status="used")
    job = begun(bulk.BulkAct.CANCEL, ours, used)

    assert worked(job) == [(ours.pk, "ok", ""), (used.pk, "refused", "cancellation_refused")]
    assert not Cancellation.objects.exists()
    assert applied(job) == [(ours.pk, "ok", "")]
    assert RedeemedReward.objects.get(pk=ours.pk).fulfillment_status == "cancelled"
    assert applied(job, Step.UNDO) == [(ours.pk, "refused", "irreversible")]


@pytest.mark.parametrize("act", bulk.BulkAct)
def test_whoever_may_not_do_it_to_one_may_not_apply_it_to_many(act):
    one = gift_row(usage_status="used" if act == bulk.BulkAct.UNUSED else "unused")
    job = begun(act, one)
    worked(job)

    with pytest.raises(lifecycle.JobRefused, match="not allowed"):
        lifecycle.begin(job_id=job.pk, step=Step.APPLY, actor=HELPER, now=NOW)

    assert Job.objects.get(pk=job.pk).step == Step.CHECK


def test_more_rows_than_a_request_takes_become_a_job_of_the_whole_filter(monkeypatch):
    monkeypatch.setattr(desk_acts, "MOST_ROWS", 2)
    wanted = [row() for _ in range(3)]
    gift_row(usage_status="used")
    attempt()
    client = staff(VIEW, "rewards.mark_used", "jobs.add_job", "jobs.view_job", "jobs.change_job")

    answer = choose_all(client, "?usage=unused", wanted[0])

    job = Job.objects.get()
    assert answer["Location"] == f"/admin/jobs/job/{job.pk}/change/"
    assert [each.data["id"] for each in job.rows.order_by("number")] == [each.pk for each in wanted]
    assert "3 rows are being checked." in words(client.get(answer["Location"]))
    assert usages(*wanted) == ["unused"] * 3


def test_without_the_right_to_begin_a_job_it_says_how_many_rows_it_takes(monkeypatch):
    monkeypatch.setattr(desk_acts, "MOST_ROWS", 2)
    rows = [row() for _ in range(3)]
    client = staff(VIEW, "rewards.mark_used")

    choose_all(client, "", rows[0])

    assert "takes at most 2 at a time. Nothing was changed." in words(client.get(GRID))
    assert not Job.objects.exists()


def choose_all(client, query, first):
    return client.post(
        f"{GRID}{query}",
        {"action": "mark_used", "index": "0", "_selected_action": [first.pk], "select_across": "1"},
    )


def test_refuses_more_rows_than_a_job_takes(monkeypatch):
    monkeypatch.setattr(bulk, "MOST_ROWS", 1)

    with pytest.raises(lifecycle.TooManyRows):
        begun(bulk.BulkAct.USED, row(), row())
    assert not Job.objects.exists()
