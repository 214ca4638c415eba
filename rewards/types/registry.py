"""Reward type → its class."""

from rewards.models import RewardType
from rewards.types.base import TypeOfReward
from rewards.types.discount_code import DiscountCode
from rewards.types.free_delivery import FreeDelivery
from rewards.types.gift import Gift
from rewards.types.percentage_discount import PercentageDiscount

TYPES: dict[str, TypeOfReward] = {kind.type: kind() for kind in (PercentageDiscount, DiscountCode, FreeDelivery, Gift)}


def type_of(reward_type: str) -> TypeOfReward:
    return TYPES[RewardType(reward_type)]
