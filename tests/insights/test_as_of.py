"""As of: what a customer had at any past instant, from the rows alone."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.insights import as_of, explain, facts
from loyalty.insights.as_of import Axis, LotState, Timeline
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import ExpiryMode, Programme, ReturnPolicy
from loyalty.points import (
    adjustments,
    audit,
    clawback,
    credit_cancellation,
    earning,
    expiry,
    holds,
    ledger,
    locking,
    queries,
    shortfalls,
    transfers,
)
from loyalty.points.errors import UnknownCustomer
from loyalty.points.models import (
    PointsHold,
    PointsLot,
    PointsLotChange,
    PointsShortfall,
    PointsTransaction,
    TransactionKind,
)
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give
from tests.insights import sums

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
CAUSE = Cause(CauseType.REDEEMED_REWARD, 1)


def figures(found):
    return found.balance, found.pending, found.held, found.lapsed


def at(customer, instant, **how):
    return as_of.points_as_of(customer_id=customer.pk, at=instant, **how)


def spend(customer, points, *, now):
    return ledger.debit(
        customer_id=customer.pk, points=points, kind=TransactionKind.REDEMPTION, cause=CAUSE, actor=SYSTEM, now=now
    )


def hold(customer, points, *, now):
    return ledger.hold(customer_id=customer.pk, points=points, cause=CAUSE, actor=SYSTEM, now=now)


def test_knows_the_balance_before_and_after_each_change(customer):
    give(customer, 100, now=NOW)
    spend(customer, 30, now=NOW + DAY)

    assert figures(at(customer, NOW - HOUR)) == (0, 0, 0, 0)
    assert figures(at(customer, NOW)) == (100, 0, 0, 0)
    assert figures(at(customer, NOW + DAY - timedelta(microseconds=1))) == (100, 0, 0, 0)
    assert figures(at(customer, NOW + DAY)) == (70, 0, 0, 0)


def test_knows_what_was_pending_then(customer):
    give(customer, 50, now=NOW, available_at=NOW + DAY)

    assert figures(at(customer, NOW + HOUR)) == (0, 50, 0, 0)
    assert figures(at(customer, NOW + DAY)) == (50, 0, 0, 0)


def test_counts_no_point_past_its_end_however_late_the_sweep_came(customer):
    give(customer, 50, now=NOW, expires_at=NOW + DAY)
    expiry.settle_due(now=NOW + 9 * DAY)

    before, between, swept = (at(customer, NOW + days * DAY) for days in (0, 5, 9))

    assert figures(before) == (50, 0, 0, 0)
    assert figures(between) == (0, 0, 0, 50)
    assert (between.total, between.lots[0].state) == (50, LotState.LAPSED)
    assert figures(swept) == (0, 0, 0, 0)
    assert (swept.total, swept.lots) == (0, ())


def test_knows_what_was_held_through_a_capture_in_part(customer):
    give(customer, 100, now=NOW)
    held = hold(customer, 60, now=NOW + DAY)
    ledger.capture(hold_id=held.pk, kind=TransactionKind.REDEMPTION, actor=SYSTEM, now=NOW + 2 * DAY, points=20)

    assert figures(at(customer, NOW + DAY + HOUR)) == (40, 0, 60, 0)
    assert figures(at(customer, NOW + 2 * DAY)) == (80, 0, 0, 0)


def test_follows_released_points_into_the_lot_that_stands_in(customer):
    Programme.objects.create(return_policy=ReturnPolicy.GRACE, grace_days=10)
    give(customer, 100, now=NOW, expires_at=NOW + 3 * DAY)
    held = hold(customer, 60, now=NOW + DAY)
    ledger.release(hold_id=held.pk, now=NOW + 5 * DAY)

    (stands_in,) = at(customer, NOW + 5 * DAY).lots
    assert figures(at(customer, NOW + 4 * DAY)) == (0, 0, 60, 40)
    assert (stands_in.remaining, stands_in.state, stands_in.origin_id) == (
        60,
        LotState.ACTIVE,
        PointsLot.objects.order_by("id").first().pk,
    )


def test_moves_the_end_of_idle_lots_only_by_activity_up_to_then(customer):
    ledger.credit(
        customer_id=customer.pk,
        points=10,
        kind=TransactionKind.EARNING,
        cause=CAUSE,
        actor=SYSTEM,
        now=NOW,
        idle_days=5,
    )
    give(customer, 1, now=NOW + 4 * DAY)

    ends = [at(customer, NOW + days * DAY).lots[0].expires_at for days in (0, 3, 4)]

    assert ends == [
        datetime(2026, 11, 27, tzinfo=UTC),
        datetime(2026, 11, 27, tzinfo=UTC),
        datetime(2026, 12, 1, tzinfo=UTC),
    ]
    assert figures(at(customer, NOW + 7 * DAY)) == (11, 0, 0, 0)


def test_knows_the_end_a_lot_had_before_staff_moved_it(customer):
    entry = give(customer, 10, now=NOW, expires_at=NOW + 3 * DAY)
    move_end(PointsLot.objects.get(transaction=entry), to=NOW + 9 * DAY, now=NOW + DAY)

    assert at(customer, NOW).lots[0].expires_at == NOW + 3 * DAY
    assert at(customer, NOW + DAY).lots[0].expires_at == NOW + 9 * DAY
    assert figures(at(customer, NOW + 5 * DAY)) == (10, 0, 0, 0)


def test_counts_an_import_from_when_it_was_recorded_or_from_when_it_took_effect(customer):
    ordered_at = NOW - 60 * DAY
    ledger.credit(
        customer_id=customer.pk,
        points=80,
        kind=TransactionKind.EARNING,
        cause=CAUSE,
        actor=SYSTEM,
        now=NOW,
        available_at=ordered_at,
        effective_at=ordered_at,
        expires_at=NOW - 20 * DAY,
    )

    assert figures(at(customer, NOW - 40 * DAY)) == (0, 0, 0, 0)
    assert figures(at(customer, NOW - 40 * DAY, axis=Axis.EFFECTIVE)) == (80, 0, 0, 0)
    assert figures(at(customer, NOW - 20 * DAY, axis=Axis.EFFECTIVE)) == (0, 0, 0, 0)
    assert [entry.kind for entry in at(customer, NOW - 40 * DAY, axis=Axis.EFFECTIVE).history] == ["earning"]


def test_points_that_came_back_too_late_expire_when_they_came_not_before(customer):
    """By effect, too, an expiry never takes what was still held at the lot's end."""
    Programme.objects.create(return_policy=ReturnPolicy.STRICT)
    give(customer, 100, now=NOW, expires_at=NOW + 2 * DAY)
    held = hold(customer, 100, now=NOW + DAY)
    ledger.release(hold_id=held.pk, now=NOW + 5 * DAY)

    for axis in Axis:
        assert figures(at(customer, NOW + 3 * DAY, axis=axis)) == (0, 0, 100, 0)
        assert figures(at(customer, NOW + 5 * DAY, axis=axis)) == (0, 0, 0, 0)


