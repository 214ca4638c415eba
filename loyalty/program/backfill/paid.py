"""The rules per amount that gave for orders of the past: what a multiplier that comes later builds on."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from loyalty.common.among import Among
from loyalty.program.earning import facts
from loyalty.program.earning.facts import Terms
from loyalty.program.earning.models import AwardState, EarningAward, Rounding, RuleKind


def of(order_ids: Iterable[int]) -> dict[int, tuple[Terms, ...]]:
    """By order: at the rate of then, leaving out what the rule leaves out now. What was taken back is not among them."""
    awards = EarningAward.objects.filter(Among("order_id", order_ids), terms__kind=RuleKind.PER_AMOUNT)
    found: dict[int, list[Terms]] = defaultdict(list)
    for made in awards.exclude(state=AwardState.UNDONE).select_related("rule").order_by("pk"):
        now = facts.programme_rate(0) if made.rule is None else facts.terms_of(made.rule)
        then = replace(
            now,
            points=made.terms["points"],
            per_amount=Decimal(made.terms["per_amount"]),
            rounding=Rounding(made.terms["rounding"]),
        )
        found[made.order_id or 0].append(then)
    return {order_id: tuple(terms) for order_id, terms in found.items()}
