"""Positive controls: for each lock, the break it prevents, which does happen when the lock is taken away.

Two writers decide on the same state: they meet after both have looked and before either has written, or one passes
while the other is between looking and writing. With the lock, the same acts leave everything right: each test shows
that first.
"""

import threading
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from importlib import import_module

import pytest
from django.db import IntegrityError, connection

from loyalty.common.actors import api_key, staff
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.merchant.models import Programme
from loyalty.points import adjustments, audit, clawback, holds, ledger, locking, rows, shortfalls, statements
from loyalty.points.models import PointsAccount, PointsAdjustment, PointsShortfall, TransactionKind
from rewards import claim, extension, granting, issuing, lifecycle, limits, redemption, value_codes
from rewards.models import RedeemedReward, RewardStock, ValueCodeUse
from tests.concurrency.races import erase_ledger, race, succeeded
from tests.factories.catalogue import GiftFactory, PointsProductFactory, ValueCodeFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db(transaction=True)

STAFF, TILL = staff(1), api_key(1)
FUNCTIONS = import_module("loyalty.points.migrations.0001_squashed_0010_lots_in_spending_order")


@pytest.fixture
def customer():
    return CustomerFactory()


@pytest.fixture(autouse=True)
def _programme_stands_and_broken_rows_go(transactional_db):
    Programme.objects.get_or_create(pk=1)  # else the first to ask for it makes the others wait
    yield
    erase_ledger()


def unlocked(*, customer_id, now):
    """What `locking.lock` reads, without the lock."""
    account, _ = PointsAccount.objects.get_or_create(customer_id=customer_id, defaults={"settled_at": now})
    return account


def meeting(act: Callable, *, of: int = 2) -> Callable:
    """The same act, begun only once so many threads have come to it for the first time."""
    here, come = threading.Barrier(of), threading.local()

    def meet_then_act(*args, **more):
        if not hasattr(come, "before"):
            come.before = True
            here.wait(timeout=10)
        return act(*args, **more)

    return meet_then_act


def interrupted(act: Callable, other: Callable) -> Callable:
    """The same act; the first time, another one runs from its beginning to its end just before it."""
    begun = threading.Event()

    def let_the_other_pass(*args, **more):
        if not begun.is_set():
            begun.set()
            assert failures(race(other)) == []
        return act(*args, **more)

    return let_the_other_pass


@contextmanager
def without_account_lock(monkeypatch, *, meet_at):
    """`meet_at` names the first write: (module, function)."""
    module, name = meet_at
    with monkeypatch.context() as patched:
        patched.setattr(locking, "lock", unlocked)
        patched.setattr(module, name, meeting(getattr(module, name)))
        yield


def broken_rules():
    return {difference.rule for difference in audit.differences()}


def failures(results):
    return [result for result in results if isinstance(result, BaseException)]


def adjust(customer, points, **more):
    return lambda: adjustments.adjust(customer_id=customer.pk, points=points, actor=STAFF, now=NOW, **more)


def test_the_account_lock_keeps_every_change(monkeypatch, customer):
    give(customer, 200)
    race(adjust(customer, 60), adjust(customer, 30))
    assert broken_rules() == set()

    with without_account_lock(monkeypatch, meet_at=(rows, "transaction")):
        results = race(adjust(customer, 60), adjust(customer, 30))

    assert len(succeeded(results)) == 2
    assert "Balance = what remains in active lots" in broken_rules()
    assert "Sum of transactions = balance + pending + held" in broken_rules()


def capture_and_release(customer):
    held = holds.create(customer_id=customer.pk, points=60, actor=TILL, now=NOW)
    return (
        lambda: holds.capture(hold_id=held.pk, actor=TILL, now=NOW),
        lambda: holds.release(hold_id=held.pk, actor=TILL, now=NOW),
    )


def test_closing_a_hold_under_the_lock_keeps_it_from_being_both_captured_and_released(monkeypatch, customer):
    give(customer, 200)
    assert len(succeeded(race(*capture_and_release(customer)))) == 1
    assert broken_rules() == set()
    capture, release = capture_and_release(customer)

    with monkeypatch.context() as patched:
        patched.setattr(locking, "lock", unlocked)
        patched.setattr(statements, "capture_at_once", lambda **_: None)
        patched.setattr(ledger, "_write_debit", interrupted(ledger._write_debit, release))
        results = race(capture)

    assert failures(results) == []
    assert "A closed hold = its debit and its releases" in broken_rules()


