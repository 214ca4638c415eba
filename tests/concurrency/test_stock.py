"""Stock in buckets: nobody waits while a bucket is free, nobody is sent away while a piece may come back."""

import threading

import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from loyalty.common.actors import SYSTEM
from rewards import cancellation, granting, limits
from rewards.models import RewardStock
from tests.concurrency.races import race, succeeded
from tests.factories.catalogue import GiftFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW


@pytest.fixture
def gift():
    return GiftFactory()


def left(reward):
    return list(RewardStock.objects.filter(reward=reward).order_by("bucket").values_list("left", flat=True))


@given(st.integers(0, 10_000))
def test_pieces_are_shared_out_evenly_and_none_is_lost(pieces):
    shares = limits.share_out(pieces)

    assert sum(shares) == pieces
    assert 1 <= len(shares) <= limits.MOST_BUCKETS
    assert max(shares) - min(shares) <= 1


@pytest.mark.django_db
def test_a_changed_limit_is_shared_out_anew(gift):
    limits.set_total(reward_id=gift.pk, limit=1_000, now=NOW)
    assert left(gift) == [100] * 10
    limits.set_total(reward_id=gift.pk, limit=7, now=NOW)
    assert left(gift) == [7]


@pytest.mark.django_db(transaction=True)
def test_while_one_takes_a_piece_another_takes_from_the_next_bucket_without_waiting(gift):
    limits.set_total(reward_id=gift.pk, limit=200, now=NOW)
    gift.refresh_from_db()

    with transaction.atomic():
        limits.take_piece(reward=gift)

        def take():
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '2s'")
            with transaction.atomic():
                limits.take_piece(reward=gift)

        assert race(take) == [None]

    assert left(gift) == [99, 99]


@pytest.mark.parametrize("comes_back", [True, False])
@pytest.mark.django_db(transaction=True)
def test_the_last_piece_under_way_is_waited_for(gift, comes_back):
    limits.set_total(reward_id=gift.pk, limit=1, now=NOW)
    gift.refresh_from_db()
    taken, go_on = threading.Event(), threading.Event()

    def take_and_think():
        with transaction.atomic():
            limits.take_piece(reward=gift)
            taken.set()
            go_on.wait(10)
            transaction.set_rollback(comes_back)

    def want():
        taken.wait(10)
        threading.Timer(0.3, go_on.set).start()
        with transaction.atomic():
            limits.take_piece(reward=gift)

    _, second = race(take_and_think, want)

    assert left(gift) == [0]
    assert (second is None) is comes_back
    assert comes_back or second.code == "reward_sold_out"


@pytest.mark.django_db(transaction=True)
def test_many_at_once_take_exactly_what_there_is(gift):
    limits.set_total(reward_id=gift.pk, limit=220, now=NOW)
    gift.refresh_from_db()

    def take():
        got = 0
        for _ in range(20):
            try:
                with transaction.atomic():
                    limits.take_piece(reward=gift)
            except limits.RewardNotAvailable:
                continue
            got += 1
        return got

    assert sum(succeeded(race(*[take] * 16))) == 220
    assert sum(left(gift)) == 0


def while_set_total_waits(gift, act):
    """An act in a transaction that stays open for a while, and a total that is set meanwhile; whether it waited."""
    acted, is_set = threading.Event(), threading.Event()

    def do():
        with transaction.atomic():
            act()
            acted.set()
            return not is_set.wait(timeout=1)

    def set_total():
        acted.wait(timeout=10)
        limits.set_total(reward_id=gift.pk, limit=3, now=NOW)
        is_set.set()

    waited, failure = race(do, set_total)
    assert failure is None
    return waited


def give_one(gift, customer):
    return granting.grant(customer_id=customer.pk, reward_id=gift.pk, actor=SYSTEM, now=NOW)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("total", [None, 5])
def test_a_total_that_is_set_while_a_piece_is_being_taken_waits_for_it_and_counts_it(gift, total):
    limits.set_total(reward_id=gift.pk, limit=total, now=NOW)
    customer = CustomerFactory()

    waited = while_set_total_waits(gift, lambda: give_one(gift, customer))

    assert waited
    assert left(gift) == [2]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("total", [None, 5])
def test_a_total_that_is_set_while_a_piece_comes_back_waits_for_it_and_counts_it(gift, total):
    limits.set_total(reward_id=gift.pk, limit=total, now=NOW)
    granted = give_one(gift, CustomerFactory())

    waited = while_set_total_waits(
        gift, lambda: cancellation.begin(redeemed_reward_id=granted.pk, actor=SYSTEM, now=NOW)
    )

    assert waited
    assert left(gift) == [3]
