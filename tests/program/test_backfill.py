"""Backfilling a rule: what it would have given is said exactly, given once, and taken back."""

import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.customers.models import CustomerState
from loyalty.jobs import lifecycle
from loyalty.jobs import queries as jobs
from loyalty.jobs.models import Job, JobOutcome, Step, Verdict
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import ExpiryMode, Programme
from loyalty.points import ledger
from loyalty.points.models import PointsAccount, PointsTransaction, TransactionKind
from loyalty.program.backfill import acts, queries, steps
from loyalty.program.earning import orders as order_earning
from loyalty.program.earning.models import AwardState, EarningAward, RuleKind
from loyalty.program.models import Order, OrderItem, OrderStatus
from rewards import limits, usage
from rewards.models import RedeemedReward
from tests.factories.catalogue import CustomFactory
from tests.factories.earning import RuleFactory
from tests.factories.people import CustomerFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ledger_stays_proved")]

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FIRST, LAST = date(2026, 1, 1), date(2026, 2, 28)


@pytest.fixture(autouse=True)
def _programme():
    Programme.objects.update_or_create(
        pk=1, defaults={"points_per_unit": 1, "expiry_mode": ExpiryMode.DAYS, "expiry_days": 365}
    )


@pytest.fixture
def customer():
    return CustomerFactory()


def order(customer, total="20.00", *, day=date(2026, 1, 5), **more):
    placed_at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return Order.objects.create(
        external_id=f"{Order.objects.count()}", customer=customer, status=more.pop("status", OrderStatus.COMPLETED),
        total=Decimal(total), currency="USD", placed_at=placed_at, changed_at=placed_at, recorded_at=placed_at, **more,
    )  # fmt: skip


def rule_that_is_off(**terms):
    return RuleFactory(enabled=False, enabled_at=None, **{"kind": RuleKind.PER_ORDER, "points": 5, **terms})


def planned(rule, first=FIRST, last=LAST):
    return worked(acts.plan(rule_id=rule.pk, first=first, last=last, actor=SYSTEM, now=NOW))


def worked(job, step=None):
    if step is not None:
        job = lifecycle.begin(job_id=job.pk, step=step, actor=SYSTEM, now=NOW)
    steps.work_on(job_id=job.pk, now=NOW, patience=60)
    return Job.objects.get(pk=job.pk)


def said(job, step):
    """What became of the rows: verdict, points and the code."""
    rows = JobOutcome.objects.filter(job=job, step=step).order_by("number")
    return [(row.verdict, row.amount, row.code) for row in rows]


def balance(customer):
    return PointsAccount.objects.filter(pk=customer.pk).values_list("balance", flat=True).first() or 0


def test_checking_says_exactly_what_applying_gives_and_writes_nothing(customer, monkeypatch):
    monkeypatch.setattr(steps, "HANDLERS", {Step.CHECK: steps.Check(2), Step.APPLY: steps.Apply(2)})
    for day in (3, 20, 21, 22):
        order(customer, day=date(2026, 1, day))
    order(customer, "9.00", day=date(2026, 2, 2))
    order(customer, day=date(2026, 2, 3), refunded=Decimal("5.00"))
    order(customer, day=date(2025, 12, 31))
    order(customer, day=date(2026, 1, 9), status=OrderStatus.CANCELLED)
    rule = rule_that_is_off(points=8, most_times=2, period="month", minimum="10")

    job = planned(rule)

    expected = [
        ("ok", 8, ""), ("ok", 8, ""), ("unchanged", None, "cap_of_period"), ("unchanged", None, "cap_of_period"),
        ("unchanged", None, "below_minimum"), ("ok", 6, ""),
    ]  # fmt: skip
    assert said(job, Step.CHECK) == expected
    assert not EarningAward.objects.exists()
    assert not PointsTransaction.objects.exists()
    applied = worked(job, Step.APPLY)
    assert said(applied, Step.APPLY) == [row for row in expected if row[0] == "ok"]
    assert balance(customer) == 22
    assert [award.earned_at.day for award in EarningAward.objects.order_by("earned_at")] == [3, 20, 3]


def test_a_cap_on_points_counts_across_batches_and_before_what_was_refunded(customer, monkeypatch):
    monkeypatch.setattr(steps, "HANDLERS", {Step.CHECK: steps.Check(1), Step.APPLY: steps.Apply(1)})
    for day in (3, 4, 5, 6):
        order(customer, day=date(2026, 1, day), refunded=Decimal("10.00") if day == 4 else Decimal(0))

    job = planned(rule_that_is_off(points=8, most_points=18, period="year"))

    assert said(job, Step.CHECK) == [
        ("ok", 8, ""), ("ok", 4, ""), ("ok", 2, ""), ("unchanged", None, "points_of_period"),
    ]  # fmt: skip
    assert said(worked(job, Step.APPLY), Step.APPLY) == said(job, Step.CHECK)[:3]
    assert balance(customer) == 14


