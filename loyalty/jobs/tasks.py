"""Jobs for the workers: the sweep. Each kind of job has a task of its own, in the app that knows how to do it."""

from celery import shared_task
from django.utils import timezone

from loyalty.jobs import work


@shared_task(name="jobs.sweep")
def sweep() -> None:
    work.sweep(now=timezone.now())
