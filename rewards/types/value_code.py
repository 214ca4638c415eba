from rewards.models import RewardType
from rewards.types.base import TypeOfReward


class ValueCode(TypeOfReward):
    """Money under a code, spent bit by bit at a till of ours; what remains is kept by us, so no shop knows it."""

    type = RewardType.VALUE_CODE
    needs_shop = False
    part_redeemable = True
    code_is_money = True
    needs = frozenset({"amount"})
