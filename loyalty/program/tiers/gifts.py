"""What tiers give to whoever rises into them, and who was given it already."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from loyalty.common.among import Among
from loyalty.program.tiers import windows
from loyalty.program.tiers.models import TierEntry, TierEntryReward, TierPeriod, TierRules, TierTerms

Rise = tuple[int, int]  # a customer's id, and that of the tier they rise into


@dataclass(frozen=True, slots=True)
class Gift:
    """What one tier gives: points, and rewards by id."""

    points: int = 0
    reward_ids: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.points or self.reward_ids)


def of_tiers() -> dict[int, Gift]:
    """Tier id → what it gives, of those that give something."""
    points = dict(TierTerms.objects.filter(active=True, entry_points__gt=0).values_list("tier_id", "entry_points"))
    rewards: dict[int, list[int]] = {}
    for tier_id, reward_id in TierEntryReward.objects.order_by("pk").values_list("tier_id", "reward_id"):
        rewards.setdefault(tier_id, []).append(reward_id)
    return {tier_id: Gift(points.get(tier_id, 0), tuple(rewards.get(tier_id, ()))) for tier_id in {*points, *rewards}}


def owed(
    *, rises: Collection[Rise], gifts: Mapping[int, Gift], rules: TierRules, zone: ZoneInfo, now: datetime
) -> set[Rise]:
    """Those of the rises for which something is given: once to each customer for each tier in a period of the rules.

    Exact while the standings of these customers are locked, for then nobody else writes entries of theirs.
    """
    rising = {rise for rise in rises if gifts.get(rise[1])}
    if not rising:
        return set()
    period = windows.period_of_entry(rules=rules, zone=zone, now=now)
    since = now.astimezone(zone).date() - timedelta(days=rules.rolling_days)
    rows = TierEntry.objects.filter(Among("customer_id", {customer_id for customer_id, _ in rising}))
    for customer_id, tier_id, its_period, created_at in rows.values_list(
        "customer_id", "tier_id", "period", "created_at"
    ):
        lately = rules.period == TierPeriod.ROLLING and created_at.astimezone(zone).date() > since
        if lately or its_period == period:
            rising.discard((customer_id, tier_id))
    return rising
