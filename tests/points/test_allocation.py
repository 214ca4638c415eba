"""Allocation: which lots pay, what a part of them is, and where returned points go. Pure, so every property is tried."""

from datetime import timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.merchant.models import ReturnPolicy
from loyalty.points import allocation, ledger, returns
from loyalty.points.allocation import SpendableLot
from loyalty.points.errors import InsufficientPoints
from loyalty.points.models import PointsLot, TransactionKind
from loyalty.points.returns import Policy, Taken, Way
from tests.factories.points import NOW, give

DAY = timedelta(days=1)

instants = st.integers(-5, 5).map(lambda days: NOW + days * DAY)
ends = st.none() | instants
lots = st.lists(
    st.builds(
        SpendableLot,
        id=st.integers(1, 10**6),
        remaining=st.integers(1, 1000),
        expires_at=ends,
        created_at=instants,
    ),
    max_size=12,
    unique_by=lambda lot: lot.id,
)
takings = st.lists(
    st.builds(
        Taken,
        source_id=st.integers(1, 10**6),
        lot_id=st.integers(1, 10**6),
        points=st.integers(1, 1000),
        lot_expires_at=ends,
        taken_at=instants,
    ),
    max_size=8,
    unique_by=lambda part: part.source_id,
)
policies = st.builds(
    Policy,
    mode=st.sampled_from(ReturnPolicy),
    grace_days=st.integers(1, 90),
    zone=st.sampled_from(["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Europe/Warsaw"]).map(ZoneInfo),
)


def some_of(parts, data):
    return data.draw(st.integers(0, sum(parts)), label="points")


@given(lots)
def test_order_keeps_every_lot_once(mixed):
    assert sorted(allocation.spending_order(mixed), key=lambda lot: lot.id) == sorted(mixed, key=lambda lot: lot.id)


@given(lots)
def test_order_is_soonest_expiring_first_and_never_expiring_last(mixed):
    for earlier, later in pairwise(allocation.spending_order(mixed)):
        assert later.expires_at is None or (earlier.expires_at is not None and earlier.expires_at <= later.expires_at)


@given(lots)
def test_order_breaks_ties_by_the_oldest_and_then_by_the_id(mixed):
    for earlier, later in pairwise(allocation.spending_order(mixed)):
        if earlier.expires_at == later.expires_at:
            assert (earlier.created_at, earlier.id) < (later.created_at, later.id)


@given(lots, st.randoms(use_true_random=False))
def test_order_does_not_depend_on_how_the_lots_came(mixed, random):
    shuffled = random.sample(mixed, len(mixed))

    assert allocation.spending_order(shuffled) == allocation.spending_order(mixed)


@given(lots, st.data())
def test_charges_add_up_and_no_lot_pays_nothing_or_more_than_it_has(mixed, data):
    points = some_of([lot.remaining for lot in mixed], data)

    charges = allocation.allocate(mixed, points)

    remaining = {lot.id: lot.remaining for lot in mixed}
    assert sum(charge.points for charge in charges) == points
    assert len({charge.lot_id for charge in charges}) == len(charges)
    assert all(0 < charge.points <= remaining[charge.lot_id] for charge in charges)


@given(lots, st.data())
def test_a_lot_is_emptied_before_the_next_one_pays(mixed, data):
    charges = allocation.allocate(mixed, some_of([lot.remaining for lot in mixed], data))

    ordered = allocation.spending_order(mixed)
    assert [charge.lot_id for charge in charges] == [lot.id for lot in ordered[: len(charges)]]
    remaining = {lot.id: lot.remaining for lot in mixed}
    assert all(charge.points == remaining[charge.lot_id] for charge in charges[:-1])


@given(lots, st.integers(1, 50))
def test_charging_more_than_the_lots_hold_is_an_error_that_says_how_much_is_missing(mixed, extra):
    with pytest.raises(ValueError, match=f"{extra} points too few"):
        allocation.allocate(mixed, sum(lot.remaining for lot in mixed) + extra)


