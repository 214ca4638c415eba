"""Bulk credits: the rows that the ledger would have written one by one, and its refusals."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.events.models import Event
from loyalty.points import audit, bulk, ledger
from loyalty.points.errors import IdempotencyConflict, InvalidPoints, UnknownCustomer
from loyalty.points.models import PointsAccount, PointsAllocation, PointsLot, PointsTransaction, TransactionKind
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _ledger_stays_proved():
    yield
    assert list(audit.differences()) == []


def credit(customer, points=10, *, key="k", **more):
    return bulk.Credit(
        customer_id=customer.pk,
        points=points,
        kind=TransactionKind.EARNING,
        cause=Cause(CauseType.ORDER, 7),
        actor=SYSTEM,
        idempotency_key=key,
        **more,
    )


def one_by_one(batch):
    for one in batch:
        ledger.credit(**{name: getattr(one, name) for name in bulk.Credit.__slots__}, now=NOW)


def everything_of(customer):
    """All ledger rows of a customer, with ids replaced by places, so that two customers can be compared."""
    transactions = list(PointsTransaction.objects.filter(customer=customer).order_by("id"))
    lots = list(PointsLot.objects.filter(customer=customer).order_by("id"))
    place_of = {entry.pk: place for place, entry in enumerate(transactions)}
    lot_place = {lot.pk: place for place, lot in enumerate(lots)}
    return {
        "account": PointsAccount.objects.filter(pk=customer.pk)
        .values_list("balance", "pending", "held", "settled_at", "next_edge_at")
        .first(),
        "transactions": [
            (
                entry.kind,
                entry.points_change,
                entry.balance_after,
                entry.reverses_id,
                entry.cause_type,
                lot_place[entry.cause_id] if entry.cause_type == CauseType.LOT else entry.cause_id,
                entry.actor_kind,
                entry.actor_id,
                (entry.idempotency_key or "").partition(":")[2],
                entry.effective_at,
                entry.recorded_at,
            )
            for entry in transactions
        ],
        "lots": [
            (
                place_of[lot.transaction_id],
                lot.origin_id,
                lot.points,
                lot.remaining,
                lot.open,
                lot.available_at,
                lot.expires_at,
                lot.created_at,
            )
            for lot in lots
        ],
        "allocations": [
            (place_of[part.transaction_id], lot_place[part.lot_id], part.points)
            for part in PointsAllocation.objects.filter(lot__customer=customer).order_by("id")
        ],
        "events": [
            (
                event.kind,
                event.occurred_at,
                event.actor_kind,
                event.actor_id,
                event.subject_type,
                event.subject_id == customer.pk,
                {name: place_of[value] if name.endswith("_id") else value for name, value in event.data.items()},
            )
            for event in Event.objects.filter(customer_id=customer.pk).order_by("id")
        ],
    }


def some_past(rng, customer):
    """Lots that mature or expire before NOW, a spent one, a clock that is ahead; or nothing at all."""
    if rng.random() < 0.3:
        return
    ahead = DAY if rng.random() < 0.2 else -DAY
    for _ in range(rng.randrange(6)):
        available_at = NOW + rng.randrange(-20, 20) * DAY
        expires_at = available_at + rng.randrange(1, 30) * DAY if rng.random() < 0.7 else None
        give(customer, rng.randrange(1, 50), now=NOW - 30 * DAY, available_at=available_at, expires_at=expires_at)
    give(customer, 20, now=NOW + ahead)
    balance = PointsAccount.objects.get(pk=customer.pk).balance
    ledger.debit(
        customer_id=customer.pk,
        points=rng.choice([rng.randrange(1, balance), balance - rng.randrange(20)]),  # some, or all lots with an end
        kind=TransactionKind.REDEMPTION,
        cause=Cause(CauseType.API, 1),
        actor=SYSTEM,
        now=NOW + ahead,
    )


def random_credits(rng, customer, *, way, pair):
    """Active, pending, never expiring and long expired ones, some of them twice."""
    batch = []
    for number in range(rng.randrange(1, 6)):
        available_at = rng.choice([None, NOW + rng.randrange(-40, 40) * DAY])
        expires_at = (available_at or NOW) + rng.randrange(1, 40) * DAY if rng.random() < 0.7 else None
        made = credit(
            customer,
            rng.randrange(1, 99),
            key=f"{way}:{pair}-{number}",
            available_at=available_at,
            expires_at=expires_at,
            effective_at=rng.choice([None, available_at]),
        )
        batch += [made] * rng.choice([1, 1, 1, 2])
    return batch


@pytest.mark.parametrize("seed", range(30))
def test_leaves_exactly_the_rows_of_single_credits(seed):
    pairs = [(CustomerFactory(), CustomerFactory()) for _ in range(4)]
    single, many = [], []
    for number, (left, right) in enumerate(pairs):
        for customer, way, batch in ((left, "single", single), (right, "many", many)):
            some_past(random.Random(f"past {seed} {number}"), customer)
            batch.extend(random_credits(random.Random(f"batch {seed} {number}"), customer, way=way, pair=number))
    order = random.Random(seed).sample(range(len(single)), len(single))

    one_by_one([single[place] for place in order])
    made = bulk.credit_many(batch=[many[place] for place in order], now=NOW)

    assert made.keys() == {one.idempotency_key for one in many}
    for left, right in pairs:
        assert everything_of(left) == everything_of(right)


def test_makes_each_key_once_within_a_batch_and_after_it():
    customer = CustomerFactory()

    first = bulk.credit_many(batch=[credit(customer, key="a"), credit(customer, key="a")], now=NOW)
    second = bulk.credit_many(batch=[credit(customer, key="a"), credit(customer, key="b")], now=NOW)

    keys = PointsTransaction.objects.order_by("id").values_list("idempotency_key", "pk")
    assert [key for key, _ in keys] == ["a", "b"]
    assert (first, second) == ({"a": keys[0][1]}, dict(keys))
    assert PointsAccount.objects.get(pk=customer.pk).balance == 20


def test_a_lot_whose_end_has_passed_comes_and_goes_at_once():
    customer = CustomerFactory()

    bulk.credit_many(batch=[credit(customer, 30, available_at=NOW - 9 * DAY, expires_at=NOW - DAY)], now=NOW)

    entries = PointsTransaction.objects.order_by("id").values_list(
        "kind", "points_change", "balance_after", "effective_at"
    )
    assert list(entries) == [("earning", 30, 30, NOW), ("expiry", -30, 0, NOW - DAY)]
    expiry = PointsTransaction.objects.get(kind="expiry")
    assert Event.objects.filter(kind="points.expired").values_list("customer_id", "data").get() == (
        customer.pk,
        {"points": 30, "lots": 1, "first_transaction_id": expiry.pk, "last_transaction_id": expiry.pk},
    )
    assert PointsLot.objects.values_list("remaining", "open").get() == (0, False)


@pytest.mark.parametrize("changed", [{"points": 11}, {"kind": TransactionKind.ADJUSTMENT}])
def test_refuses_a_key_that_stood_for_something_else_and_writes_nothing(changed):
    customer = CustomerFactory()
    bulk.credit_many(batch=[credit(customer, key="a")], now=NOW)

    with pytest.raises(IdempotencyConflict), transaction.atomic():
        bulk.credit_many(batch=[credit(customer, key="new"), replace(credit(customer, key="a"), **changed)], now=NOW)

    assert PointsTransaction.objects.count() == 1


def test_refuses_an_unknown_customer_and_writes_nothing():
    customer = CustomerFactory()
    stranger = replace(credit(customer, key="b"), customer_id=customer.pk + 1000)

    with pytest.raises(UnknownCustomer), transaction.atomic():
        bulk.credit_many(batch=[credit(customer, key="a"), stranger], now=NOW)

    assert not PointsTransaction.objects.exists()
    assert not PointsAccount.objects.exists()


@pytest.mark.parametrize("points", [0, -1, 2**31, 1.5, True])
def test_refuses_points_that_are_no_positive_whole_number(points):
    with pytest.raises(InvalidPoints):
        bulk.credit_many(batch=[credit(CustomerFactory(), points)], now=NOW)


def test_refuses_more_points_than_a_customer_can_hold():
    customer = CustomerFactory()
    most = 2**31 - 1

    with pytest.raises(InvalidPoints), transaction.atomic():
        bulk.credit_many(batch=[credit(customer, most, key="a"), credit(customer, 1, key="b")], now=NOW)

    assert not PointsTransaction.objects.exists()


def test_an_empty_batch_does_nothing():
    assert bulk.credit_many(batch=[], now=NOW) == {}


def test_asks_the_database_no_more_for_a_thousand_credits_than_for_ten(django_assert_max_num_queries):
    customers = CustomerFactory.create_batch(50)

    with django_assert_max_num_queries(14):
        bulk.credit_many(batch=[credit(customers[n % 50], key=f"k{n}") for n in range(1000)], now=NOW)
