"""Webhooks out for tests: an endpoint that is spoken to over HTTP, and things that happen."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from loyalty.api.v1 import webhook_bodies
from loyalty.common import actors
from loyalty.events import log
from loyalty.events.models import Event, EventReader
from loyalty.webhooks import endpoints, sending, telling, topics
from loyalty.webhooks.models import WebhookDelivery, WebhookEndpoint
from tests.factories.people import CustomerFactory
from tests.fakes.events import settle
from tests.fakes.receiver import Receiver, webhook_receiver

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
EVERYTHING = list(topics.BY_NAME)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with webhook_receiver() as running:
        yield running


@pytest.fixture
def endpoint(db: None, receiver: Receiver) -> WebhookEndpoint:
    """Hears everything about customers, with thin bodies."""
    return listening(receiver.url)


@pytest.fixture
def read(transactional_db: None) -> Callable[[], list[str]]:
    """Reads all that happened; gives back the topics in the queue, oldest first."""
    EventReader.objects.all().delete()

    def read_all() -> list[str]:
        settle()
        while telling.read(now=NOW):
            pass
        return list(WebhookDelivery.objects.order_by("pk").values_list("topic", flat=True))

    return read_all


def listening(url: str, *, chosen: list[str] = EVERYTHING, body: str = "thin", name: str = "Till") -> WebhookEndpoint:
    return endpoints.create(name=name, url=url, chosen=chosen, body=body, actor=actors.staff(1), now=NOW)[0]


def happened(kind: str = "customer.updated", *, subject_type: str = "customer", subject_id: int | None = None) -> Event:
    subject_id = subject_id or CustomerFactory().pk
    return log.record(
        kind=kind,
        subject_type=subject_type,
        subject_id=subject_id,
        customer_id=subject_id if subject_type == "customer" else None,
        actor=actors.SYSTEM,
        now=NOW,
    )


def waiting(endpoint: WebhookEndpoint, *, event_id: int = 1, subject_id: int = 4, **fields) -> WebhookDelivery:
    """One message that waits."""
    wanted = {"topic": "customer/updated", "lane": subject_id % 4, "due_at": NOW, "occurred_at": NOW, "created_at": NOW}
    return WebhookDelivery.objects.create(
        endpoint=endpoint, event_id=event_id, subject_id=subject_id, **(wanted | fields)
    )


def send(now: datetime = NOW) -> bool:
    return sending.send_due(now=now, patience=20, shape=webhook_bodies.data)
