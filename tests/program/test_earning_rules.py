"""Earning rules: what an order earns, why, once, and how it goes back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loyalty.common import actors
from loyalty.events.models import Event
from loyalty.merchant.models import Programme
from loyalty.points import audit
from loyalty.points import queries as points
from loyalty.points.models import PointsTransaction
from loyalty.program import orders
from loyalty.program.earning import awarding, evaluating, facts, preview, rules, wording
from loyalty.program.earning import orders as order_earning
from loyalty.program.earning.models import AwardState, EarningAward, RuleKind
from loyalty.program.models import Order
from platforms.adapter import OrderStatus, ShopItem, ShopOrder, ShopRefund
from rewards.models import FulfillmentStatus, RedeemedReward, UsageStatus
from tests.factories.catalogue import RewardFactory
from tests.factories.earning import RuleFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import NOW

pytestmark = pytest.mark.django_db

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
COFFEE = ShopItem(product="coffee", quantity=2, amount=Decimal("20.00"), categories=("drinks",))
CUP = ShopItem(product="cup", quantity=1, amount=Decimal("9.90"))
ORDER = ShopOrder(
    external_id="1001", number="#1001", status=OrderStatus.COMPLETED, placed_at=NOW, updated_at=NOW,
    total=Decimal("39.90"), currency="USD", customer_email="anna@example.com", tax=Decimal("4.00"),
    shipping=Decimal("6.00"), items=(COFFEE, CUP),
)  # fmt: skip


@pytest.fixture
def shop():
    return ConnectionFactory()


@pytest.fixture
def customer():
    return CustomerFactory(email="anna@example.com")


@pytest.fixture
def programme():
    """Earns nothing by itself."""
    return Programme.objects.update_or_create(pk=1, defaults={"points_per_unit": 0})[0]


def record(shop, order=ORDER, *, now=NOW, **changes):
    orders.record(
        connection_id=shop.pk, order=replace(order, **changes), returns_use_on_cancel=True,
        actor=actors.shop(shop.pk), now=now,
    )  # fmt: skip


def refund(*amounts):
    return tuple(
        ShopRefund(external_id=f"r{number}", amount=Decimal(amount), refunded_at=NOW)
        for number, amount in enumerate(amounts)
    )


def held(customer, *, now=NOW):
    found = points.balance(customer_id=customer.pk, now=now)
    return found.balance + found.pending


def earned():
    return list(EarningAward.objects.order_by("pk").values_list("points", flat=True))


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({"points": 2, "per_amount": 1}, 78),
        ({"points": 1, "per_amount": 10}, 3),
        ({"points": 1, "per_amount": 10, "rounding": "down"}, 3),
        ({"points": 1, "per_amount": 10, "rounding": "nearest"}, 4),
        ({"points": 1, "per_amount": 10, "rounding": "up"}, 4),
        ({"points": 3, "per_amount": 2, "rounding": "down"}, 59),
        ({"excludes_tax": True}, 35),
        ({"excludes_tax": True, "excludes_shipping": True}, 29),
        ({"excluded_products": ["cup"]}, 30),
        ({"excluded_categories": ["drinks"]}, 19),
        ({"minimum": Decimal("39.90")}, 39),
        ({"minimum": Decimal("39.91")}, 0),
        ({"minimum": Decimal("36.00"), "excludes_tax": True}, 0),
        ({"currency": "EUR"}, 0),
        ({"tier_ids": [77]}, 0),
        ({"starts_at": NOW + HOUR}, 0),
        ({"ends_at": NOW}, 0),
        ({"enabled_at": NOW + HOUR}, 0),
        ({"kind": "per_order", "points": 50, "per_amount": None}, 50),
        ({"kind": "first_order", "points": 100, "per_amount": None}, 100),
    ],
)  # fmt: skip
def test_a_rule_gives_what_its_terms_say(shop, customer, programme, terms, expected):
    RuleFactory(**terms)

    record(shop)

    assert held(customer) == expected


def test_a_new_rule_is_off_and_gives_nothing_until_it_is_switched_on(shop, customer, programme):
    rule = RuleFactory(enabled=False, enabled_at=None)
    record(shop)
    assert held(customer) == 0

    rules.switch(rule_id=rule.pk, on=True, actor=actors.SYSTEM, now=NOW + HOUR)
    record(shop, updated_at=NOW + 2 * HOUR)  # older than the rule
    assert held(customer) == 0
    record(shop, external_id="1002", placed_at=NOW + 2 * HOUR, updated_at=NOW + 2 * HOUR, now=NOW + 2 * HOUR)

    assert held(customer, now=NOW + 2 * HOUR) == 39
    assert Event.objects.filter(kind="earning_rule.switched_on", subject_id=rule.pk).count() == 1


def test_what_the_shop_says_may_earn_is_all_that_earns(shop, customer, programme):
    RuleFactory(excludes_tax=True)

    record(shop, rewardable_total=Decimal("12.30"))

    assert held(customer) == 12


def test_an_unknown_part_is_not_guessed_and_the_reason_says_so(shop, customer, programme):
    RuleFactory(excludes_tax=True, excludes_shipping=True)

    record(shop, tax=None)

    award = EarningAward.objects.get()
    assert award.points == 33
    assert "does not tell tax" in wording.of_award(award)


def test_a_multiplier_adds_to_the_rules_per_amount_for_its_items_alone(shop, customer):
    RuleFactory(kind="multiplier", points=None, per_amount=None, factor=Decimal("2.5"), categories=["drinks"])

    record(shop)

    assert earned() == [30, 39]  # 20.00 of drinks at 1 point, one and a half times more; and the programme's rate
    assert wording.of_award(EarningAward.objects.order_by("pk").first()) == (
        "30 points more: 20.00 USD of items count 2.5 times."
    )


def test_a_multiplier_gives_nothing_where_the_shop_tells_no_items(shop, customer):
    RuleFactory(kind="multiplier", points=None, per_amount=None, factor=2, products=["coffee"])

    record(shop, items=None)

    assert held(customer) == 39


def test_a_multiplier_gives_nothing_where_the_shop_tells_no_categories_and_says_so(shop, customer):
    RuleFactory(kind="multiplier", points=None, per_amount=None, factor=2, categories=["drinks"])

    record(shop, items=(replace(COFFEE, categories=None), CUP))

    order = Order.objects.get()
    terms = rules.for_orders(programme=Programme.objects.get())
    occasion = facts.Occasion(kinds=facts.ORDER_KINDS, at=NOW, order=order_earning.facts_of(order, terms))
    assert held(customer) == 39
    assert "does not tell the categories" in wording.of_verdict(evaluating.judge(occasion, terms)[0])


@pytest.mark.usefixtures("programme")
def test_items_count_without_their_tax_where_tax_earns_nothing(shop, customer):
    RuleFactory(points=1, per_amount=1, excludes_tax=True, excluded_products=["cup"])
    RuleFactory(kind="multiplier", points=None, per_amount=None, factor=2, products=["coffee"])

    record(shop, items=(replace(COFFEE, tax=Decimal("3.00")), replace(CUP, tax=Decimal("0.90"))))

    # 39.90 less the order's 4.00 of tax and the cup's 9.00 without its tax; then the coffee once more, without its own
    assert sorted(earned()) == [17, 26]


def test_rules_add_up_unless_one_stops_those_after_it(shop, customer):
    RuleFactory(points=3, per_amount=1, priority=1)
    RuleFactory(kind="per_order", points=5, per_amount=None, priority=2, is_last=True)
    RuleFactory(kind="per_order", points=1000, per_amount=None, priority=3)

    record(shop)

    assert earned() == [117, 5]


@pytest.mark.usefixtures("programme")
@pytest.mark.parametrize(("period", "expected"), [("day", 20), ("month", 10), ("", 20)])
def test_a_rule_gives_so_often_in_a_period_and_no_more(shop, customer, period, expected):
    limits = {"most_times": 1, "period": period} if period else {"most_times_ever": 2}
    RuleFactory(kind="per_order", points=10, per_amount=None, **limits)
    for number in range(2):
        record(shop, external_id=str(number), placed_at=NOW + number * DAY)
    record(shop, external_id="9")

    assert held(customer) == expected


@pytest.mark.usefixtures("programme")
def test_at_a_cap_on_points_the_award_is_the_rest_and_says_so(shop, customer):
    RuleFactory(kind="per_order", points=1000, per_amount=None, most_points=1500, period="month", most_points_ever=3000)
    for number in range(3):
        record(shop, external_id=str(number), placed_at=NOW + number * HOUR)

    assert earned() == [1000, 500]
    assert wording.of_award(EarningAward.objects.get(points=500)) == (
        "500 points for the order (it would be 1,000, and a customer gets 1,500 by this rule in a month)."
    )

    record(shop, external_id="1", status=OrderStatus.CANCELLED, updated_at=NOW + HOUR)
    for number in range(3, 7):
        record(shop, external_id=str(number), placed_at=NOW + (number - 2) * 31 * DAY)

    assert earned() == [1000, 500, 1000, 1000]
    assert held(customer) == 3000


def test_only_the_first_completed_order_is_the_first_and_a_lost_one_is_not(shop, customer, programme):
    RuleFactory(kind="first_order", points=100, per_amount=None)
    record(shop)
    record(shop, external_id="2", placed_at=NOW + HOUR)
    assert earned() == [100]

    record(shop, status=OrderStatus.CANCELLED, updated_at=NOW + HOUR)
    record(shop, external_id="3", placed_at=NOW + 2 * HOUR)

    assert held(customer) == 0  # the second order came first by then
    assert EarningAward.objects.get().state == AwardState.UNDONE


def test_the_terms_of_then_are_taken_back_whatever_the_rule_says_now(shop, customer, programme):
    """Peers B24: a refund was worked out with the rate of the day."""
    rule = RuleFactory(points=2)
    record(shop)
    rule.points, rule.enabled = 50, False
    rule.save()

    record(shop, refunds=refund("19.95"), updated_at=NOW + HOUR)
    assert held(customer) == 39
    record(shop, refunds=refund("19.95", "19.95"), updated_at=NOW + 2 * HOUR)

    assert held(customer) == 0


def test_an_order_earns_once_whatever_rules_come_and_go_later(shop, customer):
    """Peers B29: settling an order again awarded again."""
    first = RuleFactory(points=2, priority=1, is_last=True)
    record(shop)
    first.enabled = False
    first.save()
    RuleFactory(points=9)

    record(shop, updated_at=NOW + HOUR)

    assert held(customer) == 78


def test_orders_bought_and_refunded_leave_nothing_however_many(shop, customer):
    """Peers B15: buy, earn, refund, keep the points."""
    RuleFactory(kind="per_order", points=7, per_amount=None)
    for number in range(5):
        record(shop, external_id=str(number))
        record(shop, external_id=str(number), refunds=refund("39.90"), updated_at=NOW + HOUR)

    assert held(customer) == 0


def test_points_that_wait_vanish_with_the_refund(shop, customer, programme):
    RuleFactory(delay_days=30)
    record(shop)
    before = points.balance(customer_id=customer.pk, now=NOW)
    assert (before.balance, before.pending) == (0, 39)

    record(shop, refunds=refund("39.90"), updated_at=NOW + HOUR)

    assert held(customer) == 0
    assert points.balance(customer_id=customer.pk, now=NOW + 40 * DAY).balance == 0


def test_a_canceled_order_that_cost_nothing_gives_its_points_back(shop, customer, programme):
    RuleFactory(kind="per_order", points=7, per_amount=None)
    record(shop, total=Decimal(0), items=None, tax=None, shipping=None)
    assert held(customer) == 7

    record(shop, total=Decimal(0), items=None, tax=None, shipping=None, status=OrderStatus.CANCELLED,
           updated_at=NOW + HOUR)  # fmt: skip

    assert held(customer) == 0


def reward_rule(**terms):
    return RuleFactory(kind="first_order", points=None, per_amount=None, reward=RewardFactory(), **terms)


def test_a_rule_gives_a_reward_and_takes_it_back_unused_with_the_order(shop, customer, programme):
    reward_rule()
    record(shop)
    redeemed = RedeemedReward.objects.get()
    assert (redeemed.customer, redeemed.origin, redeemed.fulfillment_status) == (
        customer, "programme", FulfillmentStatus.ISSUED,
    )  # fmt: skip

    record(shop, refunds=refund("10.00"), updated_at=NOW + HOUR)
    assert EarningAward.objects.get().state == AwardState.GIVEN
    record(shop, status=OrderStatus.CANCELLED, updated_at=NOW + 2 * HOUR)

    assert EarningAward.objects.get().state == AwardState.UNDONE
    assert RedeemedReward.objects.get().fulfillment_status == FulfillmentStatus.CANCELLED


def test_the_refund_of_an_order_that_earned_a_reward_debits_no_points(shop, customer, programme):
    """Peers B16: the refund took the points again."""
    reward_rule()
    record(shop)

    record(shop, refunds=refund("39.90"), updated_at=NOW + HOUR)

    assert not PointsTransaction.objects.exists()
    assert EarningAward.objects.get().state == AwardState.UNDONE


def test_a_reward_that_was_used_stands_for_a_person_to_see(shop, customer, programme):
    reward_rule()
    record(shop)
    RedeemedReward.objects.update(usage_status=UsageStatus.USED, used_at=NOW)

    record(shop, status=OrderStatus.CANCELLED, updated_at=NOW + HOUR)

    assert EarningAward.objects.get().state == AwardState.STANDS
    assert RedeemedReward.objects.get().fulfillment_status == FulfillmentStatus.ISSUED


def test_a_reward_with_days_of_waiting_is_given_when_they_are_over(shop, customer, programme):
    reward_rule(delay_days=14)
    record(shop)
    assert not RedeemedReward.objects.exists()

    assert awarding.give_due(actor=actors.SYSTEM, now=NOW + 13 * DAY) == 0
    assert awarding.give_due(actor=actors.SYSTEM, now=NOW + 14 * DAY) == 1
    assert awarding.give_due(actor=actors.SYSTEM, now=NOW + 14 * DAY) == 0

    assert RedeemedReward.objects.get().customer == customer


def test_a_reward_that_waits_is_never_given_once_the_order_is_lost(shop, customer, programme):
    reward_rule(delay_days=14)
    record(shop)

    record(shop, status=OrderStatus.CANCELLED, updated_at=NOW + HOUR)

    assert awarding.give_due(actor=actors.SYSTEM, now=NOW + 20 * DAY) == 0
    assert not RedeemedReward.objects.exists()


def test_a_reward_that_cannot_be_given_does_not_keep_the_points_from_coming(shop, customer):
    rule = reward_rule()
    rule.reward.enabled = False
    rule.reward.save()

    record(shop)

    assert held(customer) == 39
    refused = EarningAward.objects.get(rule=rule)
    assert (refused.state, refused.outcome != "") == (AwardState.REFUSED, True)


def test_the_refund_of_one_customers_order_leaves_another_alone(shop, customer):
    """Peers B26: a read for nobody changed everybody."""
    other = CustomerFactory(email="ben@example.com")
    record(shop)
    record(shop, external_id="2", customer_email="ben@example.com")

    record(shop, refunds=refund("39.90"), updated_at=NOW + HOUR)

    assert (held(customer), held(other)) == (0, 39)


@pytest.mark.parametrize(
    ("period", "first", "after"),
    [
        ("day", (2026, 3, 29), (2026, 3, 30)),
        ("week", (2026, 3, 23), (2026, 3, 30)),
        ("month", (2026, 3, 1), (2026, 4, 1)),
        ("year", (2026, 1, 1), (2027, 1, 1)),
    ],
)
def test_periods_are_the_calendars_of_the_programmes_zone(period, first, after):
    """The 29th of March 2026 has 23 hours in Berlin."""
    zone = ZoneInfo("Europe/Berlin")

    found = rules.bounds(period, at=datetime(2026, 3, 29, 12, tzinfo=UTC), zone=zone)

    assert found == (datetime(*first, tzinfo=zone), datetime(*after, tzinfo=zone))


MONEY = st.decimals(min_value=0, max_value=500, places=2)
KINDS = st.sampled_from([RuleKind.PER_AMOUNT, RuleKind.PER_ORDER, RuleKind.MULTIPLIER, RuleKind.FIRST_ORDER])


@st.composite
def some_rules(draw):
    """Terms for up to four rules."""
    found = []
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(KINDS)
        terms = {
            "kind": str(kind), "points": draw(st.integers(1, 50)), "per_amount": None,
            "priority": draw(st.integers(1, 5)), "is_last": draw(st.booleans()),
            "excludes_tax": draw(st.booleans()), "minimum": draw(st.none() | st.just(Decimal("20.00"))),
            "rounding": draw(st.sampled_from(["whole", "down", "nearest", "up"])),
            "most_points_ever": draw(st.none() | st.integers(1, 60)),
        }  # fmt: skip
        if kind == RuleKind.PER_AMOUNT:
            terms["per_amount"] = draw(st.sampled_from([Decimal(1), Decimal("2.50"), Decimal(7)]))
        if kind == RuleKind.MULTIPLIER:
            terms |= {"points": None, "factor": Decimal("1.75"), "categories": ["drinks"]}
        found.append(terms)
    return found


@given(
    terms=some_rules(), goods=MONEY, tax=st.none() | MONEY, splits=st.lists(st.integers(1, 60), min_size=1, max_size=4)
)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_preview_equals_the_award_and_any_split_of_refunds_takes_exactly_all_of_it(terms, goods, tax, splits):
    shop, email = ConnectionFactory(), f"c{Order.objects.count()}-{ConnectionFactory().pk}@example.com"
    buyer = CustomerFactory(email=email)
    EarningAward.objects.all().delete()
    rules.EarningRule.objects.all().delete()
    for each in terms:
        RuleFactory(**each)
    total = goods + (tax or 0) + Decimal("0.01")
    items = (ShopItem(product="coffee", quantity=1, amount=goods, categories=("drinks",)),)
    told = replace(ORDER, total=total, tax=tax, shipping=None, items=items, customer_email=email)
    as_seen = facts.OrderFacts(
        total=total, currency="USD", tax=tax, is_first=True,
        items=(facts.Item(product="coffee", amount=goods, categories=frozenset({"drinks"})),),
    )  # fmt: skip
    promised = preview.of_order(
        order=as_seen, at=NOW, programme=Programme.objects.get_or_create(pk=1)[0], customer=buyer
    )

    record(shop, told)

    assert held(buyer) == promised.points
    assert earned() == [verdict.points for verdict in promised.verdicts if verdict.gives]

    parts, left = [], total
    for share in splits:
        part = min(left, (total * share / 100).quantize(Decimal("0.01")))
        parts, left = [*parts, part], left - part
        record(shop, replace(told, refunds=refund(*parts), updated_at=NOW + len(parts) * HOUR))
        assert held(buyer) >= 0
    record(shop, replace(told, refunds=refund(*parts, left), updated_at=NOW + 10 * HOUR))

    assert held(buyer) == 0
    taken = PointsTransaction.objects.filter(customer=buyer, kind="clawback").values_list("points_change", flat=True)
    assert -sum(taken) == promised.points
    assert list(audit.differences()) == []
    assert not order_earning.EarningAward.objects.filter(state=AwardState.GIVEN).exists()
