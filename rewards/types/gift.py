from rewards.models import RewardType
from rewards.types.base import TypeOfReward


class Gift(TypeOfReward):
    """Something that is sent. It has no code; staff mark it used, which orders it, and follow the parcel."""

    type = RewardType.GIFT
    has_code = False
    needs_shop = False
    is_delivered = True
