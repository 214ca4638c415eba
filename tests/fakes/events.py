"""Waiting for events to be readable: other tests use the same server, and their open transactions hold readers up."""

from loyalty.events import reading
from loyalty.events.models import Event
from tests.journeys.worker import wait_for


def settle() -> None:
    """Wait until every event that was committed by this server can be read."""
    under_way = Event.objects.filter(
        transaction_id__gte=reading.OLDEST_UNDER_WAY, transaction_id__lt=reading.NEXT_TO_COME
    )
    wait_for(lambda: not under_way.exists(), seconds=60, what="older transactions to end")
