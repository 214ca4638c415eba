"""Storing a verified webhook, once; and what a poll told that could not take effect at once."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from loyalty.common import queue
from loyalty.common.prepared import Statement
from loyalty.hooks.models import InboundWebhook
from platforms.adapter import WebhookMessage
from platforms.payouts.provider import PayoutMessage

SUBJECT = "inbound_webhook"  # what events about one call it
LONGEST_EVENT_ID = 120
LONGEST_SUBJECT_ID = 120
LONGEST_TOPIC = 80
POLLED = "polled order"  # the topic of what no webhook told; the body is the order's id
AGAIN_AFTER = timedelta(seconds=10)
SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})  # whoever sends them

# One statement, and no transaction around it: it is kept when this returns. Under a burst it is what a delivery costs.
_KEEP = Statement(
    "keep_webhook",
    """
INSERT INTO hooks_inboundwebhook (
    connection_id, payout_account_id, event_id, topic, subject_id, body, headers, state, received_at, due_at, attempts,
    attempts_before, result
) VALUES (
    %(connection)s, %(account)s, %(event_id)s, %(topic)s, %(subject_id)s, %(body)s, %(headers)s, 'received', %(now)s, %(now)s,
    0, 0, ''
)
ON CONFLICT DO NOTHING RETURNING id
""",
    types={
        "connection": "int8", "account": "int8", "event_id": "text", "topic": "text", "subject_id": "text",
        "body": "bytea", "headers": "jsonb", "now": "timestamptz",
    },
)  # fmt: skip


def store(
    *,
    connection_id: int | None = None,
    payout_account_id: int | None = None,
    message: WebhookMessage | PayoutMessage,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
) -> int | None:
    """Keep one delivery raw and ring for a worker; gives its id, or None for an event that was kept before.

    It comes from a shop or from a payout account. `headers` are lower-cased, and those the sender's adapter calls secret
    are left out already.
    """
    kept = {name: value.replace("\x00", "") for name, value in headers.items() if name not in SECRET_HEADERS}
    rows = _KEEP.run(
        {
            "connection": connection_id,
            "account": payout_account_id,
            "event_id": _event_id(message.event_id),
            "topic": message.topic.replace("\x00", "")[:LONGEST_TOPIC],
            "subject_id": _subject_id(message),
            "body": body,
            "headers": json.dumps(kept),
            "now": now,
        }
    )
    if not rows:
        return None
    webhook_id = int(rows[0][0])
    queue.ring("hooks.process", webhook_id=webhook_id)
    return webhook_id


def store_polled(*, connection_id: int, order_id: str, version: str, reason: str, now: datetime) -> None:
    """Keep an order that a poll told and that could not take effect, so that it comes again and the poll goes on.

    The same version again changes nothing.
    """
    InboundWebhook.objects.get_or_create(
        connection_id=connection_id,
        event_id=_event_id(f"{POLLED} {order_id} {version}"),
        defaults={
            "topic": POLLED,
            "subject_id": order_id if len(order_id) <= LONGEST_SUBJECT_ID else None,
            "body": order_id.encode(),
            "received_at": now,
            "due_at": now + AGAIN_AFTER,
            "result": reason[:300],
        },
    )


def _event_id(event_id: str) -> str:
    """The platform's id of the event, or a digest of one that does not fit: shortened, two could be taken for one."""
    if len(event_id) <= LONGEST_EVENT_ID and "\x00" not in event_id:
        return event_id
    return hashlib.sha256(event_id.encode(errors="surrogatepass")).hexdigest()


def _subject_id(message: WebhookMessage | PayoutMessage) -> str | None:
    """What the event is about; None for a name that does not fit, which only its body holds then."""
    named = message.reference if isinstance(message, PayoutMessage) else message.order_external_id
    return named if len(named) <= LONGEST_SUBJECT_ID and "\x00" not in named else None
