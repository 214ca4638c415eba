"""Statements: what the fast paths cost, and that being fast leaves the same rows."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.points import ledger, statements
from loyalty.points.errors import InsufficientPoints
from loyalty.points.models import PointsAccount, PointsHold, PointsTransaction, TransactionKind
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


def verbs(captured):
    """The first word of each statement, and FOR UPDATE for the one that locks."""
    return [
        "lock" if "FOR UPDATE" in query["sql"] else query["sql"].split()[0].lower()
        for query in captured.captured_queries
    ]


@pytest.mark.parametrize("lots", [1, 3, 12])
def test_a_debit_locks_reads_and_writes_by_one_statement_each_for_any_number_of_lots(customer, lots):
    for number in range(lots):
        give(customer, 10, expires_at=NOW + (number + 1) * DAY)

    with CaptureQueriesContext(connection) as captured:
        entry = spend(customer, 10 * lots, idempotency_key="k", description="A mug")

    assert verbs(captured) == ["lock", "select", *(["select"] if lots > statements.FIRST_LOTS else []), "with"]
    assert entry.allocations.count() == lots


def test_a_hold_and_its_capture_take_seven_statements(customer):
    give(customer, 100)

    with CaptureQueriesContext(connection) as captured:
        capture(hold(customer, 30))

    assert verbs(captured) == ["lock", "select", "with", "select", "lock", "select", "with"]


def test_nothing_is_read_in_the_statement_that_locks():
    assert statements.LOCK_ACCOUNT.count("FROM") == statements.LOCK_DUE_ACCOUNTS.count("FROM") == 1


def test_are_prepared_in_the_session_and_leave_other_queries_as_they_were(customer):
    give(customer, 100)
    usual = connection.connection.prepare_threshold

    spend(customer, 1)
    spend(customer, 1)

    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        prepared = [row[0] for row in cursor.fetchall()]
    assert len([each for each in prepared if "INSERT INTO points_pointstransaction" in each]) == 1
    assert connection.connection.prepare_threshold == usual


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
    with pytest.raises(PointsHold.DoesNotExist):
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
