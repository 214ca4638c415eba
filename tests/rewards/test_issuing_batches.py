"""Issuing what waits for a shop: together, in turn, at the shop's pace, and never twice."""

import gc
import sys
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection as database
from django.db import transaction

from loyalty.celery import app
from loyalty.common import actors
from loyalty.events.models import Event
from platforms.sandbox.adapter import SandboxAdapter
from rewards import granting, issuing, redemption
from rewards.issuing import lanes, many
from rewards.models import CodeEvidence, FulfillmentStatus, IssueAttempt, IssueLane, IssueWork, RedeemedReward
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]

STAFF = actors.staff(1)


@pytest.fixture
def grant(product):
    """Grants so many rewards of the shop, each to a customer of its own."""

    def some(count, *, now=NOW):
        return [
            granting.grant(customer_id=CustomerFactory().pk, reward_id=product.reward_id, actor=STAFF, now=now)
            for _ in range(count)
        ]

    return some


@pytest.fixture
def work(connection):
    def on_it(*, now=NOW, patience=20.0):
        issuing.work_for(connection_id=connection.pk, now=now, patience=patience)

    return on_it


@pytest.fixture
def rung(monkeypatch):
    """The messages that workers were sent."""
    sent = []
    monkeypatch.setattr(app, "send_task", lambda name, kwargs, **_: sent.append((name, kwargs)))
    return sent


def statuses():
    return list(RedeemedReward.objects.order_by("pk").values_list("fulfillment_status", flat=True))


def test_makes_each_code_once_and_keeps_what_the_shop_said(grant, shop, work):
    granted = grant(5)

    work()

    assert statuses() == ["issued"] * 5
    assert not IssueWork.objects.exists()
    for one in RedeemedReward.objects.select_related("code"):
        (made,) = shop.codes(one.code.code)
        assert (made["reference"], made["id"]) == (one.reference, one.code.remote_id)
        assert (one.on_profile, one.issued_at) == (True, one.updated_at)
    assert list(IssueAttempt.objects.values_list("call", "outcome")) == [("create", "ok")] * 5
    assert list(CodeEvidence.objects.values_list("kind", "alive", "status")) == [("created", True, 201)] * 5
    told = Event.objects.filter(kind="reward.issued").values_list("subject_id", "customer_id")
    assert sorted(told) == sorted((one.pk, one.customer_id) for one in granted)


def test_asks_about_several_at_the_same_time(grant, shop, work, settings):
    settings.ISSUE_CALLS_AT_ONCE = 6
    grant(6)
    shop.fault("create", "slow", seconds=0.5, times=6)
    began = time.monotonic()

    work()

    assert statuses() == ["issued"] * 6
    assert time.monotonic() - began < 2.5  # one after the other: 3


def test_leaves_the_process_as_it_was(grant, work):
    """While it calls, threads change hands sooner, and what was loaded before is not searched for rubbish."""
    before = (sys.getswitchinterval(), gc.get_threshold(), gc.get_freeze_count())
    grant(1)

    work()

    assert statuses() == ["issued"]
    assert (sys.getswitchinterval(), gc.get_threshold(), gc.get_freeze_count()) == before


def test_makes_many_by_one_call_where_the_shop_takes_that(grant, shop, work):
    grant(12)

    work()

    assert statuses() == ["issued"] * 12
    assert IssueAttempt.objects.filter(call="create", outcome="ok").count() == 12
    assert IssueAttempt.objects.values("started_at").distinct().count() == 1
    for one in RedeemedReward.objects.select_related("code"):
        (made,) = shop.codes(one.code.code)
        assert (made["reference"], made["id"]) == (one.reference, one.code.remote_id)


def test_makes_no_more_by_one_call_than_it_may(grant, work, settings):
    settings.ISSUE_CODES_A_CALL = 5
    grant(12)

    work()

    assert statuses() == ["issued"] * 12
    assert IssueAttempt.objects.values("started_at").distinct().count() == 3


def test_finds_another_code_for_the_one_of_many_that_the_shop_has_already(grant, shop, work):
    granted, *_ = grant(12)
    taken = granted.code.code
    shop.create_code(taken)

    work()

    granted.refresh_from_db()
    assert statuses() == ["issued"] * 12
    assert granted.code.code != taken


def test_doubts_each_of_many_whose_call_was_not_answered_and_makes_none_twice(grant, shop, work):
    grant(12)
    shop.fault("create", "drop_after_accepting")

    work()
    assert statuses() == ["pending"] * 12
    assert IssueWork.objects.filter(in_doubt_since__isnull=False).count() == 12

    work(now=NOW + timedelta(seconds=40))
    assert statuses() == ["issued"] * 12
    for one in RedeemedReward.objects.select_related("code"):
        assert len(shop.codes(one.code.code)) == 1


