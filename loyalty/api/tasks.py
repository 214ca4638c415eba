"""Work of the API: webhooks, whose shapes are its own, and housekeeping."""

from celery import shared_task
from django.utils import timezone

from loyalty.api import idempotency
from loyalty.api.v1 import webhook_bodies
from loyalty.common import queue
from loyalty.webhooks import endpoints, sending

PATIENCE = 20.0  # seconds one task sends webhooks before it leaves the rest to the next


@shared_task(name="api.forget_answers")
def forget_answers() -> None:
    """A batch, and another at once while there is more: one key at its limit leaves 36,000 answers an hour."""
    if idempotency.purge(now=timezone.now()) == idempotency.PURGED_AT_ONCE:
        queue.enqueue("api.forget_answers")


@shared_task(name=endpoints.SEND)
def send_webhooks() -> None:
    """Alone or beside others of its kind: how many work at once is counted in the rows."""
    if sending.send_due(now=timezone.now(), patience=PATIENCE, shape=webhook_bodies.data):
        queue.enqueue(endpoints.SEND)
