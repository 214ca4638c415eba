from platforms.adapter import DiscountKind
from rewards.models import RewardType
from rewards.types.base import TypeOfReward


class FreeProduct(TypeOfReward):
    """One piece of a product of the shop, free when the code is typed. Only a shop can give it."""

    type = RewardType.FREE_PRODUCT
    makes = DiscountKind.FREE_PRODUCT
    needs = frozenset({"connection", "product_reference"})
