"""Applying an expiry policy while customers spend: the batch waits for the account, and then looks again."""

import threading

import pytest
from django.db import connection, transaction

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.merchant.models import ExpiryMode
from loyalty.points import audit, ledger, locking, policy, queries
from loyalty.points.models import PointsLot, PointsLotChange, TransactionKind
from loyalty.points.policy import Policy
from tests.concurrency.races import race
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db(transaction=True)

DAYS = Policy(mode=ExpiryMode.DAYS, days=30)


@pytest.fixture(autouse=True)
def _ledger_stays_proved():
    yield
    assert list(audit.differences()) == []


def apply(wanted):
    plan = policy.make_plan(policy=wanted, now=NOW)
    return list(policy.apply(plan=plan, actor=SYSTEM, now=NOW, size=2))


def spend(customer, points):
    return ledger.debit(
        customer_id=customer.pk, points=points, kind=TransactionKind.REDEMPTION, cause=Cause(CauseType.API, 1),
        actor=SYSTEM, now=NOW,
    )  # fmt: skip


def wait_until_somebody_waits():
    for _ in range(500):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        threading.Event().wait(0.01)
    pytest.fail("Nobody waited for the account: it was not locked.")


def test_a_lot_that_is_spent_meanwhile_is_not_moved():
    customer = CustomerFactory()
    give(customer, 100)
    locked, failures = threading.Event(), []

    def other():
        locked.wait(10)
        try:
            apply(DAYS)
        except Exception as error:  # noqa: BLE001 (told below)
            failures.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=other)
    thread.start()
    with transaction.atomic():
        locking.lock(customer_id=customer.pk, now=NOW)
        locked.set()
        wait_until_somebody_waits()
        spend(customer, 100)
    thread.join(20)

    assert failures == []
    assert not PointsLotChange.objects.exists()
    assert PointsLot.objects.get().expires_at is None


def test_two_runs_and_spending_customers_leave_every_lot_moved_once():
    people = CustomerFactory.create_batch(6)
    for person in people:
        give(person, 100)

    race(lambda: apply(DAYS), lambda: apply(DAYS), *[lambda person=person: spend(person, 10) for person in people])

    assert PointsLotChange.objects.count() == 6
    assert PointsLot.objects.filter(expires_at__isnull=False).count() == 6
    assert {queries.balance(customer_id=person.pk, now=NOW).balance for person in people} == {90}
