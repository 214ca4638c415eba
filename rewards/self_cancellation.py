"""Customers cancel by themselves: an unused reward they redeemed, within the minutes the merchant allows.

Off until the merchant says how many. The plan and the act are those of every cancellation.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from loyalty.common import actors
from loyalty.common.errors import DomainError
from loyalty.customers import queries as customers
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import Programme
from rewards import cancellation, cancellation_plan, queries
from rewards.cancellation import CancellationPlan
from rewards.models import Cancellation, CancellationReason, Origin, RedeemedReward
from rewards.states import Status


class SelfCancellationRefused(DomainError):
    """This customer cannot cancel this reward, or not any more."""

    code = "self_cancellation_refused"


def until(
    *, redeemed: RedeemedReward, status: str, now: datetime, programme: Programme | None = None
) -> datetime | None:
    """Until when (exclusive) the customer may cancel; None when they may not. `redeemed` is the customer's own.

    `programme` is for callers who have it.
    """
    minutes = (programme or merchant.programme()).self_cancel_minutes
    if minutes is None or redeemed.issued_at is None or redeemed.origin != Origin.REDEMPTION:
        return None
    if status != Status.ISSUED or (redeemed.is_gift and redeemed.delivery_status):
        return None
    if redeemed.code is not None and redeemed.code.is_shared:  # the code would stay, and the points would come back
        return None
    end = redeemed.issued_at + timedelta(minutes=minutes)
    return end if now < end else None


def plan(*, redeemed_reward_id: int, customer_id: int, now: datetime) -> CancellationPlan:
    """What canceling would do. Raises SelfCancellationRefused."""
    redeemed = own(customer_id=customer_id, now=now).filter(pk=redeemed_reward_id).first()
    return plan_of(redeemed, programme=merchant.programme(), now=now)


def own(*, customer_id: int, now: datetime) -> QuerySet[Any]:
    """What stands on the customer's profile, with all that `plan_of` looks at."""
    return queries.with_status(cancellation_plan.readable(queries.of_person(customer_id=customer_id)), now)


def plan_of(redeemed: Any, *, programme: Programme, now: datetime) -> CancellationPlan:
    """The same for one of the customer's `own` rows, as it was read. Raises SelfCancellationRefused."""
    _require_allowed(redeemed, programme=programme, now=now)
    return cancellation_plan.plan_of(redeemed, now=now, programme=programme)


def cancel(*, redeemed_reward_id: int, customer_id: int, fingerprint: str, now: datetime) -> Cancellation:
    """Cancel it as the plan said. Twice cancels once. Not inside a transaction.

    Raises SelfCancellationRefused, PlanOutdated, CancellationRefused.
    """
    before = Cancellation.objects.filter(
        redeemed_reward_id=redeemed_reward_id,
        redeemed_reward__customer_id__in=customers.same_person(customer_id),
        reason=CancellationReason.BY_CUSTOMER,
    ).last()
    if before is not None:
        return before
    redeemed = own(customer_id=customer_id, now=now).filter(pk=redeemed_reward_id).first()
    _require_allowed(redeemed, programme=merchant.programme(), now=now)
    return cancellation.cancel(
        redeemed_reward_id=redeemed_reward_id,
        actor=actors.customer(customer_id),
        now=now,
        fingerprint=fingerprint,
        reason=CancellationReason.BY_CUSTOMER,
    )


def _require_allowed(redeemed: Any, *, programme: Programme, now: datetime) -> None:
    if redeemed is None or until(redeemed=redeemed, status=redeemed.status, now=now, programme=programme) is None:
        raise SelfCancellationRefused("This reward can no longer be canceled.")
