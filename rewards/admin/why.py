"""Why a reward is as it is, what happens next and when, and what staff can do now: in words, on its page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from loyalty.common.adminkit import show
from loyalty.common.adminkit.acts import Act
from platforms import breaker
from rewards import extension
from rewards.models import CancellationState, DeliveryStatus, Payout, PayoutState, RedeemedReward, UsageStatus
from rewards.queries import Status


@dataclass(frozen=True, slots=True)
class Greyed:
    """A button that cannot be pressed now, and why."""

    label: str
    reason: str


def coming(redeemed: RedeemedReward, status: str, *, now: datetime) -> list[tuple[str, Any]]:
    """What happens by itself, and when; soonest first."""
    events: list[tuple[datetime, str]] = []
    work = getattr(redeemed, "issue_work", None)
    if work is not None:
        events.append((work.due_at, "The shop is asked again"))
    row = extension.latest(redeemed=redeemed)
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


def shop_trouble(redeemed: RedeemedReward, status: str, *, now: datetime) -> str:
    """What keeps its whole shop or payout account, while that has to do something for it; else empty."""
    payout: Payout | None = getattr(redeemed, "payout", None)
    if payout is not None and payout.next_attempt_at is not None:
        said = breaker.account_sentences(account_ids={payout.account_id}, now=now)
        return said.get(payout.account_id, "")
    row = extension.latest(redeemed=redeemed)
    asks = status in (Status.PENDING, Status.CANCELLING) or hasattr(redeemed, "issue_work")
    if redeemed.connection_id is None or not (asks or (row is not None and row.due_at is not None)):
        return ""
    return breaker.sentence(connection_id=redeemed.connection_id, now=now)


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
