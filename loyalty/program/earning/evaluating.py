"""What an occasion earns, and why: one pure function for the preview and for the award.

Rules are judged by their priority. One that applies and stops the others leaves nothing to those after it. Points are
whole; every other number is exact until the one rounding at the end, and money never is a float.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from math import ceil, floor
from typing import Any

from loyalty.program.earning.facts import Given, Item, Occasion, OrderFacts, Terms
from loyalty.program.earning.models import ONCE_EVER, Rounding, RuleKind


class WhyNot(StrEnum):
    """Why a rule gives nothing here."""

    NOT_ON_THEN = "not_on_then"
    OVER = "over"
    OTHER_TIER = "other_tier"
    OTHER_CURRENCY = "other_currency"
    BELOW_MINIMUM = "below_minimum"
    NOT_FIRST = "not_first"
    GIVEN_BEFORE = "given_before"
    CAP_OF_PERIOD = "cap_of_period"
    CAP_EVER = "cap_ever"
    POINTS_OF_PERIOD = "points_of_period"
    POINTS_EVER = "points_ever"
    ITEMS_UNKNOWN = "items_unknown"
    CATEGORIES_UNKNOWN = "categories_unknown"
    NO_SUCH_ITEM = "no_such_item"
    NO_POINTS = "no_points"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one rule gives: points, or a reward, or nothing and why. `facts` are the numbers it was made from."""

    terms: Terms
    points: int = 0
    reward_id: int | None = None
    why_not: WhyNot | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def gives(self) -> bool:
        return self.why_not is None


@dataclass(frozen=True, slots=True)
class _Base:
    """The money of an order that a rule counts, and what of it nobody knows."""

    amount: Decimal
    excluded: Decimal
    unknown: tuple[str, ...]


def judge(occasion: Occasion, rules: Iterable[Terms]) -> list[Verdict]:
    """A verdict for each rule that is for such occasions, in the order in which they were judged."""
    ranked = sorted((terms for terms in rules if _is_for(occasion, terms)), key=lambda terms: terms.rank)
    found: list[Verdict] = []
    paying = list(occasion.paid)  # rules per amount that apply: multipliers build on them
    stopped = False
    for terms in ranked:
        verdict = _stopped(terms) if stopped else _judge_one(occasion, terms)
        if verdict.gives:
            stopped = stopped or terms.is_last
            if terms.kind == RuleKind.PER_AMOUNT:
                paying.append(terms)
        found.append(verdict)
    if occasion.order is not None:
        found = [_multiplied(verdict, occasion.order, paying) for verdict in found]
    return [_cut(verdict, occasion) for verdict in found]


def total(verdicts: Sequence[Verdict]) -> int:
    """All points of these verdicts."""
    return sum(verdict.points for verdict in verdicts)


def _is_for(occasion: Occasion, terms: Terms) -> bool:
    return terms.kind in occasion.kinds and (terms.kind != RuleKind.ACTIVITY or terms.token == occasion.token)


def _stopped(terms: Terms) -> Verdict:
    return Verdict(terms=terms, why_not=WhyNot.STOPPED)


def _judge_one(occasion: Occasion, terms: Terms) -> Verdict:
    why_not = _in_the_way(occasion, terms)
    if why_not is not None:
        return Verdict(terms=terms, why_not=why_not)
    if occasion.order is None:
        return Verdict(terms=terms, points=terms.points or 0, reward_id=terms.reward_id)
    return _of_order(occasion.order, terms)


def _in_the_way(occasion: Occasion, terms: Terms) -> WhyNot | None:
    """What keeps the rule from applying, whatever the amounts are."""
    if terms.counts_from is not None and occasion.at < terms.counts_from:
        return WhyNot.NOT_ON_THEN
    if terms.ends_at is not None and occasion.at >= terms.ends_at:
        return WhyNot.OVER
    if terms.tier_ids and occasion.tier_id not in terms.tier_ids:
        return WhyNot.OTHER_TIER
    return _cap(occasion, terms)


def _cap(occasion: Occasion, terms: Terms) -> WhyNot | None:
    given = occasion.given.get(terms.rule_id) if terms.rule_id is not None else None
    if given is None:
        return None
    if terms.kind in ONCE_EVER and given.ever:
        return WhyNot.GIVEN_BEFORE
    if terms.most_times_ever is not None and given.ever >= terms.most_times_ever:
        return WhyNot.CAP_EVER
    if terms.most_times is not None and given.in_period >= terms.most_times:
        return WhyNot.CAP_OF_PERIOD
    room, full = _room(given, terms)
    return full if room == 0 else None


def _room(given: Given, terms: Terms) -> tuple[int | None, WhyNot]:
    """How many points the rule may still give this customer, None for any number, and which of its caps says so."""
    caps = [
        (terms.most_points_ever, given.points_ever, WhyNot.POINTS_EVER),
        (terms.most_points, given.points_in_period, WhyNot.POINTS_OF_PERIOD),
    ]
    left = [(max(most - so_far, 0), cap) for most, so_far, cap in caps if most is not None]
    return min(left, key=lambda each: each[0]) if left else (None, WhyNot.POINTS_EVER)


