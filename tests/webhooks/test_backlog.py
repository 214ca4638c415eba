"""A hundred thousand messages to a receiver that takes none: the next message is as near as ever, and others get theirs."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loyalty.webhooks import outbox
from loyalty.webhooks.models import DeliveryState, WebhookDelivery
from loyalty.webhooks.posting import Posted
from tests.fakes.receiver import webhook_receiver
from tests.webhooks.conftest import NOW, listening, send, waiting

pytestmark = pytest.mark.django_db

BACKLOG = 100_000
FILL = """
    INSERT INTO webhooks_webhookdelivery
        (endpoint_id, event_id, topic, subject_id, lane, state, attempts, due_at, occurred_at, created_at, reason)
    SELECT %s, 1000000 + number, 'customer/updated', number, number %% 4, 'waiting', 0,
        %s - number * interval '1 millisecond', %s, %s, ''
    FROM generate_series(1, %s) AS number
"""

# What the server made of the rows of tests before, which may be long gone.
FORGET = """
    SELECT pg_clear_attribute_stats('public', relname, attname, false), pg_clear_relation_stats('public', relname)
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relname = 'webhooks_webhookdelivery' AND attnum > 0 AND NOT attisdropped
"""


def fill(endpoint):
    with connection.cursor() as cursor:
        cursor.execute(FILL, [endpoint.pk, NOW, NOW, NOW, BACKLOG])


def pages(act):
    """How many pages of the database an act reads to find its rows: each SELECT is run again, and counts them."""
    with CaptureQueriesContext(connection) as asked:
        act()
    read = 0
    for sql in [each["sql"] for each in asked.captured_queries if each["sql"].startswith("SELECT")]:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
            told = cursor.fetchone()[0]
            plan = (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]
        read += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return read


def one_message():
    """What a worker does for one message, but for sending it."""
    lane = outbox.claim(now=NOW)
    delivery = outbox.take(lane=lane, now=NOW)
    outbox.record(delivery=delivery, posted=Posted(status=200), now=NOW)
    outbox.release(lane=lane)


@pytest.mark.parametrize("known", [True, False], ids=["statistics", "no statistics"])
def test_the_next_message_is_found_in_a_few_pages(endpoint, known):
    fill(endpoint)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size('webhooks_webhookdelivery') / 8192")
        assert cursor.fetchone()[0] > 1_000
        if known:
            cursor.execute("ANALYZE webhooks_webhookdelivery, webhooks_webhooklane, webhooks_webhookendpoint")
        else:
            cursor.execute(FORGET)

    assert pages(one_message) < 300


def test_a_receiver_that_takes_nothing_holds_up_nobody_else(endpoint, receiver):
    fill(endpoint)
    receiver.answers = [503] * 100
    with webhook_receiver() as other:
        well = listening(other.url, name="Warehouse")
        for number in range(1, 4):
            waiting(well, event_id=number, subject_id=number)

        send()

    assert len(other.deliveries) == 3
    assert len(receiver.deliveries) <= 4  # one for each of its lanes
    assert WebhookDelivery.objects.filter(endpoint=endpoint, state=DeliveryState.WAITING).count() == BACKLOG
