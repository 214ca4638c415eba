"""A campaign beside customers who redeem and staff who give: the limits hold, and nothing is given twice."""

import time

import pytest

from loyalty.common.actors import SYSTEM
from loyalty.merchant import queries as merchant
from rewards import granting, limits, mass_granting
from rewards.models import RedeemedReward, RewardStock
from tests.concurrency.races import race
from tests.factories.catalogue import RewardFactory
from tests.factories.people import CustomerFactory
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
