"""Parcels as they are written down: where one goes, and the history of what was done with it."""

from datetime import datetime
from typing import Any

from loyalty.common.actors import Actor
from rewards.models import Delivery, DeliveryChange, DeliveryStep, RedeemedReward


def address_of(redeemed: RedeemedReward) -> dict[str, str]:
    """Where it goes: the corrected address, else the copy made when it was redeemed; empty when none is known."""
    delivery: Delivery | None = getattr(redeemed, "delivery", None)
    corrected = delivery.address if delivery is not None else None
    address: dict[str, str] = corrected or redeemed.shipping_address or {}
    return address


def write(
    *, redeemed: RedeemedReward, step: DeliveryStep, actor: Actor, now: datetime, comment: str = "", **facts: Any
) -> Delivery:
    """Keep what is now known of the parcel, and one line of history. The caller has locked the redeemed reward.

    `facts` are columns of `Delivery`, and `address_before` for the history.
    """
    before = facts.pop("address_before", None)
    comment = comment.strip()[:500]
    if comment:
        facts["comment"] = comment
    delivery, _ = Delivery.objects.update_or_create(redeemed_reward=redeemed, defaults=facts)
    sent = step in (DeliveryStep.SHIPPED, DeliveryStep.TRACKING)
    DeliveryChange.objects.create(
        redeemed_reward=redeemed,
        step=step,
        address_before=before,
        carrier=delivery.carrier if sent else "",
        tracking_number=delivery.tracking_number if sent else "",
        comment=comment,
        actor_kind=actor.kind,
        actor_id=actor.id,
        changed_at=now,
    )
    return delivery
