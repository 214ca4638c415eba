"""What a redeemed reward is called: one table over the axes, an open cancellation and the clock.

Grid, badge, filter, API, cockpit and the reward's page read it here and nowhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import models
from django.db.models import Case, CharField, Exists, OuterRef, Q, QuerySet, Value, When

from rewards.models import (
    Cancellation,
    CancellationState,
    FulfillmentStatus,
    RedeemedReward,
    RewardType,
    UsageStatus,
)


class Status(models.TextChoices):
    """The one word people read. Never stored."""

    CANCELLED = "cancelled", "Canceled"
    FAILED = "failed", "Failed"
    CANCELLING = "cancelling", "Canceling"
    PENDING = "pending", "Pending"
    USED = "used", "Used"
    EXPIRED = "expired", "Expired"
    ISSUED = "issued", "Issued"


def always(redeemed: RedeemedReward, now: datetime) -> bool:
    return True


def is_attempt(redeemed: RedeemedReward, now: datetime) -> bool:
    return not redeemed.on_profile


def is_cashback(redeemed: RedeemedReward, now: datetime) -> bool:
    return redeemed.type == RewardType.CASHBACK


def was_paid_out(redeemed: RedeemedReward, now: datetime) -> bool:
    return is_cashback(redeemed, now) and redeemed.cashback_status.startswith("1:")


def is_in_review(redeemed: RedeemedReward, now: datetime) -> bool:
    return is_cashback(redeemed, now) and redeemed.cashback_status.startswith("3: REVIEW:")


def failed_on_its_way(redeemed: RedeemedReward, now: datetime) -> bool:
    return is_cashback(redeemed, now) and redeemed.issued_at is not None


def not_begun(redeemed: RedeemedReward, now: datetime) -> bool:
    return redeemed.starts_at is not None and now < redeemed.starts_at


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One row of the table. Of the rows of one status the first that `applies` is meant."""

    key: str
    status: Status
    word: str
    axes: str  # which values of the axes and the clock it stands for, for people
    meaning: str  # one sentence for staff
    next: str  # what happens next
    visible: bool  # whether the customer sees the reward
    applies: Callable[[RedeemedReward, datetime], bool] = always

    @property
    def plain_word(self) -> str:
        """The word without a day of its own."""
        return self.word.format(day="…")