@contextmanager
def looking_without_lock(create_function, *, slow_before="at := GREATEST"):
    """The function of an act that locks nothing, and takes its time between looking and writing."""
    slow = create_function.replace(" FOR UPDATE", "").replace(slow_before, f"PERFORM pg_sleep(0.5); {slow_before}")
    assert slow.count("pg_sleep") == 1
    with connection.cursor() as cursor:
        cursor.execute(slow.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
        try:
            yield
        finally:
            cursor.execute(create_function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))


def spend(customer, points):
    return lambda: ledger.debit(
        customer_id=customer.pk, points=points, kind=TransactionKind.REDEMPTION, cause=Cause(CauseType.API, 1),
        actor=TILL, now=NOW,
    )  # fmt: skip


def test_the_lock_of_a_debit_keeps_the_sums_in_order(customer):
    give(customer, 200)
    race(spend(customer, 60), spend(customer, 30))
    assert broken_rules() == set()

    with looking_without_lock(FUNCTIONS.DEBIT):
        results = race(spend(customer, 60), spend(customer, 30))

    assert failures(results) == []
    assert broken_rules() == {"Sum after each transaction runs in id order"}


def test_the_lock_of_a_hold_lets_both_have_what_is_enough_for_both(customer):
    give(customer, 50, expires_at=NOW + timedelta(days=1))
    give(customer, 150)

    def hold(number):
        cause = Cause(CauseType.API, number)
        return lambda: ledger.hold(customer_id=customer.pk, points=40, cause=cause, actor=TILL, now=NOW)

    assert failures(race(hold(1), hold(2))) == []
    assert broken_rules() == set()
    give(customer, 50, expires_at=NOW + timedelta(days=1))

    with looking_without_lock(FUNCTIONS.HOLD, slow_before="share := LEAST"):
        results = race(hold(3), hold(4))

    assert [type(failure) for failure in failures(results)] == [IntegrityError]


def test_the_lock_of_a_capture_gives_both_callers_the_same_debit(customer):
    give(customer, 200)

    def captures():
        held = ledger.hold(customer_id=customer.pk, points=60, cause=Cause(CauseType.API, 1), actor=TILL, now=NOW)
        return [lambda: ledger.capture(hold_id=held.pk, kind=TransactionKind.REDEMPTION, actor=TILL, now=NOW)] * 2

    results = race(*captures())
    assert len({entry.pk for entry in succeeded(results)}) == 1
    assert broken_rules() == set()
    both = captures()

    with looking_without_lock(FUNCTIONS.CAPTURE):
        results = race(*both)

    assert [type(failure) for failure in failures(results)] == [IntegrityError]


def test_the_limit_of_reversals_under_the_lock_keeps_them_from_exceeding_the_debit(monkeypatch, customer):
    give(customer, 500)
    adjust(customer, -200)()
    debits = [adjust(customer, -60)().transaction for _ in range(2)]

    def reverse(entry):
        return lambda: ledger.reverse(transaction_id=entry.pk, cause=entry.cause, actor=STAFF, now=NOW)

    assert len(succeeded(race(*[reverse(debits[0])] * 2))) == 1
    assert broken_rules() == set()

    with without_account_lock(monkeypatch, meet_at=(rows, "transaction")):
        results = race(*[reverse(debits[1])] * 2)

    assert len(succeeded(results)) == 2
    assert "Returns never exceed the allocation" in broken_rules()


def test_looking_the_key_up_under_the_lock_gives_both_callers_the_same_adjustment(monkeypatch, customer):
    results = race(*[adjust(customer, 10, idempotency_key="first")] * 2)
    assert len({row.pk for row in succeeded(results)}) == 1
    assert failures(results) == []

    with without_account_lock(monkeypatch, meet_at=(rows, "transaction")):
        results = race(*[adjust(customer, 10, idempotency_key="second")] * 2)

    assert [type(failure) for failure in failures(results)] == [IntegrityError]
    assert PointsAdjustment.objects.count() == 2


