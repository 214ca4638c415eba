"""Work for what shops tell us."""

from celery import shared_task
from django.utils import timezone

from loyalty.hooks import processing, registration, retention, wishes


@shared_task(name="hooks.process")
def process(*, webhook_id: int) -> None:
    processing.process(webhook_id=webhook_id, now=timezone.now())


@shared_task(name="hooks.drain")
def drain() -> None:
    processing.drain(now=timezone.now())


@shared_task(name="hooks.sweep_webhooks")
def sweep_webhooks() -> None:
    processing.sweep(now=timezone.now())


@shared_task(name="hooks.poll_orders")
def poll_orders() -> None:
    processing.ring_for_polls()


@shared_task(name="hooks.poll")
def poll(*, connection_id: int) -> None:
    processing.poll(connection_id=connection_id, now=timezone.now())


@shared_task(name="hooks.register_webhooks")
def register_webhooks() -> None:
    registration.ring()


@shared_task(name="hooks.register")
def register(*, connection_id: int) -> None:
    registration.register(connection_id=connection_id, now=timezone.now())


@shared_task(name="hooks.forget_bodies")
def forget_bodies() -> None:
    retention.forget(now=timezone.now())


@shared_task(name="hooks.remind_of_wishes")
def remind_of_wishes() -> None:
    wishes.remind(now=timezone.now())
