"""Messages for the workers: read what happened, send what is due. Each task may run twice, late, or beside itself."""

from celery import shared_task
from django.utils import timezone

from loyalty.messages import endings, occasions, outbox, sending

MOST_BATCHES = 20  # of events that one task reads; the next one goes on
PATIENCE = 45.0  # seconds one task sends before it leaves the rest to the next


@shared_task(name="messages.read_events")
def read_events() -> None:
    for _ in range(MOST_BATCHES):
        if not occasions.read(now=timezone.now()):
            return


@shared_task(name="messages.tell_of_points")
def tell_of_points() -> None:
    endings.sweep(now=timezone.now())


@shared_task(name="messages.send")
def send() -> None:
    sending.send_due(now=timezone.now(), patience=PATIENCE)


@shared_task(name="messages.forget_texts")
def forget_texts() -> None:
    outbox.forget_texts(now=timezone.now())
