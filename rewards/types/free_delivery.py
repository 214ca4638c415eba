from platforms.adapter import DiscountKind
from rewards.models import RewardType
from rewards.types.base import TypeOfReward


class FreeDelivery(TypeOfReward):
    type = RewardType.FREE_DELIVERY
    makes = DiscountKind.FREE_DELIVERY
