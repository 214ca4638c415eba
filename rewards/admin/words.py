"""How redeemed rewards look and what their states mean, in words for staff."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import dateformat, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loyalty.common.adminkit import show
from rewards import states
from rewards.models import DeliveryStatus, RedeemedReward
from rewards.states import Status

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


PARCEL_NEXT: dict[str, str] = {
    DeliveryStatus.ORDERED: "The gift is to be sent: mark it shipped when it leaves.",
    DeliveryStatus.SHIPPED: "The parcel is on its way: mark it delivered when it has arrived.",
    DeliveryStatus.DELIVERED: "The parcel has arrived. Nothing more happens.",
    DeliveryStatus.CANCELLED: "No parcel comes. Order it anew, or cancel the reward to give the points back.",
}


@dataclass(frozen=True)
class Meaning:
    """What a status means, and what happens next."""

    means: str
    next: str


def meaning(redeemed: RedeemedReward, status: str, *, now: datetime) -> Meaning:
    """What the page of a redeemed reward says under its status."""
    state = states.state_of(redeemed=redeemed, status=status, now=now)
    if status == Status.USED and redeemed.is_gift:
        return Meaning(state.meaning, PARCEL_NEXT.get(redeemed.delivery_status, state.next))
    return Meaning(state.meaning, state.next)


def status_label(redeemed: RedeemedReward, status: str, *, now: datetime | None = None) -> str:
    """The word of the table, with the day from which one counts that has not begun."""
    word = states.state_of(redeemed=redeemed, status=status, now=now or timezone.now()).word
    if redeemed.starts_at is None:
        return word
    return word.format(day=dateformat.format(timezone.localtime(redeemed.starts_at), "j M Y"))


def status_badge(redeemed: RedeemedReward, status: str) -> SafeString:
    return show.badge(status_label(redeemed, status), tone=TONES[status])


def delivery_badge(redeemed: RedeemedReward) -> SafeString:
    if not redeemed.delivery_status:
        return show.dash()
    return show.badge(redeemed.get_delivery_status_display(), tone=DELIVERY_TONES[redeemed.delivery_status])


CASHBACK_TONES: dict[str, show.Tone] = {"0": "warn", "1": "good", "2": "bad", "3": "info"}


def cashback_badge(redeemed: RedeemedReward) -> SafeString:
    """What the provider said last, a number first; a dash for every type but cashback."""
    if not redeemed.cashback_status:
        return show.dash()
    tone = CASHBACK_TONES.get(redeemed.cashback_status[:1], "quiet")
    return format_html(
        '<span class="desk-badge desk-badge--{} desk-badge--said">{}</span>', tone, redeemed.cashback_status
    )


def with_code(redeemed: RedeemedReward) -> str:
    """The reward with its code in round brackets, as the grid and the reports name it."""
    return f"{redeemed.name} ({redeemed.sure_code})" if redeemed.sure_code else redeemed.name


def named(redeemed: RedeemedReward, *, url: str, shop_url: str = "") -> SafeString:
    """The same for a list: a long name is cut, the code never. The name leads to the page, the code can be copied."""
    code = redeemed.sure_code
    if not code:
        return format_html('<a href="{}">{}</a>', url, show.clipped(redeemed.name))
    return format_html(
        '<span class="desk-named"><a href="{}">{} <code>({})</code></a>'
        '<button type="button" class="desk-copy__icon" data-copy="{}" aria-label="Copy the code {}" title="Copy" hidden>'
        "</button>{}</span>",
        url,
        show.clipped(redeemed.name),
        code,
        code,
        code,
        format_html(
            '<a class="desk-out" href="{}" target="_blank" rel="noopener" aria-label="{}" title="Open in the shop"></a>',
            shop_url,
            f"Open the code {code} in the shop",
        )
        if shop_url
        else "",
    )


def title(redeemed: RedeemedReward) -> str:
    """One redeemed reward in a line: what, which code, whose."""
    person = f"{redeemed.customer_first_name} {redeemed.customer_last_name}".strip()
    whose = person or redeemed.customer_email or redeemed.customer_phone or f"customer {redeemed.customer_id}"
    return f"{with_code(redeemed)} of {whose}"
