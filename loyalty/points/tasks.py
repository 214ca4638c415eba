"""Points work for the workers."""

from celery import shared_task
from django.utils import timezone

from loyalty.points import expiry, holds, imports, sealing, shortfalls

PATIENCE = 45.0  # seconds one task works on an import before it hands the rest on


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


@shared_task(name="points.work_on_import")
def work_on_import(*, job_id: int) -> None:
    imports.work_on(job_id=job_id, now=timezone.now(), patience=PATIENCE)
