"""Work on the tiers for the workers."""

from celery import shared_task
from django.utils import timezone

from loyalty.program.tiers import evaluation


@shared_task(name="program.sweep_tiers")
def sweep_tiers() -> None:
    evaluation.sweep(now=timezone.now())
