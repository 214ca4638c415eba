"""Storing a verified webhook, once; and what a poll told that could not take effect at once."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction

from loyalty.common import queue
from loyalty.hooks.models import InboundWebhook
from platforms.adapter import WebhookMessage
from platforms.payouts.provider import PayoutMessage

LONGEST_EVENT_ID = 120
LONGEST_TOPIC = 80
POLLED = "polled order"  # the topic of what no webhook told; the body is the order's id
AGAIN_AFTER = timedelta(seconds=10)
SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})


@transaction.atomic
def store(
    *,
    connection_id: int | None = None,
    payout_account_id: int | None = None,
    message: WebhookMessage | PayoutMessage,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
) -> tuple[InboundWebhook, bool]:
    """Keep one delivery raw and ring for a worker; says whether it is new. The same event again changes nothing.

    It comes from a shop or from a payout account.
    """
    webhook, created = InboundWebhook.objects.get_or_create(
        connection_id=connection_id,
        payout_account_id=payout_account_id,
        event_id=_event_id(message.event_id),
        defaults={
            "topic": message.topic.replace("\x00", "")[:LONGEST_TOPIC],
            "body": body,
            "headers": {name: value for name, value in headers.items() if name not in SECRET_HEADERS},
            "received_at": now,
            "due_at": now,
        },
    )
    if created:
        queue.enqueue("hooks.process", webhook_id=webhook.pk)
    return webhook, created


def store_polled(*, connection_id: int, order_id: str, version: str, reason: str, now: datetime) -> None:
    """Keep an order that a poll told and that could not take effect, so that it comes again and the poll goes on.

    The same version again changes nothing.
    """
    InboundWebhook.objects.get_or_create(
        connection_id=connection_id,
        event_id=_event_id(f"{POLLED} {order_id} {version}"),
        defaults={
            "topic": POLLED,
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
