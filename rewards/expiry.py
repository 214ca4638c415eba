"""What the clock does to rewards, told once: an event ahead of the end, and one when it is over.

Nothing else changes: that a reward has expired is derived from its end. The end that was told of stands on the row, so
a reward that is extended is told of anew, and a sweep that dies half way goes on where it was.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, Q, QuerySet

from loyalty.common.actors import SYSTEM
from loyalty.events import log
from loyalty.events.log import Fact
from loyalty.merchant import queries as merchant
from rewards import states
from rewards.models import FulfillmentStatus, RedeemedReward, UsageStatus

EXPIRED, EXPIRING = "reward.expired", "reward.expiring"
HISTORY = timedelta(days=90)  # an end that is longer ago is told to nobody
SETTLED = timedelta(days=1)  # who got it less than this ago has just been told its last day
BATCH = 1_000


def sweep(*, now: datetime, batches: int = 10, size: int = BATCH) -> int:
    """Tell of what has expired and of what soon will; gives back how many. Bounded: the rest is the next sweep's."""
    told = 0
    for tell in (tell_expired, tell_expiring):
        for _ in range(batches):
            done = tell(now=now, limit=size)
            told += done
            if done < size:
                break
    return told


@transaction.atomic
def tell_expired(*, now: datetime, limit: int = BATCH) -> int:
    """One batch of what has expired. Rows that somebody is changing are left for later."""
    rows = _taken(untold_expired(now=now), limit=limit)
    RedeemedReward.objects.filter(pk__in=[pk for pk, _, _ in rows]).update(expired_told=F("expires_at"))
    log.record_many(
        kind=EXPIRED,
        subject_type="redeemed_reward",
        actor=SYSTEM,
        facts=[Fact(pk, customer, now, {"expired_at": end.isoformat()}) for pk, customer, end in rows],
    )
    return len(rows)


@transaction.atomic
def tell_expiring(*, now: datetime, limit: int = BATCH) -> int:
    """One batch of what expires within the programme's days of notice; without any, nothing is told."""
    days = merchant.programme().expiry_notice_days
    if not days:
        return 0
    rows = _taken(untold_expiring(now=now, days=days), limit=limit)
    RedeemedReward.objects.filter(pk__in=[pk for pk, _, _ in rows]).update(expiring_told=F("expires_at"))
    log.record_many(
        kind=EXPIRING,
        subject_type="redeemed_reward",
        actor=SYSTEM,
        facts=[Fact(pk, customer, now, {"expires_at": end.isoformat()}) for pk, customer, end in rows],
    )
    return len(rows)


def untold_expired(*, now: datetime) -> QuerySet[RedeemedReward]:
    """What has expired and nobody was told of."""
    over = _unused().filter(expires_at__lte=now, expires_at__gt=now - HISTORY)
    return over.filter(Q(expired_told__isnull=True) | Q(expired_told__lt=F("expires_at")))


def untold_expiring(*, now: datetime, days: int) -> QuerySet[RedeemedReward]:
    """What expires within so many days and nobody was told of."""
    soon = _unused().filter(expires_at__gt=now, expires_at__lte=now + timedelta(days=days))
    settled = soon.filter(issued_at__lte=now - SETTLED)
    return settled.filter(Q(expiring_told__isnull=True) | Q(expiring_told__lt=F("expires_at")))


def _unused() -> QuerySet[RedeemedReward]:
    """Issued, not used as far as anybody knows, and not being canceled."""
    held = RedeemedReward.objects.filter(
        on_profile=True,
        fulfillment_status=FulfillmentStatus.ISSUED,
        usage_status__in=[UsageStatus.UNUSED, UsageStatus.UNTRACKED],
    )
    return held.exclude(Exists(states.open_cancellations()))


def _taken(rows: QuerySet[RedeemedReward], *, limit: int) -> list[tuple[int, int, datetime]]:
    """The id, the customer and the end of a batch that is ours until the transaction ends; soonest end first."""
    free = rows.select_for_update(skip_locked=True, no_key=True, of=("self",)).order_by("expires_at", "pk")
    found = free.values_list("pk", "customer_id", "expires_at")[:limit]
    return [(pk, customer, end) for pk, customer, end in found if end is not None]
