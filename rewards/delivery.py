"""The parcel of a gift: its address put right, shipped, delivered, back again, canceled, ordered anew."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import transaction

from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.customers.profile import Address
from loyalty.events import log
from rewards import issuing, lifecycle, parcels
from rewards.models import Delivery, DeliveryStatus, DeliveryStep, FulfillmentStatus, RedeemedReward

ON_ITS_WAY = (DeliveryStatus.SHIPPED, DeliveryStatus.DELIVERED)
FORGOTTEN: dict[str, Any] = {  # what an order anew begins without
    "carrier": "",
    "tracking_number": "",
    "tracking_url": "",
    "shipped_at": None,
    "delivered_at": None,
    "cancelled_at": None,
    "returned_at": None,
}


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
    facts = {"shipped_at": now, **_tracking(carrier, tracking_number, tracking_url)}
    return _move(
        redeemed_reward_id, DeliveryStatus.SHIPPED, DeliveryStep.SHIPPED, actor=actor, now=now, comment=comment, **facts
    )


def deliver(*, redeemed_reward_id: int, actor: Actor, now: datetime, comment: str = "") -> RedeemedReward:
    """The parcel has arrived. Only after it was shipped. Raises DeliveryRefused."""
    return _move(
        redeemed_reward_id,
        DeliveryStatus.DELIVERED,
        DeliveryStep.DELIVERED,
        actor=actor,
        now=now,
        comment=comment,
        delivered_at=now,
    )


def cancel_delivery(*, redeemed_reward_id: int, actor: Actor, now: datetime, comment: str = "") -> RedeemedReward:
    """No parcel comes. The reward and its points stay as they are: canceling the reward is another act.

    Raises DeliveryRefused.
    """
    return _move(
        redeemed_reward_id,
        DeliveryStatus.CANCELLED,
        DeliveryStep.CANCELLED,
        actor=actor,
        now=now,
        comment=comment,
        cancelled_at=now,
    )


@transaction.atomic
def came_back(*, redeemed_reward_id: int, actor: Actor, now: datetime, comment: str = "") -> RedeemedReward:
    """A parcel that was shipped is here again: its delivery ends. It can be ordered anew, or the reward canceled.

    Twice changes nothing more. Raises DeliveryRefused.
    """
    redeemed = _gift(redeemed_reward_id, now=now)
    if redeemed.delivery_status == DeliveryStatus.CANCELLED and _known(redeemed).returned_at is not None:
        return redeemed
    if redeemed.delivery_status != DeliveryStatus.SHIPPED:
        raise DeliveryRefused(
            f"The parcel of “{redeemed.name}” is {_present(redeemed)}: only one on its way comes back."
        )
    return _write(
        redeemed,
        DeliveryStatus.CANCELLED,
        DeliveryStep.RETURNED,
        actor=actor,
        now=now,
        comment=comment,
        cancelled_at=now,
        returned_at=now,
    )


@transaction.atomic
def order_again(*, redeemed_reward_id: int, actor: Actor, now: datetime, comment: str = "") -> RedeemedReward:
    """Send a gift after all whose delivery was canceled or came back. Raises DeliveryRefused."""
    redeemed = _gift(redeemed_reward_id, now=now)
    if redeemed.delivery_status == DeliveryStatus.ORDERED:
        return redeemed
    if redeemed.delivery_status != DeliveryStatus.CANCELLED:
        raise DeliveryRefused(
            f"The parcel of “{redeemed.name}” is {_present(redeemed)}: only a canceled delivery is ordered anew."
        )
    _require_issued(redeemed)
    return _write(
        redeemed,
        DeliveryStatus.ORDERED,
        DeliveryStep.ORDERED,
        actor=actor,
        now=now,
        comment=comment,
        ordered_at=now,
        **FORGOTTEN,
    )


@transaction.atomic
def set_tracking(
    *,
    redeemed_reward_id: int,
    actor: Actor,
    now: datetime,
    carrier: str = "",
    tracking_number: str = "",
    tracking_url: str = "",
    comment: str = "",
) -> RedeemedReward:
    """Say how a parcel is followed: one that is ordered is shipped thereby, one on its way gets other numbers.

    The same again changes nothing. Raises DeliveryRefused.
    """
    redeemed = _gift(redeemed_reward_id, now=now)
    facts = _tracking(carrier, tracking_number, tracking_url)
    if redeemed.delivery_status != DeliveryStatus.SHIPPED:
        return ship(redeemed_reward_id=redeemed.pk, actor=actor, now=now, comment=comment, **facts)
    known = _known(redeemed)
    if all(getattr(known, name) == value for name, value in facts.items()):
        return redeemed
    parcels.write(redeemed=redeemed, step=DeliveryStep.TRACKING, actor=actor, now=now, comment=comment, **facts)
    lifecycle.move(redeemed, now=now)
    _tell("delivery.tracking", redeemed, actor=actor, now=now)
    return redeemed


@transaction.atomic
def correct_address(
    *, redeemed_reward_id: int, address: Address, actor: Actor, now: datetime, comment: str = ""
) -> RedeemedReward:
    """Send it elsewhere, while it is still here. What was redeemed keeps its own copy of the first address.

    The same address again changes nothing. Raises DeliveryRefused.
    """
    redeemed = _gift(redeemed_reward_id, now=now)
    _require_issued(redeemed)
    if redeemed.delivery_status in ON_ITS_WAY:
        raise DeliveryRefused(
            f"The parcel of “{redeemed.name}” is {_present(redeemed)}: its address can be corrected only before that."
        )
    before, after = parcels.address_of(redeemed), asdict(address)
    if before == after:
        return redeemed
    parcels.write(
        redeemed=redeemed,
        step=DeliveryStep.ADDRESS,
        actor=actor,
        now=now,
        comment=comment,
        address=after,
        address_before=before or None,
    )
    lifecycle.move(redeemed, now=now)
    _tell("delivery.address", redeemed, actor=actor, now=now)
    return redeemed


@transaction.atomic
def _move(
    redeemed_reward_id: int,
    status: DeliveryStatus,
    step: DeliveryStep,
    *,
    actor: Actor,
    now: datetime,
    comment: str,
    **facts: Any,
) -> RedeemedReward:
    redeemed = _gift(redeemed_reward_id, now=now)
    if redeemed.delivery_status == status:
        return redeemed
    if status not in lifecycle.DELIVERY[redeemed.delivery_status]:
        raise DeliveryRefused(
            f"The parcel of “{redeemed.name}” is {_present(redeemed)}: it cannot become {status.label.lower()} now."
        )
    if status == DeliveryStatus.SHIPPED:
        _require_issued(redeemed)
    return _write(redeemed, status, step, actor=actor, now=now, comment=comment, **facts)


def _write(
    redeemed: RedeemedReward,
    status: DeliveryStatus,
    step: DeliveryStep,
    *,
    actor: Actor,
    now: datetime,
    comment: str,
    **facts: Any,
) -> RedeemedReward:
    lifecycle.move(redeemed, now=now, delivery_status=status)
    parcels.write(redeemed=redeemed, step=step, actor=actor, now=now, comment=comment, **facts)
    _tell(f"delivery.{step}", redeemed, actor=actor, now=now)
    return redeemed


def _gift(redeemed_reward_id: int, *, now: datetime) -> RedeemedReward:
    """The gift, locked. Raises DeliveryRefused for what never travels."""
    redeemed = issuing.locked(redeemed_reward_id=redeemed_reward_id, now=now)
    if not redeemed.is_gift:
        raise DeliveryRefused(
            f"“{redeemed.name}” is a {redeemed.get_type_display().lower()}: only gifts are delivered."
        )
    return redeemed


def _known(redeemed: RedeemedReward) -> Delivery:
    """What is known of the parcel: nothing yet, maybe."""
    return Delivery.objects.filter(pk=redeemed.pk).first() or Delivery(redeemed_reward=redeemed)


def _require_issued(redeemed: RedeemedReward) -> None:
    if redeemed.fulfillment_status != FulfillmentStatus.ISSUED:
        raise DeliveryRefused(
            f"“{redeemed.name}” is {redeemed.get_fulfillment_status_display().lower()}: nothing is sent for it."
        )


def _present(redeemed: RedeemedReward) -> str:
    return redeemed.get_delivery_status_display().lower() if redeemed.delivery_status else "not ordered yet"


def _tracking(carrier: str, number: str, url: str) -> dict[str, str]:
    return {"carrier": carrier.strip(), "tracking_number": number.strip(), "tracking_url": url.strip()}


def _tell(kind: str, redeemed: RedeemedReward, *, actor: Actor, now: datetime) -> None:
    log.record(
        kind=kind,
        subject_type="redeemed_reward",
        subject_id=redeemed.pk,
        customer_id=redeemed.customer_id,
        actor=actor,
        now=now,
    )
