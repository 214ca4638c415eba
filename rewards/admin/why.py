"""Why a reward is as it is, what happens next and when, and what staff can do now: in words, on its page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from loyalty.common.adminkit import show
from loyalty.common.adminkit.acts import Act
from rewards import extension
from rewards.models import CancellationState, DeliveryStatus, Payout, PayoutState, RedeemedReward, UsageStatus
from rewards.queries import Status

# What to do about a failure: by what the shop, or we, said no with.
ADVICE: dict[str, str] = {
    "unauthorized": "The shop refused our credentials. Enter them again under Shops and test the connection.",
    "credentials_unreadable": "The stored credentials cannot be read. Enter them again under Shops.",
    "unsupported": "This shop cannot make such a reward. Change the reward's type or its shop.",
    "invalid": "The shop understood and said no. Compare the reward's settings with what the shop allows.",
    "rejected": "The shop understood and said no. Compare the reward's settings with what the shop allows.",
    "other": "Read the shop's answer below.",
    "not_found": "The shop does not know the address we used. Check the connection under Shops.",
    "duplicate_code": "The shop has a code of that name already. Try again: another one is made.",
    "throttled": "The shop asked us to come back later. Try again in some minutes.",
    "not_sent": "The shop could not be reached. Test its connection under Shops.",
    "not_made": "The shop did not answer in time and made nothing. Test its connection under Shops.",
    "shared_code_unfit": "Look at the code in the shop, or give the reward another shared code in the catalogue.",
    "gave_up": "The shop was asked again and again for about a day. Test its connection under Shops.",
    "reward_incomplete": "The reward lacks something its type needs. Complete it in the catalogue.",
}


# The same where it was money that was to be sent.
OF_PAYOUTS: dict[str, str] = {
    "payout_failed": "Clear it up with the customer; then it can be redeemed again.",
    "unauthorized": "The provider refused our credentials. Enter them again under Payout accounts and test the connection.",
    "credentials_unreadable": "The stored credentials cannot be read. Enter them again under Payout accounts.",
    "throttled": "The provider asked us to come back later. Try again in some minutes.",
    "not_sent": "The provider could not be reached. Test its connection under Payout accounts.",
    "not_made": "The provider did not answer in time and got nothing. Test its connection under Payout accounts.",
    "gave_up": "The provider was asked for about a day. Test its connection under Payout accounts.",
}
OTHER_OF_PAYOUTS = "Read the provider's answer below."


@dataclass(frozen=True, slots=True)
class Greyed:
    """A button that cannot be pressed now, and why."""

    label: str
    reason: str


def advice(redeemed: RedeemedReward) -> str:
    """What to do about the failure, when something is known of it."""
    if not redeemed.failure_reason:
        return ""
    if redeemed.cashback_status:
        return OF_PAYOUTS.get(redeemed.failure_code, OTHER_OF_PAYOUTS)
    return ADVICE.get(redeemed.failure_code, "")


def coming(redeemed: RedeemedReward, status: str, *, now: datetime) -> list[tuple[str, Any]]:
    """What happens by itself, and when; soonest first."""
    events: list[tuple[datetime, str]] = []
    work = getattr(redeemed, "issue_work", None)
    if work is not None:
        events.append((work.due_at, "The shop is asked again"))
    row = extension.standing(redeemed_reward_id=redeemed.pk)
    if row is not None and row.due_at is not None:
        events.append((row.due_at, "The shop is asked again to let the code live longer"))
    payout: Payout | None = getattr(redeemed, "payout", None)
    if payout is not None and payout.next_attempt_at is not None:
        first = payout.state == PayoutState.INIT
        sentence = "The money is sent" if first else "The provider is asked what became of the money"
        events.append((payout.next_attempt_at, sentence))
    if status == Status.CANCELLING:
        due = redeemed.cancellations.filter(state=CancellationState.CANCELLING).values_list("due_at", flat=True)
        events += [(at, "The shop is asked again to kill the code") for at in due if at is not None]
    if status == Status.CANCELLED:
        due = redeemed.cancellations.exclude(probe_due_at=None).values_list("probe_due_at", flat=True)
        events += [(at, "The shop is asked again whether the code is dead") for at in due if at is not None]
    if status == Status.ISSUED and redeemed.starts_at is not None and redeemed.starts_at > now:
        events.append((redeemed.starts_at, "It can be used from then on"))
    if status == Status.ISSUED and redeemed.expires_at is not None:
        events.append((redeemed.expires_at, "It expires if it is not used before"))
    return [(sentence, show.instant(at)) for at, sentence in sorted(events)]


def candidates(redeemed: RedeemedReward, status: str) -> Sequence[str]:
    """Buttons that people look for in this state, offered or not."""
    if status == Status.CANCELLED:
        return ()
    if redeemed.cashback_status:
        return () if status == Status.FAILED else ("cancel",)
    wanted = ["mark-unused" if redeemed.usage_status == UsageStatus.USED else "mark-used"]
    if redeemed.is_gift and redeemed.delivery_status in (DeliveryStatus.NONE, DeliveryStatus.CANCELLED):
        wanted.append("ship")
    if status == Status.EXPIRED:
        wanted.append("extend")
    if status != Status.CANCELLING:
        wanted.append("cancel")
    return wanted


def greyed(
    redeemed: RedeemedReward, status: str, *, acts: Iterable[Act], offered: Sequence[str], now: datetime
) -> list[Greyed]:
    """Those of them that are refused now, each with the sentence that pressing it would give."""
    permitted = list(acts)
    wanted = set(candidates(redeemed, status)) - set(offered)
    if any(act.slug == "cancel-used" and act.slug in offered for act in permitted):
        wanted.discard("cancel")  # the other way to do it stands beside it
    found = []
    for act in permitted:
        if act.slug not in wanted:
            continue
        form = act.form_class() if act.form_class is not None else None
        data = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()} if form else {}
        refusal = act.preview(pk=redeemed.pk, now=now, data=data).refusal
        if refusal:
            found.append(Greyed(label=act.label, reason=refusal))
    return found
