"""Workers shared among shops: who issues for a shop holds one of its lanes, and a shop has few of them.

So one slow shop, or one with a hundred thousand rewards waiting, never holds all the workers. A shop that asks for time
closes its lanes until then.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from rewards.issuing import claims
from rewards.models import IssueLane

LONGEST_REST = claims.RAREST


@dataclass(frozen=True, slots=True)
class Lane:
    """The right to issue for a shop beside as few others as it has lanes, until it runs out."""

    lane_id: int
    connection_id: int
    token: uuid.UUID


def take(*, connection_id: int, now: datetime) -> Lane | None:
    """One of the shop's free lanes; none when as many workers as it may have are at it, or the shop wants its peace."""
    number = settings.ISSUE_WORKERS_PER_SHOP
    lanes = IssueLane.objects.filter(connection_id=connection_id, number__lte=number)
    if not lanes.filter(number=number).exists():
        missing = (IssueLane(connection_id=connection_id, number=each, free_at=now) for each in range(1, number + 1))
        IssueLane.objects.bulk_create(missing, ignore_conflicts=True)
    with transaction.atomic():
        lane = lanes.select_for_update(skip_locked=True).filter(free_at__lte=now).order_by("number").first()
        if lane is None:
            return None
        lane.claim, lane.free_at = uuid.uuid4(), now + claims.lease()
        lane.save(update_fields=["claim", "free_at"])
        return Lane(lane.pk, connection_id, lane.claim)


def keep(lane: Lane, *, now: datetime) -> bool:
    """Go on holding it for another lease; False when somebody has taken it over."""
    return bool(IssueLane.objects.filter(pk=lane.lane_id, claim=lane.token).update(free_at=now + claims.lease()))


def leave(lane: Lane, *, now: datetime, rest: float) -> None:
    """Let others have it, at once or after `rest` seconds; then the shop's free lanes rest as long."""
    free_at = now + min(timedelta(seconds=rest), LONGEST_REST)
    IssueLane.objects.filter(pk=lane.lane_id, claim=lane.token).update(claim=None, free_at=free_at)
    if rest:
        others = IssueLane.objects.filter(connection_id=lane.connection_id, claim__isnull=True)
        others.update(free_at=Greatest(F("free_at"), free_at))


def rests_until(*, connection_id: int | None, now: datetime) -> datetime | None:
    """Until when the shop wants its peace; None when it does not, or nobody knows."""
    lanes = IssueLane.objects.filter(connection_id=connection_id, number__lte=settings.ISSUE_WORKERS_PER_SHOP)
    found = list(lanes.values_list("claim", "free_at"))
    resting = [free_at for claim, free_at in found if claim is None and free_at > now]
    return min(resting) if resting and len(resting) == len(found) else None
