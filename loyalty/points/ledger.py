"""Credit, debit, hold, capture, release, reverse: the only writers of accounts, lots and ledger rows.

Each call locks the customer's account first, settles what time has done, and writes in the caller's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from loyalty.common.actors import Actor
from loyalty.common.causes import Cause
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import Programme
from loyalty.points import activity, allocation, locking, lot_rows, returns, rows, statements
from loyalty.points.errors import (
    MOST_POINTS,
    HoldClosed,
    IdempotencyConflict,
    InsufficientPoints,
    InvalidPoints,
    NotReversible,
    require_points,
)
from loyalty.points.models import (
    HoldState,
    PointsAccount,
    PointsAllocation,
    PointsHold,
    PointsLot,
    PointsReturn,
    PointsTransaction,
    TransactionKind,
)

REVERSIBLE = (TransactionKind.REDEMPTION, TransactionKind.ADJUSTMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLot:
    """Points credited together. `available_at` None: now. With `idle_days` its end moves with activity."""

    points: int
    available_at: datetime | None = None
    expires_at: datetime | None = None
    idle_days: int | None = None


@transaction.atomic
def credit(
    *,
    customer_id: int,
    points: int,
    kind: TransactionKind,
    cause: Cause,
    actor: Actor,
    now: datetime,
    available_at: datetime | None = None,
    expires_at: datetime | None = None,
    idle_days: int | None = None,
    effective_at: datetime | None = None,
    idempotency_key: str | None = None,
    description: str = "",
    internal_note: str = "",
) -> PointsTransaction:
    """Add points as one lot. A lot whose end has passed already is credited and expires in the same call.

    With `idle_days` the lot ends so many days after the customer's last activity, and `expires_at` is not given.
    Raises UnknownCustomer, InvalidPoints, IdempotencyConflict.
    """
    return credit_lots(
        customer_id=customer_id,
        lots=[NewLot(points=points, available_at=available_at, expires_at=expires_at, idle_days=idle_days)],
        kind=kind,
        cause=cause,
        actor=actor,
        now=now,
        effective_at=effective_at,
        idempotency_key=idempotency_key,
        description=description,
        internal_note=internal_note,
    )


@transaction.atomic
def credit_lots(
    *,
    customer_id: int,
    lots: Sequence[NewLot],
    kind: TransactionKind,
    cause: Cause,
    actor: Actor,
    now: datetime,
    effective_at: datetime | None = None,
    idempotency_key: str | None = None,
    description: str = "",
    internal_note: str = "",
) -> PointsTransaction:
    """Add points by one transaction as several lots, each with its own beginning and end. As `credit` otherwise."""
    points = require_points(sum(require_points(lot.points) for lot in lots))
    account = locking.lock(customer_id=customer_id, now=now)
    before = _made_before(idempotency_key, customer_id=customer_id, change=points, kind=kind)
    if before is not None:
        return before
    activity.note(account=account, kind=kind)
    entry = rows.transaction(
        account=account,
        kind=kind,
        change=points,
        cause=cause,
        actor=actor,
        now=now,
        effective_at=effective_at,
        idempotency_key=idempotency_key,
        description=description,
        internal_note=internal_note,
    )
    for lot in lots:
        lot_rows.open_lot(
            account=account,
            entry=entry,
            points=lot.points,
            available_at=lot.available_at or now,
            expires_at=lot.expires_at,
            idle_days=lot.idle_days,
            now=now,
        )
    account.save()
    locking.settle(account=account, now=now)
    return entry


def debit(
    *,
    customer_id: int,
    points: int,
    kind: TransactionKind,
    cause: Cause,
    actor: Actor,
    now: datetime,
    idempotency_key: str | None = None,
    description: str = "",
    internal_note: str = "",
) -> PointsTransaction:
    """Take points from lots, soonest expiring first.

    Raises UnknownCustomer, InvalidPoints, InsufficientPoints, IdempotencyConflict.
    """
    require_points(points)
    with locking.in_one_statement():
        at_once = statements.debit_at_once(
            customer_id=customer_id,
            points=points,
            kind=kind,
            cause=cause,
            actor=actor,
            now=now,
            is_activity=kind in activity.ACTIVITY,
            key=idempotency_key,
            description=description,
            internal_note=internal_note,
        )
    if at_once is not None:
        return at_once
    with locking.in_transaction():
        account = locking.lock(customer_id=customer_id, now=now)
        made, lots = statements.read_for_debit(account=account, points=points, key=idempotency_key)
        if made is not None:
            return _same_entry(made, customer_id=customer_id, change=-points, kind=kind)
        charges = _choose(account=account, lots=lots, points=points)
        account.balance -= points
        return _write_debit(
            account=account,
            charges=charges,
            kind=kind,
            cause=cause,
            actor=actor,
            now=now,
            idempotency_key=idempotency_key,
            description=description,
            internal_note=internal_note,
        )


@locking.in_transaction()
def debit_lots(
    *,
    customer_id: int,
    charges: Sequence[allocation.Charge],
    kind: TransactionKind,
    cause: Cause,
    actor: Actor,
    now: datetime,
    reverses: PointsTransaction | None = None,
    idempotency_key: str | None = None,
    description: str = "",
    internal_note: str = "",
) -> PointsTransaction:
    """Take points from just these lots of the customer, pending ones among them. The caller chose them under the lock.

    Raises UnknownCustomer, InvalidPoints, IdempotencyConflict. A lot that holds less breaks a constraint.
    """
    points = require_points(sum(require_points(charge.points) for charge in charges))
    account = locking.lock(customer_id=customer_id, now=now)
    before = _made_before(idempotency_key, customer_id=customer_id, change=-points, kind=kind)
    if before is not None:
        return before
    taken = {charge.lot_id: charge.points for charge in charges}
    waiting = PointsLot.objects.filter(pk__in=taken, customer_id=customer_id, available_at__gt=account.settled_at)
    from_pending = sum(taken[lot_id] for lot_id in waiting.values_list("pk", flat=True))
    account.pending -= from_pending
    account.balance -= points - from_pending
    return _write_debit(
        account=account,
        charges=charges,
        kind=kind,
        cause=cause,
        actor=actor,
        now=now,
        reverses=reverses,
        idempotency_key=idempotency_key,
        description=description,
        internal_note=internal_note,
    )


def hold(
    *,
    customer_id: int,
    points: int,
    cause: Cause,
    actor: Actor,
    now: datetime,
    expires_at: datetime | None = None,
    idempotency_key: str | None = None,
    description: str = "",
) -> PointsHold:
    """Set points aside: the lots are charged and the balance falls, but no transaction is written yet.

    Raises UnknownCustomer, InvalidPoints, InsufficientPoints, IdempotencyConflict. A second open hold for one cause
    breaks a constraint.
    """
    require_points(points)
    with locking.in_one_statement():
        at_once = statements.hold_at_once(
            customer_id=customer_id,
            points=points,
            cause=cause,
            actor=actor,
            now=now,
            expires_at=expires_at,
            key=idempotency_key,
            description=description,
        )
    if at_once is not None:
        return at_once
    with locking.in_transaction():
        account = locking.lock(customer_id=customer_id, now=now)
        if idempotency_key is not None:
            before = PointsHold.objects.filter(idempotency_key=idempotency_key).first()
            if before is not None:
                if (before.customer_id, before.points) != (customer_id, points):
                    raise IdempotencyConflict(idempotency_key)
                return before
        _, lots = statements.read_for_debit(account=account, points=points)
        charges = _choose(account=account, lots=lots, points=points)
        account.balance -= points
        account.held += points
        held = PointsHold(
            customer_id=customer_id,
            points=points,
            cause_type=cause.type,
            cause_id=cause.id,
            actor_kind=actor.kind,
            actor_id=actor.id,
            created_at=now,
            expires_at=expires_at,
            idempotency_key=idempotency_key,
            description=description,
        )
        return statements.write_hold(held=held, account=account, charges=charges)


def capture(
    *,
    hold_id: int,
    kind: TransactionKind,
    actor: Actor,
    now: datetime,
    points: int | None = None,
    description: str = "",
    internal_note: str = "",
) -> PointsTransaction:
    """Turn a hold into a debit of the very lots it charged. Capturing twice gives the same debit.

    With `points` only so many are spent, the lots that expire soonest first, and the rest is released.
    Raises UnknownHold, HoldClosed when it was released, or captured with another number of points; InvalidPoints.
    """
    if points is not None:
        require_points(points)
    with locking.in_one_statement():
        at_once = statements.capture_at_once(
            hold_id=hold_id,
            points=points,
            kind=kind,
            actor=actor,
            now=now,
            is_activity=kind in activity.ACTIVITY,
            description=description,
            internal_note=internal_note,
        )
    if at_once is not None:
        return at_once
    with locking.in_transaction():
        account = locking.lock(customer_id=statements.customer_of_hold(hold_id=hold_id), now=now)
        held, charges = statements.read_hold(hold_id=hold_id)
        spent = held.points if points is None else points
        before = _captured_before(held, spent=spent, is_part=points is not None)
        if before is not None:
            return before
        spare: list[returns.Taken] = []
        if spent < held.points:
            taken, spare = returns.split(lot_rows.charges_of(held, account), points=spent)
            charges = [allocation.Charge(part.lot_id, part.points) for part in taken]
        account.held -= spent
        entry = _write_debit(
            account=account,
            charges=charges,
            kind=kind,
            cause=held.cause,
            actor=actor,
            now=now,
            held=held,
            description=description or held.description,
            internal_note=internal_note,
        )
        if spare:
            lot_rows.give_back(account=account, parts=lot_rows.moved_along(spare, account=account), now=now)
        return entry


def _captured_before(held: PointsHold, *, spent: int, is_part: bool) -> PointsTransaction | None:
    """The debit of a hold that was captured. Raises HoldClosed, InvalidPoints."""
    if spent > held.points:
        raise InvalidPoints(f"Hold {held.pk} holds {held.points} points: {spent} cannot be captured.")
    if held.state == HoldState.CAPTURED and held.transaction is not None:
        captured = -held.transaction.points_change
        if is_part and captured != spent:
            raise HoldClosed(f"Of hold {held.pk} {captured} points were captured already, not {spent}.")
        return held.transaction
    if held.state == HoldState.RELEASED:
        raise HoldClosed(f"Hold {held.pk} was released: its points are back with the customer and cannot be captured.")
    return None


@transaction.atomic
def release(*, hold_id: int, now: datetime) -> None:
    """Give held points back, as if nothing had happened. Releasing twice does nothing more.

    A lot that expired meanwhile follows the programme's return policy. Raises UnknownHold, and HoldClosed when
    it was captured.
    """
    held, account = _locked_hold(hold_id=hold_id, now=now)
    if held.state == HoldState.RELEASED:
        return
    if held.state == HoldState.CAPTURED:
        raise HoldClosed(f"Hold {hold_id} was captured: reverse its transaction instead of releasing it.")
    lot_rows.give_back(account=account, parts=lot_rows.charges_of(held, account), now=now)
    PointsHold.objects.filter(pk=hold_id).update(state=HoldState.RELEASED, closed_at=now)


def plan_reversal(
    *, transaction_id: int, now: datetime, points: int | None = None, programme: Programme | None = None
) -> list[returns.ReturnLine]:
    """What reversing a debit would do to each lot, now. Reads only; `reverse` makes the same plan under the lock.

    `points` is how many to return; None means all that has not come back yet. `programme` is for callers who have it:
    then it takes two queries, however many lots there were. Raises NotReversible, InvalidPoints.
    """
    given_back = PointsReturn.objects.filter(allocation=OuterRef("pk")).values("allocation")
    allocations = list(
        PointsAllocation.objects.filter(transaction_id=transaction_id)
        .select_related("lot", "transaction")
        .annotate(given_back=Coalesce(Subquery(given_back.values(sum=Sum("points"))), 0))
        .order_by("id")
    )
    debit_entry = allocations[0].transaction if allocations else _debit_entry(transaction_id)
    if debit_entry.points_change > 0 or debit_entry.kind not in REVERSIBLE:
        raise NotReversible(
            f"Transaction {transaction_id} ({debit_entry.get_kind_display().lower()}) took no points that could be "
            "returned. Only a redemption or a downward adjustment can be reversed."
        )
    account = PointsAccount.objects.get(pk=debit_entry.customer_id)
    programme = programme or merchant.programme()
    taken = [
        returns.Taken(
            part.pk,
            part.lot_id,
            left,
            activity.end_of(lot=part.lot, account=account, zone=programme.zone),
            debit_entry.effective_at,
        )
        for part in allocations
        if (left := part.points - part.given_back) > 0
    ]
    left = sum(part.points for part in taken)
    wanted = left if points is None else require_points(points)
    if not left:
        raise NotReversible(f"All points of transaction {transaction_id} were returned already.")
    if wanted > left:
        raise NotReversible(f"Of transaction {transaction_id} {left} points can still be returned, not {wanted}.")
    return returns.plan(taken, points=wanted, policy=lot_rows.return_policy(programme), now=now)


@transaction.atomic
def reverse(
    *,
    transaction_id: int,
    cause: Cause,
    actor: Actor,
    now: datetime,
    points: int | None = None,
    description: str = "",
    internal_note: str = "",
) -> PointsTransaction:
    """Return points of a debit to the lots they came from. Repeated reversals are cumulative and never exceed it.

    Raises NotReversible, InvalidPoints.
    """
    debit_entry = _debit_entry(transaction_id)
    account = locking.lock(customer_id=debit_entry.customer_id, now=now)
    lines = plan_reversal(transaction_id=transaction_id, now=now, points=points)
    total = sum(line.points for line in lines)
    entry = rows.transaction(
        account=account,
        kind=TransactionKind.REVERSAL,
        change=total,
        cause=cause,
        actor=actor,
        now=now,
        reverses=debit_entry,
        description=description,
        internal_note=internal_note,
    )
    originals = PointsLot.objects.in_bulk([line.lot_id for line in lines])
    for line in lines:
        lot = lot_rows.receiving_lot(account=account, line=line, entry=entry, original=originals[line.lot_id], now=now)
        PointsReturn.objects.create(transaction=entry, allocation_id=line.source_id, lot=lot, points=line.points)
    account.save()
    locking.settle(account=account, now=now)
    return entry


def _write_debit(
    *,
    account: PointsAccount,
    charges: Sequence[allocation.Charge],
    kind: TransactionKind,
    cause: Cause,
    actor: Actor,
    now: datetime,
    held: PointsHold | None = None,
    reverses: PointsTransaction | None = None,
    idempotency_key: str | None = None,
    description: str = "",
    internal_note: str = "",
) -> PointsTransaction:
    """The debit and all that follows from it; the account's figures were lowered before, and are written here.

    With `held` the lots were charged by that hold, and it is closed.
    """
    if kind in activity.ACTIVITY:
        account.last_activity_at = account.settled_at
    entry = rows.build(
        account=account,
        kind=kind,
        change=-sum(charge.points for charge in charges),
        balance_after=account.total,
        cause=cause,
        actor=actor,
        now=now,
        reverses=reverses,
        idempotency_key=idempotency_key,
    )
    if held is None:
        stored = statements.write_debit(
            entry=entry, account=account, charges=charges, description=description, internal_note=internal_note
        )
    else:
        stored = statements.write_capture(
            held=held,
            entry=entry,
            account=account,
            charges=charges,
            description=description,
            internal_note=internal_note,
        )
    activity.note(account=account, kind=kind)
    return stored


def spendable_lots(*, account: PointsAccount) -> list[allocation.SpendableLot]:
    """The lots of a locked account that can pay now, soonest ending first."""
    return statements.read_for_debit(account=account, points=MOST_POINTS)[1]


def _choose(*, account: PointsAccount, lots: Sequence[allocation.SpendableLot], points: int) -> list[allocation.Charge]:
    """Which lots of a locked account pay. Raises InsufficientPoints."""
    if account.balance < points:
        raise InsufficientPoints(missing=points - account.balance, balance=account.balance)
    return allocation.allocate(lots, points)


def _locked_hold(*, hold_id: int, now: datetime) -> tuple[PointsHold, PointsAccount]:
    account = locking.lock(customer_id=statements.customer_of_hold(hold_id=hold_id), now=now)
    return PointsHold.objects.select_related("transaction").get(pk=hold_id), account


def _debit_entry(transaction_id: int) -> PointsTransaction:
    entry = PointsTransaction.objects.filter(pk=transaction_id).first()
    if entry is None:
        raise NotReversible(f"There is no transaction {transaction_id}. Check the id.")
    return entry


def _made_before(key: str | None, *, customer_id: int, change: int, kind: TransactionKind) -> PointsTransaction | None:
    if key is None:
        return None
    made = PointsTransaction.objects.filter(idempotency_key=key).values_list("pk", flat=True).first()
    return None if made is None else _same_entry(made, customer_id=customer_id, change=change, kind=kind)


def _same_entry(made: int, *, customer_id: int, change: int, kind: TransactionKind) -> PointsTransaction:
    """The transaction that was made under the same key. Raises IdempotencyConflict when it is another one."""
    before = PointsTransaction.objects.get(pk=made)
    if (before.customer_id, before.points_change, before.kind) != (customer_id, change, kind):
        raise IdempotencyConflict(before.idempotency_key or "")
    return before
