"""Expiry: told once a reward and end, ahead and afterwards; nothing else changes, whoever sweeps beside whom."""

import threading
from datetime import timedelta

import pytest
from django.db import connection as database
from django.db import transaction

from loyalty.common import actors
from loyalty.events.models import Event
from loyalty.merchant.models import Programme
from rewards import cancellation, expiry, extension, granting, issuing, usage
from rewards.models import Cancellation, RedeemedReward
from tests.concurrency.races import race, succeeded
from tests.factories.catalogue import GiftCardFactory, RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import NOW
from tests.rewards.admin_rows import row

STAFF = actors.staff(1)
DAY = timedelta(days=1)
END = NOW.replace(hour=0) + 31 * DAY  # of a reward that is valid for 30 days

pytestmark = pytest.mark.django_db


def have(**fields):
    """A code of our own that lives for 30 days."""
    reward = RewardFactory(**({"days_valid": 30} | fields))
    return granting.grant(customer_id=CustomerFactory().pk, reward_id=reward.pk, actor=STAFF, now=NOW)


def told(kind):
    return list(Event.objects.filter(kind=kind).order_by("id").values_list("subject_id", flat=True))


def test_of_a_reward_is_told_once_when_its_end_is_over():
    redeemed = have()
    before = RedeemedReward.objects.values().get()

    assert expiry.sweep(now=END - timedelta(seconds=1)) == 1  # told ahead
    expiry.sweep(now=END)
    expiry.sweep(now=END + DAY)

    event = Event.objects.get(kind="reward.expired")
    assert (event.subject_type, event.subject_id, event.customer_id) == (
        "redeemed_reward",
        redeemed.pk,
        redeemed.customer_id,
    )
    assert (event.actor_kind, event.occurred_at) == ("system", END)
    assert event.data == {"expired_at": END.isoformat()}
    assert RedeemedReward.objects.values().get() == before | {"expired_told": END, "expiring_told": END}


def test_is_told_ahead_by_as_many_days_as_the_programme_says_and_once():
    redeemed = have()

    assert expiry.sweep(now=END - 7 * DAY - timedelta(seconds=1)) == 0
    assert expiry.sweep(now=END - 7 * DAY) == 1
    assert expiry.sweep(now=END - DAY) == 0

    event = Event.objects.get(kind="reward.expiring")
    assert (event.subject_id, event.customer_id) == (redeemed.pk, redeemed.customer_id)
    assert event.data == {"expires_at": END.isoformat()}
    assert told("reward.expired") == []


@pytest.mark.parametrize(("days", "ahead"), [(3, 3), (30, 30)])
def test_is_told_ahead_at_the_merchants_own_distance(days, ahead):
    Programme.objects.update_or_create(pk=1, defaults={"expiry_notice_days": days})
    have(days_valid=60)

    assert expiry.sweep(now=END + 30 * DAY - ahead * DAY - timedelta(seconds=1)) == 0
    assert expiry.sweep(now=END + 30 * DAY - ahead * DAY) == 1


def test_is_not_told_ahead_where_the_merchant_wants_no_notice():
    Programme.objects.update_or_create(pk=1, defaults={"expiry_notice_days": 0})
    have()

    assert expiry.sweep(now=END - timedelta(seconds=1)) == 0
    assert expiry.sweep(now=END) == 1


def test_is_not_told_ahead_on_the_day_on_which_the_customer_got_it():
    have(days_valid=3)

    assert expiry.sweep(now=NOW + timedelta(hours=1)) == 0
    assert expiry.sweep(now=NOW + DAY) == 1


def test_is_told_anew_for_a_new_end():
    redeemed = have()
    expiry.sweep(now=END - DAY)
    expiry.sweep(now=END)

    longer = extension.extend(redeemed_reward_id=redeemed.pk, days=20, actor=STAFF, now=END)
    expiry.sweep(now=END + DAY)
    assert (told("reward.expiring"), told("reward.expired")) == ([redeemed.pk], [redeemed.pk])

    expiry.sweep(now=longer.expires_at - DAY)
    expiry.sweep(now=longer.expires_at)
    assert (told("reward.expiring"), told("reward.expired")) == ([redeemed.pk] * 2, [redeemed.pk] * 2)


def test_is_not_told_of_what_was_used_canceled_never_issued_or_never_ends():
    used, canceled = have(), have()
    usage.mark_used(redeemed_reward_id=used.pk, actor=STAFF, now=NOW)
    cancellation.cancel(redeemed_reward_id=canceled.pk, actor=STAFF, now=NOW)
    have(days_valid=None)
    row(fulfillment_status="failed", expires_at=END)
    row(fulfillment_status="pending", expires_at=END)

    assert expiry.sweep(now=END - DAY) == 0
    assert expiry.sweep(now=END) == 0


def test_is_not_told_of_what_is_being_canceled():
    redeemed = row(connection=ConnectionFactory(), code="A-2345", expires_at=END)
    Cancellation.objects.create(redeemed_reward=redeemed, return_points=True, created_at=NOW, due_at=NOW)

    assert expiry.sweep(now=END) == 0


def test_is_told_of_gift_cards_though_nobody_knows_their_use():
    card = granting.grant(
        customer_id=CustomerFactory().pk, reward_id=GiftCardFactory(days_valid=30).pk, actor=STAFF, now=NOW
    )

    expiry.sweep(now=END)

    assert told("reward.expired") == [card.pk]


def test_of_long_ago_is_told_to_nobody():
    have()

    assert expiry.sweep(now=END + expiry.HISTORY) == 0
    assert expiry.sweep(now=END + expiry.HISTORY - timedelta(seconds=1)) == 1


def test_goes_on_where_a_sweep_ended():
    rewards = sorted(have().pk for _ in range(5))

    assert expiry.tell_expired(now=END, limit=2) == 2
    assert expiry.sweep(now=END, batches=1, size=2) == 2
    assert expiry.sweep(now=END, batches=1, size=2) == 1

    assert told("reward.expired") == rewards


@pytest.mark.django_db(transaction=True)
def test_is_told_once_by_sweeps_that_run_beside_each_other():
    rewards = sorted(have().pk for _ in range(40))

    results = race(*[lambda: expiry.tell_expired(now=END, limit=15)] * 8)
    expiry.sweep(now=END)

    assert len(succeeded(results)) == 8
    assert sorted(told("reward.expired")) == rewards


@pytest.mark.django_db(transaction=True)
def test_waits_for_nobody_and_tells_the_rest_later():
    busy, free = have(), have()
    locked, done = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            issuing.locked(redeemed_reward_id=busy.pk, now=END)
            locked.set()
            done.wait(timeout=30)
        database.close()

    holder = threading.Thread(target=hold, daemon=True)
    holder.start()
    assert locked.wait(timeout=30)
    assert expiry.sweep(now=END) == 1
    done.set()
    holder.join(timeout=30)

    assert told("reward.expired") == [free.pk]
    assert expiry.sweep(now=END) == 1


@pytest.mark.parametrize(
    ("rows", "index"),
    [
        (expiry.untold_expired(now=NOW), "redeemed_expired_untold"),
        (expiry.untold_expiring(now=NOW, days=7), "redeemed_expiring_untold"),
    ],
)
def test_is_looked_for_in_an_index_of_what_is_untold(rows, index):
    with database.cursor() as cursor:
        for other_way in ("seqscan", "sort"):  # of few rows all ways cost the same
            cursor.execute(f"SET LOCAL enable_{other_way} = off")

        assert index in rows.order_by("expires_at", "pk")[:10].explain()
