from platforms.adapter import DiscountKind
from rewards.models import RewardType
from rewards.types.base import TypeOfReward


class PercentageDiscount(TypeOfReward):
    type = RewardType.PERCENTAGE_DISCOUNT
    makes = DiscountKind.PERCENTAGE
    needs = frozenset({"percent"})
