"""The demo's VIP tiers: three of them, with everybody in the one that a year of points leads to."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from loyalty.common.actors import SYSTEM
from loyalty.program.tiers import evaluation, ladder, setting
from loyalty.program.tiers.models import TierPeriod
from loyalty.program.tiers.setting import Terms
from rewards.models import PointsProduct

SEEDLING, SAPLING, EVERGREEN = "Seedling", "Sapling", "Evergreen"


def load(*, products: Mapping[str, PointsProduct], now: datetime) -> None:
    """Set the tiers up, and judge everybody. Nobody is given anything for what lies before that."""
    tiers = (
        Terms(name=SEEDLING, milestone=Decimal(0), perks=["Seeds with your first parcel"]),
        Terms(
            name=SAPLING,
            milestone=Decimal(500),
            entry_points=50,
            perks=["Early access to new plants", "A birthday present"],
        ),
        Terms(
            name=EVERGREEN,
            milestone=Decimal(1_000),
            entry_points=100,
            reward_ids=[products["delivery"].reward_id],
            perks=["Early access to new plants", "A birthday present", "Repotting, free of charge"],
        ),
    )
    for terms in tiers:
        setting.save_tier(tier_id=None, terms=terms, gives=False, actor=SYSTEM, now=now)
    rules = ladder.rules()
    rules.enabled, rules.period, rules.grace_days = True, TierPeriod.ROLLING, 30
    setting.save_rules(rules=rules, gives=False, actor=SYSTEM, now=now, fields=["enabled"])
    while evaluation.begin_day(now=now):
        pass
    while evaluation.judge_some(now=now):
        pass
