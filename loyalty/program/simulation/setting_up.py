"""The programme that is simulated, set up by the acts that staff would use."""

from datetime import UTC, datetime
from decimal import Decimal

from loyalty.common.actors import SYSTEM
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import ExpiryMode, Programme
from loyalty.program import imports
from loyalty.program.earning import rules
from loyalty.program.earning.models import EarningRule, RuleKind
from loyalty.program.tiers import ladder, setting
from loyalty.program.tiers.models import TierBasis, TierPeriod
from rewards.models import Reward, RewardType

TIME_ZONE = "America/New_York"
WELCOME = 100  # points
LIFE = 365  # days of earned points
TIERS = (("Silver", 250, 50), ("Gold", 500, 100), ("Platinum", 1_000, 250))  # name, money in a year, points on entry
BEFORE_EVERYTHING = datetime(1970, 1, 1, tzinfo=UTC)
TERMS_OF_RULE = [
    EarningRule(name="A point a dollar", kind=RuleKind.PER_AMOUNT, points=1, per_amount=Decimal(1)),
    EarningRule(name="Welcome", kind=RuleKind.SIGN_UP, points=WELCOME),
]


def programme() -> Programme:
    """A point a dollar by a rule and not by the programme's own rate; points live for 12 months."""
    made = merchant.programme()
    made.time_zone, made.currency, made.points_per_unit = TIME_ZONE, imports.CURRENCY, 0
    made.expiry_mode, made.expiry_days = ExpiryMode.DAYS, LIFE
    made.save()
    return made


def set_up(*, now: datetime) -> None:
    """Rules, and three tiers by the money of a calendar year, each with points and a reward for entering it."""
    for terms in TERMS_OF_RULE:
        rule = EarningRule(name=terms.name, kind=terms.kind, points=terms.points, per_amount=terms.per_amount)
        rules.save(rule=rule, on=False, actor=SYSTEM, now=now)
        rules.switch(rule_id=rule.pk, on=True, actor=SYSTEM, now=now)
    for name, milestone, points in TIERS:
        reward = Reward.objects.create(
            name=f"Welcome to {name}",
            type=RewardType.EVENT_INVITATION,
            enabled=True,
            active_from=BEFORE_EVERYTHING,
        )
        terms_of_tier = setting.Terms(
            name=name, milestone=Decimal(milestone), entry_points=points, reward_ids=[reward.pk]
        )
        setting.save_tier(tier_id=None, terms=terms_of_tier, gives=True, actor=SYSTEM, now=now)
    tier_rules = ladder.rules()
    tier_rules.enabled, tier_rules.basis = True, TierBasis.AMOUNT_SPENT
    tier_rules.period, tier_rules.kept_next_year = TierPeriod.CALENDAR_YEAR, False
    setting.save_rules(rules=tier_rules, gives=True, actor=SYSTEM, now=now, fields=["enabled", "basis", "period"])
