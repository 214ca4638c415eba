"""The races of the ledger: everything that can meet on one customer's points, and what has to hold afterwards.

For `manage.py prove_races`, in a scratch database, and for the tests. They make their own customers.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, cycle, islice
from typing import Any

from loyalty.common.actors import SYSTEM, api_key, staff
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.common.racing import Act, Crew, Race, Scores
from loyalty.customers.models import Customer, CustomerState
from loyalty.merchant.models import Programme
from loyalty.points import (
    adjustments,
    audit,
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
    PointsAdjustment,
    PointsClawback,
    PointsHold,
    PointsLot,
    PointsReturn,
    PointsTransaction,
    TransactionKind,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
STAFF, TILL = staff(1), api_key(1)
MIXED_ROUNDS = 3

AUDIT = "Every figure follows from the rows (audit)"
CRASHES = "Every act is done, or refused with a sentence: no deadlock, no crash"


class Stage:
    """One customer with something for every act: a hold, a debit, an earning, what they owe, what is due."""

    def __init__(self) -> None:
        self.numbers = count(1)
        self.programme = programme()
        self.customer_id = new_customer()
        self.other_id = new_customer()
        owed = self.earn(40)
        self.debit(40)
        row = clawback.claw_back(earning_id=owed.pk, refunded=Decimal(1), total=Decimal(1), actor=STAFF, now=NOW)
        self.shortfall_id = row.shortfall.pk if row is not None else 0
        self.credit_id = self.adjust(80).transaction_id
        self.earning_id = self.earn(500).pk
        credit(customer_id=self.customer_id, points=50, expires_at=LATER)
        self.debit_id = self.debit(100).pk
        self.till_hold_id = self.hold().pk
        self.timed_hold_id = self.hold().pk
        credit(customer_id=self.other_id, points=100)

    def acts(self) -> dict[str, Act]:
        """Each act of the ledger on this customer, ready to be done by many at once."""
        hold_id, timed_id = self.till_hold_id, self.timed_hold_id
        return {
            "earn": lambda: self.earn(7),
            "adjust up": lambda: self.adjust(9),
            "adjust down": lambda: self.adjust(-6),
            "debit": lambda: self.debit(5),
            "hold": self.hold,
            "capture": lambda: holds.capture(hold_id=hold_id, actor=TILL, now=NOW),
            "capture a part": lambda: holds.capture(hold_id=timed_id, actor=TILL, now=NOW, points=11),
            "release": lambda: holds.release(hold_id=hold_id, actor=TILL, now=NOW),
            "holds time out": lambda: holds.sweep(now=LATER),
            "reverse": lambda: reverse(self.debit_id, 15),
            "claw back": self.claw_back_more,
            "collect": lambda: shortfalls.collect(customer_id=self.customer_id, actor=STAFF, now=NOW),
            "waive": lambda: shortfalls.waive(shortfall_id=self.shortfall_id, actor=STAFF, now=NOW),
            "send": lambda: self.transfer(self.customer_id, self.other_id),
            "receive": lambda: self.transfer(self.other_id, self.customer_id),
            "cancel a credit": lambda: credit_cancellation.cancel(
                transaction_id=self.credit_id, actor=STAFF, now=NOW
            ),
            "expire": lambda: expiry.settle_due(now=LATER),
        }  # fmt: skip

    def earn(self, points: int) -> PointsTransaction:
        number = next(self.numbers)
        return earning.earn(
            customer_id=self.customer_id, points=points, cause=Cause(CauseType.ORDER, number), actor=SYSTEM,
            programme=self.programme, earned_at=NOW, now=NOW, idempotency_key=f"proof:{self.customer_id}:{number}",
        )  # fmt: skip

    def adjust(self, points: int) -> PointsAdjustment:
        return adjustments.adjust(customer_id=self.customer_id, points=points, actor=STAFF, now=NOW)

    def debit(self, points: int) -> PointsTransaction:
        return debit(customer_id=self.customer_id, points=points)

    def hold(self) -> PointsHold:
        return holds.create(customer_id=self.customer_id, points=20, actor=TILL, now=NOW, lasts=LATER - NOW)

    def claw_back_more(self) -> PointsClawback | None:
        """News of one more refund of the same order, each making it owe a little more."""
        return clawback.claw_back(
            earning_id=self.earning_id, refunded=Decimal(min(next(self.numbers), 100)), total=Decimal(100),
            actor=SYSTEM, now=NOW,
        )  # fmt: skip

    def transfer(self, sender_id: int, receiver_id: int) -> Any:
        return transfers.transfer(sender_id=sender_id, receiver_id=receiver_id, points=8, actor=STAFF, now=NOW)


def everything_at_once(crew: Crew, scores: Scores) -> None:
    """Every kind of act on one customer and the same rows, all workers together."""
    for _ in range(MIXED_ROUNDS):
        stage = Stage()
        results = crew.race(list(islice(cycle(stage.acts().values()), crew.workers)))
        judge(scores, results, customer_ids=[stage.customer_id, stage.other_id])


def one_balance(crew: Crew, scores: Scores) -> None:
    customer_id = new_customer()
    enough_for = max(crew.workers // 3, 1)
    credit(customer_id=customer_id, points=10 * enough_for + 3)
    results = crew.race([lambda: debit(customer_id=customer_id, points=10)] * crew.workers)
    scores.equal("Points are spent once", len(done(results)), enough_for)
    scores.equal("Points are spent once", balance(customer_id), 3)
    judge(scores, results, customer_ids=[customer_id])


def one_hold(crew: Crew, scores: Scores) -> None:
    """Half of them capture it, half of them release it."""
    customer_id = new_customer()
    credit(customer_id=customer_id, points=100)
    held = holds.create(customer_id=customer_id, points=60, actor=TILL, now=NOW)
    results = crew.race(
        each(
            crew,
            lambda: holds.capture(hold_id=held.pk, actor=TILL, now=NOW),
            lambda: holds.release(hold_id=held.pk, actor=TILL, now=NOW),
        )
    )
    held.refresh_from_db()
    scores.equal(
        "A hold is captured or released, not both",
        (held.state, balance(customer_id)),
        ("captured", 40) if held.transaction_id else ("released", 100),
    )
    judge(scores, results, customer_ids=[customer_id])


def one_debit_returned(crew: Crew, scores: Scores) -> None:
    customer_id = new_customer()
    credit(customer_id=customer_id, points=300)
    entry = debit(customer_id=customer_id, points=100)
    results = crew.race([lambda: reverse(entry.pk, 30)] * crew.workers)
    returned = sum(PointsReturn.objects.filter(allocation__transaction=entry).values_list("points", flat=True))
    expected = 30 * min(crew.workers, 3)
    scores.equal(
        "Reversals together never exceed the debit", (returned, balance(customer_id)), (expected, 200 + expected)
    )
    judge(scores, results, customer_ids=[customer_id])


def one_refund(crew: Crew, scores: Scores) -> None:
    """News of one refund comes to every worker, growing in parts for half of them."""
    stage = Stage()
    whole = {"earning_id": stage.earning_id, "refunded": Decimal(100), "total": Decimal(100)}
    results = crew.race(
        each(crew, lambda: clawback.claw_back(**whole, actor=SYSTEM, now=NOW), stage.claw_back_more)  # type: ignore[arg-type]
    )
    rows = PointsClawback.objects.filter(earning_id=stage.earning_id)
    scores.equal("A refund takes back what the order earned, once", sum(row.taken + row.short for row in rows), 500)
    judge(scores, results, customer_ids=[stage.customer_id])


def one_key(crew: Crew, scores: Scores) -> None:
    customer_id = new_customer()
    results = crew.race(
        [
            lambda: adjustments.adjust(
                customer_id=customer_id, points=25, actor=STAFF, now=NOW, idempotency_key=f"one-key:{customer_id}"
            )
        ]
        * crew.workers
    )
    scores.equal("One idempotency key, one adjustment", len({row.pk for row in done(results)}), 1)
    scores.equal("One idempotency key, one adjustment", (len(done(results)), balance(customer_id)), (crew.workers, 25))
    judge(scores, results, customer_ids=[customer_id])


def one_wrong_credit(crew: Crew, scores: Scores) -> None:
    customer_id = new_customer()
    credit(customer_id=customer_id, points=5)
    wrong = credit(customer_id=customer_id, points=70)
    results = crew.race(
        [lambda: credit_cancellation.cancel(transaction_id=wrong.pk, actor=STAFF, now=NOW)] * crew.workers
    )
    scores.equal(
        "A credit is canceled once", ({row.points_change for row in done(results)}, balance(customer_id)), ({-70}, 5)
    )
    judge(scores, results, customer_ids=[customer_id])


def one_debt(crew: Crew, scores: Scores) -> None:
    """What is owed is collected by half of them and waived by half of them."""
    stage = Stage()
    results = crew.race(each(crew, stage.acts()["collect"], stage.acts()["waive"]))
    owed = PointsAccount.objects.get(pk=stage.customer_id).owed
    scores.equal("What is owed is collected or waived, once", owed, 0)
    judge(scores, results, customer_ids=[stage.customer_id])


def both_ways(crew: Crew, scores: Scores) -> None:
    """Two customers send each other points at the same moment."""
    programme()
    first, second = new_customer(), new_customer()
    for customer_id in (first, second):
        credit(customer_id=customer_id, points=1000)

    def send(sender_id: int, receiver_id: int) -> Act:
        return lambda: transfers.transfer(
            sender_id=sender_id, receiver_id=receiver_id, points=1, actor=STAFF, now=NOW
        )  # fmt: skip

    results = crew.race(each(crew, send(first, second), send(second, first)))
    scores.equal("Transfers neither make points nor lose any", balance(first) + balance(second), 2000)
    scores.equal("Transfers neither make points nor lose any", len(done(results)), crew.workers)
    judge(scores, results, customer_ids=[first, second])


def sweeps_side_by_side(crew: Crew, scores: Scores) -> None:
    customer_id = new_customer()
    for _ in range(20):
        credit(customer_id=customer_id, points=2, expires_at=LATER)
    results = crew.race([lambda: expiry.settle_due(now=LATER)] * crew.workers)
    lots = PointsLot.objects.filter(customer_id=customer_id)
    expired = PointsTransaction.objects.filter(customer_id=customer_id, kind=TransactionKind.EXPIRY)
    scores.equal(
        "A lot expires once, with an entry of its own", (expired.count(), lots.filter(open=True).count()), (20, 0)
    )
    judge(scores, results, customer_ids=[customer_id])


RACES: dict[str, Race] = {
    "every act on one customer": everything_at_once,
    "one balance": one_balance,
    "one hold": one_hold,
    "one debit returned in parts": one_debit_returned,
    "one refund": one_refund,
    "one idempotency key": one_key,
    "one wrong credit": one_wrong_credit,
    "one debt": one_debt,
    "transfers both ways": both_ways,
    "sweeps side by side": sweeps_side_by_side,
}


def judge(scores: Scores, results: Iterable[Any], *, customer_ids: Iterable[int]) -> None:
    """What has to hold after every race."""
    for result in results:
        well = not isinstance(result, BaseException) or isinstance(result, DomainError)
        scores.check(CRASHES, holds=well, otherwise=f"{type(result).__name__}: {result}")
    for customer_id in customer_ids:
        found = list(audit.differences(customer_id=customer_id))
        scores.check(AUDIT, holds=not found, otherwise="; ".join(map(str, found)))


def done(results: Iterable[Any]) -> list[Any]:
    return [result for result in results if not isinstance(result, BaseException)]


def each(crew: Crew, *acts: Act) -> list[Act]:
    """The acts in turn, one for every worker."""
    return list(islice(cycle(acts), crew.workers))


def new_customer() -> int:
    return Customer.objects.create(first_name="Racer", state=CustomerState.MEMBER).pk


def programme() -> Programme:
    """The programme, with every act allowed."""
    return Programme.objects.update_or_create(pk=1, defaults={"transfers_allowed": True})[0]


def credit(*, customer_id: int, points: int, expires_at: datetime | None = None) -> PointsTransaction:
    return ledger.credit(
        customer_id=customer_id, points=points, kind=TransactionKind.EARNING, cause=Cause(CauseType.IMPORT, 1),
        actor=SYSTEM, now=NOW, expires_at=expires_at,
    )  # fmt: skip


def debit(*, customer_id: int, points: int) -> PointsTransaction:
    return ledger.debit(
        customer_id=customer_id, points=points, kind=TransactionKind.REDEMPTION, cause=Cause(CauseType.API, 1),
        actor=TILL, now=NOW,
    )  # fmt: skip


def reverse(transaction_id: int, points: int) -> PointsTransaction:
    return ledger.reverse(
        transaction_id=transaction_id, cause=Cause(CauseType.API, 1), actor=STAFF, now=NOW, points=points
    )


def balance(customer_id: int) -> int:
    return queries.balance(customer_id=customer_id, now=NOW).balance
