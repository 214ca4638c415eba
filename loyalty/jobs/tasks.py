"""Jobs for the workers: the sweep. Each kind of job has a task of its own, in the app that knows how to do it."""

from celery import shared_task
from django.utils import timezone

from loyalty.jobs import forgetting, work


@shared_task(name="jobs.sweep")
def sweep() -> None:
    work.sweep(now=timezone.now())


@shared_task(name="jobs.forget_rows")
def forget_rows() -> None:
    forgetting.forget(now=timezone.now())
