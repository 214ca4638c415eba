"""Work for people who were forgotten."""

from celery import shared_task
from django.utils import timezone

from loyalty.erasure import forgetting


@shared_task(name="erasure.search")
def search(*, erasure_id: int) -> None:
    forgetting.finish(erasure_id=erasure_id, now=timezone.now())


@shared_task(name="erasure.sweep")
def sweep() -> None:
    forgetting.sweep(now=timezone.now())
