from platforms.adapter import DiscountKind
from rewards.models import RewardType
from rewards.types.base import TypeOfReward


class DiscountCode(TypeOfReward):
    type = RewardType.DISCOUNT_CODE
    makes = DiscountKind.FIXED_AMOUNT
    needs = frozenset({"amount"})
