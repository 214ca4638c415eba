"""Whatever people ask about their data, at a shop or on their own pages: what is due, and who is reminded of it."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from loyalty.common.actors import SYSTEM
from loyalty.events import log
from loyalty.hooks import privacy
from loyalty.hooks.models import PrivacyReminder, PrivacyWish

SOON = timedelta(days=7)
DUE_SOON = "privacy.due_soon"
OWN = "erasure_request"


def due_soon(*, now: datetime) -> QuerySet[PrivacyWish]:
    """What is open and has to be done within a week, or had to be; the next one first."""
    return PrivacyWish.objects.filter(closed_at__isnull=True, due_at__lte=now + SOON).order_by("due_at", "key")


def remind(*, now: datetime, limit: int = 200) -> int:
    """Tell the back office of each that is due soon, once; gives back of how many."""
    told = PrivacyReminder.objects.values("wish")
    return sum(_remind(wish, now=now) for wish in due_soon(now=now).exclude(key__in=told)[:limit])


@transaction.atomic
def _remind(wish: PrivacyWish, *, now: datetime) -> bool:
    """Whether it was us who told of it: another worker may be quicker."""
    _, first = PrivacyReminder.objects.get_or_create(wish=wish.key, defaults={"reminded_at": now})
    if first:
        log.record(
            kind=DUE_SOON,
            subject_type=privacy.SUBJECT if wish.request_id is not None else OWN,
            subject_id=wish.request_id or wish.own_id or 0,
            customer_id=wish.customer_id,
            actor=SYSTEM,
            now=now,
            asked=wish.kind,
            due=wish.due_at.isoformat(),
        )
    return first
