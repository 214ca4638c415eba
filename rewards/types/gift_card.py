from platforms.adapter import DiscountKind
from rewards.models import RewardType, UsageStatus
from rewards.types.base import TypeOfReward


class GiftCard(TypeOfReward):
    """A gift card. What is left on it is between the shop and whoever holds it: its use is not tracked."""

    type = RewardType.GIFT_CARD
    makes = DiscountKind.GIFT_CARD
    usage = UsageStatus.UNTRACKED
    untracked_because = "only the shop knows what is left on a gift card"
    code_is_money = True
    is_personal = False  # it may be given away
    needs = frozenset({"amount"})
