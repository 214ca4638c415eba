"""Look after the shops and the payout accounts: tell once when something goes wrong, and once when it is over."""

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from loyalty.common.actors import SYSTEM
from loyalty.events import log
from platforms.breaker import Health, Line
from platforms.models import IncidentKind, PayoutAccount, PayoutHealth, ShopHealth, StoreConnection
from rewards import shop_troubles
from rewards.shop_troubles import Trouble

logger = logging.getLogger(__name__)

# What comes and goes is one incident: it is over when it has answered, or let us in, for so long; of the others,
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
ACCOUNT_BEGAN = {
    IncidentKind.UNREACHABLE: "payout_account.unreachable",
    IncidentKind.REFUSED: "payout_account.credentials_refused",
}
ACCOUNT_ENDED = {
    IncidentKind.UNREACHABLE: "payout_account.answers_again",
    IncidentKind.REFUSED: "payout_account.credentials_accepted",
}


def watch(*, now: datetime) -> int:
    """Begin and end incidents of all; gives back how many changed. Twice, or beside itself, is harmless."""
    changed = 0
    for shop in StoreConnection.objects.order_by("pk"):
        changed += _look(shop, shop_troubles.of(connection=shop, now=now), kinds=BEGAN, now=now)
    for account in PayoutAccount.objects.order_by("pk"):
        changed += _look(account, shop_troubles.of_account(account=account, now=now), kinds=ACCOUNT_BEGAN, now=now)
    return changed


def _look(line: Line, troubles: Collection[Trouble], *, kinds: Collection[IncidentKind], now: datetime) -> int:
    by_kind = {trouble.kind: trouble for trouble in troubles}
    return sum(_begin(line, by_kind[kind], now=now) if kind in by_kind else _end(line, kind, now=now) for kind in kinds)


def _begin(line: Line, trouble: Trouble, *, now: datetime) -> bool:
    """The key lets one of many tell it."""
    if line.incidents.filter(kind=trouble.kind, ended_at=None).exists():
        return False
    try:
        with transaction.atomic():
            line.incidents.create(kind=trouble.kind, began_at=now, detail=trouble.sentence[:300])
            told = BEGAN if isinstance(line, StoreConnection) else ACCOUNT_BEGAN
            _tell(told[trouble.kind], line, now=now, since=trouble.since.isoformat(), **trouble.numbers)
    except IntegrityError:
        return False
    logger.warning("%s %s: %s", _what(line).capitalize(), line.pk, trouble.kind.label)
    return True


def _end(line: Line, kind: IncidentKind, *, now: datetime) -> bool:
    open_ = line.incidents.filter(kind=kind, ended_at=None)
    began_at = open_.values_list("began_at", flat=True).first()
    if began_at is None or not _is_calm(line, kind, began_at, now=now):
        return False
    with transaction.atomic():
        if not open_.update(ended_at=max(now, began_at)):
            return False
        told = ENDED if isinstance(line, StoreConnection) else ACCOUNT_ENDED
        _tell(told[kind], line, now=now, since=began_at.isoformat())
    logger.info("%s %s is over it: %s", _what(line).capitalize(), line.pk, kind.label)
    return True


def _is_calm(line: Line, kind: IncidentKind, began_at: datetime, *, now: datetime) -> bool:
    """Nobody waits for the calm of what was switched off."""
    health = _health(line)
    last: datetime | None = began_at
    if kind in (IncidentKind.UNREACHABLE, IncidentKind.REFUSED) and health is not None:
        last = health.closed_at if kind is IncidentKind.UNREACHABLE else health.refused_at
    return not line.enabled or last is None or now - last >= CALM[kind]


def _health(line: Line) -> Health | None:
    if isinstance(line, StoreConnection):
        return ShopHealth.objects.filter(pk=line.pk).first()
    return PayoutHealth.objects.filter(pk=line.pk).first()


def _what(line: Line) -> str:
    return "shop" if isinstance(line, StoreConnection) else "payout account"


def _tell(kind: str, line: Line, *, now: datetime, **data: Any) -> None:
    subject = "store_connection" if isinstance(line, StoreConnection) else "payout_account"
    log.record(kind=kind, subject_type=subject, subject_id=line.pk, actor=SYSTEM, now=now, **data)
