"""The simulation: real purchases through rules, tiers and refunds, whatever the order in which they come."""

import io
from argparse import ArgumentTypeError
from collections import Counter
from datetime import UTC, date, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from loyalty.customers.models import CustomerIdentity
from loyalty.points import audit
from loyalty.points.models import PointsTransaction
from loyalty.program.management.commands import simulate_program
from loyalty.program.models import EarningAward, Order, TierEntry
from loyalty.program.simulation import figures, refunding, running, setting_up, state
from rewards.models import RedeemedReward

LINES = 600
LAST_DAY = date(1998, 6, 30)


@pytest.fixture
def purchases(sample):
    """Those of 183 customers, from January 1997 until June 1998."""
    return simulate_program.read(sample, limit=LINES)


def simulated(purchases, shuffle=None):
    months = []
    end = running.run(purchases=purchases, shuffle=shuffle, tell=months.append)
    return months, end, state.read()


def alive(day):
    """Whether points of that day have not ended when the file does."""
    return day + timedelta(days=366) > LAST_DAY


def joined(purchases):
    first = {}
    for each in purchases:
        first[each.customer] = min(first.get(each.customer, each.day), each.day)
    return first


def spent(purchases, year):
    sums = Counter()
    for each in purchases:
        sums[each.customer] += each.amount if each.day.year == year else 0
    return sums


def tier_of(amount):
    reached = [name for name, milestone, _ in setting_up.TIERS if amount >= milestone]
    return reached[-1] if reached else None


@pytest.mark.django_db(transaction=True)  # events are read once they are committed
def test_the_sample_comes_to_the_same_in_any_order_twice_and_when_all_of_it_is_refunded(purchases):
    months, end, found = simulated(purchases)
    of_the_file(purchases, months)
    running.repeat(purchases=purchases, now=end)
    assert simulate_program.changes(found, state.read()) == []
    call_command("flush", interactive=False, verbosity=0)

    late_months, _, late = simulated(purchases, shuffle=7)

    assert late.parts == found.parts
    assert late_months == months
    refunded = refunding.refund_all(now=end)
    assert refunded.is_right, str(refunded)
    assert refunded.points == sum(int(each.amount) for each in purchases if alive(each.day))
    assert refunded.kept == kept(purchases)
    assert list(audit.differences()) == []


def of_the_file(purchases, months):
    """What the months say, worked out once more from the lines of the file and from the entries into tiers."""
    people = joined(purchases)
    entries = list(TierEntry.objects.values_list("customer", "tier__name", "period", "points"))
    assert [month.month for month in (months[0], months[-1])] == ["1997-01", "1998-06"]
    assert [month.members for month in months] == [
        sum(day < running.Month(date.fromisoformat(f"{month.month}-01"), UTC).after for day in people.values())
        for month in months
    ]
    assert sum(month.orders for month in months) == Order.objects.count() == LINES
    assert sum(month.earned for month in months) == (
        sum(int(each.amount) for each in purchases)
        + setting_up.WELCOME * len(people)
        + sum(each[3] for each in entries)
    )
    assert months[-1].liability == sum(int(each.amount) for each in purchases if alive(each.day)) + kept(purchases)
    reached = Counter(filter(None, map(tier_of, spent(purchases, 1998).values())))
    assert months[-1].tiers == reached
    assert sum(month.entry_rewards for month in months) == len(entries) == RedeemedReward.objects.count() > 20
    highest = {(number, year): tier for year in (1997, 1998) for number, tier in highest_of(purchases, year)}
    names = dict(CustomerIdentity.objects.values_list("customer_id", "external_id"))
    entered = {(names[customer].removeprefix("cdnow:"), int(period), tier) for customer, tier, period, _ in entries}
    assert {(number, year, tier) for (number, year), tier in highest.items()} <= entered
    assert {(number, year) for number, year, _ in entered} == set(highest)
    assert EarningAward.objects.count() == len(people) + Order.objects.filter(total__gte=1).count()


def highest_of(purchases, year):
    return [(number, tier) for number, amount in spent(purchases, year).items() if (tier := tier_of(amount))]


def kept(purchases):
    """Points for joining and for tiers that have not ended."""
    welcome = sum(setting_up.WELCOME for day in joined(purchases).values() if alive(day))
    of_tiers = PointsTransaction.objects.filter(cause_type="vip_tier")
    return welcome + sum(
        entry.points_change for entry in of_tiers if alive(entry.effective_at.astimezone(running_zone()).date())
    )


def running_zone():
    return setting_up.programme().zone


@pytest.mark.django_db
def test_a_state_that_differs_in_a_row_is_told_by_the_name_of_its_part():
    before = state.State(parts={"lots": "1", "awards": "1"}, rows={"events_event": 1})
    after = state.State(parts={"lots": "2", "awards": "1"}, rows={"events_event": 2})

    assert simulate_program.changes(before, after) == ["lots", "the rows of events_event"]
    assert before.digest != after.digest


def test_a_line_that_cannot_be_used_refuses_the_file_before_anything_is_made(purchase_file):
    with pytest.raises(CommandError, match=r"Line 3 of .* cannot be used. The date '19971301' is no day"):
        call_command(
            "simulate_program", str(purchase_file("1 19970101 1 5.00", "1 19971301 1 5.00")), stdout=io.StringIO()
        )
    with pytest.raises(CommandError, match="has no purchases"):
        simulate_program.read(purchase_file(), limit=None)
    with pytest.raises(CommandError, match="--limit: 0 is not a number of lines"):
        simulate_program.read(purchase_file("1 19970101 1 5.00"), limit=0)


@pytest.mark.django_db(transaction=True)
def test_who_buys_on_the_first_day_of_a_year_comes_to_the_same_when_it_is_told_late(purchase_file):
    lines = simulate_program.read(purchase_file("1 19970110 1 300.00", "1 19980101 1 600.00"), limit=None)
    _, _, in_time = simulated(lines)
    call_command("flush", interactive=False, verbosity=0)

    _, _, late = simulated(lines, shuffle=1)

    assert late.parts == in_time.parts
    assert list(TierEntry.objects.order_by("pk").values_list("tier__name", "period")) == [
        ("Silver", "1997"), ("Gold", "1998"),
    ]  # fmt: skip


def test_the_liability_is_told_as_money_where_somebody_says_what_a_point_is_worth():
    assert figures.in_money(1_234, value=None).endswith("1,234 points; in money unknown without --point-value.")
    assert "1,234 points × 0.015 USD = 18.51 USD." in figures.in_money(1_234, value=Decimal("0.015"))
    with pytest.raises(ArgumentTypeError, match="'a cent' is no amount"):
        simulate_program.amount("a cent")
