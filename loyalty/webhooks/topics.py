"""What integrators can be told of. A topic is a line here; a new one needs nothing else.

An event may belong to several topics, and then makes a message of each. Events that stand in none are no change of state
that integrators see: warnings to staff, settings, what a shop was asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from loyalty.events.models import Event


class Thing(StrEnum):
    """What a message is about: a name of the API's envelopes, and the beginning of its ordering key."""

    REWARD_FULFILLMENT = "reward_fulfillment"
    DELIVERY = "delivery"
    CUSTOMER = "customer"
    POINTS_HOLD = "points_hold"
    REFERRAL = "referral"
    VIP_TIER_CHANGE = "vip_tier_change"


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    thing: Thing
    kinds: Sequence[str]  # of events
    meaning: str  # for integrators and staff

    def subject_of(self, event: Event) -> int | None:
        """The id, in the API, of what it is about. None: nothing an integrator knows."""
        return event.customer_id if self.thing == Thing.CUSTOMER else event.subject_id


REWARD, DELIVERY, CUSTOMER, HOLD = Thing.REWARD_FULFILLMENT, Thing.DELIVERY, Thing.CUSTOMER, Thing.POINTS_HOLD
REFERRAL = Thing.REFERRAL
CHANGES_POINTS = (
    "points.earned", "points.adjusted", "points.expired", "points.clawed_back", "points.credit_cancelled", "points.transferred",
    "points.returned", "points.shortfall_collected", "points.held", "points.hold_released", "points.hold_timed_out",
    "reward.redeemed", "reward.failed", "reward.cancelled",
)  # fmt: skip

PING = "ping"  # a test, on demand; nobody subscribes to it

ALL: tuple[Topic, ...] = (
    Topic("reward_fulfillment/granted", REWARD, ["reward.granted"], "A reward was given; it is still being made."),
    Topic("reward_fulfillment/issued", REWARD, ["reward.issued"], "A reward was redeemed or given, and is ready."),
    Topic(
        "reward_fulfillment/failed",
        REWARD,
        ["reward.failed", "payout.failed"],
        "A given reward could not be made, or its money not be paid.",
    ),
    Topic("reward_fulfillment/used", REWARD, ["reward.used"], "A reward was used."),
    Topic(
        "reward_fulfillment/unused",
        REWARD,
        ["reward.unused", "reward.use_returned"],
        "The use of a reward was taken back.",
    ),
    Topic("reward_fulfillment/part_spent", REWARD, ["reward.part_spent"], "A part of a value code was spent."),
    Topic("reward_fulfillment/part_returned", REWARD, ["reward.part_returned"], "A part of a value code came back."),
    Topic("reward_fulfillment/cancelling", REWARD, ["reward.cancelling"], "A reward is being canceled."),
    Topic("reward_fulfillment/cancelled", REWARD, ["reward.cancelled"], "A reward was canceled."),
    Topic("reward_fulfillment/expiring", REWARD, ["reward.expiring"], "A reward ends in some days."),
    Topic("reward_fulfillment/expired", REWARD, ["reward.expired"], "A reward ended unused."),
    Topic("reward_fulfillment/extended", REWARD, ["reward.extended"], "A reward was given more time."),
    Topic("reward_fulfillment/reissued", REWARD, ["reward.reissued"], "Another reward was given in the place of one."),
    Topic("delivery/ordered", DELIVERY, ["delivery.ordered"], "A gift is to be sent."),
    Topic("delivery/shipped", DELIVERY, ["delivery.shipped"], "A parcel left."),
    Topic("delivery/delivered", DELIVERY, ["delivery.delivered"], "A parcel arrived."),
    Topic("delivery/returned", DELIVERY, ["delivery.returned"], "A parcel came back."),
    Topic("delivery/cancelled", DELIVERY, ["delivery.cancelled"], "A gift will not be sent."),
    Topic(
        "delivery/updated",
        DELIVERY,
        ["delivery.address", "delivery.tracking"],
        "The address or the tracking of a parcel changed.",
    ),
    Topic("payout/sent", REWARD, ["payout.sent"], "The provider took on the money of a cashback."),
    Topic("payout/paid", REWARD, ["payout.paid"], "The money of a cashback was paid."),
    Topic("payout/failed", REWARD, ["payout.failed"], "The money of a cashback could not be paid."),
    Topic("customer/created", CUSTOMER, ["customer.enrolled"], "A customer is known for the first time."),
    Topic(
        "customer/updated",
        CUSTOMER,
        [
            "customer.enrolled",
            "customer.updated",
            "customer.state_changed",
            "tier.changed",
            "customer.merged",
            "customer.absorbed",
            "customer.unmerged",
            "customer.parted",
        ],
        "What is known of a customer changed, or is new.",
    ),
    Topic("customer/merged", CUSTOMER, ["customer.merged"], "A customer turned out to be another one."),
    Topic("customer/unmerged", CUSTOMER, ["customer.unmerged"], "A merge of customers was taken back."),
    Topic("vip_tier_change/created", Thing.VIP_TIER_CHANGE, ["tier.changed"], "A customer moved between VIP tiers."),
    Topic("points/changed", CUSTOMER, CHANGES_POINTS, "What a customer can spend changed."),
    Topic("points_hold/created", HOLD, ["points.held"], "Points were set aside through the API."),
    Topic("points_hold/captured", HOLD, ["points.hold_captured"], "Points that were set aside were spent."),
    Topic(
        "points_hold/released",
        HOLD,
        ["points.hold_released", "points.hold_timed_out"],
        "Points that were set aside were given back, or their time ran out.",
    ),
    Topic("referral/created", REFERRAL, ["referral.created"], "A friend whom a customer recommended came."),
    Topic(
        "referral/updated",
        REFERRAL,
        ["referral.created", "referral.completed", "referral.blocked", "referral.released", "referral.cancelled"],
        "A referral is new, was completed, blocked, released or canceled.",
    ),
)

BY_NAME: Mapping[str, Topic] = {topic.name: topic for topic in ALL}
BY_KIND: Mapping[str, Sequence[Topic]] = {
    kind: [topic for topic in ALL if kind in topic.kinds] for kind in {kind for topic in ALL for kind in topic.kinds}
}


def ordering_key(*, topic: str, subject_id: int) -> str:
    """What messages have in common whose order matters: those about one redeemed reward, one customer, one hold."""
    thing = BY_NAME[topic].thing
    return f"{Thing.REWARD_FULFILLMENT if thing == Thing.DELIVERY else thing}:{subject_id}"
