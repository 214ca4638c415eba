"""Storing a verified webhook, once; and what a poll told that could not take effect at once."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from loyalty.common import queue
from loyalty.common.prepared import Statement
from loyalty.hooks.callers import Caller
from loyalty.hooks.models import InboundWebhook
from platforms.adapter import WebhookMessage
from platforms.payouts.provider import PayoutMessage

BATCHES = "hooks.drain"  # the task that works off what is due
SUBJECT = "inbound_webhook"  # what events about one call it
LONGEST_EVENT_ID = 120
LONGEST_SUBJECT_ID = 120
LONGEST_TOPIC = 80
POLLED = "polled order"  # the topic of what no webhook told; the body is the order's id
AGAIN_AFTER = timedelta(seconds=10)
SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})  # whoever sends them

_INSERT = """
INSERT INTO hooks_inboundwebhook (
    connection_id, payout_account_id, event_id, topic, subject_id, body, headers, state, received_at, due_at, attempts,
    attempts_before, result
)
SELECT connection_id, account_id, event_id, topic, subject_id, body, headers::jsonb, 'received', %(now)s, %(now)s, 0, 0, ''
FROM unnest(
    %(connections)s::int8[], %(accounts)s::int8[], %(event_ids)s::text[], %(topics)s::text[], %(subject_ids)s::text[],
    %(bodies)s::bytea[], %(headers)s::text[]
) AS letter (connection_id, account_id, event_id, topic, subject_id, body, headers)
"""
_TYPES = {
    "connections": "int8[]", "accounts": "int8[]", "event_ids": "text[]", "topics": "text[]", "subject_ids": "text[]",
    "bodies": "bytea[]", "headers": "text[]", "now": "timestamptz",
}  # fmt: skip

# One statement, and no transaction around it: all of them are kept when this returns. Under a burst it is what they cost.
_KEEP = Statement("keep_webhooks", f"{_INSERT} ON CONFLICT DO NOTHING RETURNING id", types=_TYPES)

# The same of those shops whose rows still say what the letters were verified by. The array keeps the order of the letters.
_KEEP_OF_UNCHANGED = Statement(
    "keep_webhooks_of_unchanged",
    f"""
WITH unchanged AS MATERIALIZED (
    SELECT shop.id
    FROM unnest(
        %(shop_keys)s::text[], %(shops)s::int8[], %(platforms)s::text[], %(base_urls)s::text[], %(currencies)s::text[],
        %(credentials)s::text[]
    ) AS known (key, id, platform, base_url, currency, credentials)
    JOIN platforms_storeconnection AS shop USING (id, platform, base_url, currency, credentials)
    WHERE shop.webhook_key = known.key::uuid
), kept AS (
    {_INSERT}
    WHERE connection_id = ANY (ARRAY(SELECT id FROM unchanged))
    ON CONFLICT DO NOTHING
)
SELECT id FROM unchanged
""",  # noqa: S608 (the statement above)
    types=_TYPES
    | {
        "shop_keys": "text[]", "shops": "int8[]", "platforms": "text[]", "base_urls": "text[]", "currencies": "text[]",
        "credentials": "text[]",
    },
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One verified delivery as it came, of a shop or of a payout account.

    `headers` are lower-cased, and those the sender's adapter calls secret are left out already.
    """

    connection_id: int | None = None
    payout_account_id: int | None = None
    message: WebhookMessage | PayoutMessage
    headers: Mapping[str, str]
    body: bytes

    @property
    def event_id(self) -> str:
        return _event_id(self.message.event_id)


def store(letters: Sequence[Letter], *, now: datetime) -> list[int]:
    """Keep deliveries raw, all in one statement; gives the ids of those that were not kept before."""
    return [int(row[0]) for row in _KEEP.run(_columns(letters, now=now))]


def store_of_unchanged(letters: Sequence[Letter], callers: Collection[Caller], *, now: datetime) -> set[int]:
    """Keep deliveries of these shops in one statement, if they are as the deliveries were verified.

    Gives the ids of the shops that are; of the others nothing is kept.
    """
    pks, platforms, base_urls, currencies, sealed = zip(*(caller.row for caller in callers), strict=True)
    kept = _KEEP_OF_UNCHANGED.run(
        _columns(letters, now=now)
        | {
            "shop_keys": [caller.key for caller in callers],
            "shops": list(pks),
            "platforms": list(platforms),
            "base_urls": list(base_urls),
            "currencies": list(currencies),
            "credentials": list(sealed),
        }
    )
    return {int(row[0]) for row in kept}


def _columns(letters: Sequence[Letter], *, now: datetime) -> dict[str, Any]:
    # Everybody names events in one order: two who keep the same ones wait for each other in turn, never crosswise.
    rows = sorted(letters, key=lambda each: (each.connection_id or 0, each.payout_account_id or 0, each.event_id))
    return {
        "connections": [letter.connection_id for letter in rows],
        "accounts": [letter.payout_account_id for letter in rows],
        "event_ids": [letter.event_id for letter in rows],
        "topics": [letter.message.topic.replace("\x00", "")[:LONGEST_TOPIC] for letter in rows],
        "subject_ids": [_subject_id(letter.message) for letter in rows],
        "bodies": [letter.body for letter in rows],
        "headers": [_headers(letter) for letter in rows],
        "now": now,
    }


def ring() -> None:
    """Wake a worker for what was kept, after commit: one message, however many those are."""
    queue.ring(BATCHES)


def ring_now() -> None:
    """The same of what is committed already, from a thread without a session of the database."""
    queue.ring_now(BATCHES)


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


def _headers(letter: Letter) -> str:
    kept = {name: value.replace("\x00", "") for name, value in letter.headers.items() if name not in SECRET_HEADERS}
    return json.dumps(kept)


def _subject_id(message: WebhookMessage | PayoutMessage) -> str | None:
    """What the event is about; None for a name that does not fit, which only its body holds then."""
    named = message.reference if isinstance(message, PayoutMessage) else message.order_external_id
    return named if len(named) <= LONGEST_SUBJECT_ID and "\x00" not in named else None
