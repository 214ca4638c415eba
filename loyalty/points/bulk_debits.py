"""Take points from many customers at once: the ledger's rows for imports, written by the batch instead of one by one.

Beside `ledger` and `bulk`, a writer of accounts, lots and ledger rows; it leaves exactly the rows that `ledger.debit`
would leave, called once for each debit in the same order.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import connection, transaction

from loyalty.common import copying
from loyalty.common.actors import Actor
from loyalty.common.causes import Cause
from loyalty.points import activity, allocation, bulk, ledger
from loyalty.points.errors import IdempotencyConflict, InsufficientPoints, require_points
from loyalty.points.models import PointsAccount, PointsAllocation, PointsLot, PointsTransaction, TransactionKind

Lots = dict[int, list[allocation.SpendableLot]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Debit:
    """One debit: the arguments of `ledger.debit`, with a key that is not optional here."""

    customer_id: int
    points: int
    kind: TransactionKind
    cause: Cause
    actor: Actor
    idempotency_key: str


@transaction.atomic
def debit_many(*, batch: Sequence[Debit], now: datetime, accounts: dict[int, PointsAccount] | None = None) -> int:
    """Make every debit whose key is new, in the given order; gives back how many were made.

    Locks all accounts concerned in id order until the caller's transaction ends, unless the caller has locked them by
    `bulk.lock` in it and gives them as `accounts`. All or nothing: raises UnknownCustomer, InvalidPoints, IdempotencyConflict, and InsufficientPoints for the first customer who has too few.
    """
    for debit in batch:
        require_points(debit.points)
    if accounts is None:
        accounts = bulk.lock({debit.customer_id for debit in batch}, now=now)
    fresh = _not_made_before(batch)
    made = len(fresh)
    fresh = _one_by_one(fresh, accounts, now=now)
    lots = _spendable(accounts, {debit.customer_id for debit in fresh})
    entries: list[PointsTransaction] = []
    allocations: list[PointsAllocation] = []
    for debit, pk in zip(fresh, bulk.next_ids(PointsTransaction, len(fresh)), strict=True):
        account = accounts[debit.customer_id]
        entries.append(_entry(account, debit, pk=pk, now=now))
        allocations += [
            PointsAllocation(transaction_id=pk, lot_id=charge.lot_id, points=charge.points)
            for charge in _charge(account, lots[debit.customer_id], points=debit.points)
        ]
    copying.insert(entries)
    copying.insert(allocations)
    _charge_lots(allocations)
    for customer_id, kind in sorted({(debit.customer_id, debit.kind) for debit in fresh}):
        activity.note(account=accounts[customer_id], kind=kind)
    bulk.write_figures([accounts[customer_id] for customer_id in sorted({debit.customer_id for debit in fresh})])
    return made


def _not_made_before(batch: Sequence[Debit]) -> list[Debit]:
    """The debits with new keys, each key once. Raises IdempotencyConflict for a key that stood for something else."""
    keys = [debit.idempotency_key for debit in batch]
    made = {
        str(key): (customer_id, -change, str(kind))
        for key, customer_id, change, kind in PointsTransaction.objects.filter(idempotency_key__in=keys).values_list(
            "idempotency_key", "customer_id", "points_change", "kind"
        )
    }
    fresh = []
    for debit in batch:
        wanted = (debit.customer_id, debit.points, debit.kind.value)
        before = made.setdefault(debit.idempotency_key, wanted)
        if before is wanted:
            fresh.append(debit)
        elif before != wanted:
            raise IdempotencyConflict(debit.idempotency_key)
    return fresh


def _one_by_one(fresh: Sequence[Debit], accounts: dict[int, PointsAccount], *, now: datetime) -> list[Debit]:
    """Make the debits that cannot be worked out ahead, and give back the others.

    Each debit moves the ends of lots that depend on activity, and so the order in which the customer's next one spends.
    """
    times = Counter(debit.customer_id for debit in fresh)
    moving = {pk for pk, count in times.items() if count > 1 and accounts[pk].has_idle_lots}
    for debit in fresh:
        if debit.customer_id in moving:
            ledger.debit(
                customer_id=debit.customer_id,
                points=debit.points,
                kind=debit.kind,
                cause=debit.cause,
                actor=debit.actor,
                idempotency_key=debit.idempotency_key,
                now=now,
            )
    return [debit for debit in fresh if debit.customer_id not in moving]


def _spendable(accounts: dict[int, PointsAccount], customer_ids: set[int]) -> Lots:
    """The lots of locked and settled accounts that can pay now."""
    found: Lots = {customer_id: [] for customer_id in customer_ids}
    rows = PointsLot.objects.filter(customer_id__in=customer_ids, open=True).values_list(
        "customer_id", "available_at", "id", "remaining", "expires_at", "created_at"
    )
    for customer_id, available_at, lot_id, remaining, expires_at, created_at in rows:
        if available_at <= accounts[customer_id].settled_at:
            found[customer_id].append(allocation.SpendableLot(lot_id, remaining, expires_at, created_at))
    return found


def _charge(account: PointsAccount, lots: list[allocation.SpendableLot], *, points: int) -> list[allocation.Charge]:
    """Let the lots pay, in spending order. `lots` is left with what remains. Raises InsufficientPoints."""
    if account.balance < points:
        raise InsufficientPoints(missing=points - account.balance, balance=account.balance)
    account.balance -= points
    charges = allocation.allocate(lots, points)
    paid = {charge.lot_id: charge.points for charge in charges}
    lots[:] = [replace(lot, remaining=left) for lot in lots if (left := lot.remaining - paid.get(lot.id, 0))]
    return charges


def _entry(account: PointsAccount, debit: Debit, *, pk: int, now: datetime) -> PointsTransaction:
    return PointsTransaction(
        pk=pk,
        customer_id=debit.customer_id,
        kind=debit.kind,
        points_change=-debit.points,
        balance_after=max(account.total - debit.points, 0),  # when it is too much, charging refuses
        cause_type=debit.cause.type,
        cause_id=debit.cause.id,
        actor_kind=debit.actor.kind,
        actor_id=debit.actor.id,
        idempotency_key=debit.idempotency_key,
        effective_at=now,
        recorded_at=now,
    )


def _charge_lots(allocations: Sequence[PointsAllocation]) -> None:
    """Take what was allocated out of the lots, in one statement. The lots' own checks refuse more than remains."""
    taken: dict[int, int] = {}
    for part in allocations:
        taken[part.lot_id] = taken.get(part.lot_id, 0) + part.points
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE points_pointslot AS lot
            SET remaining = lot.remaining - taken.points, open = lot.remaining > taken.points
            FROM unnest(%s::bigint[], %s::int[]) AS taken (id, points)
            WHERE lot.id = taken.id""",
            [list(taken), list(taken.values())],
        )
