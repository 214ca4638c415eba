"""Holds of an integrator: set aside, spent whole or in part, released, or timed out."""

from datetime import timedelta

import pytest

from loyalty.common.actors import SYSTEM, api_key
from loyalty.common.causes import Cause, CauseType
from loyalty.customers.models import CustomerState
from loyalty.events.models import Event
from loyalty.merchant.models import Programme
from loyalty.points import holds, ledger, queries
from loyalty.points.errors import HoldClosed, IdempotencyConflict, InsufficientPoints
from loyalty.points.holds import HoldRefused
from loyalty.points.models import PointsAccount, PointsTransaction
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db

TILL = api_key(3)
HOUR = timedelta(hours=1)


def hold(customer, points, **more):
    return holds.create(customer_id=customer.pk, points=points, actor=TILL, now=NOW, **more)


def figures(customer, *, now=NOW):
    found = queries.balance(customer_id=customer.pk, now=now)
    return found.balance, found.held


def kinds():
    return list(Event.objects.filter(kind__startswith="points.").order_by("id").values_list("kind", flat=True))


def test_sets_points_aside_and_spends_a_part(customer):
    give(customer, 100)
    held = hold(customer, 60, description="Till 4")

    assert figures(customer) == (40, 60)
    entry = holds.capture(hold_id=held.pk, actor=TILL, now=NOW, points=25)

    assert figures(customer) == (75, 0)
    assert (entry.points_change, queries.describe(transaction=entry)) == (-25, "Till 4")
    assert kinds() == ["points.held", "points.hold_captured"]


def test_without_words_is_described_as_points_spent(customer):
    give(customer, 100)

    entry = holds.capture(hold_id=hold(customer, 60).pk, actor=TILL, now=NOW)

    assert queries.describe(transaction=entry) == "Points spent"


def test_repeated_acts_have_one_effect(customer):
    give(customer, 100)
    first = hold(customer, 60, idempotency_key="k")
    assert hold(customer, 60, idempotency_key="k") == first
    with pytest.raises(IdempotencyConflict):
        hold(customer, 61, idempotency_key="k")

    for _ in range(2):
        holds.capture(hold_id=first.pk, actor=TILL, now=NOW, points=10)
    with pytest.raises(HoldClosed):
        holds.release(hold_id=first.pk, actor=TILL, now=NOW)

    assert figures(customer) == (90, 0)
    assert kinds() == ["points.held", "points.hold_captured"]


def test_released_twice_comes_back_once(customer):
    give(customer, 100)
    held = hold(customer, 60)

    for _ in range(2):
        assert holds.release(hold_id=held.pk, actor=TILL, now=NOW).state == "released"
    with pytest.raises(HoldClosed):
        holds.capture(hold_id=held.pk, actor=TILL, now=NOW)

    assert figures(customer) == (100, 0)
    assert not PointsTransaction.objects.filter(points_change__lt=0).exists()


def test_times_out_by_the_sweep_and_not_before(customer):
    give(customer, 100)
    hold(customer, 60, lasts=HOUR)

    assert holds.sweep(now=NOW + HOUR - timedelta(seconds=1)) == 0
    assert figures(customer) == (40, 60)
    assert holds.sweep(now=NOW + HOUR) == 1
    assert holds.sweep(now=NOW + HOUR) == 0

    assert figures(customer, now=NOW + HOUR) == (100, 0)
    assert kinds() == ["points.held", "points.hold_timed_out"]


def test_cannot_be_spent_once_the_time_is_over_even_when_the_sweep_is_late(customer):
    give(customer, 100)
    held = hold(customer, 60, lasts=HOUR)

    with pytest.raises(HoldRefused, match=r"time of hold \d+ is over") as refusal:
        holds.capture(hold_id=held.pk, actor=TILL, now=NOW + HOUR)

    assert refusal.value.code == "hold_timed_out"
    assert holds.sweep(now=NOW + HOUR) == 1
    assert figures(customer, now=NOW + HOUR) == (100, 0)


def test_of_a_reward_are_left_to_the_reward(customer):
    give(customer, 100)
    held = ledger.hold(
        customer_id=customer.pk, points=60, cause=Cause(CauseType.REDEEMED_REWARD, 1), actor=SYSTEM, now=NOW
    )

    with pytest.raises(HoldRefused, match="redeemed reward"):
        holds.capture(hold_id=held.pk, actor=TILL, now=NOW)
    with pytest.raises(HoldRefused, match="redeemed reward"):
        holds.release(hold_id=held.pk, actor=TILL, now=NOW)
    assert holds.sweep(now=NOW + timedelta(days=99)) == 0

    assert figures(customer) == (40, 60)


@pytest.mark.parametrize("lasts", [timedelta(0), -HOUR, holds.LONGEST_TIME + HOUR])
def test_needs_a_sensible_time_limit(customer, lasts):
    give(customer, 100)

    with pytest.raises(HoldRefused, match="at most 30 days"):
        hold(customer, 10, lasts=lasts)

    assert figures(customer) == (100, 0)


def test_is_refused_for_the_excluded_the_poor_and_those_who_owe(customer):
    give(customer, 100)
    with pytest.raises(InsufficientPoints):
        hold(customer, 101)
    Programme.objects.update_or_create(pk=1, defaults={"shortfall_blocks": True})
    PointsAccount.objects.update(owed=5)
    with pytest.raises(HoldRefused, match="owes 5 points"):
        hold(customer, 10)
    PointsAccount.objects.update(owed=0)
    customer.state = CustomerState.DISABLED
    customer.save()
    with pytest.raises(HoldRefused, match="excluded"):
        hold(customer, 10)
    with pytest.raises(HoldRefused, match="no hold"):
        holds.release(hold_id=10**9, actor=TILL, now=NOW)

    assert figures(customer) == (100, 0)
