"""What an order would earn, and why: the judgement that awards are made by, and nothing written."""

from dataclasses import dataclass
from datetime import datetime

from loyalty.customers.models import Customer
from loyalty.merchant.models import Programme
from loyalty.program.earning import evaluating, facts, rules
from loyalty.program.earning.evaluating import Verdict
from loyalty.program.earning.facts import Occasion, OrderFacts, Terms
from loyalty.program.earning.models import EarningRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Verdicts in the order they were judged; `points` are all of theirs."""

    verdicts: tuple[Verdict, ...]

    @property
    def points(self) -> int:
        return evaluating.total(self.verdicts)


def of_order(
    *,
    order: OrderFacts,
    at: datetime,
    programme: Programme,
    customer: Customer | None = None,
    tier_id: int | None = None,
    as_if_on: EarningRule | None = None,
) -> Preview:
    """What this order, completed then, would earn this customer, or somebody of that tier to whom nothing was given.

    `as_if_on`: a rule that counts as switched on, as it stands in the given row. Reads only.
    """
    terms = rules.for_orders(programme=programme)
    if as_if_on is not None:
        terms = [*(each for each in terms if each.rule_id != as_if_on.pk), _switched_on(as_if_on)]
    given = {}
    if customer is not None:
        tier_id = customer.tier_id
        given = dict(rules.given(customer_id=customer.pk, rules=terms, at=at, zone=programme.zone))
    occasion = Occasion(kinds=facts.ORDER_KINDS, at=at, tier_id=tier_id, order=order, given=given)
    return Preview(verdicts=tuple(evaluating.judge(occasion, terms)))


def _switched_on(rule: EarningRule) -> Terms:
    """Its terms as if it had been on all along; its own beginning and end count."""
    rule.enabled_at = None
    return facts.terms_of(rule)
