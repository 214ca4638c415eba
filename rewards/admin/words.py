"""How redeemed rewards look and what their states mean, in words for staff."""

from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString

from loyalty.common.adminkit import show
from rewards import queries
from rewards.models import DeliveryStatus, RedeemedReward
from rewards.queries import Status

TONES: dict[str, show.Tone] = {
    Status.PENDING: "warn",
    Status.FAILED: "bad",
    Status.ISSUED: "info",
    Status.USED: "good",
    Status.CANCELLING: "warn",
    Status.CANCELLED: "quiet",
    Status.EXPIRED: "quiet",
}
DELIVERY_TONES: dict[str, show.Tone] = {
    DeliveryStatus.ORDERED: "warn",
    DeliveryStatus.SHIPPED: "info",
    DeliveryStatus.DELIVERED: "good",
    DeliveryStatus.CANCELLED: "quiet",
}


@dataclass(frozen=True)
class Meaning:
    """What a status means, and what happens next."""

    means: str
    next: str


NEXT: dict[str, str] = {
    Status.PENDING: "The shop is asked again by itself until it answers. The attempts below say what it answered so far.",
    Status.FAILED: "Read the reason and the attempts below, put it right, and grant the reward anew.",
    Status.ISSUED: "It becomes Used once an order with it is completed. A code that is only typed at checkout changes nothing.",
    Status.USED: "If that was a mistake, mark it unused while it has not expired and nothing was shipped.",
    Status.CANCELLING: "The shop is asked again by itself until the code is proved dead. Then the points go back.",
    Status.CANCELLED: "Nothing more happens. The evidence below is what the shop answered.",
    Status.EXPIRED: "Nothing more happens. It can no longer be marked used or unused.",
}
PARCEL_NEXT: dict[str, str] = {
    DeliveryStatus.ORDERED: "The gift is to be sent: mark it shipped when it leaves.",
    DeliveryStatus.SHIPPED: "The parcel is on its way: mark it delivered when it has arrived.",
    DeliveryStatus.DELIVERED: "The parcel has arrived. Nothing more happens.",
    DeliveryStatus.CANCELLED: "No parcel comes. To give the points back, mark it unused and cancel the reward.",
}
CHECKING = Meaning(
    "The shop did not answer in time, and nobody knows yet whether it made the code. The points are set aside.",
    "The code is looked up at the shop by itself. Found, the customer gets it; proved absent, the points are free again.",
)
ATTEMPT = Meaning(
    "The customer tried to redeem this reward and did not get it. No points were spent.",
    "See the reason below. The customer can try again; nothing of this attempt stands on the profile.",
)


def meaning(redeemed: RedeemedReward, status: str) -> Meaning:
    """What the page of a redeemed reward says under its status."""
    if not redeemed.on_profile:
        return CHECKING if status == Status.PENDING else ATTEMPT
    next_step = NEXT[status]
    if status == Status.USED and redeemed.is_gift:
        next_step = PARCEL_NEXT.get(redeemed.delivery_status, next_step)
    return Meaning(queries.MEANINGS[Status(status)], next_step)


def status_label(redeemed: RedeemedReward, status: str) -> str:
    """The word in big. An attempt whose outcome is unknown has not failed: it is being checked."""
    if not redeemed.on_profile and status == Status.PENDING:
        return "Being checked"
    return str(Status(status).label)


def status_badge(redeemed: RedeemedReward, status: str) -> SafeString:
    return show.badge(status_label(redeemed, status), tone=TONES[status])


def delivery_badge(redeemed: RedeemedReward) -> SafeString:
    if not redeemed.delivery_status:
        return show.dash()
    return show.badge(redeemed.get_delivery_status_display(), tone=DELIVERY_TONES[redeemed.delivery_status])


def with_code(redeemed: RedeemedReward) -> str:
    """The reward with its code in round brackets, as the grid and the reports name it."""
    return f"{redeemed.name} ({redeemed.code.code})" if redeemed.code is not None else redeemed.name


def named(redeemed: RedeemedReward) -> SafeString:
    """The same for a list: a long name is cut, the code never."""
    if redeemed.code is None:
        return show.clipped(redeemed.name)
    return format_html(
        '<span class="desk-named">{} <code>({})</code></span>', show.clipped(redeemed.name), redeemed.code.code
    )


def title(redeemed: RedeemedReward) -> str:
    """One redeemed reward in a line: what, which code, whose."""
    person = f"{redeemed.customer_first_name} {redeemed.customer_last_name}".strip()
    whose = person or redeemed.customer_email or redeemed.customer_phone or f"customer {redeemed.customer_id}"
    return f"{with_code(redeemed)} of {whose}"