def test_asks_about_each_alone_when_the_shop_refuses_many_at_once(grant, shop, work):
    grant(12)
    shop.fault("create", "refuse")

    work()

    assert statuses() == ["issued"] * 12
    assert IssueAttempt.objects.values("started_at").distinct().count() == 12


def test_makes_a_customers_own_by_a_call_of_its_own_and_before_the_many(customer, product, grant, work, settings):
    settings.ISSUE_CALLS_AT_ONCE = 1
    grant(12)
    IssueWork.objects.update(turn=1)
    redeemed, _ = redemption.start(
        customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW, points_to_spend=None,
        expected_value=None, idempotency_key=None, patience=None,
    )  # fmt: skip

    work()

    assert statuses() == ["issued"] * 13
    first = IssueAttempt.objects.order_by("started_at").first()
    assert first.redeemed_reward_id == redeemed.pk
    assert IssueAttempt.objects.values("started_at").distinct().count() == 2


def test_captures_the_points_of_a_redemption_that_a_worker_issues(customer, product, work):
    redeemed, _ = redemption.start(
        customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW, points_to_spend=None,
        expected_value=None, idempotency_key=None, patience=None,
    )  # fmt: skip

    work()

    redeemed.refresh_from_db()
    assert (redeemed.fulfillment_status, redeemed.debit.points_change) == (FulfillmentStatus.ISSUED, -100)


def test_takes_a_customers_redemption_before_what_a_job_has_queued(customer, product, grant, work, settings):
    settings.ISSUE_CALLS_AT_ONCE = 1
    first, second = grant(2)
    IssueWork.objects.filter(pk=first.pk).update(turn=2)
    IssueWork.objects.filter(pk=second.pk).update(turn=1)
    redeemed, _ = redemption.start(
        customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW, points_to_spend=None,
        expected_value=None, idempotency_key=None, patience=None,
    )  # fmt: skip

    work()

    asked = IssueAttempt.objects.order_by("started_at").values_list("redeemed_reward_id", flat=True)
    assert list(asked) == [redeemed.pk, second.pk, first.pk]


def test_leaves_a_shop_to_the_worker_who_is_at_it_until_that_ones_time_is_over(grant, connection, work):
    grant(1)
    lanes.take(connection_id=connection.pk, now=NOW)

    work()
    assert statuses() == ["pending"]

    work(now=NOW + issuing.lease())
    assert statuses() == ["issued"]


def test_gives_as_many_workers_a_lane_as_the_shop_may_have(connection, settings):
    settings.ISSUE_WORKERS_PER_SHOP = 2

    taken = [lanes.take(connection_id=connection.pk, now=NOW) for _ in range(3)]

    assert [lane is not None for lane in taken] == [True, True, False]
    lanes.leave(taken[0], now=NOW, rest=0)
    assert lanes.take(connection_id=connection.pk, now=NOW) is not None


def test_leaves_a_shop_alone_as_long_as_it_asks_and_counts_no_try(grant, shop, work, settings, connection):
    settings.ISSUE_CALLS_AT_ONCE = 1
    grant(5)
    shop.fault("create", "throttle", seconds=90)

    work()
    assert IssueAttempt.objects.count() == 1
    assert sorted(IssueWork.objects.values_list("attempts", "claim")) == [(0, None)] * 5

    work(now=NOW + timedelta(seconds=60))
    assert IssueAttempt.objects.count() == 1

    work(now=NOW + timedelta(seconds=100))
    assert statuses() == ["issued"] * 5


def test_asks_no_faster_than_the_shop_bears(grant, shop, work, connection):
    type(connection).objects.filter(pk=connection.pk).update(calls_per_second=5)
    grant(6)
    began = time.monotonic()

    work()

    assert statuses() == ["issued"] * 6
    assert time.monotonic() - began >= 5 / 5
    assert set(IssueAttempt.objects.values_list("outcome", flat=True)) == {"ok"}


def test_goes_on_within_its_time_when_the_shop_asks_for_a_moment(grant, shop, work):
    grant(3)
    shop.fault("create", "throttle", seconds=1)

    work()

    assert statuses().count("issued") >= 2  # all three, where the moment was over before the others were made
    assert all(row.due_at <= NOW + timedelta(seconds=3) for row in IssueWork.objects.all())


@pytest.mark.parametrize("kind", ["server_error", "drop_after_accepting"])
def test_looks_up_what_is_in_doubt_and_holds_up_no_other(grant, shop, work, kind):
    grant(3)
    shop.fault("create", kind)

    work()
    assert sorted(statuses()) == ["issued", "issued", "pending"]
    assert IssueWork.objects.get().in_doubt_since is not None

    for seconds in (40, 80):
        work(now=NOW + timedelta(seconds=seconds))
    assert statuses() == ["issued"] * 3
    for one in RedeemedReward.objects.select_related("code"):
        assert len(shop.codes(one.code.code)) == 1


