"""Adjustments above a person's ceiling: asked for, changed while they wait, and approved by a second person."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from loyalty.common import actors, plans
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.points import adjustments, locking
from loyalty.points.adjustments import AdjustmentPlan
from loyalty.points.errors import IdempotencyConflict
from loyalty.points.models import AdjustmentRequest, RequestState


class RequestRefused(DomainError):
    """This request cannot be made, changed or decided. `code` says why."""

    code = "request_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for: the arguments of an adjustment."""

    points: int
    reason: str = ""
    internal_note: str = ""
    description: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalPlan:
    """What approving would do, now. `refusal` says why it cannot be done by anybody."""

    adjustment: AdjustmentPlan
    refusal: str
    fingerprint: str


def plan(*, request_id: int, now: datetime) -> ApprovalPlan:
    """What approving would do to the customer's lots. Reads only. Raises RequestRefused for an unknown request."""
    row = _find(request_id)
    adjustment = adjustments.plan(customer_id=row.customer_id, points=row.points, expires_at=row.expires_at, now=now)
    refusal = "" if row.state == RequestState.WAITING else _closed(row).sentence
    return ApprovalPlan(
        adjustment=adjustment,
        refusal=refusal or adjustment.refusal,
        fingerprint=plans.fingerprint(
            {
                "request": row.pk,
                "state": row.state,
                "words": [row.reason, row.internal_note, row.description],
                "adjustment": adjustment.fingerprint,
            }
        ),
    )


@transaction.atomic
def ask(
    *, customer_id: int, wish: Wish, user_id: int, now: datetime, idempotency_key: str | None = None
) -> AdjustmentRequest:
    """Ask for an adjustment; nothing changes until a second person approves it. The same key gives the same request.

    Raises RequestRefused when it could not be made now, InvalidPoints, InvalidExpiry, UnknownCustomer,
    IdempotencyConflict.
    """
    adjustments.require_sense(points=wish.points, reason=wish.reason)
    locking.lock(customer_id=customer_id, now=now)
    if idempotency_key is not None:
        before = AdjustmentRequest.objects.filter(idempotency_key=idempotency_key).first()
        if before is not None:
            if (before.customer_id, before.requested_by, _wish_of(before)) != (customer_id, user_id, _tidy(wish)):
                raise IdempotencyConflict(idempotency_key)
            return before
    _require_possible(customer_id=customer_id, wish=wish, now=now)
    row = AdjustmentRequest(
        customer_id=customer_id,
        requested_by=user_id,
        idempotency_key=idempotency_key,
        created_at=now,
    )
    _write(row, wish=wish, now=now)
    _log("points.adjustment_requested", row, user_id=user_id, now=now)
    return row


@transaction.atomic
def change(*, request_id: int, wish: Wish, user_id: int, now: datetime) -> AdjustmentRequest:
    """The author writes it anew while it waits. Raises RequestRefused, InvalidPoints, InvalidExpiry."""
    row = _locked(request_id, now=now)
    _require_author(row, user_id=user_id)
    _require_waiting(row)
    _require_possible(customer_id=row.customer_id, wish=wish, now=now)
    _write(row, wish=wish, now=now)
    _log("points.adjustment_request_changed", row, user_id=user_id, now=now)
    return row


@transaction.atomic
def withdraw(*, request_id: int, user_id: int, now: datetime) -> AdjustmentRequest:
    """The author takes it back. Again changes nothing. Raises RequestRefused."""
    row = _locked(request_id, now=now)
    _require_author(row, user_id=user_id)
    if row.state == RequestState.WITHDRAWN:
        return row
    return _decide(row, RequestState.WITHDRAWN, user_id=user_id, now=now)


@transaction.atomic
def reject(*, request_id: int, user_id: int, now: datetime, note: str = "") -> AdjustmentRequest:
    """A second person says no. Again changes nothing. Raises RequestRefused."""
    row = _locked(request_id, now=now)
    _require_second_person(row, user_id=user_id)
    if row.state == RequestState.REJECTED and row.decided_by == user_id:
        return row
    return _decide(row, RequestState.REJECTED, user_id=user_id, now=now, note=note)


