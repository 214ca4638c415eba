"""Bulk clawbacks: the rows that clawing back one by one would have written, and its refusals."""

import random
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.events.models import Event
from loyalty.merchant.models import Programme, ShortfallPolicy
from loyalty.points import audit, bulk_clawbacks, clawback, ledger
from loyalty.points.bulk_clawbacks import Refund
from loyalty.points.clawback import InvalidRefund, NotClawable
from loyalty.points.errors import InsufficientPoints
from loyalty.points.models import (
    PointsAccount,
    PointsAllocation,
    PointsClawback,
    PointsLot,
    PointsShortfall,
    PointsTransaction,
    TransactionKind,
)
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _ledger_stays_proved():
    yield
    assert list(audit.differences()) == []


def earn(customer, points, number, **more):
    return ledger.credit(
        customer_id=customer.pk, points=points, kind=TransactionKind.EARNING, cause=Cause(CauseType.ORDER, number),
        actor=SYSTEM, now=NOW - 9 * DAY, **more,
    ).pk  # fmt: skip


def spend(customer, points):
    with suppress(InsufficientPoints):
        ledger.debit(
            customer_id=customer.pk, points=points, kind=TransactionKind.REDEMPTION, cause=Cause(CauseType.API, 1),
            actor=SYSTEM, now=NOW - 2 * DAY,
        )  # fmt: skip


def one_by_one(refunds):
    for each in refunds:
        clawback.claw_back(earning_id=each.earning_id, refunded=each.refunded, total=each.total, actor=SYSTEM, now=NOW)


def everything():
    """What stands in the ledger but for the ids that differ between two runs."""
    of_lot = dict(PointsLot.objects.values_list("pk", "transaction_id"))
    charges = PointsAllocation.objects.values_list("transaction__customer", "lot", "points", "transaction__kind")
    return {
        "accounts": list(PointsAccount.objects.order_by("pk").values_list("pk", "balance", "pending", "owed")),
        "entries": sorted(
            PointsTransaction.objects.values_list(
                "customer", "kind", "points_change", "cause_type", "cause_id", "effective_at", "recorded_at"
            )
        ),
        "sums": [
            list(PointsTransaction.objects.filter(customer=pk).order_by("pk").values_list("balance_after", flat=True))
            for pk in PointsAccount.objects.order_by("pk").values_list("pk", flat=True)
        ],
        "lots": sorted(PointsLot.objects.values_list("transaction", "points", "remaining", "open")),
        "charges": sorted((customer, of_lot[lot], *more) for customer, lot, *more in charges),
        "clawbacks": sorted(
            PointsClawback.objects.values_list("earning", "refunded", "total", "due", "taken", "short", "created_at")
        ),
        "shortfalls": sorted(PointsShortfall.objects.values_list("clawback__earning", "points", "left", "state")),
        "told": sorted(
            (customer, sorted(data.items()))
            for customer, data in Event.objects.filter(kind="points.clawed_back").values_list("customer_id", "data")
        ),
    }


@pytest.mark.parametrize("seed", range(4))
def test_leaves_the_rows_that_single_clawbacks_leave(seed):
    chance = random.Random(seed)
    Programme.objects.update_or_create(
        pk=1, defaults={"shortfall_policy": chance.choice([ShortfallPolicy.OPEN, ShortfallPolicy.WAIVE])}
    )
    earnings = []
    for customer in CustomerFactory.create_batch(4):
        for number in range(chance.randint(1, 4)):
            when = chance.choice(
                [{}, {"expires_at": NOW - DAY}, {"expires_at": NOW + DAY}, {"available_at": NOW + DAY}]
            )
            earnings.append(earn(customer, chance.randint(1, 40), number, **when))
        if chance.random() < 0.7:
            spend(customer, chance.randint(1, 60))
    refunds = [
        Refund(earning_id=chance.choice(earnings), refunded=Decimal(chance.randint(1, 30)) / 10, total=Decimal(3))
        for _ in range(16)
    ]
    before = transaction.savepoint()
    one_by_one(refunds)
    expected = everything()
    transaction.savepoint_rollback(before)

    points = bulk_clawbacks.claw_back_many(refunds=refunds, actor=SYSTEM, now=NOW)

    assert everything() == expected
    assert points == sum(taken + short for *_, taken, short, _ in expected["clawbacks"]) > 0


def test_the_same_refunds_again_take_nothing_more():
    customer = CustomerFactory()
    refunds = [Refund(earning_id=earn(customer, 30, 1), refunded=Decimal(1), total=Decimal(3))]

    taken = [bulk_clawbacks.claw_back_many(refunds=refunds * 2, actor=SYSTEM, now=NOW) for _ in range(2)]

    assert taken == [10, 0]
    assert PointsAccount.objects.get(pk=customer.pk).balance == 20


def test_one_refund_that_makes_no_sense_refuses_all_of_them():
    good = earn(CustomerFactory(), 30, 1)
    bad = PointsTransaction.objects.order_by("-pk").values_list("pk", flat=True)[0] + 1

    with pytest.raises(NotClawable, match=f"Transaction {bad} earned no points"):
        bulk_clawbacks.claw_back_many(refunds=[refund(good), refund(bad)], actor=SYSTEM, now=NOW)
    with pytest.raises(InvalidRefund, match="Refunded 4 of 3"):
        bulk_clawbacks.claw_back_many(refunds=[refund(good), refund(good, 4)], actor=SYSTEM, now=NOW)

    assert not PointsClawback.objects.exists()


def refund(earning_id, refunded=3):
    return Refund(earning_id=earning_id, refunded=Decimal(refunded), total=Decimal(3))