def _cut(verdict: Verdict, occasion: Occasion) -> Verdict:
    """At the rule's cap of points the rest up to it, with the number it would have been."""
    terms = verdict.terms
    given = occasion.given.get(terms.rule_id, Given()) if terms.rule_id is not None else Given()
    room, cap = _room(given, terms)
    if room is None or verdict.points <= room:
        return verdict
    most = terms.most_points if cap is WhyNot.POINTS_OF_PERIOD else terms.most_points_ever
    facts = {**verdict.facts, "uncut": verdict.points, "most": most}
    if cap is WhyNot.POINTS_OF_PERIOD:
        facts["period"] = terms.period
    return replace(verdict, points=room, facts=facts)


def _of_order(order: OrderFacts, terms: Terms) -> Verdict:
    base = _base(order, terms)
    facts: dict[str, Any] = {"amount": str(base.amount), "currency": order.currency}
    if base.excluded:
        facts["excluded"] = str(base.excluded)
    if base.unknown:
        facts["unknown"] = list(base.unknown)
    why_not = _order_in_the_way(order, terms, base)
    if why_not is not None:
        return Verdict(terms=terms, why_not=why_not, facts=facts)
    if terms.kind == RuleKind.PER_AMOUNT:
        points = _per_amount(base.amount, terms)
        return Verdict(terms=terms, points=points, why_not=None if points else WhyNot.NO_POINTS, facts=facts)
    return Verdict(terms=terms, points=terms.points or 0, reward_id=terms.reward_id, facts=facts)


def _order_in_the_way(order: OrderFacts, terms: Terms, base: _Base) -> WhyNot | None:
    if terms.currency and terms.currency != order.currency:
        return WhyNot.OTHER_CURRENCY
    if terms.minimum is not None and base.amount < terms.minimum:
        return WhyNot.BELOW_MINIMUM
    if terms.kind == RuleKind.FIRST_ORDER and not order.is_first:
        return WhyNot.NOT_FIRST
    if terms.kind == RuleKind.MULTIPLIER and order.items is None:
        return WhyNot.ITEMS_UNKNOWN
    if terms.kind == RuleKind.MULTIPLIER and not _matching(order, terms):
        return WhyNot.CATEGORIES_UNKNOWN if terms.categories and _hides_categories(order) else WhyNot.NO_SUCH_ITEM
    return None


def _base(order: OrderFacts, terms: Terms) -> _Base:
    """What of the order counts. Where the shop says what may earn, tax and shipping are its business."""
    unknown: list[str] = []
    excluded = Decimal(0)
    whole = order.total
    if order.rewardable_total is not None:
        whole = order.rewardable_total
    else:
        parts = (("tax", order.tax, terms.excludes_tax), ("shipping", order.shipping, terms.excludes_shipping))
        for name, part, leaves_out in parts:
            if leaves_out and part is None:
                unknown.append(name)
            elif leaves_out and part is not None:
                excluded += part
    if terms.excluded_products or terms.excluded_categories:
        if order.items is None:
            unknown.append("items")
        elif terms.excluded_categories and _hides_categories(order):
            unknown.append("categories")
        excluded += _worth([item for item in order.items or () if _is_excluded(item, terms)], order, terms)
    excluded = min(excluded, whole)
    return _Base(max(whole - excluded, Decimal(0)), max(excluded, Decimal(0)), tuple(unknown))


def _is_excluded(item: Item, terms: Terms) -> bool:
    return item.product in terms.excluded_products or not terms.excluded_categories.isdisjoint(item.categories or ())


def _hides_categories(order: OrderFacts) -> bool:
    return any(item.categories is None for item in order.items or ())


def _worth(items: Iterable[Item], order: OrderFacts, terms: Terms) -> Decimal:
    """What these items come to as the rule counts: without their tax where it leaves the order's tax out."""
    taxed = not (terms.excludes_tax and order.rewardable_total is None)
    return sum((item.amount - (Decimal(0) if taxed else item.tax or Decimal(0)) for item in items), Decimal(0))


def _matching(order: OrderFacts, terms: Terms) -> list[Item]:
    return [
        item
        for item in order.items or ()
        if (item.product in terms.products or not terms.categories.isdisjoint(item.categories or ()))
        and not _is_excluded(item, terms)
    ]


def _per_amount(amount: Decimal, terms: Terms) -> int:
    units = Fraction(amount) / Fraction(terms.per_amount or 1)
    if terms.rounding == Rounding.WHOLE:
        return floor(units) * (terms.points or 0)
    return _rounded(units * (terms.points or 0), terms.rounding)


def _rounded(exact: Fraction, rounding: Rounding) -> int:
    match rounding:
        case Rounding.UP:
            return ceil(exact)
        case Rounding.NEAREST:
            return floor(exact + Fraction(1, 2))
        case _:
            return floor(exact)


def _multiplied(verdict: Verdict, order: OrderFacts, paying: Sequence[Terms]) -> Verdict:
    """A multiplier's points, now that it is known which rules per amount apply; other verdicts as they are."""
    terms = verdict.terms
    if terms.kind != RuleKind.MULTIPLIER or not verdict.gives:
        return verdict
    items = _matching(order, terms)
    amount, exact = Decimal(0), Fraction(0)
    for base in paying:
        counted = _worth([item for item in items if not _is_excluded(item, base)], order, base)
        counted = min(counted, _base(order, base).amount)
        amount = max(amount, counted)
        exact += Fraction(counted) * (base.points or 0) / Fraction(base.per_amount or 1)
    points = _rounded(exact * (Fraction(terms.factor or 1) - 1), terms.rounding)
    facts = {**verdict.facts, "amount": str(amount)}
    return Verdict(terms=terms, points=points, why_not=None if points else WhyNot.NO_POINTS, facts=facts)
