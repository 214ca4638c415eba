"""The audit: each rule is broken once, behind the back of every trigger, and named; a whole ledger breaks none."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.merchant.models import Programme, ReturnPolicy
from loyalty.points import adjustments, audit, clawback, credit_cancellation, ledger, locking, shortfalls, transfers
from loyalty.points.models import PointsLot, PointsLotChange, TransactionKind
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
CAUSE = Cause(CauseType.REDEEMED_REWARD, 1)


@contextmanager
def behind_the_triggers(*statements: str, **names: int) -> Iterator[None]:
    """Run SQL as somebody would who owns the database; undone at the end."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            for statement in statements:
                assert cursor.execute(statement.format(**names)).rowcount > 0, f"changed nothing: {statement}"
        yield
        transaction.set_rollback(True)


def spend(customer, points, *, now=NOW):
    return ledger.debit(
        customer_id=customer.pk, points=points, kind=TransactionKind.REDEMPTION, cause=CAUSE, actor=SYSTEM, now=now
    )


def reverse(entry, *, now, points=None):
    return ledger.reverse(transaction_id=entry.pk, cause=CAUSE, actor=SYSTEM, now=now, points=points)


def hold(customer, points, *, cause_id, now=NOW):
    cause = Cause(CauseType.API, cause_id)
    return ledger.hold(customer_id=customer.pk, points=points, cause=cause, actor=SYSTEM, now=now)


@pytest.fixture
def story(customer):
    """One customer whose ledger has a row of every kind, and a second one who was sent points."""
    Programme.objects.create(transfers_allowed=True, return_policy=ReturnPolicy.GRACE, grace_days=30)
    friend = CustomerFactory()
    short_lived = give(customer, 100, expires_at=NOW + 2 * DAY)
    spent = spend(customer, 40)
    kept = hold(customer, 30, cause_id=1)
    earned = give(customer, 200)
    adjusted = adjustments.adjust(customer_id=customer.pk, points=50, actor=SYSTEM, now=NOW)
    part = hold(customer, 60, cause_id=2, now=NOW + DAY)
    captured = ledger.capture(hold_id=part.pk, kind=TransactionKind.REDEMPTION, actor=SYSTEM, now=NOW + DAY, points=40)
    expired = reverse(spent, points=10, now=NOW + DAY)  # back to its own lot, which then expires
    locking.lock(customer_id=customer.pk, now=NOW + 3 * DAY)
    later = NOW + 4 * DAY
    stood_in = reverse(spent, points=20, now=later)  # into a lot that stands in for the expired one
    ledger.release(hold_id=kept.pk, now=later)  # the same
    in_pending = give(customer, 15, now=later, available_at=later + 9 * DAY)
    wrong = give(customer, 25, now=later, expires_at=later + 90 * DAY)
    cancelled = credit_cancellation.cancel(transaction_id=wrong.pk, actor=SYSTEM, now=later)
    transfer = transfers.transfer(sender_id=customer.pk, receiver_id=friend.pk, points=10, actor=SYSTEM, now=later)
    ten = give(customer, 10, now=later, expires_at=later + DAY)
    bought, bought_by_friend = spend(customer, 10, now=later), spend(friend, 10, now=later)
    spend(customer, 220, now=later)
    refund = clawback.claw_back(earning_id=earned.pk, refunded=Decimal(20), total=Decimal(40), actor=SYSTEM, now=later)
    give(customer, 5, now=later)
    paid = shortfalls.collect(customer_id=customer.pk, actor=SYSTEM, now=later)
    give(customer, 90, now=later)
    open_hold = hold(customer, 30, cause_id=3, now=later)
    refund_2 = clawback.claw_back(
        earning_id=earned.pk, refunded=Decimal(24), total=Decimal(40), actor=SYSTEM, now=later
    )
    ledger.credit(
        customer_id=customer.pk,
        points=7,
        kind=TransactionKind.EARNING,
        cause=Cause(CauseType.ORDER, 2),
        actor=SYSTEM,
        now=later,
        idle_days=30,
    )
    moved = PointsLot.objects.get(transaction=in_pending)
    ends = later + 50 * DAY
    PointsLotChange.objects.create(
        lot=moved, expires_before=None, expires_after=ends, actor_kind="staff", created_at=later
    )
    PointsLot.objects.filter(pk=moved.pk).update(expires_at=ends)
    return {
        "customer": customer.pk,
        "friend": friend.pk,
        "short_lived": short_lived.pk,
        "spent": spent.pk,
        "earned": earned.pk,
        "adjusted": adjusted.transaction_id,
        "captured": captured.pk,
        "back": expired.pk,
        "stood_in": stood_in.pk,
        "kept": kept.pk,
        "part": part.pk,
        "open_hold": open_hold.pk,
        "cancelled": cancelled.pk,
        "transfer": transfer.pk,
        "refund": refund.pk,
        "refund_2": refund_2.pk,
        "paid": paid.pk,
        "moved": moved.pk,
        "ten": ten.pk,
        "sent": transfer.credit_id,
        "bought": bought.pk,
        "bought_by_friend": bought_by_friend.pk,
        "bought_with": PointsLot.objects.get(transaction=ten).pk,
    }


