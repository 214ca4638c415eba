"""Plan what a rule would have given for orders of the past: a job that checks first, and applies when somebody says so."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from loyalty.common import clock
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.jobs import lifecycle
from loyalty.jobs.models import Job
from loyalty.merchant import queries as merchant
from loyalty.program.earning import facts
from loyalty.program.earning.facts import Terms
from loyalty.program.earning.models import OF_ORDERS, EarningAward, EarningRule, RuleKind
from loyalty.program.earning.rules import UnknownRule
from loyalty.program.models import Order, OrderStatus

KIND = "earning_backfill"
TASK = "program.work_on_backfill"
PERMISSION = "program.backfill_earningrule"
MOST_ROWS = 250_000
KINDS = OF_ORDERS


class BackfillRefused(DomainError):
    """The rule cannot be backfilled, or not for these days. The sentence says why."""

    code = "backfill_refused"


def plan(*, rule_id: int, first: date, last: date, actor: Actor, now: datetime) -> Job:
    """A job over the completed orders of these days, both included, for which the rule has given nothing yet.

    It checks what each would earn by this rule alone, and changes nothing; beginning its next step gives it, and undoing
    takes back what is left. Where the rule is on, orders since then earn by themselves and are left out. Days are the
    programme's. Raises UnknownRule, BackfillRefused, TooManyRows.
    """
    rule = EarningRule.objects.filter(pk=rule_id).first()
    if rule is None:
        raise UnknownRule(f"There is no earning rule {rule_id}. Check the id.")
    zone = merchant.programme().zone
    _require(rule, first=first, last=last, today=now.astimezone(zone).date())
    begins, ends = clock.midnight(first, zone), clock.midnight(last + timedelta(days=1), zone)
    if rule.enabled and rule.enabled_at is not None:
        ends = min(ends, rule.enabled_at)
    rows = _rows(_orders(rule, begins=begins, ends=ends))
    if not rows:
        raise BackfillRefused(
            f"No completed order of {first} to {last} is left for “{rule.name}”: it gave for all of them, or there was "
            "none. Choose other days.",
            code="no_orders",
        )
    return lifecycle.create(
        kind=KIND,
        task=TASK,
        title=f"Backfill: {rule.name}, {first} to {last}",
        summary=f"Gives what “{rule.name}” would have given by itself for completed orders from {first} to {last}.",
        plan={
            "rule_id": rule.pk,
            "grants": rule.reward_id is not None,
            "terms": fingerprint(terms_of(rule)),
            "permission": PERMISSION,
            "columns": [["name", "Order"], ["placed_at", "Placed"]],
        },
        rows=rows,
        most_rows=MOST_ROWS,
        actor=actor,
        now=now,
    )


def terms_of(rule: EarningRule) -> Terms:
    """As if the rule had been on all along; its own beginning and end count."""
    rule.enabled_at = None
    return facts.terms_of(rule)


def fingerprint(terms: Terms) -> str:
    """Two that are equal judge the same."""
    fields = {name: getattr(terms, name) for name in Terms.__slots__}
    return repr({name: sorted(value) if isinstance(value, frozenset) else value for name, value in fields.items()})


def _require(rule: EarningRule, *, first: date, last: date, today: date) -> None:
    """Raises BackfillRefused."""
    if rule.kind not in KINDS:
        raise BackfillRefused(
            f"“{rule.name}” is of the kind “{RuleKind(rule.kind).label}”. Only rules for orders can be given "
            "for the past.",
            code="wrong_kind",
        )
    if first > last or last > today:
        raise BackfillRefused(
            f"From {first} to {last} are no days of the past. Write the first before the last, up to today.",
            code="wrong_days",
        )


def _orders(rule: EarningRule, *, begins: datetime, ends: datetime) -> QuerySet[Order]:
    """By customer, so that caps are counted in the order in which things happened."""
    given = EarningAward.objects.filter(order=OuterRef("pk"), rule=rule)
    completed = Order.objects.filter(status=OrderStatus.COMPLETED, customer__isnull=False)
    in_time = completed.filter(~Exists(given), placed_at__gte=begins, placed_at__lt=ends)
    return in_time.order_by("customer_id", "placed_at", "pk")


def _rows(orders: QuerySet[Order]) -> list[tuple[int, Mapping[str, Any]]]:
    """All of them before the first is written, for both go through one connection."""
    columns = orders.values_list("pk", "number", "external_id", "placed_at")[: MOST_ROWS + 1]
    return [
        (number, {"order_id": pk, "name": name or external_id, "placed_at": placed_at.isoformat()})
        for number, (pk, name, external_id, placed_at) in enumerate(columns, start=1)
    ]
