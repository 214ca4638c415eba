"""Work on customers in bulk."""

from celery import shared_task
from django.utils import timezone

from loyalty.customers import imports

PATIENCE = 20.0  # seconds of one turn; whoever comes next does the rest


@shared_task(name=imports.TASK)
def work_on_import(*, job_id: int) -> None:
    imports.work_on(job_id=job_id, now=timezone.now(), patience=PATIENCE)
