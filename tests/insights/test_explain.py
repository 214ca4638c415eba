"""Explaining: why a balance is what it is, where a credit went, what expires when; and every sum adds up."""

from datetime import UTC, datetime, timedelta

import pytest

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.insights import explain
from loyalty.insights.as_of import Axis, LotState
from loyalty.insights.explain import NotACredit
from loyalty.points import ledger
from loyalty.points.errors import UnknownCustomer
from loyalty.points.models import TransactionKind
from tests.factories.points import NO_ORDER, NOW, give
from tests.insights import stories, sums
from tests.insights.stories import DAY, earn, reward_of, spend

pytestmark = pytest.mark.django_db

LATER = NOW + 10 * DAY


@pytest.fixture
def story(customer):
    return stories.tell(customer)


def told(lines):
    return [(line.words, line.points) for line in lines]


def test_tells_how_the_balance_is_made(story):
    why = explain.balance(customer_id=story["customer"].pk, at=LATER)

    assert told(why.statement) == [
        ("Earned", 332),
        ("Spent", -100),
        ("Adjusted by staff or an integrator", 30),
        ("Expired", -80),
        ("Returned", 60),
        ("Taken back after refunds", -30),
        ("Moved between customers", -40),
        ("Credits canceled", -7),
        ("Not to be spent yet", -25),
        ("Held", -30),
    ]
    assert sum(line.points for line in why.statement) == why.as_of.balance == 110


def test_tells_where_the_points_of_an_order_went(story):
    went = explain.credit(transaction_id=story["earned"].pk, at=LATER)

    assert went.entry.words == "Earned by order 1007"
    assert [(use.entry.words, use.entry.by, use.taken, use.returned) for use in went.uses] == [
        ("Spent on “A mug”", "the programme", 100, 60),
        ("Removed by adjustment: correction of a mistake", "Pat Person", 20, 0),
        ("Moved to Jan Kowalski", "Pat Person", 40, 0),
        ("Taken back: order 1007 was refunded", "the programme", 30, 0),
        ("Expired", "the programme", 80, 0),
    ]
    assert told(went.held) == [("Held for “A tote bag”", 30)]
    assert [(lot.remaining, lot.state) for lot in went.lots] == [(60, LotState.ACTIVE)]
    assert (went.used, went.on_hold, went.left) == (210, 30, 60)
    assert went.uses[1].entry.note == "Counted twice."


def test_every_sum_adds_up_at_every_instant(story):
    for days in range(-1, 30):
        for axis in Axis:
            at = NOW + days * DAY + timedelta(minutes=1)
            for who in (story["customer"], story["friend"]):
                sums.add_up(explain.balance(customer_id=who.pk, at=at, axis=axis))


def test_tells_only_what_was_known_at_the_instant(story):
    why = explain.balance(customer_id=story["customer"].pk, at=NOW)

    (went,) = why.credits
    assert [(use.entry.kind, use.points) for use in went.uses] == [
        ("redemption", 100),
        ("adjustment", 20),
        ("transfer", 40),
        ("clawback", 30),
    ]
    assert (went.on_hold, went.left) == (30, 80)


def test_tells_what_ends_when_and_where_it_came_from(story):
    why = explain.balance(customer_id=story["customer"].pk, at=LATER)

    assert [(ending.expires_at, ending.active, ending.pending, told(ending.parts)) for ending in why.endings] == [
        (datetime(2026, 12, 29, tzinfo=UTC), 60, 0, [("Earned by order 1007", 60)]),
        (None, 50, 25, [("Earned by order 1008", 25), ("Added by adjustment: goodwill", 50)]),
    ]


def test_says_that_an_end_moves_with_activity(customer):
    ledger.credit(
        customer_id=customer.pk,
        points=9,
        kind=TransactionKind.EARNING,
        cause=Cause(CauseType.API, 1),
        actor=SYSTEM,
        now=NOW,
        idle_days=30,
    )

    (ending,) = explain.balance(customer_id=customer.pk, at=NOW).endings

    assert ending.moves_with_activity


def test_follows_points_to_the_customer_they_were_moved_to(story):
    (went,) = explain.balance(customer_id=story["friend"].pk, at=NOW).credits

    assert (went.entry.words, went.entry.points, went.left) == ("Moved here from Anna Nowak", 40, 40)


def test_counts_points_that_lapsed_before_the_sweep_apart(customer):
    earn(customer, 10, number="1", expires_at=NOW + DAY)

    why = explain.balance(customer_id=customer.pk, at=NOW + 2 * DAY)

    assert told(why.statement) == [("Earned", 10), ("Past their end", -10)]
    assert why.endings == ()


def test_asks_the_same_number_of_queries_for_a_long_history(story, django_assert_num_queries):
    customer = story["customer"]
    with django_assert_num_queries(17):
        explain.balance(customer_id=customer.pk, at=LATER)
    for days in range(11, 30):
        earn(customer, 50, number=f"more {days}", now=NOW + days * DAY)
        spend(customer, 30, cause=reward_of(customer, f"Reward {days}"), now=NOW + days * DAY)

    with django_assert_num_queries(17):
        explain.balance(customer_id=customer.pk, at=NOW + 40 * DAY)


def test_refuses_what_is_no_credit(story):
    debit = explain.credit(transaction_id=story["earned"].pk, at=LATER).uses[0].entry.transaction_id

    for transaction_id in (debit, 987654321):
        with pytest.raises(NotACredit, match=f"Transaction {transaction_id} credited nothing"):
            explain.credit(transaction_id=transaction_id, at=LATER)


def test_refuses_a_customer_who_does_not_exist():
    with pytest.raises(UnknownCustomer):
        explain.balance(customer_id=987654321, at=NOW)


def test_knows_a_customer_without_points(customer):
    why = explain.balance(customer_id=customer.pk, at=NOW)

    assert (why.as_of.balance, why.statement, why.history, why.credits, why.endings) == (0, (), (), (), ())


def test_gives_no_name_to_what_it_does_not_know(customer):
    give(customer, 5)  # of an order that was deleted

    (went,) = explain.balance(customer_id=customer.pk, at=NOW).credits

    assert went.entry.words == f"Earned by order {NO_ORDER}"
