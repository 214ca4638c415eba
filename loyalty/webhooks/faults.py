"""Webhooks out at every step of a fault: while events are read, and while a message is sent. For `prove_faults`."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from loyalty.common.actors import SYSTEM
from loyalty.common.crashing import Scenario
from loyalty.common.racing import Scores
from loyalty.customers import enrollment
from loyalty.events import reading
from loyalty.events.models import EventReader
from loyalty.webhooks import endpoints, telling
from loyalty.webhooks.models import (
    LANES,
    DeliveryState,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookLane,
)
from platforms.trial import Scene

ONCE = "What happened makes one message, and it is taken"
LISTENER = "Trial"
PATIENCE = 20.0  # seconds
TOPIC = "customer/created"


def _happened(scene: Scene) -> dict[str, Any]:
    """A customer joined while somebody listens; nobody has read of it yet. The reader is no new one: each run is alike."""
    EventReader.objects.get_or_create(name=telling.READER)
    endpoint = WebhookEndpoint.objects.filter(name=LISTENER).first() or _endpoint(scene, LISTENER)
    email = f"{uuid4()}@example.com"
    joined = enrollment.enroll(email=email, first_name="Anna", last_name="", actor=SYSTEM, now=scene.now())
    reading.wait(seconds=PATIENCE)
    return {"endpoint": endpoint.pk, "subject": joined.pk}


def _waits(scene: Scene) -> dict[str, Any]:
    """A message to an endpoint of its own. Whoever died with a lane in hand did so long ago."""
    now = scene.now()
    WebhookLane.objects.filter(claimed_until__isnull=False).update(claimed_until=now - timedelta(seconds=1))
    endpoint = _endpoint(scene, str(uuid4()))
    subject = int(endpoint.pk)
    WebhookDelivery.objects.create(
        endpoint=endpoint,
        event_id=0,
        topic=TOPIC,
        subject_id=subject,
        lane=subject % LANES,
        due_at=now,
        occurred_at=now,
        created_at=now,
    )
    return {"endpoint": endpoint.pk, "subject": subject}


def _endpoint(scene: Scene, name: str) -> WebhookEndpoint:
    """The shop's own page of health takes whatever it is sent."""
    url = f"{scene.connection().base_url}/health"
    topic = TOPIC if name == LISTENER else "payout/paid"  # of which nothing happens in these proofs
    endpoint, _ = endpoints.create(name=name, url=url, chosen=[topic], body="thin", actor=SYSTEM, now=scene.now())
    return endpoint


def _judge(scene: Scene, subject: dict[str, Any], scores: Scores) -> None:
    rows = WebhookDelivery.objects.filter(endpoint=subject["endpoint"], subject_id=subject["subject"], topic=TOPIC)
    scores.equal(ONCE, list(rows.values_list("state", flat=True)), [DeliveryState.DELIVERED])
    answers = WebhookAttempt.objects.filter(delivery__in=rows, status=200)
    scores.check(ONCE, holds=answers.exists(), otherwise="no attempt of it was answered")


FAULTS: dict[str, Scenario[Scene]] = {
    "a worker reads events for webhooks": Scenario(
        prepare=_happened, act=lambda scene, subject: scene.task("webhooks.read_events"), judge=_judge
    ),
    "a worker sends a webhook": Scenario(
        prepare=_waits, act=lambda scene, subject: scene.task(endpoints.SEND), judge=_judge
    ),
}


def waiting(scene: Scene) -> dict[str, int]:
    """What is under way, by its name."""
    return {"webhooks out": WebhookDelivery.objects.filter(state=DeliveryState.WAITING).count()}
