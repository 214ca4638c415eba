"""Which rules there are, how often they gave, and switching them on and off."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Count, Q, Sum

from loyalty.common import clock
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.merchant.models import MOST_DAYS, Programme
from loyalty.program.earning import facts
from loyalty.program.earning.facts import Given, Terms
from loyalty.program.earning.models import ONCE_EVER, AwardState, CapPeriod, EarningAward, EarningRule, RuleKind

LONGEST_NAME = 120  # of a product or a category
NO_POINTS = "Write how many points it gives."
ONE_OF_TWO = "Write points or choose a reward: one of them, and not both."


class UnknownRule(DomainError):
    code = "unknown_earning_rule"


def enabled(kinds: Iterable[RuleKind], *, token: str | None = None) -> list[Terms]:
    """The rules of these kinds that are switched on; of activities only those for the token, where one is given."""
    rows = EarningRule.objects.filter(enabled=True, kind__in=[str(kind) for kind in kinds])
    if token is not None:
        rows = rows.filter(Q(token=token) | ~Q(kind=RuleKind.ACTIVITY))
    return [facts.terms_of(rule) for rule in rows.order_by("priority", "pk")]


def name_categories() -> bool:
    """Whether any rule, on or off, goes by the categories of what was bought."""
    return EarningRule.objects.exclude(categories=[], excluded_categories=[]).exists()


def for_orders(*, programme: Programme) -> list[Terms]:
    """Every rule that orders are judged by: those that are switched on, and the programme's own rate."""
    own = [facts.programme_rate(programme.points_per_unit)] if programme.points_per_unit else []
    return [*enabled(facts.ORDER_KINDS), *own]


def given(*, customer_id: int, rules: Iterable[Terms], at: datetime, zone: ZoneInfo) -> Mapping[int, Given]:
    """How often each capped rule gave this customer what still stands. Exact while their account is locked."""
    counted = capped(rules)
    if not counted:
        return {}
    columns: dict[str, Count | Sum] = {"ever": Count("pk"), "points_ever": Sum("points")}
    for period in {terms.period for terms in counted.values() if terms.period}:
        begins, ends = bounds(period, at=at, zone=zone)
        within = Q(earned_at__gte=begins, earned_at__lt=ends)
        columns[f"in_{period}"] = Count("pk", filter=within)
        columns[f"points_in_{period}"] = Sum("points", filter=within, default=0)
    rows: Any = (
        EarningAward.objects.filter(rule_id__in=counted, customer_id=customer_id)
        .exclude(state=AwardState.UNDONE)
        .order_by()
        .values("rule_id")
        .annotate(**columns)
    )
    return {row["rule_id"]: _given(row, period=counted[row["rule_id"]].period) for row in rows}


def _given(row: Mapping[str, Any], *, period: str) -> Given:
    return Given(
        ever=row["ever"],
        in_period=row.get(f"in_{period}", 0),
        points_ever=row["points_ever"],
        points_in_period=row.get(f"points_in_{period}", 0),
    )


def capped(rules: Iterable[Terms]) -> dict[int, Terms]:
    """The rules, by id, of which it matters how often they gave."""
    return {
        terms.rule_id: terms
        for terms in rules
        if terms.rule_id is not None
        and (
            terms.kind in ONCE_EVER
            or terms.most_times is not None
            or terms.most_times_ever is not None
            or terms.most_points is not None
            or terms.most_points_ever is not None
        )
    }


