"""Bulk acts as a job: checked first, then done, each row with its own outcome, and undone where that is possible."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model

from loyalty.common import actors
from loyalty.common.adminkit import acts as desk_acts
from loyalty.jobs import lifecycle
from loyalty.jobs.models import Job, JobOutcome, Step
from rewards import bulk, probing, reissue
from rewards.models import Cancellation, CodeEvidence, RedeemedReward
from tests.factories.people import ConnectionFactory
from tests.rewards.admin_rows import AT, GRID, VIEW, attempt, code, gift_row, row, staff, words

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


def test_parcels_are_marked_delivered_or_their_delivery_is_canceled_and_each_row_says_what_came_of_it():
    shipped, ordered, other = gift_row(delivery_status="shipped"), gift_row(usage_status="used"), row()
    rows = (shipped, ordered, other)

    job = begun(bulk.BulkAct.DELIVERED, *rows)
    assert worked(job) == [
        (shipped.pk, "ok", ""),
        (ordered.pk, "refused", "delivery_refused"),
        (other.pk, "refused", "delivery_refused"),
    ]
    assert applied(job) == [(shipped.pk, "ok", "")]
    assert applied(job, Step.UNDO) == [(shipped.pk, "refused", "irreversible")]

    job = begun(bulk.BulkAct.CANCEL_DELIVERY, *rows)
    worked(job)
    assert applied(job) == [(ordered.pk, "ok", "")]
    assert [RedeemedReward.objects.get(pk=each.pk).delivery_status for each in rows] == ["delivered", "cancelled", ""]


def test_what_failed_is_reissued_once_and_what_did_not_is_refused():
    failed, before, fine = (
        row(fulfillment_status="failed", failure_code="invalid"),
        row(fulfillment_status="failed", failure_code="invalid"),
        row(),
    )
    first = reissue.reissue(redeemed_reward_id=before.pk, actor=STAFF, now=NOW)
    job = begun(bulk.BulkAct.REISSUE, failed, before, fine)

    assert worked(job) == [
        (failed.pk, "ok", ""),
        (before.pk, "unchanged", ""),
        (fine.pk, "refused", "reissue_refused"),
    ]
    assert RedeemedReward.objects.count() == 4
    assert applied(job) == [(failed.pk, "ok", "")]
    new = RedeemedReward.objects.get(reissue_of=failed)
    assert JobOutcome.objects.get(job=job, step=Step.APPLY).text == f"Reissued as reward {new.pk}."
    assert (new.fulfillment_status, new.actor_id) == ("issued", STAFF.id)
    assert RedeemedReward.objects.get(reissue_of=before).pk == first.pk
    assert applied(job, Step.UNDO) == [(failed.pk, "refused", "irreversible")]


def test_canceled_codes_are_checked_again_by_a_worker_and_what_no_shop_knows_is_refused():
    shop = ConnectionFactory()
    canceled = row(fulfillment_status="cancelled", connection=shop, code=code("A-2345", shop))
    ours, alive = row(fulfillment_status="cancelled", code=code("B-2345")), row()
    for each in (canceled, ours):
        Cancellation.objects.create(
            redeemed_reward=each, state="unproved", return_points=True, created_at=AT, closed_at=AT, probes=2
        )
    job = begun(bulk.BulkAct.CHECK_AGAIN, canceled, ours, alive)

    assert worked(job) == [
        (canceled.pk, "ok", ""),
        (ours.pk, "refused", "nothing_to_check"),
        (alive.pk, "refused", "nothing_to_check"),
    ]
    assert not Cancellation.objects.exclude(probe_due_at=None).exists()
    assert applied(job) == [(canceled.pk, "ok", "")]
    due = Cancellation.objects.exclude(probe_due_at=None).get()
    assert due.redeemed_reward_id == canceled.pk

    probing.proceed(cancellation_id=due.pk, now=NOW + timedelta(minutes=1))  # nobody answers at its address
    due.refresh_from_db()
    assert (due.probes, due.probe_due_at) == (3, None)
    assert CodeEvidence.objects.get(cancellation=due).kind == "probed"


@pytest.mark.parametrize(
    ("act", "permission", "query"),
    [
        ("deliver", "rewards.deliver_redeemedreward", "?delivery_status=shipped"),
        ("cancel_delivery", "rewards.deliver_redeemedreward", "?delivery_status=shipped"),
        ("reissue", "rewards.reissue_redeemedreward", "?delivery_status=shipped"),
        ("check_again", "rewards.cancel_redeemedreward", "?delivery_status=shipped"),
        ("retry", "rewards.reissue_redeemedreward", "?delivery_status=shipped"),
    ],
)
def test_each_of_them_takes_the_whole_filter(monkeypatch, act, permission, query):
    monkeypatch.setattr(desk_acts, "MOST_ROWS", 2)
    wanted = [gift_row(delivery_status="shipped") for _ in range(3)]
    row()
    client = staff(VIEW, permission, "jobs.add_job", "jobs.view_job")

    answer = client.post(
        f"{GRID}{query}", {"action": act, "index": "0", "_selected_action": [wanted[0].pk], "select_across": "1"}
    )

    job = Job.objects.get()
    assert answer["Location"] == f"/admin/jobs/job/{job.pk}/change/"
    assert [each.data["id"] for each in job.rows.order_by("number")] == [each.pk for each in wanted]


def test_many_parcels_are_shipped_by_their_tracking_numbers(monkeypatch):
    monkeypatch.setattr(desk_acts, "MOST_ROWS", 2)
    rows = [gift_row(usage_status="used") for _ in range(3)]
    client = staff(VIEW, "rewards.deliver_redeemedreward")

    answer = client.post(
        GRID, {"action": "ship", "index": "0", "_selected_action": [rows[0].pk], "select_across": "1"}, follow=True
    )

    assert answer.request["PATH_INFO"] == f"{GRID}tracking/"
    assert "So many parcels are shipped by a table of their tracking numbers." in words(answer)