def test_takes_another_code_where_the_shop_has_somebody_elses(grant, shop, work):
    (granted,) = grant(1)
    taken = granted.code.code
    shop.create_code(taken)

    work()

    granted.refresh_from_db()
    assert granted.fulfillment_status == "issued"
    assert granted.code.code != taken


def test_fails_what_the_shop_refuses_and_issues_the_others(grant, shop, work):
    grant(3)
    shop.fault("create", "refuse")

    work()

    assert sorted(statuses()) == ["failed", "issued", "issued"]


def test_is_stopped_by_no_mistake_of_ours(grant, shop, work, monkeypatch):
    bad, _good = grant(2)
    create = SandboxAdapter.create_code

    def stumble(self, spec):
        if spec.reference == bad.reference:
            raise ZeroDivisionError
        return create(self, spec)

    monkeypatch.setattr(SandboxAdapter, "create_code", stumble)
    work()
    assert (statuses(), IssueWork.objects.get().pk) == (["pending", "issued"], bad.pk)

    monkeypatch.setattr(SandboxAdapter, "create_code", create)
    for seconds in (61, 100, 160):
        work(now=NOW + timedelta(seconds=seconds))
    assert statuses() == ["issued"] * 2


def test_gives_back_what_it_has_no_time_for(grant, work):
    grant(3)

    work(patience=0.0)

    assert statuses() == ["pending"] * 3
    assert sorted(IssueWork.objects.values_list("attempts", "claim")) == [(0, None)] * 3
    assert IssueLane.objects.get().claim is None


def test_doubts_what_a_dead_worker_had_claimed(grant, connection, shop, work):
    (granted,) = grant(1)
    dead = lanes.take(connection_id=connection.pk, now=NOW)
    assert len(many.take(connection_id=connection.pk, claim=dead.token, count=5, now=NOW)) == 1

    work(now=NOW + issuing.lease())
    assert IssueWork.objects.get().in_doubt_since >= NOW + issuing.lease()
    assert list(IssueAttempt.objects.values_list("call", flat=True)) == ["find"]

    for seconds in (100, 160):
        work(now=NOW + timedelta(seconds=seconds))
    granted.refresh_from_db()
    assert granted.fulfillment_status == "issued"


def test_records_nothing_on_a_claim_that_is_over(grant, work, monkeypatch):
    grant(1)
    record = many.issue

    def too_late(**more):
        IssueWork.objects.all().delete()  # somebody took it over and decided
        return record(**more)

    monkeypatch.setattr(many, "issue", too_late)
    work()

    assert statuses() == ["pending"]
    assert IssueAttempt.objects.count() == 1
    assert not CodeEvidence.objects.exists()


def test_records_the_others_while_one_is_locked(grant, work):
    """A batch waits for no lock while it holds others: two batches, or a batch and a job, never wait in a circle."""
    busy, *_ = grant(4)
    held, over = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            RedeemedReward.objects.select_for_update().get(pk=busy.pk)
            held.set()
            over.wait(timeout=20)
        database.close()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(timeout=20)
    worker = threading.Thread(target=lambda: (work(), database.close()))
    worker.start()
    ends_at = time.monotonic() + 10
    while statuses().count("issued") < 3 and time.monotonic() < ends_at:
        time.sleep(0.05)
    meanwhile = statuses()
    over.set()
    holder.join()
    worker.join()

    assert meanwhile == ["pending", "issued", "issued", "issued"]
    assert statuses() == ["issued"] * 4


def test_rings_once_for_a_shop_however_many_wait_there(grant, connection, rung):
    grant(3)
    rung.clear()

    assert issuing.sweep(now=NOW) == 1

    assert rung == [("rewards.issue_waiting", {"connection_id": connection.pk})]


def test_rings_for_each_that_the_release_before_has_queued(grant, rung):
    (granted,) = grant(1)
    IssueWork.objects.update(connection=None)
    rung.clear()

    assert issuing.sweep(now=NOW) == 1

    assert rung == [("rewards.issue", {"redeemed_reward_id": granted.pk})]


def test_follows_a_redemption_through_a_shops_moment_and_no_longer(product, shop, work):
    member = CustomerFactory()
    give(member, 100)
    redeemed, _ = redemption.start(
        customer_id=member.pk, points_product_id=product.pk, actor=STAFF, now=NOW, points_to_spend=None,
        expected_value=None, idempotency_key=None, patience=None,
    )  # fmt: skip
    shop.fault("create", "throttle", seconds=30)

    work()

    redeemed.refresh_from_db()
    assert (redeemed.fulfillment_status, redeemed.failure_code) == ("failed", "throttled")