@transaction.atomic
def approve(
    *, request_id: int, user_id: int, now: datetime, fingerprint: str | None = None, note: str = ""
) -> AdjustmentRequest:
    """A second person says yes: the adjustment is written, once, in their name. Again by them changes nothing.

    With a fingerprint it is done only as its plan showed it. Raises RequestRefused, AboveCeiling when it is above the
    approver's own ceiling too, InsufficientPoints, InvalidExpiry, PlanOutdated.
    """
    row = _locked(request_id, now=now)
    _require_second_person(row, user_id=user_id)
    if row.state == RequestState.APPROVED and row.decided_by == user_id:
        return row
    _require_waiting(row)
    adjustments.require_allowed(user_id=user_id, points=row.points)
    if fingerprint is not None:
        plans.require_current(
            shown=fingerprint,
            current=plan(request_id=request_id, now=now).fingerprint,
            subject="The request, or the customer's balance,",
        )
    row.adjustment = adjustments.adjust(
        customer_id=row.customer_id,
        points=row.points,
        actor=actors.staff(user_id),
        now=now,
        reason=row.reason,
        internal_note=row.internal_note,
        description=row.description,
        expires_at=row.expires_at,
        idempotency_key=f"adjustment-request:{row.pk}",
    )
    return _decide(row, RequestState.APPROVED, user_id=user_id, now=now, note=note)


def _find(request_id: int) -> AdjustmentRequest:
    row = AdjustmentRequest.objects.filter(pk=request_id).first()
    if row is None:
        raise RequestRefused(f"There is no request {request_id}. Check the number.", code="unknown_request")
    return row


def _locked(request_id: int, *, now: datetime) -> AdjustmentRequest:
    """The request as it is now, its customer's account locked: nobody decides about it beside us."""
    locking.lock(customer_id=_find(request_id).customer_id, now=now)
    return AdjustmentRequest.objects.get(pk=request_id)


def _require_author(row: AdjustmentRequest, *, user_id: int) -> None:
    if row.requested_by != user_id:
        raise RequestRefused("Only the person who asked can change or withdraw this request.", code="not_the_author")


def _require_second_person(row: AdjustmentRequest, *, user_id: int) -> None:
    if row.requested_by == user_id:
        raise RequestRefused(
            "Nobody decides about their own request: somebody else has to. It can be withdrawn.", code="own_request"
        )


def _require_waiting(row: AdjustmentRequest) -> None:
    if row.state != RequestState.WAITING:
        raise _closed(row)


def _closed(row: AdjustmentRequest) -> RequestRefused:
    return RequestRefused(f"This request was {row.get_state_display().lower()} already.", code="request_closed")


def _require_possible(*, customer_id: int, wish: Wish, now: datetime) -> None:
    adjustments.require_sense(points=wish.points, reason=wish.reason, expires_at=wish.expires_at, now=now)
    refusal = adjustments.plan(customer_id=customer_id, points=wish.points, expires_at=wish.expires_at, now=now).refusal
    if refusal:
        raise RequestRefused(refusal, code="not_possible")


def _write(row: AdjustmentRequest, *, wish: Wish, now: datetime) -> None:
    tidy = _tidy(wish)
    row.points, row.reason, row.expires_at = tidy.points, tidy.reason, tidy.expires_at
    row.internal_note, row.description = tidy.internal_note, tidy.description
    row.updated_at = now
    row.save()


def _decide(
    row: AdjustmentRequest, state: RequestState, *, user_id: int, now: datetime, note: str = ""
) -> AdjustmentRequest:
    _require_waiting(row)
    row.state, row.decided_by, row.decision_note = state, user_id, note.strip()
    row.decided_at = row.updated_at = now
    row.save()
    _log(f"points.adjustment_request_{state.value}", row, user_id=user_id, now=now)
    return row


def _tidy(wish: Wish) -> Wish:
    return Wish(
        points=wish.points,
        reason=wish.reason,
        internal_note=wish.internal_note.strip(),
        description=wish.description.strip(),
        expires_at=wish.expires_at,
    )


def _wish_of(row: AdjustmentRequest) -> Wish:
    return Wish(
        points=row.points,
        reason=row.reason,
        internal_note=row.internal_note,
        description=row.description,
        expires_at=row.expires_at,
    )


def _log(kind: str, row: AdjustmentRequest, *, user_id: int, now: datetime) -> None:
    log.record(
        kind=kind,
        subject_type="adjustment_request",
        subject_id=row.pk,
        customer_id=row.customer_id,
        actor=actors.staff(user_id),
        now=now,
        points=row.points,
    )
