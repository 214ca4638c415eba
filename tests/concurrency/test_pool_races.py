"""Races for the codes of a pool: each is handed out once, whoever comes when."""

from collections import Counter

import pytest
from django.db import connection, transaction

from loyalty.common import actors
from loyalty.points import audit, queries
from rewards import pools, redemption
from rewards.limits import RewardNotAvailable
from rewards.models import RedeemedReward, RewardCode
from tests.concurrency.races import kinds_of_failure, race, succeeded
from tests.factories.catalogue import PointsProductFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give
from tests.factories.pools import fill

pytestmark = pytest.mark.django_db(transaction=True)

STAFF = actors.staff(1)
CUSTOMERS, CODES = 16, 10


@pytest.fixture
def product():
    made = PointsProductFactory()
    fill(made.reward, *(f"CODE-{number}" for number in range(CODES)))
    return made


@pytest.fixture
def customers():
    people = CustomerFactory.create_batch(CUSTOMERS)
    for customer in people:
        give(customer, 100)
    return people


def redeem(customer, product):
    return lambda: redemption.redeem(customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW)


def test_two_customers_never_get_one_code_and_no_code_stays_behind(product, customers):
    results = race(*(redeem(customer, product) for customer in customers))

    handed_out = Counter(RedeemedReward.objects.values_list("code__code", flat=True))
    assert handed_out == {f"CODE-{number}": 1 for number in range(CODES)}
    assert kinds_of_failure(results) == {"RewardNotAvailable"}
    assert len(succeeded(results)) == CODES
    paid = [queries.balance(customer_id=customer.pk, now=NOW).balance for customer in customers]
    assert sorted(paid) == [0] * CODES + [100] * (CUSTOMERS - CODES)
    assert list(audit.differences()) == []


def test_the_race_is_one_without_the_lock_codes_go_out_twice(product, customers, monkeypatch):
    """The control: the same race, the code chosen without a lock, shows what the test above would catch."""
    monkeypatch.setattr(pools, "draw", without_lock)

    race(*(redeem(customer, product) for customer in customers))

    handed_out = Counter(RedeemedReward.objects.values_list("code__code", flat=True))
    assert max(handed_out.values()) > 1


def without_lock(*, reward, now):
    free = RewardCode.objects.filter(pool_id=reward.pk, taken_at=None).order_by("id").first()
    if free is None:
        raise RewardNotAvailable(pools.EMPTY, code="pool_empty")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.2)")  # so that the others look meanwhile
    RewardCode.objects.filter(pk=free.pk).update(taken_at=now)
    return free


def test_a_code_under_way_to_somebody_else_is_waited_for_when_it_is_the_last(product):
    RewardCode.objects.exclude(code="CODE-0").delete()
    reward = product.reward

    def gives_up():
        with transaction.atomic():
            pools.draw(reward=reward, now=NOW)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(0.5)")
            transaction.set_rollback(True)

    def comes_second():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.1)")
        return pools.draw(reward=reward, now=NOW)

    _, got = race(gives_up, comes_second)

    assert got.code == "CODE-0"
