"""Send what is due, one message after the other. Not inside a transaction.

What a message says is written by whoever calls, from what is true then: nothing about people waits in the queue, and a
message that comes late says what is so now.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from loyalty.common import sealing
from loyalty.common.clock import Stopwatch
from loyalty.webhooks import endpoints, outbox, posting, signing, topics
from loyalty.webhooks.models import BodyStyle, WebhookDelivery, WebhookLane
from loyalty.webhooks.posting import Posted

ACCOUNT_ID = 1  # one installation is one merchant
TURN = 10.0  # seconds a lane is worked on before another has its turn

# The `data` of a message: its topic, the id of its subject, thin or full, and now.
Shape = Callable[[str, int, BodyStyle, datetime], dict[str, Any]]


def send_due(*, now: datetime, patience: float, shape: Shape) -> bool:
    """Send what is due for so many seconds. Whether there may be more."""
    watch = Stopwatch(now)
    while watch.elapsed < patience:
        lane = outbox.claim(now=watch.now)
        if lane is None:
            return False
        try:
            _work(lane, watch, until=min(watch.elapsed + TURN, patience), shape=shape)
        finally:
            outbox.release(lane=lane)
    return True


def message_id(delivery: WebhookDelivery) -> str:
    """The same for every attempt, so that a receiver knows what it has already."""
    if delivery.event_id is None:
        return f"msg_test_{delivery.pk}"
    return f"msg_{delivery.event_id}_{delivery.topic.replace('/', '_')}"


def body_of(delivery: WebhookDelivery, *, shape: Shape, now: datetime) -> bytes:
    """The message as it goes out: Smile's three names, and beside them what tells order and time."""
    style = BodyStyle(delivery.endpoint.body)
    told = delivery.subject_id is not None
    said = {
        "account_id": ACCOUNT_ID,
        "topic": delivery.topic,
        "data": shape(delivery.topic, delivery.subject_id, style, now) if delivery.subject_id is not None else {},
        "ordering_key": topics.ordering_key(topic=delivery.topic, subject_id=delivery.subject_id or 0)
        if told
        else None,
        "sequence": delivery.event_id,
        "occurred_at": delivery.occurred_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def _work(lane: WebhookLane, watch: Stopwatch, *, until: float, shape: Shape) -> None:
    while watch.elapsed < until:
        delivery = outbox.take(lane=lane, now=watch.now)
        if delivery is None or not _send(delivery, watch, shape):
            return


def _send(delivery: WebhookDelivery, watch: Stopwatch, shape: Shape) -> bool:
    """Whether the lane may go on."""
    try:
        secrets = endpoints.secrets(endpoint=delivery.endpoint, now=watch.now)
    except sealing.Unreadable as error:
        return outbox.record(delivery=delivery, posted=Posted(reason=f"It was not sent: {error}"), now=watch.now)
    body = body_of(delivery, shape=shape, now=watch.now)
    headers = signing.headers(message_id=message_id(delivery), body=body, by=secrets, now=watch.now)
    posted = posting.post(url=delivery.endpoint.url, body=body, headers=headers, secrets=secrets)
    return outbox.record(delivery=delivery, posted=posted, now=watch.now)