@pytest.mark.django_db
def test_pending_lots_never_pay_although_they_end_first(customer):
    pending = give(customer, 50, available_at=NOW + DAY, expires_at=NOW + 2 * DAY).lots.get()
    active = give(customer, 50, expires_at=NOW + 9 * DAY).lots.get()
    spend = {
        "customer_id": customer.pk, "kind": TransactionKind.REDEMPTION, "cause": Cause(CauseType.API, 1),
        "actor": SYSTEM, "now": NOW,
    }  # fmt: skip

    entry = ledger.debit(points=50, **spend)
    with pytest.raises(InsufficientPoints):
        ledger.debit(points=1, **spend)

    assert list(entry.allocations.values_list("lot", "points")) == [(active.pk, 50)]
    assert PointsLot.objects.get(pk=pending.pk).remaining == 50


@given(takings, st.data())
def test_a_split_is_exact_in_order_and_loses_no_part(taken, data):
    points = some_of([part.points for part in taken], data)

    first, rest = returns.split(taken, points=points)

    assert sum(part.points for part in first) == points
    both = {}
    for part in [*first, *rest]:
        both[part.source_id] = both.get(part.source_id, 0) + part.points
        assert part.points > 0
    assert both == {part.source_id: part.points for part in taken}
    order = [part.source_id for part in taken]
    assert [part.source_id for part in first] == order[: len(first)]
    assert [part.source_id for part in rest] == order[len(order) - len(rest) :]


@given(takings, policies, st.data())
def test_a_return_is_exact_and_no_part_gets_more_than_it_gave(taken, policy, data):
    points = some_of([part.points for part in taken], data)

    lines = returns.plan(taken, points=points, policy=policy, now=NOW)

    gave = {part.source_id: part for part in taken}
    assert sum(line.points for line in lines) == points
    assert len({line.source_id for line in lines}) == len(lines)
    for line in lines:
        assert 0 < line.points <= gave[line.source_id].points
        assert line.lot_id == gave[line.source_id].lot_id


@given(takings, policies, st.data())
def test_a_return_begins_with_what_was_taken_last(taken, policy, data):
    points = some_of([part.points for part in taken], data)

    lines = returns.plan(taken, points=points, policy=policy, now=NOW)

    backwards = list(reversed(taken))
    assert [line.source_id for line in lines] == [part.source_id for part in backwards[: len(lines)]]
    assert all(line.points == part.points for line, part in zip(lines[:-1], backwards, strict=False))


@given(takings, policies)
def test_a_lot_that_lives_gets_its_own_points_back_with_its_own_end(taken, policy):
    lines = returns.plan(taken, points=sum(part.points for part in taken), policy=policy, now=NOW)

    gave = {part.source_id: part for part in taken}
    for line in lines:
        end = gave[line.source_id].lot_expires_at
        lives = end is None or end > NOW
        assert (line.way == Way.SAME_LOT) == lives
        if lives:
            assert line.expires_at == end


@given(takings, policies)
def test_a_lot_that_ended_meanwhile_follows_the_policy(taken, policy):
    lines = returns.plan(taken, points=sum(part.points for part in taken), policy=policy, now=NOW)

    gave = {part.source_id: part for part in taken}
    for line in (line for line in lines if line.way != Way.SAME_LOT):
        part = gave[line.source_id]
        if policy.mode == ReturnPolicy.STRICT:
            assert (line.way, line.expires_at) == (Way.EXPIRES_AT_ONCE, part.lot_expires_at)
        elif policy.mode == ReturnPolicy.ORIGINAL:
            life = max(part.lot_expires_at - part.taken_at, timedelta(seconds=1))
            assert (line.way, line.expires_at) == (Way.FRESH_LOT, NOW + life)
        else:
            local = line.expires_at.astimezone(policy.zone)
            today = NOW.astimezone(policy.zone).date()
            assert line.way == Way.FRESH_LOT
            assert (local.hour, local.minute) == (0, 0)
            assert local.date() - today == timedelta(days=policy.grace_days + 1)


@given(takings, policies, st.integers(1, 50))
def test_splitting_or_returning_more_than_was_taken_is_an_error(taken, policy, extra):
    points = sum(part.points for part in taken) + extra

    with pytest.raises(ValueError, match=f"{extra} points more than were taken"):
        returns.split(taken, points=points)
    with pytest.raises(ValueError, match=f"{extra} points more than were taken"):
        returns.plan(taken, points=points, policy=policy, now=NOW)
