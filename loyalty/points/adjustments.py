"""Staff or an integrator change a balance: what that would do, how much one person may do alone, and doing it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import connection, transaction

from loyalty.common import clock, plans
from loyalty.common.actors import Actor, ActorKind
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import ExpiryMode
from loyalty.points import earning, effects, ledger, locking, queries
from loyalty.points.effects import LotLine
from loyalty.points.errors import MOST_POINTS, IdempotencyConflict, InvalidPoints
from loyalty.points.models import (
    AdjustmentReason,
    PointsAccount,
    PointsAdjustment,
    PointsTransaction,
    TransactionKind,
)

USUAL_TEXT = "Points adjusted"  # what customers read where neither the adjustment nor the programme says more
GIVE = ("add_pointsadjustment", "approve_adjustment")  # roles without these neither lift nor lower a ceiling


class AboveCeiling(DomainError):
    """More than this person may adjust without a second one."""

    code = "above_ceiling"

    def __init__(self, *, points: int, ceiling: int) -> None:
        super().__init__(
            f"{effects.count(abs(points))} are above the {effects.number(ceiling)} this person may adjust at once: "
            "somebody with a higher ceiling has to approve it."
        )


class InvalidExpiry(DomainError):
    """The end of the points makes no sense."""

    code = "invalid_expiry"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustmentPlan:
    """What an adjustment would do. `refusal` says why it cannot be done; then there are no lines and no effects."""

    points: int
    balance: int  # before it
    lines: tuple[LotLine, ...]
    effects: tuple[str, ...]
    fingerprint: str
    refusal: str = ""


def plan(*, customer_id: int, points: int, now: datetime, expires_at: datetime | None = None) -> AdjustmentPlan:
    """Which lots would pay, or which lot would be opened, now. Reads only; `adjust` plans the same under the lock."""
    account = PointsAccount.objects.filter(pk=customer_id).first()
    at = max(account.settled_at, now) if account is not None else now
    balance = queries.balance(customer_id=customer_id, now=at).balance
    lines: tuple[LotLine, ...] = ()
    refusal = ""
    try:
        require_sense(points=points, expires_at=expires_at, now=at)
        if points > 0:
            lines = (_opened(points=points, at=at, expires_at=expires_at),)
        else:
            lines = effects.paying(customer_id=customer_id, points=-points, at=at)
    except DomainError as error:
        refusal = error.sentence
    return AdjustmentPlan(
        points=points,
        balance=balance,
        lines=lines,
        effects=_effects(lines, points=points, balance=balance, account=account) if lines else (),
        refusal=refusal,
        fingerprint=plans.fingerprint(
            {
                "customer": customer_id,
                "points": points,
                "balance": balance,
                "lines": [line.facts for line in lines],
                "refusal": refusal,
            }
        ),
    )


@transaction.atomic
def adjust(
    *,
    customer_id: int,
    points: int,
    actor: Actor,
    now: datetime,
    reason: str = "",
    internal_note: str = "",
    description: str = "",
    expires_at: datetime | None = None,
    fingerprint: str | None = None,
    idempotency_key: str | None = None,
) -> PointsAdjustment:
    """Add points (positive) or take them (negative, soonest expiring first). Both notes are optional.

    `description` is read by the customer, `internal_note` never is; without one the customer reads the programme's
    text. Added points end at `expires_at`, else as the programme says for points earned now, with no waiting time.
    With a fingerprint it is done only as its plan showed it. The same idempotency key gives the same adjustment; what
    is left blank was filled in by the programme of then, and fits whatever was written.
    Raises InvalidPoints, InvalidExpiry, InsufficientPoints, UnknownCustomer, AboveCeiling for staff, PlanOutdated,
    IdempotencyConflict.
    """
    require_sense(points=points, reason=reason)
    account = locking.lock(customer_id=customer_id, now=now)
    wanted = (customer_id, points, reason, internal_note.strip())
    before = _made_before(idempotency_key, wanted=wanted, description=description.strip(), expires_at=expires_at)
    if before is not None:
        return before
    require_sense(points=points, reason=reason, expires_at=expires_at, now=account.settled_at)
    if actor.kind == ActorKind.STAFF and actor.id is not None:
        require_allowed(user_id=actor.id, points=points)
    if fingerprint is not None:
        current = plan(customer_id=customer_id, points=points, expires_at=expires_at, now=now)
        plans.require_current(
            shown=fingerprint, current=current.fingerprint, subject="The customer's balance, or what was typed,"
        )
    adjustment_id = _next_id()
    facts: dict[str, Any] = {
        "customer_id": customer_id,
        "kind": TransactionKind.ADJUSTMENT,
        "cause": Cause(CauseType.ADJUSTMENT, adjustment_id),
        "actor": actor,
        "now": now,
        "idempotency_key": idempotency_key,
        "description": description.strip() or merchant.programme().adjustment_text.strip(),
        "internal_note": internal_note.strip(),
    }
    if points > 0:
        lot = _opened(points=points, at=account.settled_at, expires_at=expires_at)
        entry = ledger.credit(
            points=points,
            expires_at=lot.expires_at if lot.idle_days is None else None,
            idle_days=lot.idle_days,
            **facts,
        )
    else:
        entry = ledger.debit(points=-points, **facts)
    adjustment = PointsAdjustment.objects.create(
        pk=adjustment_id, customer_id=customer_id, transaction=entry, points=points, reason=reason, created_at=now
    )
    log.record(
        kind="points.adjusted",
        subject_type="points_adjustment",
        subject_id=adjustment.pk,
        customer_id=customer_id,
        actor=actor,
        now=now,
        points=points,
    )
    return adjustment


def require_sense(
    *, points: Any, reason: str = "", expires_at: datetime | None = None, now: datetime | None = None
) -> None:
    """Whether such an adjustment could ever be made. Raises InvalidPoints, InvalidExpiry."""
    if isinstance(points, bool) or not isinstance(points, int) or points == 0 or abs(points) > MOST_POINTS:
        raise InvalidPoints(
            f"Points adjustment: {points!r} is not a whole number between -{MOST_POINTS:,} and {MOST_POINTS:,} "
            "other than 0. Write 50 to add, -50 to remove."
        )
    if reason and reason not in AdjustmentReason.values:
        raise InvalidPoints(f"Reason: {reason!r} is not one of {', '.join(AdjustmentReason.values)}.")
    if expires_at is None:
        return
    if points < 0:
        raise InvalidExpiry("Only points that are added have a last day. Leave it empty when taking points away.")
    if now is not None and expires_at <= now:
        raise InvalidExpiry("The last day of the added points has passed already. Choose today or a later day.")


def ceiling_of(*, user_id: int) -> int | None:
    """How many points a person may adjust at once: the highest of their roles; none when one of them has no ceiling.

    Roles that let nobody adjust points do not count.
    """
    ceilings = (
        Group.objects.filter(
            user=user_id, permissions__content_type__app_label="points", permissions__codename__in=GIVE
        )
        .distinct()
        .values_list("adjustment_ceiling__points", flat=True)
    )
    found = list(ceilings)
    return None if None in found else max(found, default=None)


def require_allowed(*, user_id: int, points: int) -> None:
    """Raises AboveCeiling when the person may not adjust so much alone."""
    ceiling = ceiling_of(user_id=user_id)
    if ceiling is not None and abs(points) > ceiling:
        raise AboveCeiling(points=points, ceiling=ceiling)


def customer_text() -> str:
    """What customers read of an adjustment that has no note of its own."""
    return merchant.programme().adjustment_text.strip() or USUAL_TEXT


def _opened(*, points: int, at: datetime, expires_at: datetime | None) -> LotLine:
    """The lot that would be opened: with its own end, else one that the programme gives to points earned now."""
    if expires_at is not None:
        return LotLine(lot_id=None, points=points, left=points, expires_at=expires_at)
    programme = merchant.programme()
    idle_days = programme.expiry_days if programme.expiry_mode == ExpiryMode.IDLE else None
    end = earning.lot_expiry(programme=programme, available_at=at)
    if idle_days is not None:
        end = clock.end_of_day(at, idle_days, programme.zone)
    return LotLine(lot_id=None, points=points, left=points, expires_at=end, idle_days=idle_days)


def _effects(
    lines: tuple[LotLine, ...], *, points: int, balance: int, account: PointsAccount | None
) -> tuple[str, ...]:
    zone = merchant.programme().zone
    found = [f"Active points go from {effects.number(balance)} to {effects.number(balance + points)}."]
    found += effects.taken(lines, zone=zone) if points < 0 else [effects.opened(lines[0], zone=zone)]
    if account is not None and account.has_idle_lots:
        found.append("It counts as activity: points that expire after days without any live on from today.")
    return tuple(found)


def _next_id() -> int:
    """The adjustment's id, before its row: the transaction names it as its cause and is never changed afterwards."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('points_pointsadjustment', 'id'))")
        return int(cursor.fetchone()[0])


def _made_before(
    key: str | None, *, wanted: tuple[int, int, str, str], description: str, expires_at: datetime | None
) -> PointsAdjustment | None:
    """What the key made before. Raises IdempotencyConflict when that was something else."""
    if key is None:
        return None
    entry = PointsTransaction.objects.select_related("note").filter(idempotency_key=key).first()
    if entry is None:
        return None
    before = PointsAdjustment.objects.filter(transaction=entry).first()
    if before is None:
        raise IdempotencyConflict(key)
    note = getattr(entry, "note", None)
    written = (before.customer_id, before.points, before.reason, note.internal_note if note is not None else "")
    words = note.description if note is not None else ""
    if written != wanted or description not in {"", words} or expires_at not in {None, _first_end(entry)}:
        raise IdempotencyConflict(key)
    return before


def _first_end(entry: PointsTransaction) -> datetime | None:
    """The end its lot was opened with, whatever moved it since."""
    lot = entry.lots.order_by("id").first()
    if lot is None:
        return None
    moved = lot.changes.order_by("id").first()
    return moved.expires_before if moved is not None else lot.expires_at
