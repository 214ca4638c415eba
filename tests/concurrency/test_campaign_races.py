"""A campaign beside workers, customers who redeem and staff who give: the limits hold, and nothing is given twice."""

import time
from datetime import timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from loyalty.common.actors import SYSTEM
from loyalty.merchant import queries as merchant
from rewards import granting, limits, mass_granting
from rewards.campaigns import acts, audiences, steps
from rewards.issuing import many as works
from rewards.models import RedeemedReward, RewardStock
from tests.concurrency.races import race
from tests.factories.catalogue import RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import NOW

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _programme(transactional_db):
    """It is there before anybody begins."""
    merchant.programme()


@pytest.fixture
def slow(monkeypatch):
    """Between judging its customers and writing their rows a batch leaves the others time."""
    write = mass_granting._write

    def slowly(*arguments, **named):
        time.sleep(0.4)
        return write(*arguments, **named)

    monkeypatch.setattr(mass_granting, "_write", slowly)


def many(reward, customers):
    ids = [each.pk for each in customers]
    return mass_granting.grant(reward_id=reward.pk, customer_ids=ids, actor=SYSTEM, now=NOW, turn=1)


def one(reward, customer):
    time.sleep(0.1)  # the batch has judged by now
    return granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=SYSTEM, now=NOW)


def test_a_limit_per_customer_holds_while_a_batch_is_written(slow):
    reward, customers = RewardFactory(limit_per_customer=1), CustomerFactory.create_batch(3)

    batch, *others = race(lambda: many(reward, customers), *[lambda each=each: one(reward, each) for each in customers])

    assert len(batch.granted) == 3
    assert [getattr(each, "code", None) for each in others] == ["limit_reached"] * 3
    assert RedeemedReward.objects.count() == 3


def test_stock_that_is_taken_meanwhile_is_not_given_again(slow):
    reward, customers = RewardFactory(), CustomerFactory.create_batch(4)
    limits.set_total(reward_id=reward.pk, limit=5, now=NOW)
    strangers = CustomerFactory.create_batch(3)

    batch, *_ = race(lambda: many(reward, customers), *[lambda each=each: one(reward, each) for each in strangers])

    assert (len(batch.granted), [each.code for each in batch.refused.values()]) == (2, ["reward_sold_out"] * 2)
    assert RedeemedReward.objects.count() == 5
    assert sum(RewardStock.objects.values_list("left", flat=True)) == 0


def test_the_value_outstanding_holds_while_a_batch_is_written(slow):
    reward, customers = RewardFactory(liability_limit=10), CustomerFactory.create_batch(2)

    batch, other = race(lambda: many(reward, customers), lambda: one(reward, CustomerFactory()))

    assert len(batch.granted) == 2
    assert getattr(other, "code", None) == "liability_limit_reached"
    assert RedeemedReward.objects.count() == 2


def test_a_worker_that_comes_while_a_batch_is_taken_back_takes_none_of_it(monkeypatch):
    reward = RewardFactory(connection=ConnectionFactory())
    CustomerFactory.create_batch(3)
    fit = audiences.of_fit(fit=audiences.Fit(), zone=ZoneInfo("UTC"))
    campaign = acts.plan(name="Spring", reward_id=reward.pk, audience=fit, actor=SYSTEM, now=NOW)
    for act in (acts.give, acts.revert):
        steps.work_on(job_id=campaign.job_id, now=NOW, patience=60)
        act(campaign_id=campaign.pk, actor=SYSTEM, now=NOW)
    looked = steps._require_decided

    def slowly(*arguments, **named):
        looked(*arguments, **named)
        time.sleep(0.6)  # the worker comes now

    monkeypatch.setattr(steps, "_require_decided", slowly)
    later = NOW + timedelta(hours=2)

    def worker():
        time.sleep(0.3)
        return works.take(connection_id=reward.connection_id, claim=uuid4(), count=3, now=later)

    _, taken = race(lambda: steps.work_on(job_id=campaign.job_id, now=later, patience=60), worker)

    assert taken == []
    assert set(RedeemedReward.objects.values_list("fulfillment_status", flat=True)) == {"cancelled"}
