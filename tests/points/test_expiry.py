"""The expiry sweep: set by set, safe at any time, and never needed for a balance to be right."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.customers.models import Customer
from loyalty.events.models import Event
from loyalty.points import audit, expiry, ledger, queries, statements
from loyalty.points.errors import InsufficientPoints
from loyalty.points.models import PointsAccount, PointsLot, PointsTransaction, TransactionKind
from tests.concurrency.races import kinds_of_failure, race
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give

DAY = timedelta(days=1)
CAUSE = Cause(CauseType.API, 1)


def spend(customer, points, *, now):
    return ledger.debit(
        customer_id=customer.pk, points=points, kind=TransactionKind.REDEMPTION, cause=CAUSE, actor=SYSTEM, now=now
    )


def expiries(customer):
    """(points, lot, effective, sum after) of each entry, in the order in which they were written."""
    found = PointsTransaction.objects.filter(customer=customer, kind=TransactionKind.EXPIRY).order_by("id")
    return list(found.values_list("points_change", "cause_id", "effective_at", "balance_after"))


def lots(customer):
    return list(PointsLot.objects.filter(customer=customer).order_by("id").values_list("pk", flat=True))


@pytest.mark.django_db
def test_writes_one_entry_for_each_lot_in_the_order_of_their_ends(customer):
    give(customer, 30, expires_at=NOW + 2 * DAY)
    give(customer, 20, expires_at=NOW + DAY)
    give(customer, 10, expires_at=NOW + DAY)
    give(customer, 5)
    first, second, third, _ = lots(customer)
    spend(customer, 7, now=NOW)

    assert expiry.settle_due(now=NOW + 3 * DAY) == 1

    assert expiries(customer) == [
        (-13, second, NOW + DAY, 45),
        (-10, third, NOW + DAY, 35),
        (-30, first, NOW + 2 * DAY, 5),
    ]


@pytest.mark.django_db
def test_makes_points_that_have_waited_active_and_remembers_what_comes_next(customer):
    give(customer, 30, available_at=NOW + DAY, expires_at=NOW + 9 * DAY)
    give(customer, 20, available_at=NOW + DAY, expires_at=NOW + 2 * DAY)
    give(customer, 10, available_at=NOW + 5 * DAY)

    expiry.settle_due(now=NOW + 3 * DAY)

    account = PointsAccount.objects.get(pk=customer.pk)
    assert (account.balance, account.pending, account.next_edge_at) == (30, 10, NOW + 5 * DAY)
    assert account.settled_at == NOW + 3 * DAY


@pytest.mark.django_db
def test_tells_of_each_customer_who_lost_points_once(customer):
    other, spared = CustomerFactory(), CustomerFactory()
    for each, points in ((customer, 30), (customer, 12), (other, 5)):
        give(each, points, expires_at=NOW + DAY)
    give(spared, 8, available_at=NOW + DAY)

    expiry.settle_due(now=NOW + DAY)
    expiry.settle_due(now=NOW + 2 * DAY)

    told = Event.objects.filter(kind="points.expired").order_by("customer_id")
    assert [(event.customer_id, event.data["points"], event.data["lots"]) for event in told] == [
        (customer.pk, 42, 2),
        (other.pk, 5, 1),
    ]
    entries = PointsTransaction.objects.filter(customer=customer, kind=TransactionKind.EXPIRY).order_by("id")
    assert [told[0].data["first_transaction_id"], told[0].data["last_transaction_id"]] == [each.pk for each in entries]


@pytest.mark.django_db
def test_a_writer_that_comes_before_the_sweep_tells_of_it_too(customer):
    give(customer, 30, expires_at=NOW + DAY)

    give(customer, 1, now=NOW + 2 * DAY)
    expiry.settle_due(now=NOW + 3 * DAY)

    assert Event.objects.filter(kind="points.expired", customer_id=customer.pk).count() == 1


@pytest.mark.django_db
def test_run_twice_writes_nothing_more(customer):
    give(customer, 30, expires_at=NOW + DAY)

    assert [expiry.settle_due(now=NOW + DAY) for _ in range(2)] == [1, 0]

    assert len(expiries(customer)) == 1


@pytest.mark.django_db
def test_goes_on_where_one_that_was_stopped_has_left_off(monkeypatch):
    customers = [CustomerFactory() for _ in range(5)]
    for each in customers:
        give(each, 10, expires_at=NOW + DAY)
    settle, calls = statements.settle, []

    def fail_in_the_second(**arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return settle(**arguments)

    with monkeypatch.context() as patched:
        patched.setattr(statements, "settle", fail_in_the_second)
        with pytest.raises(KeyboardInterrupt):
            expiry.settle_due(now=NOW + DAY, at_once=2)

    assert [len(expiries(each)) for each in customers] == [1, 1, 0, 0, 0]
    assert expiry.settle_due(now=NOW + DAY, at_once=2) == 3
    assert [len(expiries(each)) for each in customers] == [1] * 5


@pytest.mark.django_db
def test_stops_at_its_limit():
    for _ in range(5):
        give(CustomerFactory(), 10, expires_at=NOW + DAY)

    assert [expiry.settle_due(now=NOW + DAY, limit=3, at_once=2) for _ in range(3)] == [3, 2, 0]


@pytest.mark.django_db
@pytest.mark.parametrize("customers", [1, 7])
def test_takes_two_statements_for_any_number_of_customers_and_one_to_see_that_all_is_done(customers):
    for _ in range(customers):
        owner = CustomerFactory()
        give(owner, 10, expires_at=NOW + DAY)
        give(owner, 20, expires_at=NOW + DAY)

    with CaptureQueriesContext(connection) as captured:
        expiry.settle_due(now=NOW + DAY)

    asked = [query["sql"] for query in captured.captured_queries if "SAVEPOINT" not in query["sql"]]
    assert len(asked) == 3


@pytest.mark.django_db
def test_no_reader_sees_an_expired_point_as_usable_while_the_sweep_is_late(customer):
    give(customer, 30, expires_at=NOW + DAY)
    give(customer, 5, expires_at=NOW + 5 * DAY)
    late = NOW + DAY
    spendable = queries.spendable_expression(customer_id="pk", now=late)

    read = queries.balance(customer_id=customer.pk, now=late)

    assert PointsAccount.objects.get(pk=customer.pk).balance == 35, "the sweep has not come yet"
    assert (read.balance, read.next_expiry_points, read.next_expiry_at) == (5, 5, NOW + 5 * DAY)
    assert queries.balances(customer_ids=[customer.pk], now=late)[customer.pk].balance == 5
    assert queries.expiring(customer_id=customer.pk, now=late) == [queries.ExpiringPoints(NOW + 5 * DAY, 5)]
    assert Customer.objects.annotate(spendable=spendable).get(pk=customer.pk).spendable == 5
    assert not Customer.objects.annotate(spendable=spendable).filter(spendable__gt=5).exists()
    with pytest.raises(InsufficientPoints) as refused:
        spend(customer, 6, now=late)
    assert refused.value.balance == 5


@pytest.mark.django_db(transaction=True)
def test_leaves_an_account_that_somebody_is_writing_to_them_without_waiting():
    busy, idle = CustomerFactory(), CustomerFactory()
    for each in (busy, idle):
        give(each, 10, expires_at=NOW + DAY)
    locked, finished = threading.Event(), threading.Event()

    def write():
        with transaction.atomic():
            statements.lock_account(customer_id=busy.pk)
            locked.set()
            finished.wait(timeout=30)

    def sweep():
        locked.wait(timeout=30)
        try:
            return expiry.settle_due(now=NOW + DAY)
        finally:
            finished.set()

    _, settled = race(write, sweep)

    assert settled == 1
    assert (len(expiries(busy)), len(expiries(idle))) == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_beside_itself_and_beside_writers_neither_deadlocks_nor_expires_twice():
    customers = [CustomerFactory() for _ in range(24)]
    for each in customers:
        for number in range(3):
            give(each, 10, expires_at=NOW + DAY + timedelta(minutes=number))
        give(each, 100)
    later = NOW + 2 * DAY

    def write(part):
        for each in reversed(part):
            spend(each, 3, now=later)
            give(each, 1, now=later)

    results = race(
        *[lambda: expiry.settle_due(now=later, at_once=5)] * 4,
        *[lambda start=start: write(customers[start:]) for start in (0, 4, 8, 12)],
    )
    expiry.settle_due(now=later)

    assert kinds_of_failure(results) == set()
    assert [[change for change, *_ in expiries(each)] for each in customers] == [[-10, -10, -10]] * 24
    assert list(audit.differences()) == []
