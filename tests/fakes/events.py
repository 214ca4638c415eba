"""Waiting for events to be readable."""

from loyalty.events import reading
from tests.journeys.worker import wait_for


def settle() -> None:
    """Wait until every event that was committed can be read."""
    wait_for(lambda: not reading.held_up(), seconds=60, what="older transactions to end")