def bounds(period: str, *, at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The calendar's day, week (from Monday), month or year around an instant in that zone; the end is exclusive."""
    day = at.astimezone(zone).date()
    match CapPeriod(period):
        case CapPeriod.DAY:
            first, after = day, day + timedelta(days=1)
        case CapPeriod.WEEK:
            first = day - timedelta(days=day.weekday())
            after = first + timedelta(days=7)
        case CapPeriod.MONTH:
            first = day.replace(day=1)
            after = date(day.year + day.month // 12, day.month % 12 + 1, 1)
        case _:
            first, after = date(day.year, 1, 1), date(day.year + 1, 1, 1)
    return clock.midnight(first, zone), clock.midnight(after, zone)


def problems(given: Mapping[str, Any]) -> dict[str, str]:
    """What the terms of a rule lack or have too much, by field, in sentences; empty when they can be kept."""
    is_multiplier = given.get("kind") == RuleKind.MULTIPLIER
    found = _problems_of_multiplier(given) if is_multiplier else _problems_of_gift(given)
    found |= _problems_of_kind(given)
    starts_at, ends_at = given.get("starts_at"), given.get("ends_at")
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        found["ends_at"] = "It ends before it begins. Write a later end, or none."
    if bool(given.get("most_times") or given.get("most_points")) != bool(given.get("period")):
        found["period"] = "Write how often or how many points, and choose in which time: both, or neither."
    if given.get("reward") is not None:
        for name in ("most_points", "most_points_ever"):
            if given.get(name) is not None:
                found[name] = "The rule gives a reward, no points: leave this empty, or say how often it may be given."
    if (given.get("delay_days") or 0) > MOST_DAYS:
        found["delay_days"] = f"At most {MOST_DAYS:,} days."
    return found


def _problems_of_multiplier(given: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    if (given.get("factor") or 0) <= 1:
        found["factor"] = "Write a number above 1: 2 doubles what the items earn."
    if given.get("points") is not None:
        found["points"] = "A multiplier gives a share of other rules' points: leave this empty."
    if given.get("reward") is not None:
        found["reward"] = "A multiplier gives points, no reward: leave this empty."
    if not given.get("products") and not given.get("categories"):
        found["products"] = "Name products or categories whose items count more."
    return found


def _problems_of_gift(given: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    points, reward = given.get("points"), given.get("reward")
    if given.get("kind") == RuleKind.PER_AMOUNT:
        if not points:
            found["points"] = NO_POINTS
        if reward is not None:
            found["reward"] = "Points for money give points, no reward: leave this empty."
    elif bool(points) == (reward is not None):
        found["points"] = ONE_OF_TWO
    if given.get("factor") is not None:
        found["factor"] = "Only “more points for some products” has a factor: leave this empty."
    return found


def _problems_of_kind(given: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    per_amount, token = given.get("per_amount"), given.get("token")
    if given.get("kind") == RuleKind.PER_AMOUNT:
        if not per_amount or per_amount <= 0:
            found["per_amount"] = "Write for how much money the points are, such as 1."
    elif per_amount is not None:
        found["per_amount"] = "Only “points for money spent” needs this: leave it empty."
    if given.get("kind") == RuleKind.ACTIVITY and not token:
        found["token"] = "Write the name under which the other system tells of it, such as review_written."  # noqa: S105
    elif given.get("kind") != RuleKind.ACTIVITY and token:
        found["token"] = "Only activities have a name: leave this empty."  # noqa: S105
    return found


@transaction.atomic
def save(*, rule: EarningRule, on: bool, actor: Actor, now: datetime) -> EarningRule:
    """Keep a rule's terms, and switch it on or off; a new one starts off. What it gave before stays as it was given."""
    is_new = rule.pk is None
    stored = None if is_new else EarningRule.objects.select_for_update().get(pk=rule.pk)
    rule.enabled = stored.enabled if stored is not None else False
    rule.enabled_at = stored.enabled_at if stored is not None else None
    rule.save()
    log.record(
        kind="earning_rule.added" if is_new else "earning_rule.changed",
        subject_type="earning_rule",
        subject_id=rule.pk,
        actor=actor,
        now=now,
    )
    return rule if is_new else switch(rule_id=rule.pk, on=on, actor=actor, now=now)


@transaction.atomic
def switch(*, rule_id: int, on: bool, actor: Actor, now: datetime) -> EarningRule:
    """Switch a rule on or off; it counts for what happens from now on. Again changes nothing. Raises UnknownRule."""
    rule = EarningRule.objects.select_for_update().filter(pk=rule_id).first()
    if rule is None:
        raise UnknownRule(f"There is no earning rule {rule_id}. Check the id.")
    if rule.enabled != on:
        rule.enabled, rule.enabled_at = on, now if on else rule.enabled_at
        rule.save(update_fields=["enabled", "enabled_at", "updated_at"])
        log.record(
            kind="earning_rule.switched_on" if on else "earning_rule.switched_off",
            subject_type="earning_rule",
            subject_id=rule.pk,
            actor=actor,
            now=now,
        )
    return rule
