"""Points work for the workers."""

from celery import shared_task
from django.utils import timezone

from loyalty.points import expiry, holds, sealing, shortfalls


@shared_task(name="points.settle_due")
def settle_due() -> None:
    expiry.settle_due(now=timezone.now())


@shared_task(name="points.collect_shortfalls")
def collect_shortfalls() -> None:
    shortfalls.sweep(now=timezone.now())


@shared_task(name="points.release_due_holds")
def release_due_holds() -> None:
    holds.sweep(now=timezone.now())


@shared_task(name="points.seal_ledger")
def seal_ledger() -> None:
    sealing.seal(now=timezone.now())
