"""What rules are judged by, frozen: the rule's terms, what happened, and what was given before. No row, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from loyalty.program.earning.models import EarningRule, Rounding, RuleKind

ORDER_KINDS = frozenset({RuleKind.PER_AMOUNT, RuleKind.PER_ORDER, RuleKind.MULTIPLIER, RuleKind.FIRST_ORDER})
AFTER_ALL = 2**31  # the priority of the programme's own rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A rule as it stands. `rule_id` None: the programme's own rate, which has no row."""

    rule_id: int | None
    kind: RuleKind
    name: str = ""
    points: int | None = None
    per_amount: Decimal | None = None
    rounding: Rounding = Rounding.WHOLE
    factor: Decimal | None = None
    reward_id: int | None = None
    excludes_tax: bool = False
    excludes_shipping: bool = False
    excluded_products: frozenset[str] = frozenset()
    excluded_categories: frozenset[str] = frozenset()
    products: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    minimum: Decimal | None = None
    currency: str = ""
    token: str = ""
    counts_from: datetime | None = None  # the later of when it was switched on and its own beginning
    ends_at: datetime | None = None
    tier_ids: frozenset[int] = frozenset()
    most_times: int | None = None
    period: str = ""
    most_times_ever: int | None = None
    most_points: int | None = None  # in each period
    most_points_ever: int | None = None
    priority: int = 100
    is_last: bool = False
    delay_days: int | None = None

    @property
    def rank(self) -> tuple[int, int]:
        """Which is judged first."""
        return self.priority, self.rule_id or 0


def terms_of(rule: EarningRule) -> Terms:
    """What a row says, whether or not it is switched on."""
    beginnings = [moment for moment in (rule.enabled_at, rule.starts_at) if moment is not None]
    return Terms(
        rule_id=rule.pk,
        kind=RuleKind(rule.kind),
        name=rule.name,
        points=rule.points,
        per_amount=rule.per_amount,
        rounding=Rounding(rule.rounding),
        factor=rule.factor,
        reward_id=rule.reward_id,
        excludes_tax=rule.excludes_tax,
        excludes_shipping=rule.excludes_shipping,
        excluded_products=frozenset(rule.excluded_products),
        excluded_categories=frozenset(rule.excluded_categories),
        products=frozenset(rule.products),
        categories=frozenset(rule.categories),
        minimum=rule.minimum,
        currency=rule.currency,
        token=rule.token,
        counts_from=max(beginnings, default=None),
        ends_at=rule.ends_at,
        tier_ids=frozenset(rule.tier_ids),
        most_times=rule.most_times,
        period=rule.period,
        most_times_ever=rule.most_times_ever,
        most_points=rule.most_points,
        most_points_ever=rule.most_points_ever,
        priority=rule.priority,
        is_last=rule.is_last,
        delay_days=rule.delay_days,
    )


def programme_rate(points_per_unit: int) -> Terms:
    """The programme's own points per whole unit of money, judged after all rules."""
    return Terms(
        rule_id=None,
        kind=RuleKind.PER_AMOUNT,
        points=points_per_unit,
        per_amount=Decimal(1),
        priority=AFTER_ALL,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of an order: its amount has its tax. None: the shop does not tell it."""

    product: str
    amount: Decimal
    quantity: int = 1
    tax: Decimal | None = None
    categories: frozenset[str] | None = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """An order's money in major units. None: the shop does not tell it. `is_first`: the buyer's first completed one."""

    total: Decimal
    currency: str
    rewardable_total: Decimal | None = None
    tax: Decimal | None = None
    shipping: Decimal | None = None
    items: tuple[Item, ...] | None = None
    is_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """How often a rule gave this customer something that stands, and how many points; refunds in part free no room."""

    in_period: int = 0
    ever: int = 0
    points_in_period: int = 0
    points_ever: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """Something that happened to one customer: which kinds of rules it is for, when, and what is known of them."""

    kinds: frozenset[RuleKind]
    at: datetime
    tier_id: int | None = None
    token: str = ""
    order: OrderFacts | None = None
    given: Mapping[int, Given] = field(default_factory=dict)
    paid: tuple[Terms, ...] = ()  # rules per amount that gave for the order before: multipliers build on them, too
