"""Waiting for events to be readable; and readers that no other run of tests on the same server holds up."""

from django.db import models
from django.db.models.expressions import RawSQL

from loyalty.events import reading
from loyalty.events.models import Event
from tests.journeys.worker import wait_for


def settle() -> None:
    """Wait until every event that was committed by this server can be read."""
    under_way = Event.objects.filter(
        transaction_id__gte=reading.OLDEST_UNDER_WAY, transaction_id__lt=reading.NEXT_TO_COME
    )
    wait_for(lambda: not under_way.exists(), seconds=60, what="older transactions to end")


def heed_own_database_alone() -> None:
    """Let the readers of this process heed the transactions of its own test database, and not those of all others.

    Not for production: a transaction that ends between the look at the events and the look at the sessions is missed.
    """
    oldest = """
        SELECT least(pg_snapshot_xmax(pg_current_snapshot())::text::bigint, min(backend_xid::text::bigint))
        FROM pg_stat_activity WHERE datname = current_database()
    """
    reading.OLDEST_UNDER_WAY = RawSQL(oldest, [], output_field=models.BigIntegerField())  # type: ignore[assignment]