def named(**scope) -> set[str]:
    return {difference.rule for difference in audit.differences(**scope)}


# Places in the story.
LATEST = "(SELECT id FROM points_pointslot WHERE customer_id = {customer} AND remaining = 7)"  # ends when idle
PARTLY_HELD = "(SELECT lot_id FROM points_pointsholdcharge WHERE hold_id = {open_hold} ORDER BY id LIMIT 1)"
A_FRIENDS_LOT = "(SELECT id FROM points_pointslot WHERE customer_id = {friend} LIMIT 1)"
STAND_IN = "(SELECT lot_id FROM points_pointsreturn WHERE transaction_id = {stood_in})"

BALANCE = "Balance = what remains in active lots"
DEBIT = "A debit = its allocations"
HOLD = "A hold = its charges"
PENDING = "Pending = what remains in lots that are not available yet"
REMAINS = "What remains of a lot = points - allocations - charges + returns"
SUM = "Sum of transactions = balance + pending + held"
NAMED = "A return gives back what its reversal names"


def account(change: str) -> str:
    return "UPDATE points_pointsaccount SET " + change + " WHERE customer_id = {customer}"


def moved_to_expiry(points: int) -> list[str]:
    """So many points of what the first lot paid for the redemption are said to have expired."""
    return [
        f"UPDATE points_pointsallocation SET points = points - {points} WHERE transaction_id = {{spent}}",
        (
            f"UPDATE points_pointsallocation SET points = points + {points} WHERE transaction_id = "
            "(SELECT id FROM points_pointstransaction WHERE customer_id = {customer} AND kind = 'expiry')"
        ),
    ]


