"""Webhooks for the workers: read what happened, forget what is old. Sending is a task of the API, whose shapes it uses."""

from celery import shared_task
from django.utils import timezone

from loyalty.webhooks import outbox, telling

MOST_BATCHES = 20  # of events, or of old messages, in one task; the next one goes on


@shared_task(name="webhooks.read_events")
def read_events() -> None:
    for _ in range(MOST_BATCHES):
        if not telling.read(now=timezone.now()):
            return


@shared_task(name="webhooks.forget")
def forget() -> None:
    for _ in range(MOST_BATCHES):
        if not outbox.forget(now=timezone.now()):
            return
