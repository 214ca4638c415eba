"""Statements: what the fast paths cost, and that being fast leaves the same rows."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.points import allocation, ledger, statements
from loyalty.points.errors import InsufficientPoints, UnknownHold
from loyalty.points.models import (
    PointsAccount,
    PointsAllocation,
    PointsHold,
    PointsHoldCharge,
    PointsLot,
    PointsTransaction,
    PointsTransactionNote,
    TransactionKind,
)
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db

CAUSE = Cause(CauseType.REDEEMED_REWARD, 1)
DAY = timedelta(days=1)


def spend(customer, points, **more):
    return ledger.debit(
        customer_id=customer.pk, points=points, kind=TransactionKind.REDEMPTION, cause=CAUSE, actor=SYSTEM, now=NOW,
        **more,
    )  # fmt: skip


def hold(customer, points):
    return ledger.hold(customer_id=customer.pk, points=points, cause=CAUSE, actor=SYSTEM, now=NOW)


def capture(held, **more):
    return ledger.capture(hold_id=held.pk, kind=TransactionKind.REDEMPTION, actor=SYSTEM, now=NOW, **more)


def step_by_step(monkeypatch):
    """Every case is special."""
    for name in ("debit_at_once", "hold_at_once", "capture_at_once"):
        monkeypatch.setattr(statements, name, lambda **_: None)


def verbs(captured):
    """The first word of each statement, and FOR UPDATE for the one that locks."""
    return [
        "lock" if "FOR UPDATE" in query["sql"] else query["sql"].split()[0].lower()
        for query in captured.captured_queries
    ]


@pytest.mark.parametrize("lots", [1, 3, 12, 90])
def test_a_debit_is_one_call_for_any_number_of_lots(customer, lots):
    for number in range(lots):
        give(customer, 10, expires_at=NOW + (number + 1) * DAY)

    with CaptureQueriesContext(connection) as captured:
        entry = spend(customer, 10 * lots, idempotency_key="k", description="A mug")

    assert verbs(captured) == ["select"]
    assert entry.allocations.count() == lots


@pytest.mark.parametrize("lots", [1, 3, 12])
def test_step_by_step_a_debit_locks_reads_and_writes_by_one_statement_each(monkeypatch, customer, lots):
    for number in range(lots):
        give(customer, 10, expires_at=NOW + (number + 1) * DAY)
    step_by_step(monkeypatch)

    with CaptureQueriesContext(connection) as captured:
        spend(customer, 10 * lots, idempotency_key="k", description="A mug")

    assert verbs(captured) == ["lock", "select", *(["select"] if lots > statements.FIRST_LOTS else []), "with"]


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_a_debit_is_one_message(customer):
    give(customer, 100)

    with CaptureQueriesContext(connection) as captured:
        spend(customer, 30)

    assert verbs(captured) == ["select"]  # no BEGIN, no COMMIT
    assert PointsAccount.objects.get(pk=customer.pk).balance == 70


def test_a_debit_reads_few_of_a_customers_thousand_lots(customer):
    def lots(owner, number):
        ledger.credit_lots(
            customer_id=owner.pk, lots=[ledger.NewLot(points=10)] * number, kind=TransactionKind.EARNING, cause=CAUSE,
            actor=SYSTEM, now=NOW,
        )  # fmt: skip

    lots(customer, 1_000)
    for other in CustomerFactory.create_batch(40):
        lots(other, 5)

    def rows_read():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'points_pointslot'"
            )
            return cursor.fetchone()[0]

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE points_pointslot")
    for _ in range(8):  # until the session keeps one plan for all customers
        spend(customer, 1)

    before = rows_read()
    spend(customer, 1)

    assert rows_read() - before < 50


def test_a_hold_and_its_capture_are_one_call_each(customer):
    give(customer, 100)

    with CaptureQueriesContext(connection) as captured:
        capture(hold(customer, 30))

    assert verbs(captured) == ["select", "select"]


def stored():
    """Every row of the ledger without ids, and what lots they name by their order."""
    lots = list(PointsLot.objects.order_by("id").values_list("pk", flat=True))
    return {
        "accounts": list(
            PointsAccount.objects.values_list(
                "balance", "pending", "held", "settled_at", "next_edge_at", "last_activity_at"
            )
        ),
        "lots": list(PointsLot.objects.order_by("id").values_list("remaining", "open", "expires_at")),
        "entries": [
            {name: value for name, value in row.items() if name not in ("id", "customer_id")}
            for row in PointsTransaction.objects.order_by("id").values()
        ],
        "notes": list(
            PointsTransactionNote.objects.order_by("pk").values_list("description", "internal_note")
        ),
        "allocations": [
            (lots.index(lot_id), points)
            for lot_id, points in PointsAllocation.objects.order_by("id").values_list("lot_id", "points")
        ],
        "holds": [
            {name: value for name, value in row.items() if name not in ("id", "customer_id", "transaction_id")}
            for row in PointsHold.objects.order_by("id").values()
        ],
        "charges": [
            (lots.index(lot_id), points)
            for lot_id, points in PointsHoldCharge.objects.order_by("id").values_list("lot_id", "points")
        ],
    }  # fmt: skip


@pytest.mark.parametrize("first", [1, 10, 25])
@pytest.mark.parametrize("note", ["", "A mug"])
def test_at_once_and_step_by_step_leave_the_same_rows(monkeypatch, first, note):
    def story():
        with transaction.atomic():
            customer = CustomerFactory()
            for points, days in ((10, None), (20, 9), (10, 3), (10, 9), (500, None)):
                give(customer, points, expires_at=days and NOW + days * DAY)
            give(customer, 7, available_at=NOW + DAY)
            spend(customer, first, idempotency_key="k", description=note)
            held = hold(customer, 40)
            spend(customer, 30, internal_note=note)
            capture(held, description=note)
            capture(held)
            left = stored()
            transaction.set_rollback(True)
        return left

    at_once = story()
    step_by_step(monkeypatch)

    assert story() == at_once
    assert len(at_once["entries"]) == 9


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lots=st.lists(st.tuples(st.integers(1, 30), st.none() | st.integers(1, 4)), min_size=1, max_size=8),
    share=st.floats(0.01, 1),
)
def test_at_once_the_very_lots_pay_that_the_spending_order_names(lots, share):
    with transaction.atomic():
        customer = CustomerFactory()
        for points, days in lots:
            give(customer, points, expires_at=days and NOW + days * DAY)
        rows = [
            allocation.SpendableLot(*row)
            for row in PointsLot.objects.values_list("id", "remaining", "expires_at", "created_at")
        ]
        points = max(1, int(share * sum(lot.remaining for lot in rows)))

        entry = spend(customer, points)

        paid = entry.allocations.order_by("id").values_list("lot_id", "points")
        assert [allocation.Charge(*row) for row in paid] == allocation.allocate(rows, points)
        transaction.set_rollback(True)


@pytest.mark.parametrize(
    "story", ["too few points", "no account", "time to settle", "a key seen before", "lots that move with activity"]
)
def test_a_special_case_is_left_to_the_steps_with_nothing_written(customer, story):
    asked = {"customer_id": customer.pk, "points": 10, "key": None, "now": NOW}
    if story != "no account":
        give(customer, 9 if story == "too few points" else 100, idle_days=5 if "move" in story else None,
             expires_at=NOW + DAY if story == "time to settle" else None)  # fmt: skip
    if story == "time to settle":
        asked["now"] = NOW + DAY
    if story == "a key seen before":
        spend(customer, 10, idempotency_key="k")
        asked["key"] = "k"
    before = stored()

    found = statements.debit_at_once(
        **asked, kind=TransactionKind.REDEMPTION, cause=CAUSE, actor=SYSTEM, is_activity=True, description="",
        internal_note="",
    )  # fmt: skip

    assert found is None
    assert stored() == before


def test_nothing_but_what_never_changes_is_read_in_a_statement_that_locks():
    functions = import_module("loyalty.points.migrations.0001_squashed_0010_lots_in_spending_order")
    locking = [statements.LOCK_ACCOUNT.sql, statements.LOCK_DUE_ACCOUNTS.sql]
    for function in (functions.DEBIT, functions.HOLD, functions.CAPTURE):
        locking += [line for line in function.splitlines() if "FOR UPDATE" in line]

    assert len(locking) == 5
    assert all(sql.count("FROM") == 1 for sql in locking)


def test_are_prepared_in_the_session(customer):
    give(customer, 100)
    spend(customer, 1)
    spend(customer, 1)

    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM pg_prepared_statements WHERE name = 'desk_debit_at_once'")
        assert cursor.fetchone() == (1,)


def test_the_first_of_a_transaction_goes_with_its_beginning_and_quotes_what_it_is_told(customer):
    words = 'O\'Brien \\ "é"; DROP TABLE points_pointslot; --'
    give(customer, 100)

    entry = spend(customer, 1, idempotency_key=words[:100], description=words)

    entry.refresh_from_db()
    assert (entry.idempotency_key, entry.note.description) == (words[:100], words)


def test_a_text_that_postgresql_cannot_keep_is_refused_before_it_is_cut(customer):
    give(customer, 100)

    with pytest.raises(DatabaseError, match="NUL"), transaction.atomic():
        spend(customer, 1, description="A mug\0 and more")


def test_what_is_given_back_is_what_is_stored(customer):
    give(customer, 100)

    entry = spend(customer, 30, idempotency_key="k", description="A mug", internal_note="For Anna")
    held = hold(customer, 20)
    captured = capture(held, internal_note="Later")

    for row in (entry, captured):
        stored = PointsTransaction.objects.select_related("note").get(pk=row.pk)
        assert {name: getattr(row, name) for name in statements.TRANSACTION_FIELDS} == {
            name: getattr(stored, name) for name in statements.TRANSACTION_FIELDS
        }
        assert (row.note.description, row.note.internal_note) == (stored.note.description, stored.note.internal_note)
    assert entry.balance_after == 70
    assert captured.balance_after == 50
    assert PointsHold.objects.get(pk=held.pk).transaction_id == captured.pk


def test_a_number_too_large_for_an_id_names_nobody():
    with transaction.atomic():
        assert statements.lock_account(customer_id=2**80) is None
    with pytest.raises(UnknownHold):
        statements.customer_of_hold(hold_id=2**80)


def test_a_refusal_inside_a_transaction_of_the_caller_leaves_it_usable(customer):
    give(customer, 100)

    with transaction.atomic():
        with pytest.raises(InsufficientPoints):
            spend(customer, 101)
        spend(customer, 40)

    assert PointsAccount.objects.get(pk=customer.pk).balance == 60


def test_an_error_of_the_database_inside_a_transaction_of_the_caller_undoes_all_of_it(customer):
    give(customer, 100)

    def careless():
        hold(customer, 10)
        with pytest.raises(DatabaseError):
            hold(customer, 10)  # a second open hold for one cause
        spend(customer, 5)

    with pytest.raises(transaction.TransactionManagementError), transaction.atomic():
        careless()

    assert PointsAccount.objects.get(pk=customer.pk).balance == 100
    assert PointsHold.objects.count() == 0
