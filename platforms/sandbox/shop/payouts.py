"""Payouts: money the shop sends to customers for somebody else, and what it says became of it."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from platforms.sandbox.shop import faults, money, store, webhooks
from platforms.sandbox.shop.refusals import Refused

# What the shop says of a payout, as its providers number it: the status, its code, its message.
ACCEPTED, PAID, FAILED, PENDING = 0, 1, 2, 3
SAID: dict[int, tuple[str, str]] = {
    ACCEPTED: ("INIT", "INIT"),
    PAID: ("SUCCESS", ""),
    FAILED: ("R07", "The account cannot receive money"),
    PENDING: ("P02", "Waiting for the receiver's bank"),
}
STATUSES = {"accepted": ACCEPTED, "paid": PAID, "failed": FAILED, "pending": PENDING}
OUTCOMES = {"accept": ACCEPTED, "fail": FAILED, "pending": PENDING}  # what faults make of the next one
FINAL = (PAID, FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPayout:
    """`reference` is the sender's own name for it, unique in the shop; the amount is in minor units."""

    reference: str
    amount: int
    email: str
    title: str = ""


def create(connection: sqlite3.Connection, new: NewPayout, *, currency: str, now: datetime) -> sqlite3.Row:
    """Take a payout on; it is paid at once unless a fault says otherwise. Raises Refused: duplicate_reference."""
    if find(connection, new.reference) is not None:
        raise Refused("duplicate_reference", f"There is a payout {new.reference} already.", status=409)
    fault = faults.take(connection, "payout_outcome")
    status = OUTCOMES[fault.kind] if fault is not None else PAID
    code, message = SAID[status]
    made, at = store.new_id("payout"), store.instant(now)
    connection.execute(
        "INSERT INTO payouts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (made, new.reference, new.amount, new.email, new.title, status, code, message, at, at),
    )
    return _told(connection, made, currency=currency, change="made", now=now)


def settle(
    connection: sqlite3.Connection,
    payout_id: str,
    *,
    status: int,
    code: str = "",
    message: str = "",
    currency: str,
    now: datetime,
) -> sqlite3.Row:
    """Say something else of a payout, and tell it. Raises Refused: not_found, already_settled."""
    row = read(connection, payout_id)
    if row["status"] in FINAL and row["status"] != status:
        raise Refused("already_settled", "What was paid, or refused, stays so.", status=409)
    usual_code, usual_message = SAID[status]
    connection.execute(
        "UPDATE payouts SET status = ?, code = ?, message = ?, updated_at = ? WHERE id = ?",
        (status, code or usual_code, message or usual_message, store.instant(now), payout_id),
    )
    return _told(connection, payout_id, currency=currency, change="settled", now=now)


def _told(connection: sqlite3.Connection, payout_id: str, *, currency: str, change: str, now: datetime) -> sqlite3.Row:
    row = read(connection, payout_id)
    webhooks.enqueue(connection, as_json(row, currency=currency), topic=webhooks.PAYOUT, change=change, now=now)
    return row


def find(connection: sqlite3.Connection, reference: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute("SELECT * FROM payouts WHERE reference = ?", (reference,)).fetchone()
    return row


def read(connection: sqlite3.Connection, payout_id: str) -> sqlite3.Row:
    """Raises Refused not_found."""
    row: sqlite3.Row | None = connection.execute("SELECT * FROM payouts WHERE id = ?", (payout_id,)).fetchone()
    if row is None:
        raise Refused("not_found", "The shop has no such payout.", status=404)
    return row


def newest(connection: sqlite3.Connection, *, limit: int = 100) -> list[sqlite3.Row]:
    return connection.execute("SELECT * FROM payouts ORDER BY created_at DESC, id DESC LIMIT ?", (limit,)).fetchall()


def as_json(row: sqlite3.Row, *, currency: str) -> dict[str, Any]:
    same = ("id", "reference", "status", "code", "message", "created_at", "updated_at")
    return {
        **{name: row[name] for name in same},
        "amount": money.to_text(row["amount"], currency),
        "currency": currency,
    }
