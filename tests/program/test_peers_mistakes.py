"""Mistakes of others that concern earning, by the number of the report, and where each is kept out of the programme.

Here a test carries the number in its name; these say it in their text, or stood before:

B14 B27 every way leads through lots: `points/test_peers_mistakes.py`, and the audit after each test of `test_orders.py`
B15 earn, refund, net zero: `test_earning_rules.py::test_orders_bought_and_refunded_leave_nothing_however_many`
B16 a refund debits once: `test_earning_rules.py::test_the_refund_of_an_order_that_earned_a_reward_debits_no_points`
B18 what was lost does not count: `test_earning_rules.py::test_only_the_first_completed_order_is_the_first_and_a_lost_one_is_not`
B19 B20 any order, any repetition: `test_order_parts.py::test_any_permutation_and_repetition_of_an_orders_news_ends_in_one_state`
B22 parts sum exactly: `test_refunds.py::test_partial_refunds_take_their_share_and_sum_exactly`
B24 the rate of then: `test_earning_rules.py::test_the_terms_of_then_are_taken_back_whatever_the_rule_says_now`
B25 earned and paid on one order: `points/test_peers_mistakes.py::test_b16_b25_…`
B26 nobody else's: `test_earning_rules.py::test_the_refund_of_one_customers_order_leaves_another_alone`
B29 B30 B33 once an order: `test_earning_rules.py::test_an_order_earns_once_whatever_rules_come_and_go_later`
B32 delivered six times: `concurrency/test_earning_races.py::test_six_deliveries_of_one_task_and_two_beats_beside_each_other_give_once`
B42 birthdays, the 29th of February, midnights: `test_days.py`; periods: `test_earning_rules.py::test_periods_are_the_calendars_of_the_programmes_zone`
B47 points are not money: `test_evaluating.py::test_points_never_go_through_the_rounding_of_a_currency`
B50 what is missing is said: `test_evaluating.py::test_every_kind_says_why_it_gives_nothing_where_nothing_is_known`
B55 told once: `points/test_peers_mistakes.py::test_b32_b55_…`; B56 expiry is an entry: the same file

B17 B21 B23 B28 cannot happen here: `rewards/test_peers_mistakes.py` says why.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from loyalty.program.earning import evaluating
from loyalty.program.earning.facts import ORDER_KINDS, Given, Item, Occasion, OrderFacts, Terms
from loyalty.program.earning.models import Rounding, RuleKind
from loyalty.program.tiers import windows
from loyalty.program.tiers.models import TierPeriod, TierRules
from tests.factories.points import NOW

HOUR = timedelta(hours=1)
ORDER = OrderFacts(
    total=Decimal(100),
    currency="USD",
    tax=Decimal(20),
    shipping=Decimal(9),
    items=(
        Item(product="cup", amount=Decimal(60), tax=Decimal(12)),
        Item(product="tea", amount=Decimal(31), tax=Decimal(8), categories=frozenset({"drinks"})),
    ),
)
RULE = Terms(rule_id=1, kind=RuleKind.PER_AMOUNT, points=1, per_amount=Decimal(1))
TWICE = Terms(rule_id=1, kind=RuleKind.MULTIPLIER, factor=Decimal(2), products=frozenset({"cup"}))
ACTIVITY = Terms(rule_id=1, kind=RuleKind.ACTIVITY, points=5, token="review")
OTHER = Terms(rule_id=2, kind=RuleKind.PER_AMOUNT, points=1, per_amount=Decimal(1), priority=200)
OCCASION = Occasion(
    kinds=ORDER_KINDS | {RuleKind.ACTIVITY},
    at=NOW,
    order=ORDER,
    tier_id=7,
    token="review",
    given={1: Given(in_period=1, ever=2)},
)


def given_by(terms, *others):
    found = evaluating.judge(OCCASION, [terms, *others])
    return [(verdict.terms.rule_id, verdict.points, verdict.reward_id, verdict.why_not) for verdict in found]


@pytest.mark.parametrize(
    ("setting", "value", "rule"),
    [
        ("kind", RuleKind.PER_ORDER, RULE),
        ("kind", RuleKind.FIRST_ORDER, RULE),
        ("points", 3, RULE),
        ("per_amount", Decimal(10), RULE),
        ("rounding", Rounding.UP, replace(RULE, per_amount=Decimal(30))),
        ("factor", Decimal(3), TWICE),
        ("products", frozenset({"tea"}), TWICE),
        ("categories", frozenset({"drinks"}), TWICE),
        ("reward_id", 5, replace(RULE, kind=RuleKind.PER_ORDER)),
        ("excludes_tax", True, RULE),
        ("excludes_shipping", True, RULE),
        ("excluded_products", frozenset({"cup"}), RULE),
        ("excluded_categories", frozenset({"drinks"}), RULE),
        ("minimum", Decimal("100.01"), RULE),
        ("currency", "EUR", RULE),
        ("token", "visit", ACTIVITY),
        ("counts_from", NOW + HOUR, RULE),
        ("ends_at", NOW, RULE),
        ("tier_ids", frozenset({8}), RULE),
        ("most_times", 1, RULE),
        ("most_times_ever", 2, RULE),
        ("priority", 100, replace(RULE, is_last=True, priority=300)),
        ("is_last", True, RULE),
    ],
)
def test_b41_every_setting_of_an_earning_rule_is_read(setting, value, rule):
    """A switch that existed and was never read. The days of waiting and the period of a cap: `test_earning_rules.py`."""
    assert getattr(rule, setting) != value

    assert given_by(replace(rule, **{setting: value}), OTHER) != given_by(rule, OTHER)


PERIODS = {
    "calendar_year": {"period": TierPeriod.CALENDAR_YEAR},
    "rolling": {"period": TierPeriod.ROLLING, "rolling_days": 30},
    "starts_on": {"period": TierPeriod.LIFETIME, "starts_on": date(2028, 2, 29)},
}


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Europe/Warsaw", "UTC", "Pacific/Pago_Pago"])
@pytest.mark.parametrize(
    ("rule", "today", "first_day"),
    [
        ("calendar_year", date(2028, 12, 31), date(2028, 1, 1)),
        ("calendar_year", date(2029, 1, 1), date(2029, 1, 1)),
        ("rolling", date(2028, 3, 29), date(2028, 2, 29)),  # over the leap day and the night that clocks change
        ("rolling", date(2028, 2, 29), date(2028, 1, 31)),
        ("rolling", date(2028, 10, 29), date(2028, 9, 30)),
        ("starts_on", date(2028, 2, 29), date(2028, 2, 29)),
    ],
)
def test_b42_b54_what_counts_for_a_tier_begins_and_ends_at_midnight_where_the_merchant_lives(
    zone, rule, today, first_day
):
    """Days were cut at midnight of another zone; whoever bought in the last or first second lost or won a day."""
    where = ZoneInfo(zone)
    for instant in (midnight(today, where), midnight(today + timedelta(days=1), where) - timedelta(microseconds=1)):
        found = windows.at(rules=TierRules(**PERIODS[rule]), zone=where, now=instant).now

        assert found.begins_at == midnight(first_day, where)
        assert found.begins_at <= instant < found.ends_at == midnight(today + timedelta(days=1), where)


def midnight(day, where):
    return datetime(day.year, day.month, day.day, tzinfo=where).astimezone(UTC)
