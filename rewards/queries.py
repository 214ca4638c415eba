"""Reading redeemed rewards: the one derived word people read, the grid's rows, what a customer may see."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from loyalty.customers import queries as customers
from loyalty.events.models import Event
from rewards import states
from rewards.models import Origin, RedeemedReward
from rewards.states import Status

__all__ = [
    "Status",
    "attempts",
    "for_customer_page",
    "grid",
    "history",
    "of_person",
    "status_of",
    "visible",
    "with_status",
]


def with_status(queryset: QuerySet[RedeemedReward], now: datetime) -> QuerySet[Any]:
    """Rows that know their `.status`."""
    return queryset.annotate(status=states.expression(now))


def status_of(*, redeemed: RedeemedReward, now: datetime) -> Status:
    """The status of one row. One query, unless it carries the annotation."""
    annotated = getattr(redeemed, "status", None)
    if annotated is None:
        annotated = (
            with_status(RedeemedReward.objects.filter(pk=redeemed.pk), now).values_list("status", flat=True).get()
        )
    return Status(annotated)


def visible() -> QuerySet[RedeemedReward]:
    """What stands on customers' profiles: redemptions that failed or are being checked are not among them."""
    return RedeemedReward.objects.filter(on_profile=True)


def of_person(*, customer_id: int) -> QuerySet[RedeemedReward]:
    """What stands on the profile of a customer, and of all who were merged into them."""
    return visible().filter(customer_id__in=customers.same_person(customer_id))


def attempts() -> QuerySet[RedeemedReward]:
    """Redemptions that failed or are being checked: for staff who look for the reason."""
    return RedeemedReward.objects.filter(on_profile=False, origin=Origin.REDEMPTION).select_related("code")


def grid(*, now: datetime) -> QuerySet[RedeemedReward]:
    """The grid's rows: on profiles, with code and status."""
    return with_status(visible().select_related("code"), now)


def for_customer_page(*, customer_id: int, now: datetime) -> QuerySet[RedeemedReward]:
    """What the customer may see: issued, used and expired, newest first. Never one that is being canceled."""
    return (
        with_status(of_person(customer_id=customer_id), now)
        .filter(status__in=states.VISIBLE)
        .select_related("code", "delivery")
        .order_by("-redeemed_at", "-id")
    )


def history(*, redeemed_reward_id: int) -> list[Event]:
    """Everything that happened to it, oldest first."""
    return list(Event.objects.filter(subject_type="redeemed_reward", subject_id=redeemed_reward_id).order_by("id"))
