"""Reading redeemed rewards: the one derived word people read, the grid's rows, what a customer may see."""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Case, CharField, Exists, OuterRef, Q, QuerySet, Value, When

from loyalty.events.models import Event
from rewards.models import (
    Cancellation,
    CancellationState,
    FulfillmentStatus,
    Origin,
    RedeemedReward,
    UsageStatus,
)


class Status(models.TextChoices):
    """What people read. Never stored: derived from the axes, an open cancellation and the clock."""

    CANCELLED = "cancelled", "Canceled"
    FAILED = "failed", "Failed"
    CANCELLING = "cancelling", "Canceling"
    PENDING = "pending", "Pending"
    USED = "used", "Used"
    EXPIRED = "expired", "Expired"
    ISSUED = "issued", "Issued"


MEANINGS = {
    Status.PENDING: "The shop is being asked for it. The customer does not see it yet.",
    Status.FAILED: "It could not be generated and never will be. The customer does not see it.",
    Status.ISSUED: "The customer has it and can use it. It was not used on a completed order yet.",
    Status.USED: "It was used.",
    Status.CANCELLING: "It is being canceled: the shop has not proved yet that the code is dead.",
    Status.CANCELLED: "It was canceled and can no longer be used. The customer does not see it.",
    Status.EXPIRED: "Its time is over and it was not used.",
}


def _open_cancellations() -> QuerySet[Cancellation]:
    return Cancellation.objects.filter(redeemed_reward=OuterRef("pk"), state=CancellationState.CANCELLING)


def conditions(now: datetime) -> dict[Status, Q | Exists]:
    """The table behind the word, in order: the first that holds is the status."""
    return {
        Status.CANCELLED: Q(fulfillment_status=FulfillmentStatus.CANCELLED),
        Status.FAILED: Q(fulfillment_status=FulfillmentStatus.FAILED),
        Status.CANCELLING: Exists(_open_cancellations()),
        Status.PENDING: Q(fulfillment_status=FulfillmentStatus.PENDING),
        Status.USED: Q(usage_status=UsageStatus.USED),
        Status.EXPIRED: Q(expires_at__isnull=False, expires_at__lte=now),
        Status.ISSUED: Q(pk__isnull=False),
    }


def status_expression(now: datetime) -> Case:
    """The derived status as SQL: one expression for grid, API and cockpit."""
    return Case(
        *(When(condition, then=Value(str(status))) for status, condition in conditions(now).items()),
        output_field=CharField(),
    )


def with_status(queryset: QuerySet[RedeemedReward], now: datetime) -> QuerySet[Any]:
    """Rows that know their `.status`."""
    return queryset.annotate(status=status_expression(now))


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


def attempts() -> QuerySet[RedeemedReward]:
    """Redemptions that failed or are being checked: for staff who look for the reason."""
    return RedeemedReward.objects.filter(on_profile=False, origin=Origin.REDEMPTION).select_related("code")


def grid(*, now: datetime) -> QuerySet[RedeemedReward]:
    """The grid's rows: on profiles, with code and status."""
    return with_status(visible().select_related("code"), now)


def for_customer_page(*, customer_id: int, now: datetime) -> QuerySet[RedeemedReward]:
    """What the customer may see: issued, used and expired, newest first. Never one that is being canceled."""
    return (
        with_status(visible().filter(customer_id=customer_id), now)
        .filter(status__in=[Status.ISSUED, Status.USED, Status.EXPIRED])
        .select_related("code", "delivery")
        .order_by("-redeemed_at", "-id")
    )


def history(*, redeemed_reward_id: int) -> list[Event]:
    """Everything that happened to it, oldest first."""
    return list(Event.objects.filter(subject_type="redeemed_reward", subject_id=redeemed_reward_id).order_by("id"))
