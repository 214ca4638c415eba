"""What so many points would give, asked before anything is spent. Reads only."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from rewards import catalogue, limits, pricing
from rewards.catalogue import UnknownReward


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What these points buy. `reason` says why they cannot be spent so now; it is empty when they can."""

    points_product_id: int
    points_to_spend: int
    value: Decimal | None  # none where a reward is worth no sum of money, and for points that buy nothing
    currency: str
    reason_code: str = ""
    reason: str = ""

    @property
    def available(self) -> bool:
        return not self.reason_code


def simulate(*, points_product_id: int, now: datetime, points_to_spend: int | None = None) -> Simulation:
    """What that many points give; without a number, the price, or the least of a variable one. Raises UnknownReward."""
    product = catalogue.on_offer(now=now).filter(pk=points_product_id).first()
    if product is None:
        raise UnknownReward(f"There is no reward with the price {points_product_id} on offer now. Check the id.")
    reward = product.reward
    spent = points_to_spend if points_to_spend is not None else pricing.least_points(product)
    value: Decimal | None = None
    code = reason = ""
    try:
        price = pricing.price(product=product, points_to_spend=spent)
        value = reward.amount if price.value is None else price.value
        catalogue.require_open(reward=reward, now=now)
        limits.require_room_today(reward=reward, amount=value, now=now)
    except (pricing.PointsNotAccepted, pricing.PriceChanged, limits.RewardNotAvailable) as refusal:
        code, reason = refusal.code, refusal.sentence
    return Simulation(
        points_product_id=product.pk,
        points_to_spend=spent,
        value=value,
        currency=reward.currency,
        reason_code=code,
        reason=reason,
    )
