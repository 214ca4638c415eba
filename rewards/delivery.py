"""The parcel of a gift: shipped, delivered, canceled."""

from datetime import datetime
from typing import Any

from django.db import transaction

from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from rewards import issuing, lifecycle
from rewards.models import Delivery, DeliveryStatus, RedeemedReward


class DeliveryRefused(DomainError):
    """The parcel cannot become that now."""

    code = "delivery_refused"


def ship(
    *,
    redeemed_reward_id: int,
    actor: Actor,
    now: datetime,
    carrier: str = "",
    tracking_number: str = "",
    tracking_url: str = "",
    comment: str = "",
) -> RedeemedReward:
    """The parcel is on its way. Only a gift that was ordered. Raises DeliveryRefused."""
    facts = {
        "shipped_at": now,
        "carrier": carrier.strip(),
        "tracking_number": tracking_number.strip(),
        "tracking_url": tracking_url.strip(),
    }
    return _move(redeemed_reward_id, DeliveryStatus.SHIPPED, actor=actor, now=now, comment=comment, facts=facts)


def deliver(*, redeemed_reward_id: int, actor: Actor, now: datetime, comment: str = "") -> RedeemedReward:
    """The parcel has arrived. Only after it was shipped. Raises DeliveryRefused."""
    return _move(
        redeemed_reward_id, DeliveryStatus.DELIVERED, actor=actor, now=now, comment=comment, facts={"delivered_at": now}
    )


def cancel_delivery(*, redeemed_reward_id: int, actor: Actor, now: datetime, comment: str = "") -> RedeemedReward:
    """No parcel comes. The reward and its points stay as they are: canceling the reward is another act.

    Raises DeliveryRefused.
    """
    return _move(
        redeemed_reward_id, DeliveryStatus.CANCELLED, actor=actor, now=now, comment=comment, facts={"cancelled_at": now}
    )


@transaction.atomic
def _move(
    redeemed_reward_id: int, status: DeliveryStatus, *, actor: Actor, now: datetime, comment: str, facts: dict[str, Any]
) -> RedeemedReward:
    redeemed = issuing.locked(redeemed_reward_id=redeemed_reward_id, now=now)
    if not redeemed.is_gift:
        raise DeliveryRefused(
            f"“{redeemed.name}” is a {redeemed.get_type_display().lower()}: only gifts are delivered."
        )
    if redeemed.delivery_status == status:
        return redeemed
    if status not in lifecycle.DELIVERY[redeemed.delivery_status]:
        present = redeemed.get_delivery_status_display().lower() if redeemed.delivery_status else "not ordered yet"
        raise DeliveryRefused(
            f"The parcel of “{redeemed.name}” is {present}: it cannot become {status.label.lower()} now."
        )
    lifecycle.move(redeemed, now=now, delivery_status=status)
    if comment.strip():
        facts = {**facts, "comment": comment.strip()[:500]}
    Delivery.objects.update_or_create(redeemed_reward=redeemed, defaults=facts)
    log.record(
        kind=f"delivery.{status}",
        subject_type="redeemed_reward",
        subject_id=redeemed.pk,
        customer_id=redeemed.customer_id,
        actor=actor,
        now=now,
    )
    return redeemed
