"""Bulk jobs beside each other: whatever they take of one reward after another, they never wait in a circle."""

import time
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model

from loyalty.common import actors
from loyalty.jobs import lifecycle
from loyalty.jobs.models import JobOutcome, Step
from rewards import bulk, granting, limits
from rewards.models import RedeemedReward, RewardStock
from tests.concurrency.races import race, succeeded
from tests.factories.catalogue import RewardFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW

pytestmark = pytest.mark.django_db(transaction=True)

STAFF = actors.staff(7_000_001)
LATER = NOW + timedelta(hours=1)


@pytest.fixture(autouse=True)
def _manager(transactional_db):
    get_user_model().objects.create(pk=STAFF.id, email="manager@example.com", is_staff=True, is_superuser=True)


@pytest.fixture
def rewards():
    """Two rewards with a stock each."""
    made = RewardFactory.create_batch(2)
    for reward in made:
        limits.set_total(reward_id=reward.pk, limit=10, now=NOW)
    return made


def given(reward):
    return granting.grant(customer_id=CustomerFactory().pk, reward_id=reward.pk, actor=STAFF, now=NOW).pk


def checked(act, *ids):
    """A job that waits to be applied."""
    job = bulk.begin(act=act, ids=ids, actor=STAFF, now=LATER)
    bulk.work_on(job_id=job.pk, now=LATER, patience=60)
    lifecycle.begin(job_id=job.pk, step=Step.APPLY, actor=STAFF, now=LATER)
    return job


def test_that_cancel_two_rewards_in_opposite_orders_do_not_deadlock(rewards, monkeypatch):
    one, other = rewards
    jobs = [
        checked(bulk.BulkAct.CANCEL, given(one), given(other)),
        checked(bulk.BulkAct.CANCEL, given(other), given(one)),
    ]
    free_piece = limits.free_piece

    def slowly(**given):
        free_piece(**given)
        time.sleep(0.3)  # the other job takes its first piece meanwhile

    monkeypatch.setattr(limits, "free_piece", slowly)

    results = race(*[lambda job=job: bulk.work_on(job_id=job.pk, now=LATER, patience=60) for job in jobs])

    assert len(succeeded(results)) == 2, results
    assert list(RedeemedReward.objects.values_list("fulfillment_status", flat=True)) == ["cancelled"] * 4
    assert JobOutcome.objects.filter(step=Step.APPLY, verdict="ok").count() == 4
    assert sum(RewardStock.objects.values_list("left", flat=True)) == 20
