"""Bulk cancellations and bulk returns: the rows that the ledger would have written one by one, and its refusals."""

import random
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loyalty.common.actors import SYSTEM, staff
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.events.models import Event
from loyalty.merchant.models import Programme
from loyalty.points import bulk_cancellations, bulk_returns, bulk_rows, credit_cancellation, ledger
from loyalty.points.errors import MOST_POINTS
from loyalty.points.models import PointsAccount, PointsAllocation, PointsReturn, PointsTransaction, TransactionKind
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
IMPORT = Cause(CauseType.IMPORT, 7)
STAFF = staff(3)


def take(customer, points, *, now=NOW, kind=TransactionKind.ADJUSTMENT):
    return ledger.debit(
        customer_id=customer.pk, points=points, kind=kind, cause=Cause(CauseType.API, 1), actor=SYSTEM, now=now
    )


def in_turns(pairs, act):
    """Do it for (customer, transaction id) as an import does: each customer once in a turn."""
    accounts = bulk_rows.lock({customer.pk for customer, _ in pairs}, now=NOW)
    told = {}
    for turn in bulk_rows.turns((customer.pk, (customer.pk, pk)) for customer, pk in pairs):
        told |= act({pk: accounts[customer_id] for customer_id, pk in turn})
    return [told[pk] for _, pk in pairs]


def return_many(pairs):
    return in_turns(
        pairs,
        lambda debited: bulk_returns.reverse_many(
            debited=debited, cause=IMPORT, actor=STAFF, now=NOW, internal_note="Undone"
        ),
    )


def cancel_many(pairs):
    return in_turns(
        pairs,
        lambda credited: bulk_cancellations.cancel_many(
            credited=credited, actor=STAFF, now=NOW, internal_note="Undone"
        ),
    )


def everything_of(customer):
    """All ledger rows of a customer, with ids replaced by places, so that two customers can be compared."""
    entries = list(PointsTransaction.objects.filter(customer=customer).select_related("note").order_by("id"))
    place = {entry.pk: number for number, entry in enumerate(entries)}
    lots = list(customer.points_lots.order_by("id"))
    lot_place = {lot.pk: number for number, lot in enumerate(lots)}
    parts = list(PointsAllocation.objects.filter(transaction__customer=customer).order_by("id"))
    part_place = {part.pk: number for number, part in enumerate(parts)}
    named = {"first_transaction_id": place, "last_transaction_id": place}
    causes = {CauseType.LOT: lot_place, CauseType.TRANSACTION: place}
    return {
        "account": PointsAccount.objects.filter(pk=customer.pk).values_list(
            "balance", "pending", "held", "settled_at", "next_edge_at", "last_activity_at", "has_idle_lots"
        )[0],
        "transactions": [
            (
                entry.kind,
                entry.points_change,
                entry.balance_after,
                place.get(entry.reverses_id),
                entry.cause_type,
                causes.get(entry.cause_type, {}).get(entry.cause_id, entry.cause_id),
                entry.actor_kind,
                entry.actor_id,
                entry.effective_at,
                entry.recorded_at,
                entry.note.internal_note if hasattr(entry, "note") else None,
            )
            for entry in entries
        ],
        "lots": [
            (
                place[lot.transaction_id],
                lot_place.get(lot.origin_id),
                lot.points,
                lot.remaining,
                lot.open,
                lot.available_at,
                lot.expires_at,
                lot.idle_days,
                lot.created_at,
            )
            for lot in lots
        ],
        "allocations": [(place[part.transaction_id], lot_place[part.lot_id], part.points) for part in parts],
        "returns": [
            (place[back.transaction_id], part_place[back.allocation_id], lot_place[back.lot_id], back.points)
            for back in PointsReturn.objects.filter(transaction__customer=customer).order_by("id")
        ],
        "events": [
            (
                event.kind,
                event.occurred_at,
                event.actor_kind,
                event.actor_id,
                event.subject_type,
                {name: named.get(name, {}).get(value, value) for name, value in event.data.items()},
            )
            for event in Event.objects.filter(customer_id=customer.pk).order_by("id")
        ],
    }