def test_adding_up_refunds_under_the_lock_keeps_them_from_taking_the_same_part_twice(monkeypatch, customer):
    earnings = [give(customer, 100) for _ in range(2)]
    give(customer, 500)

    def refunds(entry):
        return [
            lambda refunded=refunded: clawback.claw_back(
                earning_id=entry.pk, refunded=Decimal(refunded), total=Decimal(100), actor=STAFF, now=NOW
            )
            for refunded in (30, 40)
        ]

    race(*refunds(earnings[0]))
    assert broken_rules() == set()
    assert sum(row.taken for row in earnings[0].clawbacks.all()) == 40

    with without_account_lock(monkeypatch, meet_at=(statements, "write_debit")):
        race(*refunds(earnings[1]))

    assert sum(row.taken for row in earnings[1].clawbacks.all()) == 70
    assert "What clawbacks of an earning took and lack = what was due" in broken_rules()


def owe_twice(customer):
    """Two shortfalls of 50, and 50 points to pay with. Gives back the older one."""
    for _ in range(2):
        entry = give(customer, 50)
        adjust(customer, -50)()
        clawback.claw_back(earning_id=entry.pk, refunded=Decimal(1), total=Decimal(1), actor=STAFF, now=NOW)
    give(customer, 50)
    return PointsShortfall.objects.filter(customer=customer).order_by("id")[0]


def collect_and_waive(customer, shortfall):
    return (
        lambda: shortfalls.collect(customer_id=customer.pk, actor=STAFF, now=NOW),
        lambda: shortfalls.waive(shortfall_id=shortfall.pk, actor=STAFF, now=NOW),
    )


def test_collecting_under_the_lock_keeps_a_debt_from_being_paid_and_waived(monkeypatch, customer):
    race(*collect_and_waive(customer, owe_twice(customer)))
    assert broken_rules() == set()
    somebody_else = CustomerFactory()
    collect, waive = collect_and_waive(somebody_else, owe_twice(somebody_else))

    with monkeypatch.context() as patched:
        patched.setattr(locking, "lock", unlocked)
        patched.setattr(ledger, "debit", interrupted(ledger.debit, waive))
        results = race(collect)

    assert failures(results) == []
    assert "Owed = what open shortfalls lack" in broken_rules()


def redeem(customer, product):
    return lambda: redemption.redeem(customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW)


def test_the_lock_on_stock_keeps_the_last_piece_from_being_taken_twice(monkeypatch):
    product = PointsProductFactory(reward=GiftFactory(limit_total=1))
    stock = RewardStock.objects.create(reward=product.reward, left=1)
    customers = CustomerFactory.create_batch(2)
    for each in customers:
        give(each, 200)

    def take_unlocked(*, reward):
        left = RewardStock.objects.get(reward=reward).left
        if left < 1:
            raise limits.RewardNotAvailable(limits.SOLD_OUT)
        both_have_looked.wait(timeout=10)
        RewardStock.objects.filter(reward=reward).update(left=left - 1)

    both_have_looked = threading.Barrier(2)
    with monkeypatch.context() as patched:
        patched.setattr(limits, "take_piece", take_unlocked)
        results = race(*(redeem(each, product) for each in customers))

    assert len(succeeded(results)) == 2
    assert RedeemedReward.objects.filter(reward=product.reward, takes_place=True).count() == 2

    RedeemedReward.objects.all().delete()
    RewardStock.objects.filter(pk=stock.pk).update(left=1)
    results = race(*(redeem(each, product) for each in customers))
    assert [failure.code for failure in failures(results)] == ["reward_sold_out"]


def test_the_account_lock_keeps_a_customer_within_their_limit_of_a_reward(monkeypatch, customer):
    give(customer, 1000)
    results = race(*[redeem(customer, PointsProductFactory(reward=GiftFactory(limit_per_customer=1)))] * 2)
    assert [type(failure) for failure in failures(results)] == [limits.RewardNotAvailable]
    product = PointsProductFactory(reward=GiftFactory(limit_per_customer=1))

    with without_account_lock(monkeypatch, meet_at=(claim, "save")):
        results = race(*[redeem(customer, product)] * 2)

    assert not any(isinstance(failure, DomainError) for failure in failures(results))
    assert RedeemedReward.objects.filter(reward=product.reward, takes_place=True).count() == 2


