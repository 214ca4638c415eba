"""Customers who are merged while others merge, spend and redeem."""

import pytest

from loyalty.common.actors import SYSTEM
from loyalty.customers.models import Customer
from loyalty.merging import forwarding, joining
from loyalty.merging.models import CustomerMerge
from loyalty.points import audit, queries
from rewards import redemption
from rewards.models import RedeemedReward
from tests.concurrency.races import kinds_of_failure, race, succeeded
from tests.factories.catalogue import CustomFactory, PointsProductFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give


def merge(source, survivor):
    return joining.merge(source_id=source.pk, survivor_id=survivor.pk, actor=SYSTEM, now=NOW)


def total(people):
    return sum(figures.balance for figures in queries.balances(customer_ids=[p.pk for p in people], now=NOW).values())


@pytest.mark.django_db(transaction=True)
def test_of_merges_in_all_directions_no_points_are_lost_and_nobody_goes_twice():
    people = [CustomerFactory() for _ in range(3)]
    for customer in people:
        give(customer, 100)
    first, second, third = people
    product = PointsProductFactory(reward=CustomFactory(), points_price=100)

    results = race(
        lambda: merge(first, second),
        lambda: merge(second, first),
        lambda: merge(second, third),
        lambda: merge(third, first),
        lambda: redemption.redeem(customer_id=first.pk, points_product_id=product.pk, actor=SYSTEM, now=NOW),
        lambda: redemption.redeem(customer_id=second.pk, points_product_id=product.pk, actor=SYSTEM, now=NOW),
    )
    while forwarding.sweep(now=NOW):
        pass

    refusals = {"MergeRefused", "InsufficientPoints", "RewardNotAvailable"}
    assert kinds_of_failure(results) <= refusals
    redeemed = RedeemedReward.objects.count()
    assert total(people) == 300 - 100 * redeemed
    gone = CustomerMerge.objects.values_list("source_id", flat=True)
    assert len(set(gone)) == len(gone) == Customer.objects.filter(merged_into__isnull=False).count() > 0
    left = Customer.objects.filter(merged_into=None)
    assert total(left) == total(people)
    assert not Customer.objects.filter(merged_into__merged_into__isnull=False).exists()
    assert len(succeeded(results)) == len(gone) + redeemed
    assert list(audit.differences()) == []