def test_the_same_backfill_again_finds_nothing_to_give(customer):
    order(customer)
    rule = rule_that_is_off()
    twice = [planned(rule), planned(rule)]

    applied = [worked(job, Step.APPLY) for job in twice]

    assert [said(job, Step.APPLY) for job in applied] == [[("ok", 5, "")], [("unchanged", None, "given_before")]]
    assert balance(customer) == 5
    with pytest.raises(acts.BackfillRefused, match="it gave for all of them"):
        planned(rule)


def test_undoing_takes_back_what_is_left_and_says_what_is_spent(customer):
    other = CustomerFactory()
    order(customer), order(other)
    job = worked(planned(rule_that_is_off()), Step.APPLY)
    ledger.debit(
        customer_id=other.pk, points=3, kind=TransactionKind.REDEMPTION, cause=Cause(CauseType.API, 1), actor=SYSTEM,
        now=NOW,
    )  # fmt: skip

    undone = worked(job, Step.UNDO)

    assert said(undone, Step.UNDO) == [("ok", -5, ""), ("part", -2, "partly_gone")]
    assert (balance(customer), balance(other)) == (0, 0)
    assert {award.state for award in EarningAward.objects.all()} == {AwardState.UNDONE}


def test_a_refund_afterwards_takes_back_what_was_backfilled(customer):
    stored = order(customer)
    worked(planned(rule_that_is_off()), Step.APPLY)

    stored.refunded = stored.total
    stored.save()
    order_earning.take_back(order=stored, actor=SYSTEM, now=NOW)

    assert balance(customer) == 0


def test_only_the_first_order_of_all_is_the_first(customer):
    order(customer, day=date(2025, 6, 1))
    order(customer)
    newcomer = CustomerFactory()
    for day in (7, 6):
        order(newcomer, day=date(2026, 1, day))

    job = planned(rule_that_is_off(kind=RuleKind.FIRST_ORDER))

    assert said(job, Step.CHECK) == [
        ("unchanged", None, "not_first"),
        ("ok", 5, ""),
        ("unchanged", None, "given_before"),
    ]
    assert said(worked(job, Step.APPLY), Step.APPLY) == [("ok", 5, "")]
    assert EarningAward.objects.get().order.placed_at.day == 6


def test_points_that_would_have_ended_excluded_customers_and_lost_orders_get_nothing(customer):
    excluded = CustomerFactory(state=CustomerState.DISABLED)
    order(customer, day=date(2025, 1, 2))
    order(customer, day=date(2025, 12, 1))
    order(customer, day=date(2025, 12, 2), refunded=Decimal("20.00"))
    order(excluded, day=date(2025, 12, 3))

    job = planned(rule_that_is_off(), first=date(2025, 1, 1), last=date(2025, 12, 31))

    assert said(job, Step.CHECK) == [
        ("unchanged", None, "not_any_more"), ("ok", 5, ""), ("unchanged", None, "not_any_more"),
        ("refused", None, "customer_disabled"),
    ]  # fmt: skip
    Order.objects.update(status=OrderStatus.CANCELLED)
    assert said(worked(job, Step.APPLY), Step.APPLY) == [("unchanged", None, "not_any_more")]
    assert not EarningAward.objects.exists()


def test_a_rule_that_was_changed_since_it_was_checked_gives_nothing(customer):
    order(customer)
    rule = rule_that_is_off()
    job = planned(rule)
    rule.points = 500
    rule.save()

    job = worked(job, Step.APPLY)

    assert said(job, Step.APPLY) == [("refused", None, "rule_changed")]
    assert jobs.counted(job, Step.APPLY, Verdict.OK) == 0
    assert balance(customer) == 0


def test_orders_since_the_rule_was_switched_on_are_left_to_it(customer):
    order(customer, day=date(2026, 1, 5))
    order(customer, day=date(2026, 2, 5))

    job = planned(RuleFactory(kind=RuleKind.PER_ORDER, enabled_at=datetime(2026, 2, 1, tzinfo=UTC)))

    assert job.rows_total == 1


