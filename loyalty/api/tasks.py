"""Housekeeping of the API."""

from celery import shared_task
from django.utils import timezone

from loyalty.api import idempotency
from loyalty.common import queue


@shared_task(name="api.forget_answers")
def forget_answers() -> None:
    """A batch, and another at once while there is more: one key at its limit leaves 36,000 answers an hour."""
    if idempotency.purge(now=timezone.now()) == idempotency.PURGED_AT_ONCE:
        queue.enqueue("api.forget_answers")