def test_knows_what_was_owed_then(customer):
    earned = give(customer, 100, now=NOW)
    spend(customer, 100, now=NOW + DAY)
    row = clawback.claw_back(
        earning_id=earned.pk, refunded=Decimal(1), total=Decimal(2), actor=SYSTEM, now=NOW + 2 * DAY
    )
    give(customer, 20, now=NOW + 3 * DAY)
    shortfalls.collect(customer_id=customer.pk, actor=SYSTEM, now=NOW + 4 * DAY)
    shortfalls.waive(shortfall_id=row.shortfall.pk, actor=SYSTEM, now=NOW + 5 * DAY)

    assert [at(customer, NOW + days * DAY).owed for days in (1, 2, 3, 4, 5)] == [0, 50, 50, 30, 0]


def test_asks_the_same_number_of_queries_for_a_long_history(customer, django_assert_num_queries):
    give(customer, 1000, now=NOW)
    merchant.programme()
    with django_assert_num_queries(12):
        at(customer, NOW)
    for days in range(20):
        give(customer, 5, now=NOW + days * DAY, expires_at=NOW + (days + 9) * DAY)
        spend(customer, 7, now=NOW + days * DAY)

    with django_assert_num_queries(12):
        at(customer, NOW + 5 * DAY)


def test_refuses_a_customer_who_does_not_exist():
    with pytest.raises(UnknownCustomer):
        as_of.points_as_of(customer_id=987654321, at=NOW)


