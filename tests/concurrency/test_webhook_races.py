"""Workers of webhooks beside each other: a lane has one holder, a message goes out once, no failure goes uncounted."""

import pytest

from loyalty.webhooks import outbox
from loyalty.webhooks.models import WebhookDelivery, WebhookEndpoint
from loyalty.webhooks.posting import Posted
from tests.concurrency.races import race, succeeded
from tests.webhooks.conftest import NOW, listening, waiting

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 8


@pytest.fixture
def endpoint() -> WebhookEndpoint:
    return listening("https://till.example.com/")


def test_no_more_lanes_are_claimed_than_may_be_and_each_once(endpoint, settings):
    settings.WEBHOOKS_AT_ONCE = 3
    for number in range(4):
        waiting(endpoint, event_id=number, subject_id=number)

    lanes = [lane for lane in race(*[lambda: outbox.claim(now=NOW)] * WORKERS) if lane is not None]

    assert len(lanes) == 3
    assert len({lane.pk for lane in lanes}) == 3


def test_each_message_is_taken_by_one(endpoint):
    for number in range(4):
        waiting(endpoint, event_id=number)
    lane = outbox.claim(now=NOW)

    taken = succeeded(race(*[lambda: outbox.take(lane=lane, now=NOW)] * WORKERS))

    found = [delivery.pk for delivery in taken if delivery is not None]
    assert len(found) == len(set(found)) == 4
    assert set(WebhookDelivery.objects.values_list("attempts", flat=True)) == {1}


def test_every_failure_counts(endpoint):
    for number in range(WORKERS):
        waiting(endpoint, event_id=number)
    lane = outbox.claim(now=NOW)
    taken = [outbox.take(lane=lane, now=NOW) for _ in range(WORKERS)]
    no = Posted(status=500, reason="The endpoint answered 500.")

    results = race(*[lambda each=each: outbox.record(delivery=each, posted=no, now=NOW) for each in taken])

    assert results == [False] * WORKERS
    endpoint.refresh_from_db()
    assert endpoint.failures == WORKERS
