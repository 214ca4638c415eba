"""Faults on demand: what the shop does wrong, at which calls, and how many times more."""

import sqlite3
from dataclasses import dataclass
from typing import Any

from platforms.sandbox.shop.refusals import Refused

OPERATIONS = ("create", "find", "list", "disable", "extend", "orders", "payout", "payout_query", "connection", "all")
CALL_KINDS = {
    "refuse": "refuse with 422",
    "server_error": "answer 500, nothing done",
    "server_error_after_accepting": "do it, then answer 500",
    "garbage": "answer nonsense, nothing done",
    "garbage_after_accepting": "do it, then answer nonsense",
    "timeout_before_accepting": "do nothing and never answer",
    "timeout_after_accepting": "do it and never answer",
    "throttle": "answer 429 with Retry-After",
    "slow": "wait, then do it and answer",
    "drop": "drop the connection, nothing done",
    "drop_after_accepting": "do it, then drop the connection",
}
WEBHOOK_KINDS = {
    "duplicate": "deliver the event twice",
    "late": "deliver the event late",
    "out_of_order": "deliver the event after the next one",
    "lost": "never deliver the event",
}
PAYOUT_KINDS = {
    "accept": "take the payout on, decide later",
    "pending": "say that it is waiting",
    "fail": "refuse it after taking it on",
}
# Operations that are no calls, each with what can go wrong there.
NO_CALLS: dict[str, dict[str, str]] = {"webhook": WEBHOOK_KINDS, "payout_outcome": PAYOUT_KINDS}
MOST_TIMES = 1_000_000
LONGEST = 600.0
USUAL_SECONDS = {"throttle": 2.0, "slow": 2.0, "late": 10.0, "out_of_order": 10.0}
NEVER_ANSWER_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    kind: str
    seconds: float

    @property
    def acts(self) -> bool:
        """Whether the call is carried out before it goes wrong."""
        return self.kind == "slow" or self.kind.endswith("_after_accepting")


def add(
    connection: sqlite3.Connection, *, operation: str, kind: str, times: int = 1, seconds: float | None = None
) -> dict[str, Any]:
    """Switch a fault on for the next `times` calls of `operation`, events or payouts. Raises Refused."""
    known = NO_CALLS.get(operation, CALL_KINDS)
    if operation not in NO_CALLS and operation not in OPERATIONS:
        raise Refused("invalid_operation", f"operation is one of: {', '.join([*OPERATIONS, *NO_CALLS])}.")
    if kind not in known:
        raise Refused("invalid_kind", f"kind for {operation} is one of: {', '.join(known)}.")
    if not 1 <= times <= MOST_TIMES:
        raise Refused("invalid_times", f"times is a whole number from 1 to {MOST_TIMES}.")
    lasting = USUAL_SECONDS.get(kind, NEVER_ANSWER_SECONDS) if seconds is None else seconds
    if not 0 <= lasting <= LONGEST:
        raise Refused("invalid_seconds", f"seconds is a number from 0 to {LONGEST:g}.")
    made = connection.execute(
        "INSERT INTO faults (operation, kind, remaining, seconds) VALUES (?, ?, ?, ?)",
        (operation, kind, times, lasting),
    )
    return {"id": made.lastrowid, "operation": operation, "kind": kind, "remaining": times, "seconds": lasting}


def active(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """The faults still to come, in the order they will strike."""
    return [dict(row) for row in connection.execute("SELECT * FROM faults WHERE remaining > 0 ORDER BY id")]


def clear(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM faults")


def take(connection: sqlite3.Connection, operation: str) -> Fault | None:
    """The fault that strikes this call, if any; it is used up by one. Needs a write transaction."""
    everything = "" if operation in NO_CALLS else "all"
    row = connection.execute(
        "SELECT * FROM faults WHERE remaining > 0 AND operation IN (?, ?) ORDER BY id LIMIT 1", (operation, everything)
    ).fetchone()
    if row is None:
        return None
    connection.execute("UPDATE faults SET remaining = remaining - 1 WHERE id = ?", (row["id"],))
    return Fault(kind=row["kind"], seconds=row["seconds"])
