"""Whether the codes of many customers can share one discount of the shop, which makes hundreds in one call.

They share its terms and its last day, so none of them is bound to its customer, and none lives longer than the others.
"""

from platforms import registry as platforms
from platforms.models import StoreConnection
from rewards.models import CodePool, Reward
from rewards.types import registry as types


def reference(*, campaign_id: int, batch: int) -> str:
    """Our name for the discount of a campaign's batch in the shop."""
    return f"cb-{campaign_id}-{batch}"


def refusal(*, reward: Reward) -> str:
    """Why the codes of this reward cannot share a discount; empty when they can. Loaded with the reward: its connection."""
    name, shop = f"“{reward.name}”", reward.connection
    kind = types.type_of(reward.type).discount(reward)
    if not types.type_of(reward.type).carries_code(reward) or kind is None or shop is None:
        return f"{name} has no code that a shop makes: its codes cannot share a discount there."
    if reward.shared_code_id is not None or CodePool.objects.filter(reward=reward, in_use=True).exists():
        return f"The codes of {name} are in the shop already: they need no discount of ours."
    discounts = platforms.adapter_class(shop.platform).capabilities.bulk_discounts
    if discounts is None:
        return f"{shop.name} does not put many codes under one discount: let each customer have one of their own."
    if kind not in discounts.kinds:
        return f"{shop.name} cannot make rewards like {name} with many codes: let each customer have one of their own."
    if reward.collections and kind not in discounts.collections:
        return f"{shop.name} cannot limit many codes of one discount to collections: let each customer have their own."
    return ""


def any_shop() -> bool:
    """Whether any shop that is connected puts many codes under one discount."""
    connected = StoreConnection.objects.values_list("platform", flat=True).distinct()
    return any(platforms.adapter_class(each).capabilities.bulk_discounts is not None for each in connected)