def some_lots(rng, customer):
    """Active, pending, ended and idle ones; the customer's clock may be ahead."""
    for _ in range(rng.randrange(1, 6)):
        now = NOW - rng.randrange(40, 60) * DAY
        if rng.random() < 0.3:
            ledger.credit(
                customer_id=customer.pk,
                points=rng.randrange(1, 50),
                kind=TransactionKind.ADJUSTMENT,
                cause=Cause(CauseType.ORDER, 1),
                actor=SYSTEM,
                now=now,
                idle_days=rng.choice([31, 70]),
            )
            continue
        available_at = NOW + rng.randrange(-50, 10) * DAY
        expires_at = available_at + rng.randrange(1, 60) * DAY if rng.random() < 0.7 else None
        give(customer, rng.randrange(1, 50), now=now, available_at=available_at, expires_at=expires_at)
    give(customer, 20, now=NOW - 35 * DAY, expires_at=rng.choice([None, NOW - DAY, NOW + DAY]))


def some_debits(rng, customer):
    """Adjustments, some of them returned in part or in whole, or after their lots had ended."""
    made = []
    for _ in range(rng.randrange(1, 5)):
        now = NOW - rng.randrange(2, 34) * DAY
        balance = bulk_rows.lock({customer.pk}, now=now)[customer.pk].balance
        if balance:
            entry = take(customer, rng.randrange(1, balance + 1), now=now)
            made.append(entry.pk)
            if rng.random() < 0.4:
                points = rng.choice([None, rng.randrange(1, 1 - entry.points_change)])
                ledger.reverse(transaction_id=entry.pk, cause=IMPORT, actor=SYSTEM, now=now, points=points)
    if rng.random() < 0.2:
        give(customer, 1, now=NOW + DAY)
    return made


def refusal_or_points(done):
    return type(done).__name__ if isinstance(done, DomainError) else "done"


def one_by_one(act):
    """What became of it: the refusal's name, or that it was done."""
    try:
        act()
    except DomainError as refusal:
        return type(refusal).__name__
    return "done"


class TestBulkReturns:
    @pytest.mark.parametrize("policy", ["grace", "strict", "original"])
    @pytest.mark.parametrize("seed", range(8))
    def test_leave_exactly_the_rows_of_single_reversals(self, seed, policy):
        Programme.objects.update_or_create(pk=1, defaults={"return_policy": policy})
        pairs = [(CustomerFactory(), CustomerFactory()) for _ in range(4)]
        single, many = [], []
        for number, (left, right) in enumerate(pairs):
            for customer, batch in ((left, single), (right, many)):
                rng = random.Random(f"{seed} {number}")
                some_lots(rng, customer)
                batch += [(customer, pk) for pk in some_debits(rng, customer)]

        bulk_rows.lock({customer.pk for customer, _ in single}, now=NOW)
        expected = [
            one_by_one(
                lambda pk=pk: ledger.reverse(
                    transaction_id=pk, cause=IMPORT, actor=STAFF, now=NOW, internal_note="Undone"
                )
            )
            for _, pk in single
        ]
        told = return_many(many)

        assert [refusal_or_points(done) for done in told] == expected
        for left, right in pairs:
            assert everything_of(left) == everything_of(right)

    def test_tell_why_nothing_comes_back(self):
        anna, ben, cleo = CustomerFactory.create_batch(3)
        for customer in (anna, ben, cleo):
            give(customer, 50)
        returned, credit, too_much = take(anna, 30), ben.points_transactions.get(), take(cleo, 40)
        ledger.reverse(transaction_id=returned.pk, cause=IMPORT, actor=SYSTEM, now=NOW)
        give(cleo, MOST_POINTS - 10)

        told = return_many([(anna, returned.pk), (ben, credit.pk), (cleo, too_much.pk)])

        assert [str(refusal) for refusal in told] == [
            f"All 30 points of transaction {returned.pk} came back before: nothing is left to return.",
            f"Transaction {credit.pk} took no points that could be returned.",
            "The customer would have more than 2,147,483,647 points: that is too many.",
        ]
        assert PointsTransaction.objects.filter(kind="reversal").count() == 1


