"""Evaluating: one pure judgement. Whatever is told of an order, each rule gives whole points or says why not."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.program.earning import evaluating, facts, wording
from loyalty.program.earning.evaluating import WhyNot
from loyalty.program.earning.facts import Item, Occasion, OrderFacts, Terms
from loyalty.program.earning.models import Rounding, RuleKind
from tests.factories.points import NOW


def per_amount(points=1, each=1, **terms):
    return Terms(rule_id=1, kind=RuleKind.PER_AMOUNT, points=points, per_amount=Decimal(each), **terms)


def judged(order, *terms, **occasion):
    return evaluating.judge(Occasion(kinds=facts.ORDER_KINDS, at=NOW, order=order, **occasion), terms)


@pytest.mark.parametrize(
    ("amount", "currency", "points"),
    [
        ("1", "JPY", 1),
        ("120", "JPY", 120),
        ("1.999", "KWD", 1),
        ("0.999", "KWD", 0),
        ("0.01", "TWD", 0),
        ("1", "USD", 1),
    ],
)
def test_points_never_go_through_the_rounding_of_a_currency(amount, currency, points):
    """Peers B47: one point became none, and a hundredth was taken for granted."""
    (verdict,) = judged(OrderFacts(total=Decimal(amount), currency=currency), per_amount())

    assert verdict.points == points
    assert verdict.gives is (points > 0)


def test_a_third_and_a_third_and_a_third_are_a_whole():
    (verdict,) = judged(OrderFacts(total=Decimal(10), currency="USD"), per_amount(3, "10", rounding=Rounding.DOWN))

    assert verdict.points == 3


def test_every_kind_says_why_it_gives_nothing_where_nothing_is_known():
    """Peers B50: what was missing made a server error."""
    nothing = OrderFacts(total=Decimal(0), currency="USD")
    terms = [
        per_amount(excludes_tax=True, excludes_shipping=True, excluded_products=frozenset({"cup"})),
        Terms(rule_id=2, kind=RuleKind.MULTIPLIER, factor=Decimal(2), products=frozenset({"cup"})),
        Terms(rule_id=3, kind=RuleKind.FIRST_ORDER, points=5),
        Terms(rule_id=4, kind=RuleKind.PER_ORDER, points=5, minimum=Decimal(1)),
    ]

    verdicts = judged(nothing, *terms)

    assert [verdict.why_not for verdict in verdicts] == [
        WhyNot.NO_POINTS,
        WhyNot.ITEMS_UNKNOWN,
        WhyNot.NOT_FIRST,
        WhyNot.BELOW_MINIMUM,
    ]
    assert all(wording.of_verdict(verdict).startswith("Nothing: ") for verdict in verdicts)


@pytest.mark.parametrize(
    ("points", "each", "rounding", "said"),
    [
        (1, "1.00", Rounding.WHOLE, "142 points: 1 point for each whole USD of 142.90 USD."),
        (3, "10", Rounding.WHOLE, "42 points: 3 points for each whole 10 USD of 142.90 USD."),
        (1, "0.50", Rounding.DOWN, "285 points: 1 point for each 0.5 USD of 142.90 USD, rounded down."),
        (1, "1", Rounding.NEAREST, "143 points: 1 point for each USD of 142.90 USD, rounded to the nearest point."),
        (2000, "100", Rounding.UP, "2,858 points: 2,000 points for each 100 USD of 142.90 USD, rounded up."),
    ],
)
def test_points_for_money_are_explained_by_the_terms_and_the_rounding(points, each, rounding, said):
    order = OrderFacts(total=Decimal("142.90"), currency="USD")

    (verdict,) = judged(order, per_amount(points, each, rounding=rounding))

    assert wording.of_verdict(verdict) == said


def test_every_reason_has_words():
    assert set(wording.WHY_NOT) == set(WhyNot)


def test_a_rule_that_gives_nothing_stops_nobody():
    stops = per_amount(minimum=Decimal(100), is_last=True, priority=1)

    verdicts = judged(OrderFacts(total=Decimal(50), currency="USD"), stops, facts.programme_rate(2))

    assert [(verdict.points, verdict.why_not) for verdict in verdicts] == [(0, WhyNot.BELOW_MINIMUM), (100, None)]


def test_a_rule_that_stops_takes_the_place_of_the_programmes_rate():
    verdicts = judged(
        OrderFacts(total=Decimal(50), currency="USD"), facts.programme_rate(2), per_amount(3, is_last=True)
    )

    assert [(verdict.points, verdict.why_not) for verdict in verdicts] == [(150, None), (0, WhyNot.STOPPED)]


def test_a_multiplier_counts_no_more_than_what_may_earn():
    order = OrderFacts(
        total=Decimal(50),
        currency="USD",
        rewardable_total=Decimal(10),
        items=(Item(product="cup", amount=Decimal(40)),),
    )
    twice = Terms(rule_id=2, kind=RuleKind.MULTIPLIER, factor=Decimal(2), products=frozenset({"cup"}))

    assert evaluating.total(judged(order, twice, per_amount())) == 20


MONEY = st.decimals(min_value=0, max_value=10_000, places=2)


@given(
    total=MONEY,
    tax=st.none() | MONEY,
    shipping=st.none() | MONEY,
    rewardable=st.none() | MONEY,
    amounts=st.none() | st.lists(MONEY, max_size=4),
    points=st.integers(1, 100),
    each=st.sampled_from(["0.01", "1", "2.50", "7"]),
    rounding=st.sampled_from(Rounding),
)
def test_no_order_earns_less_than_nothing_or_more_than_its_whole_total(
    *, total, tax, shipping, rewardable, amounts, points, each, rounding
):
    items = None if amounts is None else tuple(Item(product="cup", amount=amount) for amount in amounts)
    told = min(rewardable, total) if rewardable is not None else None
    order = OrderFacts(
        total=total, currency="USD", tax=tax, shipping=shipping, rewardable_total=told, items=items
    )  # fmt: skip
    left = per_amount(points, each, rounding=rounding, excludes_tax=True, excludes_shipping=True,
                      excluded_products=frozenset({"cup"}))  # fmt: skip

    (some,) = judged(order, left)
    (most,) = judged(OrderFacts(total=total, currency="USD"), per_amount(points, each, rounding=rounding))

    assert 0 <= some.points <= most.points
