"""Which messages follow from what happened: events are read in their order, and each makes a row for who listens."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db import transaction

from loyalty.common import queue
from loyalty.events import reading
from loyalty.events.models import Event
from loyalty.webhooks import topics
from loyalty.webhooks.endpoints import SEND
from loyalty.webhooks.models import LANES, EndpointState, WebhookDelivery, WebhookEndpoint
from loyalty.webhooks.topics import Thing, Topic
from rewards import queries

READER = "webhooks"
ROWS_AT_ONCE = 2_000  # of one statement
LISTENING = [EndpointState.ACTIVE, EndpointState.PAUSED]


@transaction.atomic
def read(*, now: datetime) -> bool:
    """Put what follows from the next events into the queue, moving the reader's place with it. Whether there may be more.

    A redemption that is not on the customer's profile is told to nobody: the API does not know it either.
    """
    events, more = reading.take(reader=READER, kinds=topics.BY_KIND.keys())
    listening = list(WebhookEndpoint.objects.filter(state__in=LISTENING).order_by("pk")) if events else []
    rows = list(_rows(events, listening, now)) if listening else []
    if rows:
        WebhookDelivery.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE, ignore_conflicts=True)
        queue.enqueue(SEND)
    return more


def _rows(events: Iterable[Event], listening: list[WebhookEndpoint], now: datetime) -> Iterator[WebhookDelivery]:
    """In the order of the events' ids: of one subject, that is the order in which it changed."""
    told = [
        (event, topic, subject)
        for event in sorted(events, key=lambda event: event.pk)
        for topic in topics.BY_KIND[event.kind]
        if (subject := topic.subject_of(event)) is not None
    ]
    hidden = _hidden({subject for _, topic, subject in told if _is_reward(topic)})
    for event, topic, subject in told:
        if _is_reward(topic) and subject in hidden:
            continue
        for endpoint in listening:
            if topic.name in endpoint.topics:
                yield WebhookDelivery(
                    endpoint=endpoint,
                    event_id=event.pk,
                    topic=topic.name,
                    subject_id=subject,
                    lane=subject % LANES,
                    due_at=now,
                    occurred_at=event.occurred_at,
                    created_at=now,
                )


def _is_reward(topic: Topic) -> bool:
    return topic.thing in {Thing.REWARD_FULFILLMENT, Thing.DELIVERY}


def _hidden(redeemed_ids: set[int]) -> set[int]:
    if not redeemed_ids:
        return set()
    return redeemed_ids - set(queries.visible().filter(pk__in=redeemed_ids).values_list("pk", flat=True))
