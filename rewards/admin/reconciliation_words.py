"""What reconciliations and their findings mean, in words for staff."""

from typing import Any

from loyalty.common.adminkit import show
from rewards.models import (
    FindingDetail,
    FindingKind,
    FindingState,
    ReconciliationFinding,
    ReconciliationRun,
    Repair,
    RunPhase,
    RunScope,
    RunState,
)

TONES: dict[str, show.Tone] = {
    FindingKind.GHOST: "bad",
    FindingKind.ORPHAN: "warn",
    FindingKind.ZOMBIE: "bad",
    FindingKind.USE_DRIFT: "warn",
    FindingKind.VALUE_DRIFT: "warn",
}
STATE_TONES: dict[str, show.Tone] = {
    FindingState.OPEN: "warn",
    FindingState.REPAIRING: "info",
    FindingState.REPAIRED: "good",
    FindingState.SETTLED: "good",
    FindingState.ACCEPTED: "quiet",
    FindingState.SUPERSEDED: "quiet",
}
RUN_TONES: dict[str, show.Tone] = {RunState.OPEN: "info", RunState.DONE: "good", RunState.STOPPED: "bad"}

KIND_MEANS: dict[FindingKind, str] = {
    FindingKind.GHOST: "A customer has a code that the shop does not take.",
    FindingKind.ORPHAN: "The shop takes a code with our mark that nobody here has.",
    FindingKind.ZOMBIE: "A code that was canceled here still works in the shop.",
    FindingKind.USE_DRIFT: "One side says that the code was used, and the other that it was not.",
    FindingKind.VALUE_DRIFT: "The code is worth something else there, or ends on another day.",
}
MEANS: dict[str, str] = {
    FindingDetail.ABSENT: "The customer has this code, and the shop has no such code: it does not work at the checkout.",
    FindingDetail.FOREIGN: "The customer has this code, and what the shop has under this name was not made by us.",
    FindingDetail.DEAD: "The customer has this code unused, and the shop no longer takes it: somebody switched it off there.",
    FindingDetail.UNKNOWN_HERE: "The shop takes this code, it carries our mark, and our records do not know it.",
    FindingDetail.NO_REWARD: "The shop takes this code, and the reward it was made for came to nothing: nobody has it.",
    FindingDetail.CANCELED: "The reward was canceled, its points may be back, and the shop still takes its code.",
    FindingDetail.USED_THERE: "The shop says that an order used this code. Here it is still unused.",
    FindingDetail.USED_HERE: "Here the reward is marked used. The shop knows of no use, and still takes the code.",
    FindingDetail.USED_AFTER_CANCEL: "The reward was canceled as unused, and the shop says that an order used its code.",
    FindingDetail.VALUE: "The shop keeps another value, minimum or end with this code than the customer was told.",
}
NEXT: dict[str, str] = {
    Repair.REISSUE: "Repairing gives the customer the reward anew and cancels this one.",
    Repair.DISABLE: "Repairing disables the code in the shop.",
    Repair.KILL_AND_PROVE: "Repairing disables the code in the shop and keeps the proof.",
    Repair.RECORD_USE: "Repairing marks the reward used on the order that used it. The order's points come with the order.",
}
FOR_A_PERSON: dict[str, str] = {
    FindingDetail.ABSENT: "A part of it may have been spent, or it is printed in a parcel. Ask the customer, then grant another.",
    FindingDetail.FOREIGN: "Rename or remove the other code in the shop, or grant the customer another reward.",
    FindingDetail.DEAD: "Switch the code on again in the shop, or grant the customer another reward.",
    FindingDetail.USED_THERE: "No order with it was found. Look it up in the shop, then mark the reward used by hand.",
    FindingDetail.USED_HERE: "If it was marked by mistake, mark it unused. If it was used elsewhere, disable it in the shop.",
    FindingDetail.USED_AFTER_CANCEL: "The customer has had both. Take the points back if that is your policy, then accept this.",
    FindingDetail.VALUE: "Decide which of both is right. Change it in the shop, or accept this as it is: a part of it may be spent.",
}
LABELS = {
    "reference": "Mark",
    "uses": "Uses",
    "percent": "Percent",
    "amount": "Amount",
    "product_reference": "Product",
    "minimum_order": "Minimum order",
    "collections": "Collections",
    "expires_at": "Ends",
}
STANDING: dict[str, str] = {
    RunState.DONE: "It is done. Every code was looked at, and what differs is listed.",
    RunState.STOPPED: "It has stopped, and not everything was compared.",
}


def standing(run: ReconciliationRun) -> str:
    """Where a run is, in a sentence or two."""
    if run.state == RunState.OPEN:
        said = f"{RunPhase(run.phase).label}."
    elif run.state == RunState.DONE and not run.tally:
        said = f"It is done. Nothing differs{' of what moved' if run.scope == RunScope.MOVED else ''}."
    elif (run.state, run.scope) == (RunState.DONE, RunScope.MOVED):
        said = "It is done. What moved since the last one was looked at, and what differs is listed."
    else:
        said = STANDING[run.state]
    return f"{said} {run.last_reason}".strip()


def sides(row: ReconciliationFinding) -> list[tuple[str, str, str]]:
    """Both sides as they were found, line by line: what, ours, the shop's."""
    ours, theirs = row.ours, row.theirs
    lines = [("State", our_state(ours), their_state(theirs))]
    for name, label in LABELS.items():
        here, there = text(ours.get(name)), text((theirs or {}).get(name))
        if here != show.DASH or there != show.DASH:
            lines.append((label, here, there))
    return lines


def our_state(ours: dict[str, Any]) -> str:
    if not ours["known"]:
        return "Not known"
    if "fulfillment" not in ours:
        return f"{ours['rewards']} rewards have it" if ours["rewards"] else "Nobody has it"
    order = f", order {ours['used_order_id']}" if ours["used_order_id"] else ""
    return f"{ours['fulfillment'].capitalize()}, {ours['usage']}{order}"


def their_state(theirs: dict[str, Any] | None) -> str:
    if theirs is None:
        return "No such code"
    return "Works" if theirs["alive"] else "Does not work"


def text(value: Any) -> str:
    if value in (None, "", []):
        return show.DASH
    return ", ".join(value) if isinstance(value, list) else str(value)