# --- Random histories: what was live then, and what the rows say now. ---


def move_end(lot, *, to, now):
    """As applying a changed expiry policy to an existing lot does."""
    account = locking.lock(customer_id=lot.customer_id, now=now)
    lot.refresh_from_db()
    PointsLotChange.objects.create(
        lot=lot, expires_before=lot.expires_at, expires_after=to, actor_kind="staff", created_at=now
    )
    PointsLot.objects.filter(pk=lot.pk).update(expires_at=to)
    account.next_edge_at = account.settled_at  # whoever settles next looks for the true one
    account.save()


class World:
    """Two customers, and every act that changes points; who cannot, changes nothing."""

    def __init__(self, programme):
        self.programme = programme
        self.one, self.two = CustomerFactory(), CustomerFactory()
        self.made = 0

    def earn(self, now, choice, points):
        self.programme.expiry_mode = ExpiryMode.values[choice % len(ExpiryMode.values)]
        self.programme.expiry_days = 1 + choice % 11
        self.programme.pending_days = (choice // 5) % 4
        self.programme.save()
        self.made += 1
        earning.earn(
            customer_id=self.one.pk,
            points=points * 3,
            cause=Cause(CauseType.ORDER, self.made),
            actor=SYSTEM,
            programme=self.programme,
            earned_at=now - timedelta(days=choice % 4),
            now=now,
            idempotency_key=f"order:{self.made}",
        )

    def hold(self, now, choice, points):
        holds.create(customer_id=self.one.pk, points=points, actor=SYSTEM, now=now, lasts=(1 + choice % 9) * DAY)

    def capture(self, now, choice, points):
        held = PointsHold.objects.filter(state="open").order_by("id").first()
        if held is not None:
            part = None if choice % 2 else 1 + points % held.points
            holds.capture(hold_id=held.pk, actor=SYSTEM, now=now, points=part)

    def release(self, now, choice, points):
        held = PointsHold.objects.filter(state="open").order_by("-id").first()
        if held is not None:
            self.return_policy(choice)
            holds.release(hold_id=held.pk, actor=SYSTEM, now=now)

    def debit(self, now, choice, points):
        spend(self.one, points, now=now)

    def reverse(self, now, choice, points):
        entries = PointsTransaction.objects.filter(customer=self.one, kind__in=ledger.REVERSIBLE, points_change__lt=0)
        entry = self.pick(entries, choice)
        if entry is not None:
            self.return_policy(choice)
            part = None if choice % 2 else 1 + points % -entry.points_change
            ledger.reverse(transaction_id=entry.pk, cause=CAUSE, actor=SYSTEM, now=now, points=part)

    def claw_back(self, now, choice, points):
        entry = self.pick(PointsTransaction.objects.filter(customer=self.one, kind="earning"), choice)
        if entry is not None:
            refunded = Decimal(1 + choice % 100)
            clawback.claw_back(earning_id=entry.pk, refunded=refunded, total=Decimal(100), actor=SYSTEM, now=now)

    def collect(self, now, choice, points):
        shortfalls.collect(customer_id=self.one.pk, actor=SYSTEM, now=now)

    def waive(self, now, choice, points):
        row = PointsShortfall.objects.filter(state="open").first()
        if row is not None:
            shortfalls.waive(shortfall_id=row.pk, actor=SYSTEM, now=now)

    def adjust(self, now, choice, points):
        sign = 1 if choice % 2 else -1
        adjustments.adjust(customer_id=self.one.pk, points=sign * points, actor=SYSTEM, now=now)

    def transfer(self, now, choice, points):
        ends = (self.one, self.two) if choice % 2 else (self.two, self.one)
        transfers.transfer(sender_id=ends[0].pk, receiver_id=ends[1].pk, points=points, actor=SYSTEM, now=now)

    def cancel_credit(self, now, choice, points):
        entry = self.pick(PointsTransaction.objects.filter(customer=self.one, points_change__gt=0), choice)
        if entry is not None:
            credit_cancellation.cancel(transaction_id=entry.pk, actor=SYSTEM, now=now)

    def move_end(self, now, choice, points):
        lots = PointsLot.objects.filter(customer=self.one, open=True, idle_days=None).exclude(expires_at__lte=now)
        lot = self.pick(lots, choice)
        if lot is not None:
            to = max(now, lot.available_at) + (1 + points % 20) * DAY
            move_end(lot, to=to if choice % 5 else None, now=now)

    def sweep(self, now, choice, points):
        expiry.settle_due(now=now)
        holds.sweep(now=now)

    def pick(self, rows, choice):
        found = list(rows.order_by("id"))
        return found[choice % len(found)] if found else None

    def return_policy(self, choice):
        self.programme.return_policy = ReturnPolicy.values[choice % len(ReturnPolicy.values)]
        self.programme.save()


ACTS = [
    name for name, act in vars(World).items() if callable(act) and name not in ("__init__", "pick", "return_policy")
]
OFTEN = ["earn", "hold", "capture", "release", "debit", "reverse"]  # what the rest depends on

STEPS = st.lists(
    st.tuples(
        st.sampled_from(ACTS + OFTEN),
        st.integers(0, 10_000),  # which of several, and by which policy
        st.integers(1, 120),  # points
        st.one_of(st.integers(1, 3600 * 20), st.integers(3600, 3600 * 24 * 9)),  # seconds that pass before
    ),
    min_size=8,
    max_size=16,
)


def live(customer, now):
    found = queries.balance(customer_id=customer.pk, now=now)
    ends = [(group.expires_at, group.points) for group in queries.expiring(customer_id=customer.pk, now=now)]
    return found.balance, found.pending, found.held, found.owed, ends


def from_rows(found):
    ends = {}
    for lot in found.lots:
        if lot.state is LotState.ACTIVE:
            ends[lot.expires_at] = ends.get(lot.expires_at, 0) + lot.remaining
    last = datetime.max.replace(tzinfo=UTC)
    return found.balance, found.pending, found.held, found.owed, sorted(ends.items(), key=lambda end: end[0] or last)


def play(world, steps):
    """Run the acts at their times: what was live after each, and just before the next. Gives back the last time too."""
    customers, now = (world.one, world.two), NOW
    for choice in (1, 4, 12):  # so many days, days without activity, pending
        world.earn(now, choice, 50)
    seen = []
    for act, choice, points, seconds in steps:
        now += timedelta(seconds=seconds)
        just_before = now - timedelta(microseconds=1)
        seen.append((world.one, just_before, live(world.one, just_before)))
        try:
            with transaction.atomic():
                getattr(world, act)(now, choice, points)
        except DomainError:
            event(f"{act} refused")
        else:
            event(act)
        seen += [(customer, now, live(customer, now)) for customer in customers]
    later = now + 400 * DAY  # nobody swept
    seen += [(customer, later, live(customer, later)) for customer in customers]
    return seen, now


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS, zone=st.sampled_from(["UTC", "Europe/Warsaw", "Pacific/Auckland"]))
def test_equals_what_was_live_at_each_step_of_any_history(steps, zone):
    with transaction.atomic():
        Programme.objects.all().delete()
        world = World(Programme.objects.create(transfers_allowed=True, time_zone=zone, grace_days=4))
        seen, now = play(world, steps)

        timelines = {
            customer: Timeline(facts.load(customer_id=customer.pk), zone=ZoneInfo(zone))
            for customer in (world.one, world.two)
        }
        for customer, instant, was in seen:
            found = timelines[customer].at(instant)
            assert from_rows(found) == was, instant
            for each in (found, timelines[customer].at(instant, axis=Axis.EFFECTIVE)):
                assert each.total == each.balance + each.pending + each.held + each.lapsed
        for customer, timeline in timelines.items():
            assert from_rows(timeline.at(now, axis=Axis.EFFECTIVE)) == live(customer, now)
        for axis in Axis:
            sums.add_up(explain.balance(customer_id=world.one.pk, at=NOW + (now - NOW) / 2, axis=axis))
        assert list(audit.differences()) == []
        transaction.set_rollback(True)
