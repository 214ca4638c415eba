"""Whose reward a code on an order is: by the code, and where many have the same one by the code and the customer."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from loyalty.customers import queries as customers
from loyalty.points import locking
from rewards.models import FulfillmentStatus, RedeemedReward, RewardCode, UsageStatus

CLOCKS_DIFFER = timedelta(minutes=5)  # between a shop and us; an order of before the reward is no use of it


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUse:
    """A completed order that a code took effect on."""

    connection_id: int | None
    order_id: str
    code: str
    used_at: datetime
    customer_id: int | None = None  # who bought; a shared code is matched by it


def of_use(*, code: RewardCode, use: OrderUse, now: datetime) -> int | None:
    """The redeemed reward that the order used; None when nobody can say, which is never guessed.

    Of a shared code's rewards the buyer's own count alone, and those of who was merged into them. Their accounts stay locked, so that two orders of one buyer
    never take the same reward.
    """
    rows = RedeemedReward.objects.filter(code=code)
    if not code.is_shared:
        return rows.values_list("pk", flat=True).first()
    if use.customer_id is None:
        return None
    own = rows.filter(
        customer_id__in=customers.same_person(use.customer_id), redeemed_at__lte=use.used_at + CLOCKS_DIFFER
    ).exclude(fulfillment_status=FulfillmentStatus.FAILED)
    holders = set(own.values_list("customer_id", flat=True))
    if not holders:
        return None
    for customer_id in sorted(holders | {use.customer_id}):
        locking.lock(customer_id=customer_id, now=now)
    found = sorted(own, key=lambda redeemed: (_rank(redeemed, use), redeemed.redeemed_at, redeemed.pk))
    return found[0].pk if found else None


def _rank(redeemed: RedeemedReward, use: OrderUse) -> int:
    """The lower, the likelier: the one this order used already, then one that was good, then one that was not."""
    if redeemed.used_order_id == use.order_id:
        return 0
    if redeemed.fulfillment_status == FulfillmentStatus.PENDING:
        return 3
    if redeemed.fulfillment_status == FulfillmentStatus.CANCELLED:
        return 6
    if redeemed.usage_status == UsageStatus.USED:
        return 4 if not redeemed.used_order_id else 5
    return 1 if redeemed.expires_at is None or use.used_at < redeemed.expires_at else 2