# What is done behind the triggers, rule by rule. The rule is named, and no other.
BREAKS: dict[str, list[str]] = {
    "An account knows of its lots that end without activity": [account("has_idle_lots = false")],
    "Every customer with points has an account": ["DELETE FROM points_pointsaccount WHERE customer_id = {friend}"],
    SUM: [account("balance = balance + 1")],
    BALANCE: [account("balance = balance - 1, pending = pending + 1")],
    PENDING: [account("held = held - 1, pending = pending + 1")],
    "Held = open holds": [account("balance = balance - 1, held = held + 1")],
    "Owed = what open shortfalls lack": [account("owed = owed + 1")],
    "The next edge comes no later than that of any open lot": [account("next_edge_at = NULL")],
    "Sum after each transaction runs in id order": [
        "UPDATE points_pointstransaction SET balance_after = balance_after + 1 WHERE id = {earned}"
    ],
    DEBIT: moved_to_expiry(1),
    "Only a debit has allocations": [
        "INSERT INTO points_pointsallocation (transaction_id, lot_id, points) VALUES ({earned}, " + LATEST + ", 1)",
        "UPDATE points_pointslot SET remaining = remaining - 1 WHERE id = " + LATEST,
        account("balance = balance - 1"),
    ],
    "A debit takes from lots of its own customer": [
        "UPDATE points_pointsallocation SET lot_id = CASE transaction_id WHEN {bought} THEN " + A_FRIENDS_LOT + " "
        "ELSE {bought_with} END WHERE transaction_id IN ({bought}, {bought_by_friend})"
    ],
    "A credit = its lots": [
        (
            "UPDATE points_pointslot SET transaction_id = CASE transaction_id WHEN {earned} THEN {adjusted} "
            "ELSE {earned} END WHERE transaction_id IN ({earned}, {adjusted})"
        )
    ],
    "A reversal = its returns": ["UPDATE points_pointsreturn SET points = points - 1 WHERE transaction_id = {back}"],
    "A reversal undoes a debit, a cancellation a credit, of its own customer": [
        "UPDATE points_pointstransaction SET reverses_id = {earned} WHERE id = {back}"
    ],
    NAMED: ["UPDATE points_pointstransaction SET reverses_id = {captured} WHERE id = {back}"],
    "Returns never exceed the allocation": moved_to_expiry(11),
    "A cancellation takes from lots of its own credit": [
        "UPDATE points_pointstransaction SET reverses_id = {earned} WHERE id = {cancelled}"
    ],
    "An expiry takes the lot it names": [
        "UPDATE points_pointstransaction SET cause_id = cause_id + 1 WHERE kind = 'expiry'"
    ],
    "An adjustment = its transaction": [
        "UPDATE points_pointsadjustment SET points = points + 1 WHERE transaction_id = {adjusted}"
    ],
    "Both sides of a transfer": ["UPDATE points_pointstransfer SET points = points + 1 WHERE id = {transfer}"],
    REMAINS: [
        "UPDATE points_pointslot SET remaining = remaining - 1 WHERE id = " + LATEST,
        "UPDATE points_pointslot SET remaining = remaining + 1 WHERE id = " + PARTLY_HELD,
    ],
    "No lot is open past its end once its account is settled": [
        "UPDATE points_pointslot SET available_at = created_at - interval '1 day', expires_at = created_at "
        "WHERE id = " + PARTLY_HELD,
        account("next_edge_at = settled_at"),
    ],
    "A lot belongs to the customer of its transaction": [
        (
            "UPDATE points_pointslot SET transaction_id = CASE transaction_id WHEN {ten} THEN {sent} ELSE {ten} END "
            "WHERE transaction_id IN ({ten}, {sent})"
        )
    ],
    "A lot is opened by a credit, or stands in for another": [
        "UPDATE points_pointslot SET transaction_id = {captured} WHERE id = " + STAND_IN
    ],
    "A lot that stands in = what was returned or released into it": [
        "UPDATE points_pointslot SET points = points + 1 WHERE id = " + STAND_IN
    ],
    "Points come back to their own lot or to one that stands in for it": [
        "UPDATE points_pointslot SET origin_id = " + A_FRIENDS_LOT + " WHERE id = " + STAND_IN
    ],
    "A lot ends where the changes of its end say": [
        "UPDATE points_pointslot SET expires_at = expires_at + interval '1 day' WHERE id = {moved}"
    ],
    HOLD: ["UPDATE points_pointsholdcharge SET points = points + 1 WHERE hold_id = {kept}"],
    "A hold charges lots of its own customer": [
        "UPDATE points_pointshold SET customer_id = {friend} WHERE id = {kept}"
    ],
    "A closed hold = its debit and its releases": [
        "UPDATE points_pointshold SET points = points + 1 WHERE id = {kept}",
        "UPDATE points_pointsholdcharge SET points = points + 1 WHERE hold_id = {kept}",
    ],
    "A captured hold took from each lot what it charged and did not release": [
        (
            "UPDATE points_pointsholdrelease r SET charge_id = c.id, lot_id = c.lot_id FROM points_pointsholdcharge c "
            "WHERE c.hold_id = {part} AND c.id <> r.charge_id "
            "AND r.charge_id IN (SELECT id FROM points_pointsholdcharge WHERE hold_id = {part})"
        )
    ],
    "An open hold has released nothing": [
        (
            "INSERT INTO points_pointsholdrelease (charge_id, lot_id, points) "
            "SELECT id, lot_id, 1 FROM points_pointsholdcharge WHERE hold_id = {open_hold} LIMIT 1"
        )
    ],
    "A release gives back at most its charge": [
        "UPDATE points_pointsholdcharge SET points = points - 1 WHERE hold_id = {kept}"
    ],
    "What clawbacks of an earning took and lack = what was due": [
        "UPDATE points_pointsclawback SET due = due + 1 WHERE id = {refund}"
    ],
    "A clawback concerns an earning of its own customer, and never more than it": [
        "UPDATE points_pointsclawback SET earning_id = {adjusted}"
    ],
    "What a clawback took = its transaction": [
        "UPDATE points_pointsclawback SET taken = taken + 1, due = due + 1 WHERE id = {refund_2}"
    ],
    "What a clawback lacks = its shortfall": [
        "UPDATE points_pointsclawback SET short = short + 1, due = due + 1 WHERE id = {refund_2}"
    ],
    "What a shortfall lacks = points - payments": [
        'UPDATE points_pointsshortfall SET "left" = "left" - 1 WHERE clawback_id = {refund}',
        account("owed = owed - 1"),
    ],
    "A debit that collected = what it paid of shortfalls": [
        "UPDATE points_pointsshortfallpayment SET points = points - 1 WHERE transaction_id = {paid}",
        'UPDATE points_pointsshortfall SET "left" = "left" + 1 WHERE clawback_id = {refund}',
        account("owed = owed + 1"),
    ],
}
# Figures that are sums of one another: one alone cannot be wrong, and these are named beside the rule.
BESIDE: dict[str, set[str]] = {
    SUM: {BALANCE},
    BALANCE: {PENDING},
    PENDING: {"Held = open holds"},
    "Held = open holds": {BALANCE},
    "Only a debit has allocations": {SUM},
    "A reversal = its returns": {REMAINS},
    "A reversal undoes a debit, a cancellation a credit, of its own customer": {NAMED},
    "Returns never exceed the allocation": {DEBIT},
    "A lot that stands in = what was returned or released into it": {REMAINS},
    "A release gives back at most its charge": {HOLD},
}