TABLE: tuple[State, ...] = (
    State(
        key="cancelled",
        status=Status.CANCELLED,
        word="Canceled",
        axes="fulfillment canceled, whatever else",
        meaning="It was canceled and can no longer be used. The customer does not see it.",
        next="Nothing more happens, unless the cancellation below says so. The evidence is what the shop answered.",
        visible=False,
    ),
    State(
        key="attempt",
        status=Status.FAILED,
        word="Failed",
        axes="fulfillment failed, a redemption",
        meaning="The customer tried to redeem this reward and did not get it. No points were spent.",
        next="The customer can try again; nothing of this attempt stands on the profile.",
        visible=False,
        applies=is_attempt,
    ),
    State(
        key="payout_failed",
        status=Status.FAILED,
        word="Failed",
        axes="fulfillment failed, a cashback that was on its way",
        meaning="The money did not reach the customer, and the points it cost went back to where they came from.",
        next="Put right what the reason says; the customer can redeem it again. One that was granted can be reissued.",
        visible=False,
        applies=failed_on_its_way,
    ),
    State(
        key="failed",
        status=Status.FAILED,
        word="Failed",
        axes="fulfillment failed, a grant",
        meaning="It could not be generated and never will be. The customer does not see it.",
        next="Put right what the reason says, then reissue it: the customer gets a new one in its place.",
        visible=False,
    ),
    State(
        key="cancelling",
        status=Status.CANCELLING,
        word="Canceling",
        axes="a cancellation under way",
        meaning="It is being canceled: the shop has not proved yet that the code is dead.",
        next="The shop is asked again by itself until the code is proved dead. Then the points go back.",
        visible=False,
    ),
    State(
        key="in_review",
        status=Status.PENDING,
        word="Pending, in review",
        axes="fulfillment pending, a cashback that may have been paid",
        meaning="The money may have been paid, and nobody can say so by itself. The customer does not see it yet.",
        next="A person looks where the payout below says, and marks it paid or refused. If it is refused, the points are "
        "free again.",
        visible=False,
        applies=is_in_review,
    ),
    State(
        key="checking",
        status=Status.PENDING,
        word="Being checked",
        axes="fulfillment pending, a redemption",
        meaning="The shop did not answer in time, and nobody knows yet whether it made the code. "
        "The points are set aside.",
        next="The code is looked up at the shop by itself. Found, the customer gets it; proved absent, the points "
        "are free again.",
        visible=False,
        applies=is_attempt,
    ),
    State(
        key="pending",
        status=Status.PENDING,
        word="Pending",
        axes="fulfillment pending, a grant",
        meaning="The shop is being asked for it. The customer does not see it yet.",
        next="The shop is asked again by itself until it answers. The attempts below say what it answered so far.",
        visible=False,
    ),
    State(
        key="used",
        status=Status.USED,
        word="Used",
        axes="issued and used, however old",
        meaning="It was used. A used reward never expires.",
        next="If that was a mistake, mark it unused while it has not expired and nothing was shipped.",
        visible=True,
    ),
    State(
        key="expired",
        status=Status.EXPIRED,
        word="Expired",
        axes="issued, not used, past its end",
        meaning="Its time is over and it was not used.",
        next="Nothing more happens by itself. It can no longer be marked used or unused; staff may cancel it, and "
        "extend it where its shop can.",
        visible=True,
    ),
    State(
        key="paid_out",
        status=Status.ISSUED,
        word="Issued, paid out",
        axes="issued, a cashback whose payout succeeded",
        meaning="The money was paid to the customer.",
        next="Nothing more happens: money that was paid out does not expire and cannot be canceled.",
        visible=True,
        applies=was_paid_out,
    ),
    State(
        key="paying_out",
        status=Status.ISSUED,
        word="Issued, money on its way",
        axes="issued, a cashback whose payout is under way",
        meaning="The points are spent, and the money is with the provider, or with the staff who pay it by hand.",
        next="The provider is asked by itself until it has paid or refused; who pays by hand marks it here. If it fails, "
        "the points go back.",
        visible=True,
        applies=is_cashback,
    ),
    State(
        key="waiting",
        status=Status.ISSUED,
        word="Issued, valid from {day}",
        axes="issued, not used, before its start",
        meaning="The customer has it, but it cannot be used yet.",
        next="From its first day on it can be used, and it becomes Used once an order with it is completed.",
        visible=True,
        applies=not_begun,
    ),
    State(
        key="issued",
        status=Status.ISSUED,
        word="Issued",
        axes="issued, not used, in its time",
        meaning="The customer has it and can use it. It was not used on a completed order yet.",
        next="It becomes Used once an order with it is completed. A code that is only typed at checkout changes nothing.",
        visible=True,
    ),
)


def told(status: str) -> str:
    """What a status means and whether the customer sees such rewards, in a sentence or two, for a list of profiles."""
    rows = [state for state in TABLE if state.status == status and state.applies is not is_attempt]
    means = [f"{state.plain_word}: {state.meaning}" for state in rows] if len(rows) > 1 else [rows[0].meaning]
    seen = f"Visible to the customer: {'yes' if rows[0].visible else 'no'}."
    return " ".join([*means, seen])


VISIBLE: tuple[Status, ...] = tuple(dict.fromkeys(state.status for state in TABLE if state.visible))


def open_cancellations() -> QuerySet[Cancellation]:
    return Cancellation.objects.filter(redeemed_reward=OuterRef("pk"), state=CancellationState.CANCELLING)


def conditions(now: datetime) -> dict[Status, Q | Exists]:
    """The table in SQL, in its order: the first that holds is the status."""
    return {
        Status.CANCELLED: Q(fulfillment_status=FulfillmentStatus.CANCELLED),
        Status.FAILED: Q(fulfillment_status=FulfillmentStatus.FAILED),
        Status.CANCELLING: Exists(open_cancellations()),
        Status.PENDING: Q(fulfillment_status=FulfillmentStatus.PENDING),
        Status.USED: Q(usage_status=UsageStatus.USED),
        Status.EXPIRED: Q(expires_at__isnull=False, expires_at__lte=now),
        Status.ISSUED: Q(pk__isnull=False),
    }


def expression(now: datetime) -> Case:
    """The status as SQL."""
    return Case(
        *(When(condition, then=Value(str(status))) for status, condition in conditions(now).items()),
        output_field=CharField(),
    )


def state_of(*, redeemed: RedeemedReward, status: str, now: datetime) -> State:
    """The row of the table for a redeemed reward whose status is known."""
    return next(state for state in TABLE if state.status == status and state.applies(redeemed, now))
