"""Mistakes that cost others money, each with a test named after what it protects. None of them is to be made here."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.db import ProgrammingError, connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from loyalty.common import clock
from loyalty.common.actors import SYSTEM, api_key, staff
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.merchant.models import ExpiryMode, Programme, ShortfallPolicy
from loyalty.points import (
    adjustments,
    audit,
    bulk,
    clawback,
    credit_cancellation,
    earning,
    expiry,
    holds,
    ledger,
    queries,
    shortfalls,
    transfers,
)
from loyalty.points.models import (
    PointsAccount,
    PointsHold,
    PointsLot,
    PointsShortfall,
    PointsTransaction,
    TransactionKind,
)
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
STAFF, TILL = staff(1), api_key(1)
CAUSE = Cause(CauseType.REDEEMED_REWARD, 1)
ZONES = ("Etc/GMT+12", "America/New_York", "UTC", "Europe/Warsaw", "Pacific/Kiritimati")


def policy(**values):
    return Programme.objects.update_or_create(pk=1, defaults=values)[0]


def balance(customer, *, now=NOW):
    return queries.balance(customer_id=customer.pk, now=now).balance


def earn(customer, points, *, key="order:1", now=NOW):
    return earning.earn(
        customer_id=customer.pk, points=points, cause=Cause(CauseType.ORDER, 1), actor=SYSTEM,
        programme=Programme.objects.get_or_create(pk=1)[0], earned_at=now, now=now, idempotency_key=key,
    )  # fmt: skip


def spend(customer, points, *, now=NOW):
    return ledger.debit(
        customer_id=customer.pk, points=points, kind=TransactionKind.REDEMPTION, cause=CAUSE, actor=TILL, now=now
    )


def reverse(entry, *, points=None, now=NOW):
    return ledger.reverse(transaction_id=entry.pk, cause=CAUSE, actor=STAFF, now=now, points=points)


def refund(entry, refunded, *, now=NOW):
    return clawback.claw_back(
        earning_id=entry.pk, refunded=Decimal(refunded), total=Decimal(100), actor=SYSTEM, now=now
    )


def test_b14_every_way_in_which_points_come_or_go_passes_through_lots(customer):
    policy(transfers_allowed=True)
    other = CustomerFactory()

    earn(customer, 100)
    adjustments.adjust(customer_id=customer.pk, points=40, actor=STAFF, now=NOW)
    adjustments.adjust(customer_id=customer.pk, points=-25, actor=STAFF, now=NOW)
    bulk.credit_many(
        batch=[
            bulk.Credit(
                customer_id=customer.pk, points=30, kind=TransactionKind.EARNING, cause=Cause(CauseType.IMPORT, 1),
                actor=SYSTEM, idempotency_key="import:1",
            )
        ],
        now=NOW,
    )  # fmt: skip
    transfers.transfer(sender_id=customer.pk, receiver_id=other.pk, points=15, actor=STAFF, now=NOW)
    holds.create(customer_id=customer.pk, points=20, actor=TILL, now=NOW)

    for who, expected in ((customer, 110), (other, 15)):
        lots = sum(PointsLot.objects.filter(customer=who).values_list("remaining", flat=True))
        stored = PointsAccount.objects.get(pk=who.pk).balance
        assert lots == stored == balance(who) == expected


def test_b16_b25_refunding_an_order_that_earned_and_paid_with_points_undoes_both_and_debits_nothing_twice(customer):
    give(customer, 80)
    earned = earn(customer, 100)
    redeemed = spend(customer, 60)

    reverse(redeemed)
    refund(earned, 100)
    refund(earned, 100)

    assert balance(customer) == 80
    rows = PointsTransaction.objects.order_by("id").values_list("points_change", "balance_after")
    assert list(rows) == [(80, 80), (100, 180), (-60, 120), (60, 180), (-100, 80)]


UNDOS = ("release", "time out", "capture", "reverse", "reverse a part")


@settings(max_examples=25, deadline=None)
@given(acts=st.lists(st.sampled_from(UNDOS), min_size=1, max_size=12))
def test_b19_any_order_and_repetition_of_undoing_gives_the_points_back_at_most_once(acts):
    with transaction.atomic():
        customer = CustomerFactory()
        give(customer, 100)
        held = holds.create(customer_id=customer.pk, points=60, actor=TILL, now=NOW, lasts=DAY)
        for act in acts:
            with suppress(DomainError):
                undo(act, held)
            assert balance(customer, now=NOW + DAY) <= 100
        row = PointsHold.objects.get(pk=held.pk)
        returned = sum(
            PointsTransaction.objects.filter(reverses=row.transaction_id or 0).values_list("points_change", flat=True)
        )
        expected = {"open": 40, "released": 100, "captured": 40 + returned}
        assert balance(customer, now=NOW + DAY) == expected[row.state]
        assert list(audit.differences(customer_id=customer.pk)) == []
        transaction.set_rollback(True)


def undo(act, held):
    later = NOW + DAY
    match act:
        case "release":
            holds.release(hold_id=held.pk, actor=TILL, now=later)
        case "time out":
            holds.sweep(now=later)
        case "capture":
            holds.capture(hold_id=held.pk, actor=TILL, now=later)
        case "reverse" | "reverse a part":
            entry = PointsHold.objects.get(pk=held.pk).transaction
            if entry is not None:
                reverse(entry, points=25 if act == "reverse a part" else None, now=later)


def test_b22_canceling_after_a_partial_return_gives_only_the_rest(customer):
    give(customer, 100)
    redeemed = spend(customer, 100)

    reverse(redeemed, points=30)
    rest = reverse(redeemed)

    assert rest.points_change == 70
    assert balance(customer) == 100


def test_b26_reading_writes_nothing_and_reads_nobody_elses_points(customer):
    other = CustomerFactory()
    policy(pending_days=0)
    entry = give(customer, 100, expires_at=NOW + DAY)
    debit = spend(customer, 10)
    give(other, 7, expires_at=NOW + DAY)
    late = NOW + 2 * DAY
    before = every_row()

    assert balance(customer, now=NOW) == 90
    assert balance(customer, now=late) == 0
    assert queries.balance(customer_id=0, now=late) == queries.Balance()
    assert [group.points for group in queries.expiring(customer_id=other.pk, now=NOW)] == [7]
    assert {row.customer_id for row in queries.history(customer_id=other.pk)} == {other.pk}
    ledger.plan_reversal(transaction_id=debit.pk, now=late)
    clawback.plan(earning_id=entry.pk, refunded=Decimal(1), total=Decimal(2), now=late)
    credit_cancellation.plan(transaction_id=entry.pk, now=NOW)
    list(audit.differences())

    assert every_row() == before


def every_row():
    with connection.cursor() as cursor:
        tables = [name for name in connection.introspection.table_names(cursor) if name.startswith("points_")]
        found = {}
        for table in tables:
            cursor.execute(f"SELECT * FROM {table} ORDER BY 1")
            found[table] = cursor.fetchall()
    return found


def test_b27_a_debit_that_no_lot_pays_for_is_named_by_the_audit(customer):
    give(customer, 100)

    with transaction.atomic():
        PointsTransaction.objects.create(
            customer=customer, kind=TransactionKind.REDEMPTION, points_change=-30, balance_after=70, cause_type="api",
            actor_kind="system", effective_at=NOW, recorded_at=NOW,
        )  # fmt: skip
        broken = {difference.rule: (difference.stored, difference.recomputed) for difference in audit.differences()}
        transaction.set_rollback(True)

    assert broken["A debit = its allocations"] == (30, 0)
    assert broken["Sum of transactions = balance + pending + held"] == (100, 70)


def test_b29_b33_an_order_is_paid_for_once_whatever_comes_again_and_whenever_its_points_mature(customer):
    policy(pending_days=3)

    first = earn(customer, 100)
    for day in range(6):
        assert earn(customer, 100 + day, now=NOW + day * DAY) == first
        expiry.settle_due(now=NOW + day * DAY)

    assert balance(customer, now=NOW + 6 * DAY) == 100
    assert PointsTransaction.objects.count() == 1


REPEATED = {
    "adjust up": lambda at: adjustments.adjust(
        customer_id=at["customer"], points=9, actor=STAFF, now=NOW, idempotency_key="up"
    ),
    "adjust down": lambda at: adjustments.adjust(
        customer_id=at["customer"], points=-9, actor=STAFF, now=NOW, idempotency_key="down"
    ),
    "hold": lambda at: holds.create(
        customer_id=at["customer"], points=9, actor=TILL, now=NOW, idempotency_key="hold"
    ),
    "capture": lambda at: holds.capture(hold_id=at["hold"], actor=TILL, now=NOW, points=5),
    "release": lambda at: holds.release(hold_id=at["hold"], actor=TILL, now=NOW),
    "transfer": lambda at: transfers.transfer(
        sender_id=at["customer"], receiver_id=at["other"], points=9, actor=STAFF, now=NOW, idempotency_key="move"
    ),
    "claw back": lambda at: clawback.claw_back(
        earning_id=at["earning"], refunded=Decimal(1), total=Decimal(3), actor=STAFF, now=NOW
    ),
    "cancel a credit": lambda at: credit_cancellation.cancel(transaction_id=at["earning"], actor=STAFF, now=NOW),
    "waive": lambda at: shortfalls.waive(shortfall_id=at["shortfall"], actor=STAFF, now=NOW),
    "collect": lambda at: shortfalls.collect(customer_id=at["customer"], actor=STAFF, now=NOW),
}  # fmt: skip


@pytest.mark.parametrize("act", REPEATED)
def test_b20_b30_a_repeated_request_has_one_effect(customer, act):
    policy(transfers_allowed=True)
    owed = give(customer, 20)
    spend(customer, 20)
    refund(owed, 100)
    earning_id = give(customer, 200).pk
    held = holds.create(customer_id=customer.pk, points=30, actor=TILL, now=NOW)
    at = {
        "customer": customer.pk, "other": CustomerFactory().pk, "hold": held.pk, "earning": earning_id,
        "shortfall": PointsShortfall.objects.get().pk,
    }  # fmt: skip

    REPEATED[act](at)
    once = every_row()
    for _ in range(3):
        REPEATED[act](at)

    assert every_row() == once


def test_b32_b55_a_sweep_delivered_six_times_writes_one_entry_for_each_lot_hold_and_debt(customer):
    policy(shortfall_policy=ShortfallPolicy.COLLECT)
    owed = give(customer, 20)
    spend(customer, 20)
    refund(owed, 100)
    give(customer, 10, expires_at=NOW + DAY)
    give(customer, 5, expires_at=NOW + DAY)
    give(customer, 70, available_at=NOW + 2 * DAY)
    holds.create(customer_id=customer.pk, points=5, actor=TILL, now=NOW, lasts=DAY)
    later = NOW + 2 * DAY

    for _ in range(6):
        expiry.settle_due(now=later)
        holds.sweep(now=later)
        shortfalls.sweep(now=later)

    kinds = list(
        PointsTransaction.objects.filter(recorded_at=later).order_by("id").values_list("kind", "points_change")
    )
    assert sorted(kinds) == [("clawback", -20), ("expiry", -5), ("expiry", -5)]
    assert balance(customer, now=later) == 5 + 70 - 20


def test_b41_every_date_on_which_points_expire_is_shown_and_not_the_next_alone(customer):
    for days, points in ((3, 10), (1, 20), (9, 30)):
        give(customer, points, expires_at=NOW + days * DAY)
    give(customer, 40)

    shown = queries.expiring(customer_id=customer.pk, now=NOW)

    assert [(group.expires_at, group.points) for group in shown] == [
        (NOW + DAY, 20),
        (NOW + 3 * DAY, 10),
        (NOW + 9 * DAY, 30),
        (None, 40),
    ]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"expiry_mode": ExpiryMode.NEVER}, None),
        ({"expiry_mode": ExpiryMode.DAYS, "expiry_days": 2}, datetime(2026, 11, 24, tzinfo=UTC)),
        ({"expiry_mode": ExpiryMode.DAYS, "expiry_days": 3}, datetime(2026, 11, 25, tzinfo=UTC)),
        ({"expiry_mode": ExpiryMode.IDLE, "expiry_days": 4}, datetime(2026, 11, 26, tzinfo=UTC)),
        ({"expiry_mode": ExpiryMode.MONTH_END}, datetime(2026, 12, 1, tzinfo=UTC)),
        ({"expiry_mode": ExpiryMode.YEAR_END}, datetime(2027, 1, 1, tzinfo=UTC)),
        ({"expiry_mode": ExpiryMode.MONTH_END, "pending_days": 15}, datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_b41_every_setting_of_expiry_is_read(customer, setting, expected):
    policy(**setting)

    assert earn(customer, 10).lots.get().expires_at == expected


@given(
    zone=st.sampled_from(ZONES),
    instant=st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    days=st.integers(0, 400),
)
def test_b42_b54_a_day_ends_at_midnight_in_the_programmes_zone_and_never_a_day_early(zone, instant, days):
    local = ZoneInfo(zone)

    end = clock.end_of_day(instant, days, local)

    last_instant = (end - timedelta(microseconds=1)).astimezone(local)
    assert (end.astimezone(local).hour, end.astimezone(local).minute) == (0, 0)
    assert last_instant.date() == instant.astimezone(local).date() + days * DAY


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("minutes", [-1, 0, 1])
def test_b42_points_earned_around_midnight_live_to_the_end_of_the_same_local_day(customer, zone, minutes):
    local = ZoneInfo(zone)
    policy(expiry_mode=ExpiryMode.DAYS, expiry_days=1, time_zone=zone)
    earned_at = datetime(2026, 10, 25, tzinfo=local).astimezone(UTC) + timedelta(minutes=minutes)

    lot = earn(customer, 10, now=earned_at).lots.get()

    through = (lot.expires_at - timedelta(microseconds=1)).astimezone(local).date()
    assert through == earned_at.astimezone(local).date() + DAY
    assert balance(customer, now=lot.expires_at - timedelta(microseconds=1)) == 10
    assert balance(customer, now=lot.expires_at) == 0


def test_b47_one_point_is_never_rounded_away_nor_made_into_two(customer):
    earned = earn(customer, 1)

    assert refund(earned, "99.99") is None
    assert balance(customer) == 1
    redeemed = spend(customer, 1)
    assert reverse(redeemed).points_change == 1
    refund(earned, 100)

    assert balance(customer) == 0


@pytest.mark.parametrize("points", [0, 99, 101])
def test_b56_the_amount_of_a_lot_is_a_fact_that_expiry_does_not_overwrite(customer, points):
    lot = give(customer, 100, expires_at=NOW + DAY).lots.get()
    expiry.settle_due(now=NOW + DAY)

    with pytest.raises(ProgrammingError), transaction.atomic():
        PointsLot.objects.filter(pk=lot.pk).update(points=points)

    lot.refresh_from_db()
    assert (lot.points, lot.remaining) == (100, 0)