def test_finds_nothing_in_a_ledger_with_a_row_of_every_kind(story):
    assert list(audit.differences()) == []
    assert list(audit.differences(customer_id=story["customer"])) == []


def test_every_rule_has_a_case_that_breaks_it():
    assert BREAKS.keys() == audit.RULES.keys()


@pytest.mark.parametrize("rule", sorted(audit.RULES))
def test_names_the_broken_rule(story, rule):
    with behind_the_triggers(*BREAKS[rule], **story):
        whole, own = named(), named(customer_id=story["customer"]) | named(customer_id=story["friend"])

    assert whole == {rule} | BESIDE.get(rule, set())
    assert own == whole


def test_does_not_mistake_points_that_come_back_twice_to_a_lot_that_stands_in(story):
    """The second time the lot that stands in is the points' own: nothing stands in for it."""
    stand_in = PointsLot.objects.get(returns__transaction_id=story["stood_in"])
    entry = stand_in.allocations.order_by("id").last().transaction

    reverse(entry, now=NOW + 5 * DAY)

    assert stand_in.returns.count() == 2
    assert list(audit.differences()) == []


def test_looks_at_one_customer_alone_when_asked_to(story):
    with behind_the_triggers("UPDATE points_pointsaccount SET owed = owed + 1 WHERE customer_id = {friend}", **story):
        others = list(audit.differences(customer_id=story["customer"]))
        (own,) = audit.differences(customer_id=story["friend"])

    assert others == []
    assert (own.customer_id, own.row, own.stored, own.recomputed) == (story["friend"], "account owed", 1, 0)


def test_gives_the_first_differences_of_a_rule_and_no_more(story):
    for _ in range(12):
        give(CustomerFactory(), 1)

    with behind_the_triggers("UPDATE points_pointsaccount SET owed = owed + 1", **story):
        found = list(audit.differences(most_per_rule=3))

    assert len(found) == 3
    assert [difference.customer_id for difference in found] == sorted(difference.customer_id for difference in found)
    assert found[0].customer_id == story["customer"]


def test_asks_one_query_a_rule(story):
    with CaptureQueriesContext(
        connection,
    ) as asked:
        list(audit.differences())

    assert sum(query["sql"].startswith("SELECT * FROM") for query in asked) == len(audit.RULES)


def test_command_says_the_ledger_is_proved(story):
    output = StringIO()

    call_command("audit_ledger", customer=story["friend"], stdout=output)

    assert output.getvalue() == (
        f"The ledger is proved: 1 accounts, 2 transactions, {len(audit.RULES)} rules, 0 differences.\n"
    )


def test_command_prints_what_differs_and_fails(story):
    errors = StringIO()

    with (
        behind_the_triggers(*BREAKS["Both sides of a transfer"], **story),
        pytest.raises(CommandError, match=r"has 1 differences") as refusal,
    ):
        call_command("audit_ledger", stderr=errors)

    assert refusal.value.returncode == 1
    assert errors.getvalue() == (
        f"Both sides of a transfer: customer {story['customer']}, transfer {story['transfer']}: "
        "stored 11, recomputed 10\n"
    )


def test_command_refuses_a_customer_who_does_not_exist():
    with pytest.raises(CommandError, match=r"There is no customer 987654321\. Check the id\."):
        call_command("audit_ledger", customer=987654321)
