"""What a clawback could not collect: collected from the next earnings, or by hand, or waived."""

from datetime import datetime

from django.db import transaction
from django.db.models import F

from loyalty.common.actors import SYSTEM, Actor
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import ShortfallPolicy
from loyalty.points import ledger, locking
from loyalty.points.models import (
    PointsAccount,
    PointsClawback,
    PointsShortfall,
    PointsShortfallPayment,
    PointsTransaction,
    ShortfallState,
    TransactionKind,
)


class ShortfallClosed(DomainError):
    """It was collected or waived already."""

    code = "shortfall_closed"


class UnknownShortfall(DomainError):
    code = "unknown_shortfall"

    def __init__(self, shortfall_id: int) -> None:
        super().__init__(f"There is no shortfall {shortfall_id}. Check the number.")


def open_one(*, clawback: PointsClawback, now: datetime) -> PointsShortfall:
    """Keep what a clawback lacks. The caller has locked the account."""
    PointsAccount.objects.filter(pk=clawback.customer_id).update(owed=F("owed") + clawback.short)
    return PointsShortfall.objects.create(
        clawback=clawback,
        customer_id=clawback.customer_id,
        points=clawback.short,
        left=clawback.short,
        created_at=now,
    )


@transaction.atomic
def collect(*, customer_id: int, actor: Actor, now: datetime) -> PointsTransaction | None:
    """Debit active points for the customer's open shortfalls, oldest first, as far as the points go; none when none go.

    Raises UnknownCustomer.
    """
    account = locking.lock(customer_id=customer_id, now=now)
    points = min(account.owed, account.balance)
    if not points:
        return None
    oldest, *_ = rows = list(
        PointsShortfall.objects.filter(customer_id=customer_id, state=ShortfallState.OPEN).order_by("id")
    )
    entry = ledger.debit(
        customer_id=customer_id,
        points=points,
        kind=TransactionKind.CLAWBACK,
        cause=Cause(CauseType.SHORTFALL, oldest.pk),
        actor=actor,
        now=now,
    )
    left = points
    for row in rows:
        share = min(row.left, left)
        if not share:
            break
        left -= share
        PointsShortfallPayment.objects.create(shortfall=row, transaction=entry, points=share)
        row.left -= share
        if not row.left:
            row.state, row.closed_at = ShortfallState.COLLECTED, now
        row.save(update_fields=["left", "state", "closed_at"])
    PointsAccount.objects.filter(pk=customer_id).update(owed=F("owed") - points)
    _log("points.shortfall_collected", oldest, actor=actor, now=now, points=points)
    return entry


@transaction.atomic
def waive(*, shortfall_id: int, actor: Actor, now: datetime, internal_note: str = "") -> PointsShortfall:
    """Let the rest of a shortfall go. Waiving twice changes nothing more.

    Raises UnknownShortfall, and ShortfallClosed when it was collected.
    """
    locking.lock(customer_id=customer_of(shortfall_id=shortfall_id), now=now)
    row = PointsShortfall.objects.get(pk=shortfall_id)
    if row.state == ShortfallState.WAIVED:
        return row
    if row.state == ShortfallState.COLLECTED:
        raise ShortfallClosed(f"The {row.points} points were collected already: there is nothing left to waive.")
    row.state, row.closed_at = ShortfallState.WAIVED, now
    row.actor_kind, row.actor_id, row.internal_note = actor.kind, actor.id, internal_note.strip()
    row.save()
    PointsAccount.objects.filter(pk=row.customer_id).update(owed=F("owed") - row.left)
    _log("points.shortfall_waived", row, actor=actor, now=now, points=row.left)
    return row


def customer_of(*, shortfall_id: int) -> int:
    """Who owes it: that never changes, so it may be read before the lock. Raises UnknownShortfall."""
    found = PointsShortfall.objects.filter(pk=shortfall_id).values_list("customer_id", flat=True).first()
    if found is None:
        raise UnknownShortfall(shortfall_id)
    return found


def collects() -> bool:
    """Whether the programme collects what is owed from the next points earned."""
    return merchant.programme().shortfall_policy == ShortfallPolicy.COLLECT


def sweep(*, now: datetime, limit: int = 200) -> int:
    """Collect from customers who owe and have active points, when the programme says so; gives back from how many.

    Points that were pending when they were earned, or came by an import, are collected here. Safe to repeat.
    """
    if not collects():
        return 0
    owing = list(
        PointsAccount.objects.filter(owed__gt=0, balance__gt=0).order_by("pk").values_list("pk", flat=True)[:limit]
    )
    return sum(collect(customer_id=customer_id, actor=SYSTEM, now=now) is not None for customer_id in owing)


def _log(kind: str, row: PointsShortfall, *, actor: Actor, now: datetime, points: int) -> None:
    log.record(
        kind=kind,
        subject_type="points_shortfall",
        subject_id=row.pk,
        customer_id=row.customer_id,
        actor=actor,
        now=now,
        points=points,
    )
