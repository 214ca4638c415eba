from platforms.adapter import DiscountKind
from rewards.models import RedeemedReward, Reward, RewardKind, RewardType
from rewards.types.base import TypeOfReward


class Gift(TypeOfReward):
    """Something that is sent. Without a code, staff mark it used, which orders it, and follow the parcel.

    With a code it is a printed coupon: its parcel is ordered at once, and orders tell when the coupon was used.
    """

    type = RewardType.GIFT
    kind = RewardKind.PHYSICAL
    has_code = False
    needs_shop = False
    is_delivered = True
    is_personal = False  # nobody signs a printed coupon
    takes = frozenset({"carries_code"})

    def carries_code(self, reward: Reward) -> bool:
        return reward.carries_code

    def discount(self, row: Reward | RedeemedReward) -> DiscountKind | None:
        """A printed coupon takes off a percentage or an amount."""
        if row.percent is not None:
            return DiscountKind.PERCENTAGE
        return DiscountKind.FIXED_AMOUNT if row.amount is not None else None
