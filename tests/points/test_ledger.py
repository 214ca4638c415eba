"""The ledger: credit, debit, hold, capture, release, reverse."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.merchant.models import Programme, ReturnPolicy
from loyalty.points import ledger, queries
from loyalty.points.allocation import Charge
from loyalty.points.errors import (
    HoldClosed,
    IdempotencyConflict,
    InsufficientPoints,
    InvalidPoints,
    NotReversible,
    UnknownCustomer,
)
from loyalty.points.ledger import NewLot
from loyalty.points.models import PointsHold, PointsLot, PointsLotChange, PointsTransaction, TransactionKind
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db

CAUSE = Cause(CauseType.REDEEMED_REWARD, 1)
DAY = timedelta(days=1)


def spend(customer, points, *, now=NOW, **more):
    return ledger.debit(
        customer_id=customer.pk,
        points=points,
        kind=TransactionKind.REDEMPTION,
        cause=CAUSE,
        actor=SYSTEM,
        now=now,
        **more,
    )


def hold(customer, points, *, now=NOW, cause=CAUSE):
    return ledger.hold(customer_id=customer.pk, points=points, cause=cause, actor=SYSTEM, now=now)


def reverse(entry, *, now=NOW, points=None):
    return ledger.reverse(transaction_id=entry.pk, cause=CAUSE, actor=SYSTEM, now=now, points=points)


def figures(customer, *, now=NOW):
    found = queries.balance(customer_id=customer.pk, now=now)
    return found.balance, found.pending, found.held


def remaining(customer):
    return list(PointsLot.objects.filter(customer=customer).order_by("id").values_list("remaining", flat=True))


def test_spends_lots_that_expire_soonest_first_and_those_that_never_do_last(customer):
    give(customer, 10)
    give(customer, 10, expires_at=NOW + 9 * DAY)
    give(customer, 10, expires_at=NOW + 3 * DAY)

    spend(customer, 25)

    assert remaining(customer) == [5, 0, 0]


def test_spends_the_older_of_two_lots_that_expire_together(customer):
    give(customer, 10, expires_at=NOW + DAY)
    give(customer, 10, expires_at=NOW + DAY, now=NOW + timedelta(hours=1))

    spend(customer, 5, now=NOW + timedelta(hours=2))

    assert remaining(customer) == [5, 10]


def test_refuses_to_spend_more_than_is_active_and_changes_nothing(customer):
    give(customer, 100)
    give(customer, 100, available_at=NOW + DAY)

    with pytest.raises(InsufficientPoints) as refusal:
        spend(customer, 101)

    assert refusal.value.missing == 1
    assert figures(customer) == (100, 100, 0)
    assert PointsTransaction.objects.filter(points_change__lt=0).count() == 0


@pytest.mark.parametrize("points", [0, -1, 2**31, 1.5, True, "7"])
def test_refuses_points_that_are_not_a_positive_whole_number(customer, points):
    with pytest.raises(InvalidPoints):
        spend(customer, points)


def test_refuses_an_unknown_customer():
    with pytest.raises(UnknownCustomer):
        ledger.hold(customer_id=987654321, points=1, cause=CAUSE, actor=SYSTEM, now=NOW)


def test_pending_points_become_active_at_their_time_without_a_sweep(customer):
    give(customer, 50, available_at=NOW + DAY)

    assert figures(customer) == (0, 50, 0)
    assert figures(customer, now=NOW + DAY) == (50, 0, 0)

    spend(customer, 50, now=NOW + DAY)

    assert figures(customer, now=NOW + DAY) == (0, 0, 0)


def test_expired_points_are_gone_at_their_instant_without_a_sweep(customer):
    give(customer, 50, expires_at=NOW + DAY)

    assert figures(customer, now=NOW + DAY - timedelta(microseconds=1)) == (50, 0, 0)
    assert figures(customer, now=NOW + DAY) == (0, 0, 0)
    with pytest.raises(InsufficientPoints):
        spend(customer, 1, now=NOW + DAY)


def test_writes_one_entry_for_each_lot_that_expired(customer):
    give(customer, 50, expires_at=NOW + DAY)
    give(customer, 30, expires_at=NOW + 2 * DAY)

    give(customer, 1, now=NOW + 3 * DAY)

    expiries = PointsTransaction.objects.filter(kind=TransactionKind.EXPIRY).order_by("id")
    assert [(entry.points_change, entry.effective_at) for entry in expiries] == [
        (-50, NOW + DAY),
        (-30, NOW + 2 * DAY),
    ]


def test_credit_in_the_past_expires_in_the_same_call(customer):
    give(customer, 20, available_at=NOW - 9 * DAY, expires_at=NOW - DAY)

    assert figures(customer) == (0, 0, 0)
    assert PointsTransaction.objects.filter(kind=TransactionKind.EXPIRY).count() == 1


def test_hold_lowers_the_balance_without_a_transaction(customer):
    give(customer, 100)

    hold(customer, 40)

    assert figures(customer) == (60, 0, 40)
    assert PointsTransaction.objects.count() == 1


def test_capture_turns_the_hold_into_a_debit_of_the_same_lots(customer):
    give(customer, 30, expires_at=NOW + DAY)
    give(customer, 100)
    held = hold(customer, 40)

    entry = ledger.capture(hold_id=held.pk, kind=TransactionKind.REDEMPTION, actor=SYSTEM, now=NOW)

    assert entry.points_change == -40
    assert sorted(entry.allocations.values_list("points", flat=True)) == [10, 30]
    assert figures(customer) == (90, 0, 0)


def test_capture_twice_gives_the_same_debit(customer):
    give(customer, 100)
    held = hold(customer, 40)

    first = ledger.capture(hold_id=held.pk, kind=TransactionKind.REDEMPTION, actor=SYSTEM, now=NOW)
    second = ledger.capture(hold_id=held.pk, kind=TransactionKind.REDEMPTION, actor=SYSTEM, now=NOW)

    assert first == second
    assert figures(customer) == (60, 0, 0)


def test_release_leaves_no_trace_in_the_balance(customer):
    give(customer, 30, expires_at=NOW + DAY)
    give(customer, 100)
    held = hold(customer, 40)

    ledger.release(hold_id=held.pk, now=NOW)
    ledger.release(hold_id=held.pk, now=NOW)

    assert figures(customer) == (130, 0, 0)
    assert remaining(customer) == [30, 100]


def test_refuses_to_capture_what_was_released_and_to_release_what_was_captured(customer):
    give(customer, 100)
    released, captured = hold(customer, 10), hold(customer, 10, cause=Cause(CauseType.REDEEMED_REWARD, 2))
    ledger.release(hold_id=released.pk, now=NOW)
    ledger.capture(hold_id=captured.pk, kind=TransactionKind.REDEMPTION, actor=SYSTEM, now=NOW)

    with pytest.raises(HoldClosed):
        ledger.capture(hold_id=released.pk, kind=TransactionKind.REDEMPTION, actor=SYSTEM, now=NOW)
    with pytest.raises(HoldClosed):
        ledger.release(hold_id=captured.pk, now=NOW)

    assert figures(customer) == (90, 0, 0)


def test_refuses_a_second_open_hold_for_the_same_cause(customer):
    give(customer, 100)
    hold(customer, 10)

    with pytest.raises(IntegrityError), transaction.atomic():
        hold(customer, 10)

    assert PointsHold.objects.count() == 1


@pytest.mark.parametrize(
    ("mode", "back", "expiry"),
    [
        (ReturnPolicy.GRACE, 40, (NOW + 10 * DAY).replace(hour=0) + 31 * DAY),
        (ReturnPolicy.STRICT, 0, None),
        (ReturnPolicy.ORIGINAL, 40, NOW + 15 * DAY),
    ],
)
def test_release_of_a_lot_that_expired_meanwhile_follows_the_policy(customer, mode, back, expiry):
    Programme.objects.update_or_create(pk=1, defaults={"return_policy": mode})
    give(customer, 40, expires_at=NOW + 5 * DAY)
    held = hold(customer, 40)

    ledger.release(hold_id=held.pk, now=NOW + 10 * DAY)

    found = queries.balance(customer_id=customer.pk, now=NOW + 10 * DAY)
    assert found.balance == back
    assert found.next_expiry_at == expiry


def test_reversal_returns_the_points_to_the_same_lots_with_their_expiry(customer):
    give(customer, 30, expires_at=NOW + 5 * DAY)
    give(customer, 100)
    entry = spend(customer, 60)

    back = reverse(entry)

    assert back.points_change == 60
    assert back.reverses == entry
    assert remaining(customer) == [30, 100]


@pytest.mark.parametrize(
    ("mode", "back", "expiry"),
    [
        (ReturnPolicy.GRACE, 40, (NOW + 10 * DAY).replace(hour=0) + 31 * DAY),
        (ReturnPolicy.STRICT, 0, None),
        (ReturnPolicy.ORIGINAL, 40, NOW + 15 * DAY),
    ],
)
def test_reversal_to_a_lot_that_expired_meanwhile_follows_the_policy(customer, mode, back, expiry):
    Programme.objects.update_or_create(pk=1, defaults={"return_policy": mode})
    give(customer, 40, expires_at=NOW + 5 * DAY)
    entry = spend(customer, 40)

    reverse(entry, now=NOW + 10 * DAY)

    found = queries.balance(customer_id=customer.pk, now=NOW + 10 * DAY)
    assert found.balance == back
    assert found.next_expiry_at == expiry


def test_partial_reversals_add_up_and_never_exceed_the_debit(customer):
    give(customer, 30, expires_at=NOW + 5 * DAY)
    give(customer, 100)
    entry = spend(customer, 60)

    reverse(entry, points=35)
    assert remaining(customer) == [5, 100]
    with pytest.raises(NotReversible):
        reverse(entry, points=26)
    reverse(entry, points=25)
    with pytest.raises(NotReversible):
        reverse(entry)

    assert remaining(customer) == [30, 100]


def test_refuses_to_reverse_a_credit_an_expiry_or_a_reversal(customer):
    credit = give(customer, 30)
    reversal = reverse(spend(customer, 10))

    for entry in (credit, reversal):
        with pytest.raises(NotReversible):
            reverse(entry)


def test_the_same_idempotency_key_credits_once_and_refuses_other_input(customer):
    give_again = {
        "customer_id": customer.pk,
        "kind": TransactionKind.EARNING,
        "cause": CAUSE,
        "actor": SYSTEM,
        "now": NOW,
        "idempotency_key": "order-7",
    }

    first = ledger.credit(points=10, **give_again)
    second = ledger.credit(points=10, **give_again)

    assert first == second
    assert figures(customer) == (10, 0, 0)
    with pytest.raises(IdempotencyConflict):
        ledger.credit(points=11, **give_again)


@pytest.mark.parametrize(
    "sql", ["UPDATE points_pointstransaction SET points_change = 11", "DELETE FROM points_pointstransaction"]
)
def test_the_database_refuses_to_change_a_transaction(customer, sql):
    give(customer, 10)

    with pytest.raises(ProgrammingError, match="Cannot update or delete"), transaction.atomic():
        connection.cursor().execute(sql)


def test_the_database_refuses_a_negative_balance_and_an_overdrawn_lot(customer):
    give(customer, 10)

    with pytest.raises(IntegrityError), transaction.atomic():
        PointsLot.objects.update(remaining=-1)
    with pytest.raises(IntegrityError), transaction.atomic():
        PointsLot.objects.update(remaining=11)


def test_credit_debit_and_hold_take_a_constant_number_of_queries(customer, django_assert_max_num_queries):
    for _ in range(30):
        give(customer, 1)

    with django_assert_max_num_queries(40):
        spend(customer, 30)
    with django_assert_max_num_queries(10):
        give(customer, 10)


def test_captures_a_part_of_a_hold_and_releases_the_rest_to_its_lots(customer):
    give(customer, 10, expires_at=NOW + DAY)
    give(customer, 10)
    held = hold(customer, 15)

    entry = ledger.capture(hold_id=held.pk, kind=TransactionKind.REDEMPTION, actor=SYSTEM, now=NOW, points=12)

    assert entry.points_change == -12
    assert remaining(customer) == [0, 8]
    assert figures(customer) == (8, 0, 0)
    assert PointsHold.objects.get().state == "captured"


def test_releases_the_rest_of_a_captured_hold_by_the_policy_when_its_lot_expired_meanwhile(customer):
    give(customer, 10, expires_at=NOW + DAY)
    held = hold(customer, 10)

    ledger.capture(hold_id=held.pk, kind=TransactionKind.REDEMPTION, actor=SYSTEM, now=NOW + 2 * DAY, points=4)

    assert figures(customer, now=NOW + 2 * DAY) == (6, 0, 0)


def test_refuses_to_capture_more_than_is_held_or_another_part_afterwards(customer):
    give(customer, 10)
    held = hold(customer, 10)
    capture = {"hold_id": held.pk, "kind": TransactionKind.REDEMPTION, "actor": SYSTEM, "now": NOW}

    with pytest.raises(InvalidPoints, match="holds 10 points: 11"):
        ledger.capture(**capture, points=11)
    first = ledger.capture(**capture, points=4)
    with pytest.raises(HoldClosed, match="4 points were captured already, not 5"):
        ledger.capture(**capture, points=5)

    assert ledger.capture(**capture, points=4) == ledger.capture(**capture) == first
    assert figures(customer) == (6, 0, 0)


def test_holds_once_for_one_key(customer):
    give(customer, 10)
    ask = {"customer_id": customer.pk, "points": 4, "actor": SYSTEM, "now": NOW, "idempotency_key": "k"}

    first = ledger.hold(**ask, cause=Cause(CauseType.API, 1))
    assert ledger.hold(**ask, cause=Cause(CauseType.API, 2)) == first
    with pytest.raises(IdempotencyConflict):
        ledger.hold(**(ask | {"points": 5}), cause=Cause(CauseType.API, 2))

    assert figures(customer) == (6, 0, 4)


def test_takes_from_just_the_lots_it_is_told_pending_ones_too(customer):
    first = give(customer, 10).lots.get()
    second = give(customer, 10, available_at=NOW + DAY).lots.get()

    entry = ledger.debit_lots(
        customer_id=customer.pk,
        charges=[Charge(second.pk, 10), Charge(first.pk, 3)],
        kind=TransactionKind.CLAWBACK,
        cause=CAUSE,
        actor=SYSTEM,
        now=NOW,
    )

    assert (entry.points_change, entry.balance_after) == (-13, 7)
    assert figures(customer) == (7, 0, 0)


def test_credits_several_lots_by_one_transaction(customer):
    entry = ledger.credit_lots(
        customer_id=customer.pk,
        lots=[NewLot(points=10), NewLot(points=5, available_at=NOW + DAY, expires_at=NOW + 9 * DAY)],
        kind=TransactionKind.TRANSFER,
        cause=CAUSE,
        actor=SYSTEM,
        now=NOW,
    )

    assert entry.points_change == 15
    assert figures(customer) == (10, 5, 0)


def test_moves_the_end_of_a_lot_only_with_a_row_that_says_why(customer):
    lot = give(customer, 10, expires_at=NOW + DAY).lots.get()

    with pytest.raises(ProgrammingError, match="says why"), transaction.atomic():
        PointsLot.objects.filter(pk=lot.pk).update(expires_at=NOW + 2 * DAY)

    PointsLotChange.objects.create(
        lot=lot, expires_before=NOW + DAY, expires_after=NOW + 2 * DAY, actor_kind="staff", created_at=NOW
    )
    assert PointsLot.objects.filter(pk=lot.pk).update(expires_at=NOW + 2 * DAY) == 1
