"""Webhooks out: an outbox written with the order's change, and a courier that delivers it until it is taken.

Deliveries survive a restart. Each attempt is signed afresh: `v1=` and the hex HMAC-SHA256, under the webhook secret, of
the timestamp, a full stop and the body as sent.
"""

import hashlib
import hmac
import http.client
import json
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from platforms.sandbox.shop import faults, store
from platforms.sandbox.shop.refusals import Refused
from platforms.sandbox.shop.store import Store

TOPIC, PAYOUT = "order.updated", "payout.updated"
ADDRESSES = {TOPIC: "webhook_url", PAYOUT: "payout_webhook_url"}  # the setting that says where each topic goes
MOST_ATTEMPTS = 15
LONGEST_PAUSE = 300.0
SECONDS_TO_ANSWER = 10.0


def set_address(connection: sqlite3.Connection, url: str, *, topic: str = TOPIC) -> None:
    """Where to deliver; empty switches webhooks off. Raises Refused."""
    try:
        parts = urlsplit(url)
        usable = not url or (parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0)
    except ValueError:
        usable = False
    if not usable or len(url) > 2000 or not url.isascii() or not url.isprintable() or " " in url:
        raise Refused("invalid_url", "url is a web address such as https://desk.example.com/hooks/1.")
    store.put_setting(connection, ADDRESSES[topic], url)


def enqueue(
    connection: sqlite3.Connection, subject: dict[str, Any], *, topic: str = TOPIC, change: str, now: datetime
) -> None:
    """Put the event into the outbox, with whatever fault is due; nothing happens while no address is set.

    The subject is an order, or what else the topic is about.
    """
    if not store.setting(connection, ADDRESSES[topic]):
        return
    fault = faults.take(connection, "webhook")
    kind, seconds = (fault.kind, fault.seconds) if fault else ("", 0.0)
    state = {"lost": "lost", "out_of_order": "held"}.get(kind, "waiting")
    first_at = now + timedelta(seconds=seconds if kind in {"late", "out_of_order"} else 0)
    event_id = store.new_id("event")
    body = json.dumps(
        {"event_id": event_id, "topic": topic, "change": change, "occurred_at": subject["updated_at"]}
        | {topic.partition(".")[0]: subject},
        separators=(",", ":"),
    )
    row = (event_id, topic, change, subject["id"], body, state, store.instant(first_at), store.instant(now))
    for _ in range(2 if kind == "duplicate" else 1):
        connection.execute(
            "INSERT INTO deliveries (event_id, topic, change, order_id, body, state, next_attempt_at, created_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )


def newest(connection: sqlite3.Connection, *, limit: int = 100) -> list[sqlite3.Row]:
    return connection.execute(
        "SELECT deliveries.*, CASE topic WHEN 'order.updated' THEN 'Order ' || orders.number ELSE "
        "'Payout ' || payouts.reference END AS subject FROM deliveries LEFT JOIN orders ON orders.id = order_id "
        "LEFT JOIN payouts ON payouts.id = order_id "
        "ORDER BY deliveries.id DESC LIMIT ?",
        (limit,),
    ).fetchall()


def send_again(connection: sqlite3.Connection, delivery_id: int, *, now: datetime) -> None:
    """Deliver once more, whatever became of it. Raises Refused not_found."""
    changed = connection.execute(
        "UPDATE deliveries SET state = 'waiting', attempts = 0, next_attempt_at = ? WHERE id = ?",
        (store.instant(now), delivery_id),
    )
    if changed.rowcount == 0:
        raise Refused("not_found", "The shop has no such delivery.", status=404)


def sign(secret: str, *, timestamp: str, body: bytes) -> str:
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"v1={digest.hexdigest()}"


class Courier(threading.Thread):
    """Delivers what is due, one at a time, oldest first, until it is stopped."""

    def __init__(self, shop: Store, *, secret: str, pause: float = 1.0) -> None:
        super().__init__(name="courier", daemon=True)
        self._shop = shop
        self._secret = secret
        self._pause = pause
        self._stopping = threading.Event()
        self._bell = threading.Event()

    def ring(self) -> None:
        """Look at the outbox now."""
        self._bell.set()

    def stop(self) -> None:
        self._stopping.set()
        self._bell.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                worked = self._deliver_one()
            except sqlite3.OperationalError as error:  # the file is busy or full: the rows are still there
                print(f"webhooks: {error}", flush=True)
                worked = False
            if not worked:
                self._bell.wait(0.25)
                self._bell.clear()

    def _deliver_one(self) -> bool:
        now = store.instant(datetime.now(UTC))
        with self._shop.reading() as connection:
            urls = {topic: store.setting(connection, name) for topic, name in ADDRESSES.items()}
            known = [topic for topic, url in urls.items() if url]
            row = connection.execute(
                "SELECT * FROM deliveries WHERE state IN ('waiting', 'held') AND next_attempt_at <= ? "
                "AND topic IN (SELECT value FROM json_each(?)) ORDER BY next_attempt_at, id LIMIT 1",
                (now, json.dumps(known)),
            ).fetchone()
        if row is None:
            return False
        delivered, answer = self._attempt(urls[row["topic"]], row)
        with self._shop.writing() as connection:
            self._record(connection, row, delivered=delivered, answer=answer, now=datetime.now(UTC))
        return True

    def _attempt(self, url: str, row: sqlite3.Row) -> tuple[bool, str]:
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=SECONDS_TO_ANSWER)
        body = row["body"].encode()
        timestamp = str(int(datetime.now(UTC).timestamp()))
        headers = {
            "content-type": "application/json",
            "user-agent": "SandboxShop/1",
            "x-sandbox-event-id": row["event_id"],
            "x-sandbox-topic": row["topic"],
            "x-sandbox-timestamp": timestamp,
            "x-sandbox-signature": sign(self._secret, timestamp=timestamp, body=body),
        }
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("POST", target, body, headers)
            status = connection.getresponse().status
        except (OSError, ValueError, http.client.HTTPException) as error:
            return False, type(error).__name__
        finally:
            connection.close()
        return 200 <= status < 300, str(status)

    def _record(
        self, connection: sqlite3.Connection, row: sqlite3.Row, *, delivered: bool, answer: str, now: datetime
    ) -> None:
        attempts = row["attempts"] + 1
        if delivered:
            connection.execute(
                "UPDATE deliveries SET state = 'delivered', attempts = ?, last_answer = ?, delivered_at = ? WHERE id = ?",
                (attempts, answer, store.instant(now), row["id"]),
            )
            # Whatever was held back to arrive out of order may follow now.
            connection.execute(
                "UPDATE deliveries SET state = 'waiting', next_attempt_at = ? WHERE state = 'held' AND id < ?",
                (store.instant(now), row["id"]),
            )
            return
        pause = min(self._pause * 2 ** (attempts - 1), LONGEST_PAUSE)
        connection.execute(
            "UPDATE deliveries SET state = ?, attempts = ?, last_answer = ?, next_attempt_at = ? WHERE id = ?",
            (
                "failed" if attempts >= MOST_ATTEMPTS else "waiting",
                attempts,
                answer,
                store.instant(now + timedelta(seconds=pause)),
                row["id"],
            ),
        )
