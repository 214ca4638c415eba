"""Points work for the workers."""

from celery import shared_task
from django.utils import timezone

from loyalty.points import expiry


@shared_task(name="points.settle_due")
def settle_due() -> None:
    expiry.settle_due(now=timezone.now())