def test_the_account_lock_keeps_a_customer_within_their_limit_per_period(monkeypatch, customer):
    give(customer, 1000)
    product, other = (PointsProductFactory(reward=GiftFactory(limit_per_period=1, period="week")) for _ in range(2))
    results = race(*[redeem(customer, product)] * 2)
    assert [failure.code for failure in failures(results)] == ["period_limit_reached"]

    with without_account_lock(monkeypatch, meet_at=(claim, "save")):
        results = race(*[redeem(customer, other)] * 2)

    assert not any(isinstance(failure, DomainError) for failure in failures(results))
    assert RedeemedReward.objects.filter(reward=other.reward, takes_place=True).count() == 2


def test_the_lock_on_the_reward_keeps_its_value_outstanding_within_the_limit(monkeypatch):
    def two_customers_and_one_place():
        product = PointsProductFactory(reward=GiftFactory(tax_value=Decimal(5), liability_limit=Decimal(5)))
        customers = CustomerFactory.create_batch(2)
        for each in customers:
            give(each, 200)
        return product, [redeem(each, product) for each in customers]

    product, both = two_customers_and_one_place()
    results = race(*both)
    assert [failure.code for failure in failures(results)] == ["liability_limit_reached"]
    assert limits.outstanding(reward_id=product.reward_id, now=NOW) == Decimal(5)

    product, both = two_customers_and_one_place()
    with monkeypatch.context() as patched:
        patched.setattr(limits, "keep_liability", lambda *, reward_id: Decimal(5))
        patched.setattr(limits, "take_piece", meeting(limits.take_piece))
        results = race(*both)

    assert failures(results) == []
    assert limits.outstanding(reward_id=product.reward_id, now=NOW) == Decimal(10)


def test_the_lock_on_the_reward_lets_what_has_ended_live_again_within_the_limit_alone(monkeypatch):
    def two_that_ended_and_one_place():
        reward = GiftFactory(tax_value=Decimal(5), liability_limit=Decimal(5), days_valid=0)
        granted = [
            granting.grant(customer_id=CustomerFactory().pk, reward_id=reward.pk, actor=STAFF, now=NOW + day)
            for day in (timedelta(), timedelta(days=1))
        ]
        later = NOW + timedelta(days=5)

        def extend(one):
            return lambda: extension.extend(redeemed_reward_id=one.pk, days=9, actor=STAFF, now=later)

        return reward, later, [extend(one) for one in granted]

    reward, later, both = two_that_ended_and_one_place()
    results = race(*both)
    assert [failure.code for failure in failures(results)] == ["extension_refused"]
    assert limits.outstanding(reward_id=reward.pk, now=later) == Decimal(5)

    reward, later, both = two_that_ended_and_one_place()
    with monkeypatch.context() as patched:
        patched.setattr(limits, "keep_liability", lambda *, reward_id: Decimal(5))
        patched.setattr(lifecycle, "move", meeting(lifecycle.move))
        results = race(*both)

    assert failures(results) == []
    assert limits.outstanding(reward_id=reward.pk, now=later) == Decimal(10)


def test_the_lock_of_a_value_code_keeps_tills_from_spending_the_same_money_twice(monkeypatch, customer):
    def two_tills():
        granted = granting.grant(
            customer_id=customer.pk, reward_id=ValueCodeFactory().pk, actor=STAFF, now=NOW
        )  # fmt: skip
        till = lambda: value_codes.spend(  # noqa: E731
            redeemed_reward_id=granted.pk, amount=Decimal(15), actor=TILL, now=NOW
        )
        return granted, [till, till]

    def spent(granted):
        return sum(ValueCodeUse.objects.filter(redeemed_reward=granted).values_list("amount", flat=True))

    granted, tills = two_tills()
    results = race(*tills)
    assert [failure.code for failure in failures(results)] == ["value_code_refused"]
    assert spent(granted) == Decimal(15)

    granted, tills = two_tills()
    with monkeypatch.context() as patched:
        patched.setattr(
            issuing, "locked", lambda *, redeemed_reward_id, now: RedeemedReward.objects.get(pk=redeemed_reward_id)
        )
        patched.setattr(lifecycle, "move", meeting(lifecycle.move))
        results = race(*tills)

    assert failures(results) == []
    assert spent(granted) == Decimal(30)
