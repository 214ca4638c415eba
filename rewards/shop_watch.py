"""Look after the shops: tell once when something goes wrong with one, and once when it is over."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from loyalty.common.actors import SYSTEM
from loyalty.events import log
from platforms.models import IncidentKind, ShopHealth, ShopIncident, StoreConnection
from rewards import shop_troubles
from rewards.shop_troubles import Trouble

logger = logging.getLogger(__name__)

# What comes and goes is one incident: it is over when the shop has answered, or let us in, for so long; of the others,
# at the earliest so long after it began.
CALM = {
    IncidentKind.UNREACHABLE: timedelta(minutes=2),
    IncidentKind.REFUSED: timedelta(minutes=10),
    IncidentKind.WAITING: timedelta(minutes=10),
    IncidentKind.FAILING: timedelta(hours=1),
}
BEGAN = {
    IncidentKind.UNREACHABLE: "shop.unreachable",
    IncidentKind.REFUSED: "shop.credentials_refused",
    IncidentKind.WAITING: "shop.rewards_waiting",
    IncidentKind.FAILING: "shop.rewards_failing",
}
ENDED = {
    IncidentKind.UNREACHABLE: "shop.answers_again",
    IncidentKind.REFUSED: "shop.credentials_accepted",
    IncidentKind.WAITING: "shop.rewards_waiting_ended",
    IncidentKind.FAILING: "shop.rewards_failing_ended",
}


def watch(*, now: datetime) -> int:
    """Begin and end incidents of all shops; gives back how many changed. Twice, or beside itself, is harmless."""
    changed = 0
    for connection in StoreConnection.objects.order_by("pk"):
        troubles = {trouble.kind: trouble for trouble in shop_troubles.of(connection=connection, now=now)}
        for kind in IncidentKind:
            trouble = troubles.get(kind)
            changed += _begin(connection, trouble, now=now) if trouble else _end(connection, kind, now=now)
    return changed


def _begin(connection: StoreConnection, trouble: Trouble, *, now: datetime) -> bool:
    """The key lets one of many tell it."""
    if ShopIncident.objects.filter(connection=connection, kind=trouble.kind, ended_at=None).exists():
        return False
    try:
        with transaction.atomic():
            ShopIncident.objects.create(
                connection=connection, kind=trouble.kind, began_at=now, detail=trouble.sentence[:300]
            )
            _tell(BEGAN[trouble.kind], connection, now=now, since=trouble.since.isoformat(), **trouble.numbers)
    except IntegrityError:
        return False
    logger.warning("Shop %s: %s", connection.pk, trouble.kind.label)
    return True


def _end(connection: StoreConnection, kind: IncidentKind, *, now: datetime) -> bool:
    open_ = ShopIncident.objects.filter(connection=connection, kind=kind, ended_at=None)
    began_at = open_.values_list("began_at", flat=True).first()
    if began_at is None or not _is_calm(connection, kind, began_at, now=now):
        return False
    with transaction.atomic():
        if not open_.update(ended_at=max(now, began_at)):
            return False
        _tell(ENDED[kind], connection, now=now, since=began_at.isoformat())
    logger.info("Shop %s is over it: %s", connection.pk, kind.label)
    return True


def _is_calm(connection: StoreConnection, kind: IncidentKind, began_at: datetime, *, now: datetime) -> bool:
    """Nobody waits for the calm of a shop that was switched off."""
    health = ShopHealth.objects.filter(pk=connection.pk).first()
    last: datetime | None = began_at
    if kind in (IncidentKind.UNREACHABLE, IncidentKind.REFUSED) and health is not None:
        last = health.closed_at if kind is IncidentKind.UNREACHABLE else health.refused_at
    return not connection.enabled or last is None or now - last >= CALM[kind]


def _tell(kind: str, connection: StoreConnection, *, now: datetime, **data: Any) -> None:
    log.record(kind=kind, subject_type="store_connection", subject_id=connection.pk, actor=SYSTEM, now=now, **data)
