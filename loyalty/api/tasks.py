"""Housekeeping of the API."""

from celery import shared_task
from django.utils import timezone

from loyalty.api import idempotency


@shared_task(name="api.forget_answers")
def forget_answers() -> None:
    idempotency.purge(now=timezone.now())
