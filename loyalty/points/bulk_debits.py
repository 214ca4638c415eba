"""Take points from many customers at once: the ledger's rows for imports, written by the batch instead of one by one.

It leaves exactly the rows that `ledger.debit` would leave, called once for each debit in the same order.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction

from loyalty.common.actors import Actor
from loyalty.common.among import Among
from loyalty.common.causes import Cause
from loyalty.points import activity, allocation, bulk_rows, ledger
from loyalty.points.errors import InsufficientPoints, require_points
from loyalty.points.models import PointsAccount, PointsLot, TransactionKind

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

    @property
    def change(self) -> int:
        return -self.points


@transaction.atomic
def debit_many(
    *, batch: Sequence[Debit], now: datetime, accounts: dict[int, PointsAccount] | None = None
) -> dict[str, int]:
    """Make every debit whose key is new, in the given order; gives back the transaction of each key, new or not.

    Locks all accounts concerned in id order until the caller's transaction ends, unless the caller has locked them by
    `bulk_rows.lock` in it and gives them as `accounts`. All or nothing: raises UnknownCustomer, InvalidPoints,
    IdempotencyConflict, and InsufficientPoints for the first customer who has too few.
    """
    for debit in batch:
        require_points(debit.points)
    if accounts is None:
        accounts = bulk_rows.lock({debit.customer_id for debit in batch}, now=now)
    fresh, made = bulk_rows.not_made_before(batch)
    fresh = _one_by_one(fresh, made, accounts, now=now)
    lots = _spendable(accounts, {debit.customer_id for debit in fresh})
    entries: list[bulk_rows.Entry] = []
    allocations: list[bulk_rows.Allocation] = []
    for debit, pk in zip(fresh, bulk_rows.next_ids(bulk_rows.Entry, len(fresh)), strict=True):
        account = accounts[debit.customer_id]
        entries.append(
            bulk_rows.entry(
                pk=pk,
                account=account,
                kind=debit.kind,
                change=-debit.points,
                cause=debit.cause,
                actor=debit.actor,
                now=now,
                idempotency_key=debit.idempotency_key,
            )
        )
        allocations += [
            bulk_rows.Allocation(transaction_id=pk, lot_id=charge.lot_id, points=charge.points)
            for charge in _charge(account, lots[debit.customer_id], points=debit.points)
        ]
        made[debit.idempotency_key] = pk
    bulk_rows.insert(entries)
    bulk_rows.insert(allocations)
    bulk_rows.charge_lots(_taken(allocations))
    for customer_id, kind in sorted({(debit.customer_id, debit.kind) for debit in fresh}):
        activity.note(account=accounts[customer_id], kind=kind)
    bulk_rows.write_figures([accounts[customer_id] for customer_id in sorted({debit.customer_id for debit in fresh})])
    return made


def _one_by_one(
    fresh: Sequence[Debit], made: dict[str, int], accounts: dict[int, PointsAccount], *, now: datetime
) -> list[Debit]:
    """Make the debits that cannot be worked out ahead, note them among those `made`, and give back the others.

    Each debit moves the ends of lots that depend on activity, and so the order in which the customer's next one spends.
    """
    times = Counter(debit.customer_id for debit in fresh)
    moving = {pk for pk, count in times.items() if count > 1 and accounts[pk].has_idle_lots}
    for debit in fresh:
        if debit.customer_id in moving:
            entry = ledger.debit(
                customer_id=debit.customer_id,
                points=debit.points,
                kind=debit.kind,
                cause=debit.cause,
                actor=debit.actor,
                idempotency_key=debit.idempotency_key,
                now=now,
            )
            made[debit.idempotency_key] = entry.pk
    return [debit for debit in fresh if debit.customer_id not in moving]


def _spendable(accounts: dict[int, PointsAccount], customer_ids: set[int]) -> Lots:
    """The lots of locked and settled accounts that can pay now."""
    found: Lots = {customer_id: [] for customer_id in customer_ids}
    rows = PointsLot.objects.filter(Among("customer_id", customer_ids), open=True).values_list(
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


def _taken(allocations: Sequence[bulk_rows.Allocation]) -> dict[int, int]:
    taken: dict[int, int] = {}
    for part in allocations:
        taken[part.lot_id] = taken.get(part.lot_id, 0) + part.points
    return taken
