"""Forget what webhooks said about people, some time after they are done with.

The row stays, with the platform's name for the event, so that a late repetition is known; and with the name of its
order, so that one that failed can still be tried again.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from loyalty.hooks.models import InboundWebhook, InboxState


def kept_for() -> timedelta:
    return timedelta(days=settings.WEBHOOK_BODIES_KEPT_DAYS)


@transaction.atomic
def forget(*, now: datetime, limit: int = 1_000) -> int:
    """Empty bodies and headers of up to `limit` webhooks that came so long ago; gives back of how many.

    What still waits keeps its own, and rows that somebody is working on are left to the next run.
    """
    old = (
        InboundWebhook.objects.select_for_update(skip_locked=True)
        .filter(body_emptied_at__isnull=True, received_at__lt=now - kept_for())
        .exclude(state=InboxState.RECEIVED)
        .order_by("received_at", "pk")
    )
    ids = list(old.values_list("pk", flat=True)[:limit])
    return InboundWebhook.objects.filter(pk__in=ids).update(body=b"", headers={}, body_emptied_at=now)
