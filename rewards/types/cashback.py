from rewards.models import RewardKind, RewardType, UsageStatus
from rewards.types.base import TypeOfReward


class Cashback(TypeOfReward):
    """Money, sent by a payout provider. There is no code, and nothing to use: what is followed is the payout."""

    type = RewardType.CASHBACK
    kind = RewardKind.CASHBACK
    has_code = False
    needs_shop = False
    pays_out = True
    usage = UsageStatus.UNTRACKED
    untracked_because = "money that is paid out is not used like a code"
    needs = frozenset({"amount", "payout_account"})
    takes = frozenset({"daily_limit"})
