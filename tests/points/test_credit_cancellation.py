"""Canceling a credit: what is left goes, what was spent is said, and it happens once."""

from datetime import timedelta

import pytest

from loyalty.common.actors import SYSTEM, staff
from loyalty.common.causes import Cause, CauseType
from loyalty.events.models import Event
from loyalty.points import adjustments, credit_cancellation, ledger, queries
from loyalty.points.credit_cancellation import CreditNotCancellable
from loyalty.points.models import PointsTransaction, TransactionKind
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def cancel(entry, *, now=NOW):
    return credit_cancellation.cancel(transaction_id=entry.pk, actor=staff(1), now=now)


def figures(customer, *, now=NOW):
    found = queries.balance(customer_id=customer.pk, now=now)
    return found.balance, found.pending, found.held


def spend(customer, points, *, now=NOW):
    return adjustments.adjust(customer_id=customer.pk, points=-points, actor=staff(1), now=now).transaction


def test_takes_all_of_it_when_nothing_was_spent(customer):
    keep, wrong = give(customer, 10), give(customer, 100)

    taken = cancel(wrong)

    assert (taken.kind, taken.points_change, taken.reverses) == (TransactionKind.CANCELLATION, -100, wrong)
    assert figures(customer) == (10, 0, 0)
    assert keep.lots.get().remaining == 10


def test_takes_what_is_left_and_says_what_was_spent(customer):
    wrong = give(customer, 100, expires_at=NOW + DAY)
    spend(customer, 30)

    plan = credit_cancellation.plan(transaction_id=wrong.pk, now=NOW)
    cancel(wrong)

    assert (plan.credited, plan.left, plan.gone, plan.held) == (100, 70, 30, 0)
    assert figures(customer) == (0, 0, 0)
    assert Event.objects.get(kind="points.credit_cancelled").data == {"taken": 70, "gone": 30, "held": 0}


def test_happens_once(customer):
    give(customer, 50)
    wrong = give(customer, 100)

    assert cancel(wrong) == cancel(wrong)

    assert figures(customer) == (50, 0, 0)
    assert PointsTransaction.objects.filter(kind=TransactionKind.CANCELLATION).count() == 1


def test_takes_pending_points_too(customer):
    cancel(give(customer, 100, available_at=NOW + DAY))

    assert figures(customer) == (0, 0, 0)


def test_leaves_what_is_held_and_says_so(customer):
    wrong = give(customer, 100)
    ledger.hold(customer_id=customer.pk, points=40, cause=Cause(CauseType.API, 1), actor=SYSTEM, now=NOW)

    plan = credit_cancellation.plan(transaction_id=wrong.pk, now=NOW)
    cancel(wrong)

    assert (plan.left, plan.held, plan.gone) == (60, 40, 0)
    assert figures(customer) == (0, 0, 40)


def test_takes_the_lots_that_stand_in_for_its_own(customer):
    wrong = give(customer, 100, expires_at=NOW + DAY)
    debit = spend(customer, 100)
    later = NOW + 3 * DAY
    ledger.reverse(transaction_id=debit.pk, cause=Cause(CauseType.API, 1), actor=SYSTEM, now=later)
    assert figures(customer, now=later) == (100, 0, 0)

    cancel(wrong, now=later)

    assert figures(customer, now=later) == (0, 0, 0)


def test_refuses_when_nothing_is_left(customer):
    wrong = give(customer, 100)
    spend(customer, 100)

    with pytest.raises(CreditNotCancellable, match="Nothing is left of the 100 points") as refusal:
        cancel(wrong)

    assert refusal.value.code == "nothing_left"


def test_refuses_what_is_no_credit(customer):
    give(customer, 100)
    debit = spend(customer, 10)
    back = ledger.reverse(transaction_id=debit.pk, cause=Cause(CauseType.API, 1), actor=SYSTEM, now=NOW)

    for entry in (debit, back):
        with pytest.raises(CreditNotCancellable, match="credited no points"):
            cancel(entry)
    with pytest.raises(CreditNotCancellable):
        credit_cancellation.cancel(transaction_id=10**9, actor=staff(1), now=NOW)

    assert figures(customer) == (100, 0, 0)


def test_the_plan_counts_no_points_past_their_end_before_that_is_written_down_either(customer):
    ended = give(customer, 100, expires_at=NOW + DAY)

    plan = credit_cancellation.plan(transaction_id=ended.pk, now=NOW + DAY)

    assert (plan.left, plan.gone, plan.charges) == (0, 100, ())
    with pytest.raises(CreditNotCancellable, match="100 are spent or expired"):
        cancel(ended, now=NOW + DAY)
