"""Work for customers who were merged."""

from celery import shared_task
from django.utils import timezone

from loyalty.merging import forwarding


@shared_task(name="merging.sweep")
def sweep() -> None:
    forwarding.sweep(now=timezone.now())
