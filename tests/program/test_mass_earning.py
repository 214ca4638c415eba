"""Earning by the batch: the awards and ledger rows that single acts would have written, one after the other."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.db.models import F

from loyalty.common import clock
from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.customers.models import CustomerIdentity, CustomerState
from loyalty.events.models import Event
from loyalty.merchant.models import ExpiryMode, Programme, ShortfallPolicy
from loyalty.points import clawback, earning, ledger
from loyalty.points.models import PointsAccount, PointsLot, PointsTransaction, TransactionKind
from loyalty.program import imports, orders
from loyalty.program.earning import mass_awarding, rules
from loyalty.program.earning import orders as order_earning
from loyalty.program.earning.awarding import Happening
from loyalty.program.earning.models import AwardState, EarningAward, RuleKind
from loyalty.program.models import Order, OrderRefund
from loyalty.program.purchases import PurchaseFile
from platforms.adapter import OrderStatus, ShopOrder
from rewards.models import RedeemedReward
from tests.factories.catalogue import CustomFactory
from tests.factories.earning import RuleFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ledger_stays_proved")]

DAY = timedelta(days=1)
LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)
LINES = 60


@pytest.fixture
def programme():
    return Programme.objects.update_or_create(
        pk=1, defaults={"expiry_mode": ExpiryMode.DAYS, "expiry_days": 365, "time_zone": "Europe/Warsaw"}
    )[0]


def several_rules():
    """Caps of a month and for ever, the first order, a minimum, a reward, one that stops the others, one that is over."""

    def rule(kind, **terms):
        RuleFactory(kind=kind, enabled_at=LONG_AGO, **terms)

    rule(RuleKind.FIRST_ORDER, points=50, priority=1)
    rule(RuleKind.PER_ORDER, points=7, most_times=1, period="month", priority=2)
    reward = CustomFactory(active_from=LONG_AGO)
    rule(RuleKind.PER_ORDER, points=None, reward=reward, minimum="30", most_times_ever=2)
    rule(RuleKind.PER_AMOUNT, points=3, per_amount="10", minimum="60", is_last=True, delay_days=2)
    rule(RuleKind.PER_ORDER, points=1, priority=200)
    rule(RuleKind.PER_AMOUNT, points=1, per_amount="1", most_points=40, period="year", most_points_ever=70, priority=3)
    rule(RuleKind.PER_ORDER, points=9, ends_at=datetime(1997, 1, 1, tzinfo=UTC))


def purchases(sample):
    with PurchaseFile(sample, today=NOW.date()) as file:
        return [line for line, _ in zip(file, range(LINES), strict=False)]


def recorded_one_by_one(lines, programme):
    seen = {}
    for line in lines:
        seen[line.content] = seen.get(line.content, 0) + 1
        placed_at = clock.midnight(line.day, programme.zone)
        told = ShopOrder(
            external_id=f"cdnow:{line.content}:{seen[line.content]}", number="", status=OrderStatus.COMPLETED,
            placed_at=placed_at, updated_at=placed_at, total=line.amount, currency="USD",
            customer_external_id=f"cdnow:{line.customer}",
        )  # fmt: skip
        orders.record(connection_id=None, order=told, returns_use_on_cancel=True, actor=SYSTEM, now=NOW)


def what_was_earned():
    """Awards, ledger and balances by the names of the file, so that two runs can be compared."""
    names = dict(CustomerIdentity.objects.values_list("customer_id", "external_id"))
    of_order = dict(Order.objects.values_list("pk", "external_id"))
    awards = EarningAward.objects.order_by("order__external_id", "rule_id").values_list(
        "order_id", "rule__kind", "rule__priority", "customer_id", "points", "reward__type", "terms", "state",
        "earned_at", "transaction__points_change", "transaction__note__description", "redeemed_reward__reward__type",
    )  # fmt: skip
    entries = PointsTransaction.objects.values_list(
        "customer_id", "kind", "points_change", "effective_at", "cause_type"
    )
    lots = PointsLot.objects.values_list("customer_id", "points", "remaining", "available_at", "expires_at")
    accounts = PointsAccount.objects.values_list("customer_id", "balance", "pending", "next_edge_at")
    return {
        "awards": [(of_order[order], *more[:2], names[more[2]], *more[3:]) for order, *more in awards],
        "entries": sorted((names[customer], *more) for customer, *more in entries),
        "lots": sorted((names[customer], *more) for customer, *more in lots),
        "accounts": sorted((names[customer], *map(str, more)) for customer, *more in accounts),
        "rewards": sorted(names[pk] for pk in RedeemedReward.objects.values_list("customer_id", flat=True)),
    }


def test_an_import_earns_what_the_same_orders_earn_when_a_shop_tells_of_each(sample, programme):
    lines = purchases(sample)
    several_rules()
    before = transaction.savepoint()
    recorded_one_by_one(lines, programme)
    expected = what_was_earned()
    transaction.savepoint_rollback(before)
    imports.begin()

    for first in range(0, LINES, 25):
        imports.take(purchases=lines[first : first + 25], programme=programme, now=NOW)

    assert what_was_earned() == expected
    kinds = {(kind, priority) for _, kind, priority, *_ in expected["awards"]}
    assert len(kinds) == 7  # the programme's own rate among them
    assert expected["rewards"]


def test_refunds_by_the_batch_take_back_what_single_ones_would(sample, programme):
    """Orders that were partly refunded before, and rewards, among them."""
    programme.expiry_mode = ExpiryMode.NEVER
    programme.save()
    several_rules()
    imports.begin()
    imports.take(purchases=purchases(sample)[:30], programme=programme, now=NOW)
    for order in Order.objects.order_by("pk")[:10]:
        order.refunded = (order.total / 3).quantize(Decimal("0.01"))
        order.save()
        order_earning.take_back(order=order, actor=SYSTEM, now=NOW)
    before = transaction.savepoint()
    for order in Order.objects.order_by("pk"):
        order.refunded = order.total
        order_earning.take_back(order=order, actor=SYSTEM, now=NOW + DAY)
    expected = what_was_earned()
    transaction.savepoint_rollback(before)

    imports.refund(order_ids=Order.objects.values_list("pk", flat=True), now=NOW + DAY)

    assert what_was_earned() == expected
    assert {kind for _, kind, *_ in expected["entries"]} == {"earning", "clawback"}
    assert {state for *_, state in EarningAward.objects.values_list("state")} == {AwardState.UNDONE}
    assert not Order.objects.exclude(refunded=F("total")).exists()
    assert sum(OrderRefund.objects.values_list("amount", flat=True)) > 0


def happening(customer, at=NOW, *, prefix="visit:1"):
    return Happening(
        customer_id=customer.pk,
        kinds=frozenset({RuleKind.SIGN_UP}),
        at=at,
        prefix=prefix,
        cause=Cause(CauseType.API, 1),
    )


def award_many(programme, *happenings, **more):
    return mass_awarding.award_many(
        happenings=happenings,
        terms=rules.enabled([RuleKind.SIGN_UP]),
        programme=programme,
        actor=SYSTEM,
        now=NOW,
        **more,
    )


def test_the_same_again_gives_nothing_more_within_a_batch_and_after_it(programme):
    RuleFactory(kind=RuleKind.SIGN_UP, points=100)
    customer = CustomerFactory()

    award_many(programme, happening(customer), happening(customer), happening(customer, prefix="visit:2"))
    award_many(programme, happening(customer))

    assert EarningAward.objects.get().points == 100
    assert PointsAccount.objects.get(pk=customer.pk).balance == 100
    assert Event.objects.filter(kind="points.earned").count() == 1


def test_an_excluded_customer_earns_nothing_and_keeps_nobody_else_from_it(programme):
    RuleFactory(kind=RuleKind.SIGN_UP, points=100)
    excluded, other = CustomerFactory(state=CustomerState.DISABLED), CustomerFactory()

    outcomes = award_many(programme, happening(excluded), happening(other, prefix="visit:2"))

    assert [len(outcome.awards) for outcome in outcomes] == [0, 1]
    assert EarningAward.objects.get().customer == other


def test_what_is_owed_is_collected_from_what_comes_by_the_batch(programme):
    RuleFactory(kind=RuleKind.SIGN_UP, points=100)
    Programme.objects.update(shortfall_policy=ShortfallPolicy.COLLECT)
    customer = CustomerFactory()
    owe(customer, 30, programme)

    award_many(programme, happening(customer))

    assert PointsAccount.objects.values_list("balance", "owed").get(pk=customer.pk) == (70, 0)


def test_no_event_tells_of_points_that_are_no_news(programme):
    RuleFactory(kind=RuleKind.SIGN_UP, points=100)

    award_many(programme, happening(CustomerFactory()), is_news=False)

    assert EarningAward.objects.exists()
    assert not Event.objects.filter(kind="points.earned").exists()


def owe(customer, points, programme):
    """Points that were spent before the order they came from was refunded."""
    entry = earning.earn(
        customer_id=customer.pk, points=points, cause=Cause(CauseType.ORDER, 1), actor=SYSTEM, programme=programme,
        earned_at=NOW - DAY, now=NOW - DAY, idempotency_key="owed",
    )  # fmt: skip
    ledger.debit(
        customer_id=customer.pk, points=points, kind=TransactionKind.REDEMPTION, cause=Cause(CauseType.API, 1),
        actor=SYSTEM, now=NOW - DAY,
    )  # fmt: skip
    clawback.claw_back(earning_id=entry.pk, refunded=Decimal(1), total=Decimal(1), actor=SYSTEM, now=NOW - DAY)
