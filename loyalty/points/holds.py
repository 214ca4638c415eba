"""Points an integrator sets aside, at a till for instance: held, captured whole or in part, released, or timed out.

Holds that a redeemed reward has opened are not touched here: the reward decides about them.
"""

from datetime import datetime, timedelta

from django.db import connection, transaction

from loyalty.common.actors import SYSTEM, Actor
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.customers.models import Customer, CustomerState
from loyalty.events import log
from loyalty.merchant import queries as merchant
from loyalty.points import ledger, locking
from loyalty.points.models import HoldState, PointsHold, PointsTransaction, TransactionKind

USUAL_TIME = timedelta(days=1)
LONGEST_TIME = timedelta(days=30)


class HoldRefused(DomainError):
    """These points cannot be held, or not by this caller. `code` says why."""

    code = "hold_refused"


@transaction.atomic
def create(
    *,
    customer_id: int,
    points: int,
    actor: Actor,
    now: datetime,
    lasts: timedelta = USUAL_TIME,
    description: str = "",
    idempotency_key: str | None = None,
) -> PointsHold:
    """Set active points aside for a time. The same idempotency key gives the same hold.

    Raises HoldRefused, InvalidPoints, InsufficientPoints, UnknownCustomer, IdempotencyConflict.
    """
    if not timedelta(0) < lasts <= LONGEST_TIME:
        raise HoldRefused(
            f"A hold lasts more than nothing and at most {LONGEST_TIME.days} days.", code="invalid_time_limit"
        )
    account = locking.lock(customer_id=customer_id, now=now)
    before = PointsHold.objects.filter(idempotency_key=idempotency_key or "").first()
    if before is None:
        if Customer.objects.filter(pk=customer_id, state=CustomerState.DISABLED).exists():
            raise HoldRefused("This customer is excluded from the programme.", code="customer_disabled")
        if account.owed and merchant.programme().shortfall_blocks:
            raise HoldRefused(
                f"The customer owes {account.owed} points from refunds: nothing can be spent until then.",
                code="points_owed",
            )
    held = ledger.hold(
        customer_id=customer_id,
        points=points,
        cause=Cause(CauseType.API, _next_cause()),
        actor=actor,
        now=now,
        expires_at=now + lasts,
        idempotency_key=idempotency_key,
        description=description.strip(),
    )
    if before is None:
        _log("points.held", held, actor=actor, now=now, points=points)
    return held


@transaction.atomic
def capture(*, hold_id: int, actor: Actor, now: datetime, points: int | None = None) -> PointsTransaction:
    """Spend what is held, or `points` of it and release the rest. Again with the same number gives the same debit.

    Raises HoldRefused, HoldClosed, InvalidPoints.
    """
    held = _of_integrator(hold_id, now=now)
    if held.state == HoldState.OPEN and held.expires_at is not None and held.expires_at <= now:
        raise HoldRefused(
            f"The time of hold {hold_id} is over: its points go back to the customer. Hold them anew.",
            code="hold_timed_out",
        )
    entry = ledger.capture(hold_id=hold_id, kind=TransactionKind.REDEMPTION, actor=actor, now=now, points=points)
    if held.state == HoldState.OPEN:
        _log("points.hold_captured", held, actor=actor, now=now, points=-entry.points_change)
    return entry


@transaction.atomic
def release(*, hold_id: int, actor: Actor, now: datetime) -> PointsHold:
    """Give what is held back to its lots. Again changes nothing. Raises HoldRefused, HoldClosed."""
    held = _of_integrator(hold_id, now=now)
    ledger.release(hold_id=hold_id, now=now)
    if held.state == HoldState.OPEN:
        _log("points.hold_released", held, actor=actor, now=now, points=held.points)
    return PointsHold.objects.get(pk=hold_id)


def sweep(*, now: datetime, limit: int = 500) -> int:
    """Release the holds whose time is over; gives back how many were found. Safe to repeat, and beside itself."""
    due = list(
        PointsHold.objects.filter(state=HoldState.OPEN, cause_type=CauseType.API, expires_at__lte=now)
        .order_by("expires_at", "pk")
        .values_list("pk", flat=True)[:limit]
    )
    for hold_id in due:
        _time_out(hold_id, now=now)
    return len(due)


@transaction.atomic
def _time_out(hold_id: int, *, now: datetime) -> None:
    customer_id = PointsHold.objects.values_list("customer_id", flat=True).get(pk=hold_id)
    locking.lock(customer_id=customer_id, now=now)
    held = PointsHold.objects.get(pk=hold_id)
    if held.state == HoldState.OPEN:
        ledger.release(hold_id=hold_id, now=now)
        _log("points.hold_timed_out", held, actor=SYSTEM, now=now, points=held.points)


def _of_integrator(hold_id: int, *, now: datetime) -> PointsHold:
    """The hold as it is now, its customer's account locked. Raises HoldRefused."""
    customer_id = PointsHold.objects.filter(pk=hold_id).values_list("customer_id", flat=True).first()
    if customer_id is None:
        raise HoldRefused(f"There is no hold {hold_id}. Check the id.", code="unknown_hold")
    locking.lock(customer_id=customer_id, now=now)
    held = PointsHold.objects.get(pk=hold_id)
    if held.cause_type != CauseType.API:
        raise HoldRefused(
            f"Hold {hold_id} belongs to a redeemed reward, which alone decides about it.", code="hold_of_reward"
        )
    return held


def _next_cause() -> int:
    """A number of its own for each hold: no two open holds share a cause."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('points_pointshold', 'id'))")
        return int(cursor.fetchone()[0])


def _log(kind: str, held: PointsHold, *, actor: Actor, now: datetime, points: int) -> None:
    log.record(
        kind=kind,
        subject_type="points_hold",
        subject_id=held.pk,
        customer_id=held.customer_id,
        actor=actor,
        now=now,
        points=points,
    )