class TestBulkCancellations:
    @pytest.mark.parametrize("seed", range(20))
    def test_leave_exactly_the_rows_of_single_cancellations(self, seed):
        pairs = [(CustomerFactory(), CustomerFactory()) for _ in range(4)]
        single, many = [], []
        for number, (left, right) in enumerate(pairs):
            for customer, batch in ((left, single), (right, many)):
                rng = random.Random(f"{seed} {number}")
                some_lots(rng, customer)
                some_debits(rng, customer)
                balance = bulk_rows.lock({customer.pk}, now=NOW)[customer.pk].balance
                if balance and rng.random() < 0.5:
                    ledger.hold(
                        customer_id=customer.pk,
                        points=rng.randrange(1, balance + 1),
                        cause=Cause(CauseType.API, customer.pk),
                        actor=SYSTEM,
                        now=NOW,
                    )
                credits_made = customer.points_transactions.filter(
                    kind__in=["earning", "adjustment"], points_change__gt=0
                )
                batch += [(customer, pk) for pk in credits_made.order_by("id").values_list("pk", flat=True)]

        bulk_rows.lock({customer.pk for customer, _ in single}, now=NOW)
        expected = [
            one_by_one(
                lambda pk=pk: credit_cancellation.cancel(
                    transaction_id=pk, actor=STAFF, now=NOW, internal_note="Undone"
                )
            )
            for _, pk in single
        ]
        told = cancel_many(many)

        assert [refusal_or_points(done) for done in told] == expected
        for left, right in pairs:
            assert everything_of(left) == everything_of(right)

    def test_tell_why_nothing_is_taken(self):
        anna, ben, cleo = CustomerFactory.create_batch(3)
        cancelled, spent = give(anna, 50), give(ben, 50)
        credit_cancellation.cancel(transaction_id=cancelled.pk, actor=SYSTEM, now=NOW)
        take(ben, 50)
        give(cleo, 50)
        debit = take(cleo, 20)

        told = cancel_many([(anna, cancelled.pk), (ben, spent.pk), (cleo, debit.pk)])
        nothing_left = (
            f"Nothing is left of the 50 points of transaction {spent.pk}: 50 are spent or expired, 0 are held. An "
            "adjustment can take other points instead."
        )

        assert [(refusal.code, str(refusal)) for refusal in told] == [
            ("done_before", "The credit was canceled before: 50 points were taken then."),
            ("nothing_left", nothing_left),
            (
                "not_a_credit",
                f"Transaction {debit.pk} credited no points: only an earning or an upward adjustment can be canceled.",
            ),
        ]
        assert PointsTransaction.objects.filter(kind="cancellation").count() == 1


def test_turns_hold_each_customer_once_in_the_given_order():
    items = [(1, "a"), (2, "b"), (1, "c"), (3, "d"), (1, "e"), (2, "f")]

    assert list(bulk_rows.turns(items)) == [["a", "b", "d"], ["c", "f"], ["e"]]


def test_many_accounts_are_settled_by_one_statement():
    customers = CustomerFactory.create_batch(20)
    for customer in customers:
        give(customer, 10, expires_at=NOW + DAY)

    with CaptureQueriesContext(connection) as queries:
        accounts = bulk_rows.lock({customer.pk for customer in customers}, now=NOW + DAY)

    assert len(queries) == 3
    assert {account.balance for account in accounts.values()} == {0}
    assert PointsTransaction.objects.filter(kind="expiry").count() == 20
