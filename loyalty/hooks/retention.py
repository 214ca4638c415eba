"""Forget what webhooks said about people, some time after they are done with.

The row stays, with the platform's name for the event, so that a late repetition is known; and with the name of its
order, so that one that failed can still be tried again.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from loyalty.hooks.models import InboundWebhook, InboxState, PrivacyKind, PrivacyRequest


def kept_for() -> timedelta:
    return timedelta(days=settings.WEBHOOK_BODIES_KEPT_DAYS)


def forget(*, now: datetime, limit: int = 1_000) -> int:
    """Empty bodies and headers of up to `limit` webhooks that are old, or of a shop that is to be erased; says of how many.

    Rows that somebody is working on are left to the next run.
    """
    emptied = _forget(Q(received_at__lt=now - kept_for()), now=now, limit=limit)
    leaving = PrivacyRequest.objects.filter(kind=PrivacyKind.ERASE_SHOP, settled_at__isnull=True).order_by("pk")
    for request in leaving:
        if emptied < limit:
            theirs = Q(connection_id=request.connection_id, received_at__lte=request.asked_at)
            emptied += _forget(theirs, now=now, limit=limit - emptied)
    return emptied


@transaction.atomic
def empty(webhooks: QuerySet[InboundWebhook], *, now: datetime) -> int:
    """Empty those that are done with, whoever is working on them; gives back how many."""
    ids = list(_full(webhooks).select_for_update().order_by("pk").values_list("pk", flat=True))
    return _empty(ids, now=now)


@transaction.atomic
def _forget(which: Q, *, now: datetime, limit: int) -> int:
    rows = _full(InboundWebhook.objects.filter(which)).select_for_update(skip_locked=True)
    return _empty(list(rows.order_by("received_at", "pk").values_list("pk", flat=True)[:limit]), now=now)


def _full(webhooks: QuerySet[InboundWebhook]) -> QuerySet[InboundWebhook]:
    """What waits keeps its own."""
    return webhooks.filter(body_emptied_at__isnull=True).exclude(state=InboxState.RECEIVED)


def _empty(ids: list[int], *, now: datetime) -> int:
    return InboundWebhook.objects.filter(pk__in=ids).update(body=b"", headers={}, body_emptied_at=now)