def test_a_rule_that_is_not_for_orders_and_days_to_come_are_refused(customer):
    order(customer)

    with pytest.raises(acts.BackfillRefused, match="Only rules for orders can be given for the past"):
        planned(rule_that_is_off(kind=RuleKind.SIGN_UP))
    with pytest.raises(acts.BackfillRefused, match="are no days of the past"):
        planned(rule_that_is_off(), first=LAST, last=FIRST)


def test_a_multiplier_adds_to_what_each_order_earned_by_money_then(customer):
    bought, other, free = order(customer, "30.00"), order(customer, "9.00"), order(customer, "5.00")
    for each, product, amount in ((bought, "tea", "20.00"), (other, "cup", "9.00"), (free, "tea", "5.00")):
        OrderItem.objects.create(order=each, position=0, product=product, quantity=1, amount=Decimal(amount))
    earning_then = merchant.programme()
    for each in (bought, other):
        order_earning.earn(order=each, programme=earning_then, actor=SYSTEM, now=each.placed_at)
    Programme.objects.update(points_per_unit=7)
    double = rule_that_is_off(kind=RuleKind.MULTIPLIER, points=None, factor="2.5", products=["tea"])

    job = planned(double)

    expected = [("ok", 30, ""), ("unchanged", None, "no_such_item"), ("unchanged", None, "no_points")]
    assert said(job, Step.CHECK) == expected
    assert said(worked(job, Step.APPLY), Step.APPLY) == expected[:1]
    assert balance(customer) == 30 + 9 + 30
    worked(job, Step.UNDO)
    assert balance(customer) == 30 + 9


def test_rewards_are_given_once_an_order_within_their_limits_and_unused_ones_taken_back(customer, monkeypatch):
    monkeypatch.setattr(steps, "GRANTING", {
        Step.CHECK: steps.Check(2), Step.APPLY: steps.Apply(2), Step.UNDO: steps.Undo(2),
    })  # fmt: skip
    others = [CustomerFactory(), CustomerFactory()]
    for day in (3, 4, 5):
        order(customer, day=date(2026, 1, day))
    for other in others:
        order(other)
    reward = CustomFactory(limit_per_customer=2)
    limits.set_total(reward_id=reward.pk, limit=3, now=NOW)
    rule = rule_that_is_off(points=None, reward=reward)

    job = planned(rule)
    expected = [("ok", 0, "reward"), ("ok", 0, "reward"), ("refused", None, "limit_reached"), ("ok", 0, "reward")]
    assert said(job, Step.CHECK) == [*expected, ("refused", None, "reward_sold_out")]
    assert not RedeemedReward.objects.exists()

    job = worked(job, Step.APPLY)
    assert said(job, Step.APPLY) == [row for row in expected if row[0] == "ok"]
    given = list(RedeemedReward.objects.order_by("pk"))
    assert [each.customer_id for each in given] == [customer.pk, customer.pk, others[0].pk]

    usage.mark_used(redeemed_reward_id=given[0].pk, actor=SYSTEM, now=NOW)
    undone = said(worked(job, Step.UNDO), Step.UNDO)
    assert [row[0] for row in undone] == ["refused", "ok", "ok"]
    assert list(EarningAward.objects.order_by("pk").values_list("state", flat=True)) == ["stands", "undone", "undone"]
    assert RedeemedReward.objects.filter(fulfillment_status="cancelled").count() == 2
    report = queries.report(job=Job.objects.get(pk=job.pk), step=Step.APPLY)
    assert (report.customers, report.points, report.rewards, report.orders) == (2, 0, 3, 3)


def test_the_command_says_the_sums_gives_them_and_takes_them_back(customer):
    today = timezone.now().date()
    order(customer, day=today - 3 * DAY), order(customer, "2.00", day=today - 2 * DAY)
    rule = rule_that_is_off(minimum="10")
    arguments = (str(rule.pk), "--from", f"{today - 9 * DAY}", "--until", f"{today}")

    def run(*words):
        out = io.StringIO()
        call_command("backfill_earning", *words, stdout=out)
        return out.getvalue()

    dry = run(*arguments)
    given = run(*arguments, "--apply")
    job = Job.objects.order_by("-pk")[0]
    taken = run("--undo", str(job.pk))

    assert "would give 5 points for 1 of 2 orders, of 1 customer." in dry
    assert "1 not: Nothing: what counts of the order is below the rule's least amount." in dry
    assert f"Job {job.pk}" in given
    assert "gave 5 points for 1 of 2 orders, of 1 customer." in given
    assert "took back 5 points for 1 of 2 orders, of 1 customer." in taken
    assert balance(customer) == 0
    with pytest.raises(CommandError, match="There is no backfill with the number 0"):
        run("--undo", "0")
