from rewards.models import RewardType
from rewards.types.base import TypeOfReward


class Custom(TypeOfReward):
    """A code and a link to the page where it is good for something. Staff mark it used."""

    type = RewardType.CUSTOM
    needs_shop = False
    needs = frozenset({"action_url"})
