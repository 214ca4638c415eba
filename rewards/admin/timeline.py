"""What happened to a redeemed reward, in words: events, points, cancellations, what the shop answered."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from loyalty.accounts.models import User
from loyalty.common.actors import ActorKind
from loyalty.common.adminkit import show
from loyalty.events.models import Event
from platforms.adapter import Outcome
from platforms.models import StoreConnection
from rewards.models import CancellationState, CodeEvidence, EvidenceKind, RedeemedReward

SENTENCES: dict[str, str] = {
    "reward.redeemed": "Redeemed for points",
    "reward.granted": "Granted",
    "reward.issued": "Issued to the customer",
    "reward.failed": "Failed: it could not be generated",
    "reward.used": "Marked used",
    "reward.unused": "Marked unused",
    "reward.use_returned": "Usable again, because the order was canceled",
    "reward.used_twice": "Used again on another order: somebody should look",
    "reward.used_after_cancel": "Used although it was canceled: somebody should look",
    "reward.code_spent": "Its order was canceled, and the shop keeps the code used: reissue it if that is fair",
    "reward.reissued": "Reissued as another reward",
    "reward.retried": "Tried again at once, because staff asked for it",
    "reward.used_while_cancelling": "Used before the code died: the cancellation ended",
    "reward.code_alive_after_cancel": "The code worked again although it was canceled: somebody should look",
    "reward.cancel_proved": "The code was proved dead after all",
    "reward.expiring": "Its end is near",
    "reward.expired": "Expired",
    "reward.extending": "The shop is asked to let the code live longer",
    "reward.extended": "Given more time",
    "reward.extension_refused": "Not given more time",
    "reward.part_spent": "A part was spent",
    "reward.part_returned": "A part that was spent came back",
    "reward.cancelling": "Cancellation begun",
    "reward.cancelled": "Canceled",
    "payout.sent": "Money on its way",
    "payout.paid": "Money paid out",
    "payout.failed": "The payout failed, and the points are the customer's again",
    "payout.in_review": "Nobody can say whether the money was paid: somebody has to look",
    "payout.contradicted": "The provider says otherwise of a payout that was settled: somebody should look",
    "payout.foreign": "The provider has another amount under our reference: somebody should look",
    "delivery.ordered": "Parcel ordered anew",
    "delivery.address": "Address corrected",
    "delivery.tracking": "Tracking corrected",
    "delivery.returned": "Parcel came back",
    "delivery.shipped": "Parcel shipped",
    "delivery.delivered": "Parcel delivered",
    "delivery.cancelled": "Delivery canceled",
}
MONEY_FAILED = "Failed: the money did not reach the customer"
POINTS: dict[bool, dict[str, str]] = {  # whether they were to go back → what became of that
    True: {
        CancellationState.CANCELLING: "Go back as soon as the code is proved dead",
        CancellationState.PROVED: "Returned to the customer",
        CancellationState.UNPROVED: "Returned to the customer",
        CancellationState.SHARED: "Returned to the customer",
        CancellationState.USED_MEANWHILE: "Not returned, because it was used",
    },
    False: dict.fromkeys(CancellationState, "Not returned"),
}
NEEDS_LOOK = {
    "reward.used_twice",
    "reward.used_after_cancel",
    "reward.failed",
    "reward.code_spent",
    "reward.code_alive_after_cancel",
    "payout.in_review",
    "payout.contradicted",
    "payout.foreign",
}


@dataclass(frozen=True)
class Entry:
    """One line of the history."""

    sentence: str
    who: str
    when: Any
    detail: str
    alarming: bool


def entries(events: Iterable[Event]) -> list[Entry]:
    """Newest first, each with who did it."""
    listed = list(events)
    names = Names(listed)
    return [
        Entry(
            sentence=MONEY_FAILED
            if event.kind == "reward.failed" and event.data.get("code") == "payout_failed"
            else SENTENCES.get(event.kind, event.kind.replace(".", " ").replace("_", " ").capitalize()),
            who=names.of(event.actor_kind, event.actor_id),
            when=show.instant(event.occurred_at),
            detail=detail(event),
            alarming=event.kind in NEEDS_LOOK,
        )
        for event in reversed(listed)
    ]


def detail(event: Event) -> str:
    """What the event says beyond its kind, as far as it is worth a line."""
    data = event.data
    if data.get("order_id"):
        return f"Order {data['order_id']}"
    if data.get("said"):
        return f"It says {data['said']}"
    if event.kind == "reward.cancelled" and data.get("proof") == CancellationState.UNPROVED:
        return "By force: the code may still work"
    if event.kind == "reward.cancelling" and data.get("return_points") is False:
        return "Without returning the points"
    return ""


class Names:
    """Who actors are, asked once for all of them."""

    def __init__(self, rows: Sequence[Any]) -> None:
        staff = {row.actor_id for row in rows if row.actor_kind == ActorKind.STAFF}
        shops = {row.actor_id for row in rows if row.actor_kind == ActorKind.SHOP}
        self.staff = {user.pk: user.get_full_name() for user in User.objects.filter(pk__in=staff)} if staff else {}
        self.shops = dict(StoreConnection.objects.filter(pk__in=shops).values_list("pk", "name")) if shops else {}

    def of(self, kind: str, pk: int | None) -> str:
        match kind:
            case ActorKind.STAFF:
                return str(self.staff.get(pk or 0, "a former member of staff"))
            case ActorKind.SHOP:
                return str(self.shops.get(pk or 0, "the shop"))
            case ActorKind.CUSTOMER:
                return "the customer"
            case ActorKind.API_KEY:
                return f"an integrator (API key {pk})"
        return "the programme"


def points_of(redeemed: RedeemedReward) -> dict[str, Any]:
    """How the points were paid, lot by lot, and what went back."""
    debit, hold = redeemed.debit, redeemed.hold
    lines = []
    if debit is not None:
        for allocation in debit.allocations.select_related("lot").prefetch_related("returns").order_by("id"):
            returned = sum(row.points for row in allocation.returns.all())
            lines.append(line(allocation.lot, allocation.points, returned))
    elif hold is not None:
        for charge in hold.charges.select_related("lot", "release").order_by("id"):
            release = getattr(charge, "release", None)
            lines.append(line(charge.lot, charge.points, release.points if release is not None else 0))
    return {
        "lines": lines,
        "returned": any(each["back"] for each in lines),
        "state": "Spent" if debit is not None else (hold.get_state_display() if hold is not None else ""),
        "transaction": debit,
    }


def line(lot: Any, points: int, returned: int) -> dict[str, Any]:
    return {
        "lot": lot.pk,
        "earned": show.instant(lot.available_at),
        "expires": show.last_day(lot.expires_at) if lot.expires_at else "Never",
        "points": show.signed_points(-points),
        "back": show.signed_points(returned) if returned else "",
    }


def cancellations_of(redeemed: RedeemedReward) -> list[dict[str, Any]]:
    rows = list(redeemed.cancellations.order_by("-id"))
    names = Names(rows)
    return [
        {
            "row": row,
            "who": names.of(row.actor_kind, row.actor_id),
            "points": POINTS[row.return_points].get(row.state, ""),
        }
        for row in rows
    ]


OUTCOMES: dict[str, str] = {
    Outcome.NOT_SENT: "Not sent",
    Outcome.REJECTED: "Refused",
    Outcome.THROTTLED: "Told to wait",
    Outcome.OK: "Done",
    Outcome.UNKNOWN: "No clear answer",
}


def attempts_of(redeemed: RedeemedReward) -> list[dict[str, Any]]:
    """What the shop was asked while generating, and what came of it in words."""
    rows = redeemed.issue_attempts.order_by("id")
    return [{"row": row, "outcome": OUTCOMES.get(row.outcome, row.outcome)} for row in rows]


def evidence_of(redeemed: RedeemedReward) -> list[dict[str, Any]]:
    """What the shop answered about the code, newest first, to the second."""
    if redeemed.code is None:
        return []
    rows = redeemed.code.evidence.order_by("-id")[:50]
    return [{"row": row, "sentence": evidence_sentence(row), "exact": show.exact_text(row.observed_at)} for row in rows]


def evidence_sentence(row: CodeEvidence) -> str:
    """Such as: dead at the shop, checked 14:02:11 UTC."""
    at = row.observed_at.astimezone(UTC).strftime("%H:%M:%S")
    if row.alive is None:
        return f"The shop's answer did not say whether the code works, asked {at} UTC"
    if row.alive:
        return f"Alive at the shop, seen {at} UTC"
    if row.kind in (EvidenceKind.READ_BACK, EvidenceKind.PROBED):
        return f"Dead at the shop, checked {at} UTC"
    return f"Dead at the shop, {row.get_kind_display().lower()} {at} UTC"
