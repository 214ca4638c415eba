"""Clawback: a refund takes back what the order earned, pro rata and once, and never makes a balance negative."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loyalty.common.actors import SYSTEM, staff
from loyalty.common.causes import Cause, CauseType
from loyalty.events.models import Event
from loyalty.merchant.models import Programme, ShortfallPolicy
from loyalty.points import adjustments, clawback, credit_cancellation, earning, expiry, ledger, queries, shortfalls
from loyalty.points.clawback import InvalidRefund, NotClawable
from loyalty.points.models import PointsClawback, PointsLot, PointsShortfall, PointsTransaction
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def refund(entry, refunded, *, total="100.00", now=NOW):
    return clawback.claw_back(
        earning_id=entry.pk, refunded=Decimal(refunded), total=Decimal(total), actor=SYSTEM, now=now
    )


def spend(customer, points, *, now=NOW):
    return adjustments.adjust(customer_id=customer.pk, points=-points, actor=staff(1), now=now)


def earn(customer, points, *, key="later", now=NOW):
    return earning.earn(
        customer_id=customer.pk, points=points, cause=Cause(CauseType.ORDER, 2), actor=SYSTEM,
        programme=Programme.objects.get(), earned_at=now, now=now, idempotency_key=key,
    )  # fmt: skip


def figures(customer, *, now=NOW):
    found = queries.balance(customer_id=customer.pk, now=now)
    return found.balance, found.pending, found.owed


def policy(**values):
    Programme.objects.update_or_create(pk=1, defaults=values)


def test_earn_then_refund_is_net_zero_however_often(customer):
    for round_number in range(20):
        entry = earn(customer, 100, key=f"order:{round_number}") if round_number else give(customer, 100)
        Programme.objects.get_or_create(pk=1)
        for _ in range(3):
            refund(entry, "100.00")

    assert figures(customer) == (0, 0, 0)


def test_takes_the_refunded_share_rounded_down(customer):
    entry = give(customer, 10)

    row = refund(entry, "33.33")

    assert (row.due, row.taken, row.short) == (3, 3, 0)
    assert row.transaction.points_change == -3
    assert row.transaction.cause_id == entry.cause_id
    assert figures(customer) == (7, 0, 0)


def test_uses_the_amount_recorded_then_and_not_the_present_rate(customer):
    entry = give(customer, 100)
    policy(points_per_unit=5)

    refund(entry, "100.00")

    assert figures(customer) == (0, 0, 0)


def test_the_same_refund_or_a_smaller_late_one_changes_nothing(customer):
    entry = give(customer, 100)
    refund(entry, "60.00")

    assert refund(entry, "60.00") is None
    assert refund(entry, "10.00") is None

    assert figures(customer) == (40, 0, 0)
    assert PointsClawback.objects.count() == 1


@settings(max_examples=60, deadline=None)
@given(points=st.integers(1, 5000), cents=st.lists(st.integers(1, 10_000), min_size=1, max_size=6))
def test_any_split_of_refunds_takes_the_same_as_one(points, cents):
    from django.db import transaction

    from tests.factories.people import CustomerFactory

    with transaction.atomic():
        customer, total = CustomerFactory(), Decimal(sum(cents)) / 100 + 1
        entry, refunded = give(customer, points), Decimal(0)
        for part in cents:
            refunded += Decimal(part) / 100
            refund(entry, refunded, total=total)
        taken = points - figures(customer)[0]
        transaction.set_rollback(True)

    assert taken == int(points * refunded / total)


def test_takes_pending_points_of_that_order_first_then_its_own_then_others(customer):
    other = give(customer, 50, expires_at=NOW + DAY)
    entry = give(customer, 100, available_at=NOW + 5 * DAY)

    refund(entry, "100.00")

    assert figures(customer) == (50, 0, 0)
    assert other.lots.get().remaining == 50


def test_takes_other_points_where_its_own_were_spent(customer):
    entry = give(customer, 100, expires_at=NOW + DAY)
    spend(customer, 100)
    give(customer, 30)

    refund(entry, "100.00")

    assert figures(customer) == (0, 0, 70)


def test_keeps_what_cannot_be_collected_as_a_shortfall_and_never_goes_below_zero(customer):
    entry = give(customer, 100)
    spend(customer, 80)

    row = refund(entry, "100.00")

    assert (row.taken, row.short) == (20, 80)
    assert (row.shortfall.state, row.shortfall.left) == ("open", 80)
    assert figures(customer) == (0, 0, 80)


def test_with_nothing_left_writes_no_transaction_and_the_whole_shortfall(customer):
    entry = give(customer, 100)
    spend(customer, 100)

    row = refund(entry, "50.00")

    assert (row.transaction, row.short) == (None, 50)
    assert Event.objects.get(kind="points.clawed_back").data == {"taken": 0, "short": 50}


def test_asks_nobody_for_points_that_expired_unspent(customer):
    entry = give(customer, 100, expires_at=NOW + DAY)
    spend(customer, 30)
    give(customer, 500)
    later = NOW + 2 * DAY
    expiry.settle_due(now=later)

    row = refund(entry, "100.00", now=later)

    assert row.taken == 30
    assert figures(customer, now=later) == (470, 0, 0)


def test_waives_what_it_cannot_collect_when_the_programme_says_so(customer):
    policy(shortfall_policy=ShortfallPolicy.WAIVE)
    entry = give(customer, 100)
    spend(customer, 100)

    row = refund(entry, "100.00")

    assert row.shortfall.state == "waived"
    assert figures(customer) == (0, 0, 0)


def test_collects_from_the_next_earnings_when_the_programme_says_so(customer):
    policy(shortfall_policy=ShortfallPolicy.COLLECT)
    entry = give(customer, 100)
    spend(customer, 100)
    refund(entry, "100.00")

    earn(customer, 60, key="a")
    assert figures(customer) == (0, 0, 40)
    earn(customer, 60, key="b")

    assert figures(customer) == (20, 0, 0)
    shortfall = PointsShortfall.objects.get()
    assert (shortfall.state, shortfall.left) == ("collected", 0)
    assert list(shortfall.payments.order_by("id").values_list("points", flat=True)) == [60, 40]


def test_collects_points_that_were_pending_once_they_are_active(customer):
    policy(shortfall_policy=ShortfallPolicy.COLLECT, pending_days=3)
    entry = give(customer, 100)
    spend(customer, 100)
    refund(entry, "100.00")
    earn(customer, 60)
    later = NOW + 4 * DAY

    assert shortfalls.sweep(now=NOW) == 0
    expiry.settle_due(now=later)
    assert shortfalls.sweep(now=later) == 1

    assert figures(customer, now=later) == (0, 0, 40)
    assert shortfalls.sweep(now=later) == 0


def test_leaves_earnings_alone_when_the_programme_does_not_collect(customer):
    entry = give(customer, 100)
    spend(customer, 100)
    refund(entry, "100.00")

    earn(customer, 60)

    assert figures(customer) == (60, 0, 100)
    assert shortfalls.sweep(now=NOW) == 0


def test_waiving_lets_the_rest_go_once_and_is_refused_when_collected(customer):
    entry = give(customer, 100)
    spend(customer, 100)
    row = refund(entry, "40.00")

    for _ in range(2):
        shortfalls.waive(shortfall_id=row.shortfall.pk, actor=staff(7), now=NOW, internal_note=" kind ")
    assert figures(customer) == (0, 0, 0)
    shortfall = PointsShortfall.objects.get()
    assert (shortfall.state, shortfall.left, shortfall.actor_id, shortfall.internal_note) == ("waived", 40, 7, "kind")

    second = refund(entry, "60.00")
    give(customer, 100)
    shortfalls.collect(customer_id=customer.pk, actor=staff(7), now=NOW)
    with pytest.raises(shortfalls.ShortfallClosed, match="collected already"):
        shortfalls.waive(shortfall_id=second.shortfall.pk, actor=staff(7), now=NOW)


def test_plan_says_what_it_would_take_and_changes_nothing(customer):
    entry = give(customer, 100)
    spend(customer, 80)

    plan = clawback.plan(earning_id=entry.pk, refunded=Decimal("50.00"), total=Decimal("100.00"), now=NOW)

    assert (plan.due, plan.taken, plan.short) == (50, 20, 30)
    assert figures(customer) == (20, 0, 0)


@pytest.mark.parametrize("refunded", ["0", "-1", "100.01"])
def test_refuses_a_share_that_makes_no_sense(customer, refunded):
    entry = give(customer, 100)

    with pytest.raises(InvalidRefund):
        refund(entry, refunded)

    assert PointsTransaction.objects.count() == 1


@pytest.mark.parametrize(
    ("refunded", "kept"), [("0.004", "0.0040"), ("0.0001", "0.0001"), ("0.000001", "0.0001"), ("99.999999", "100.0000")]
)
def test_keeps_refunds_in_currencies_with_more_than_two_decimals(customer, refunded, kept):
    entry = give(customer, 2_000_000_000)

    row = refund(entry, refunded)

    assert (row.refunded, row.total, row.taken) == (
        Decimal(kept),
        Decimal("100.0000"),
        int(2_000_000_000 * Decimal(refunded) / 100),
    )


def test_waiving_an_unknown_shortfall_is_refused_in_a_sentence(customer):
    with pytest.raises(shortfalls.UnknownShortfall, match="There is no shortfall 999") as refusal:
        shortfalls.waive(shortfall_id=999, actor=SYSTEM, now=NOW)

    assert refusal.value.code == "unknown_shortfall"


def test_refuses_what_earned_nothing(customer):
    give(customer, 100)
    debit = spend(customer, 10).transaction

    with pytest.raises(NotClawable):
        refund(debit, "10.00")
    with pytest.raises(NotClawable):
        clawback.claw_back(earning_id=10**9, refunded=Decimal(1), total=Decimal(1), actor=SYSTEM, now=NOW)

    assert PointsLot.objects.get().remaining == 90


def returned_after_its_end(customer):
    """An earning that was spent, whose lot ended meanwhile, and which came back into a lot that stands in for it."""
    entry = give(customer, 100, expires_at=NOW + DAY)
    debit = spend(customer, 100).transaction
    ledger.reverse(transaction_id=debit.pk, cause=entry.cause, actor=SYSTEM, now=NOW + 2 * DAY)
    return entry


def test_asks_nobody_for_points_that_came_back_late_and_expired_unspent(customer):
    entry = returned_after_its_end(customer)
    later = NOW + 40 * DAY
    expiry.settle_due(now=later)
    give(customer, 500, now=later)

    assert refund(entry, "100.00", now=later) is None

    assert figures(customer, now=later) == (500, 0, 0)


def test_takes_nothing_twice_when_points_that_came_back_late_were_canceled(customer):
    entry = returned_after_its_end(customer)
    later = NOW + 2 * DAY
    credit_cancellation.cancel(transaction_id=entry.pk, actor=staff(1), now=later)
    give(customer, 500, now=later)

    assert refund(entry, "100.00", now=later) is None

    assert figures(customer, now=later) == (500, 0, 0)


def test_takes_the_orders_own_points_first_also_when_they_came_back_late(customer):
    entry = returned_after_its_end(customer)
    later = NOW + 2 * DAY
    other = give(customer, 50, now=later, expires_at=later + DAY)

    refund(entry, "100.00", now=later)

    assert figures(customer, now=later) == (50, 0, 0)
    assert other.lots.get().remaining == 50
