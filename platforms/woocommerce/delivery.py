"""Whether a code for free delivery can do anything: some delivery of the shop must be free for a coupon."""

from platforms.adapter import Answer, Refusal
from platforms.woocommerce import client, fields
from platforms.woocommerce.client import Conversation
from platforms.woocommerce.fields import Unreadable

MOST_ZONES = 30
NOT_OFFERED = (
    "No delivery of the shop is free for a coupon, so a code for free delivery would do nothing. In WooCommerce, "
    "Settings, Shipping, add Free shipping to a zone and let it require a valid coupon."
)
WITH_COUPON = frozenset({"coupon", "either", "both"})


def refusal(conversation: Conversation) -> Answer[None] | None:
    """Why no code for free delivery would work; None when one would."""
    zones = conversation.ask("GET", "/shipping/zones", params={"_fields": "id"})
    if not zones.ok:
        return client.failure(zones)
    try:
        # Zone 0 is the rest of the world; some shops list it, some do not.
        numbers = [fields.count(entry, "id") for entry in fields.entries(zones.data, "zones")]
        for number in dict.fromkeys([*numbers[:MOST_ZONES], 0]):
            methods = conversation.ask("GET", f"/shipping/zones/{number}/methods")
            if not methods.ok:
                return client.failure(methods)
            if any(_takes_coupon(entry) for entry in fields.entries(methods.data, "methods")):
                return None
    except Unreadable as error:
        return zones.unusable(str(error))
    return client.rejected(zones, Refusal.UNSUPPORTED, NOT_OFFERED)


def _takes_coupon(method: object) -> bool:
    if fields.text(method, "method_id") != "free_shipping" or not fields.flag(method, "enabled"):
        return False
    requires = fields.mapping(method, "settings").get("requires")
    return isinstance(requires, dict) and str(requires.get("value")) in WITH_COUPON
