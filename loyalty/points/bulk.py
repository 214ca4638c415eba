"""Credit many lots at once: the ledger's rows for imports, written by the batch instead of one by one.

Beside `ledger`, the only writer of accounts, lots and ledger rows; it leaves exactly the rows that `ledger.credit`
would leave, called once for each credit in the same order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection, transaction

from loyalty.common import copying
from loyalty.common.actors import SYSTEM, Actor
from loyalty.common.causes import Cause, CauseType
from loyalty.customers.models import Customer
from loyalty.points import activity, locking
from loyalty.points.errors import MOST_POINTS, IdempotencyConflict, InvalidPoints, UnknownCustomer, require_points
from loyalty.points.models import PointsAccount, PointsAllocation, PointsLot, PointsTransaction, TransactionKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """One credit: the arguments of `ledger.credit`, with a key that is not optional here."""

    customer_id: int
    points: int
    kind: TransactionKind
    cause: Cause
    actor: Actor
    idempotency_key: str
    available_at: datetime | None = None
    expires_at: datetime | None = None
    idle_days: int | None = None
    effective_at: datetime | None = None


@transaction.atomic
def credit_many(*, batch: Sequence[Credit], now: datetime, accounts: dict[int, PointsAccount] | None = None) -> int:
    """Make every credit whose key is new, in the given order; gives back how many were made.

    Locks all accounts concerned in id order until the caller's transaction ends, so keep the batch to some thousands.
    `accounts` are those that the caller has locked by `lock` in the same transaction, when it has.
    A lot whose end has passed already expires in the same call. All or nothing: raises UnknownCustomer, InvalidPoints
    (also when a customer would hold more than fits), IdempotencyConflict.
    """
    for credit in batch:
        require_points(credit.points)
    if accounts is None:
        accounts = lock({credit.customer_id for credit in batch}, now=now)
    fresh = _not_made_before(batch)
    for customer_id, kind in sorted({(credit.customer_id, credit.kind) for credit in fresh}):
        activity.note(account=accounts[customer_id], kind=kind)
    rows = _Rows()
    transaction_ids = iter(next_ids(PointsTransaction, sum(1 + _has_ended(accounts, credit) for credit in fresh)))
    for credit, lot_id in zip(fresh, next_ids(PointsLot, len(fresh)), strict=True):
        _credit(accounts[credit.customer_id], credit, rows, lot_id=lot_id, ids=transaction_ids, now=now)
    rows.insert()
    _save([accounts[customer_id] for customer_id in sorted({credit.customer_id for credit in fresh})], rows)
    return len(fresh)


@dataclass(slots=True)
class _Rows:
    """What is to be inserted, in id order."""

    transactions: list[PointsTransaction] = field(default_factory=list)
    lots: list[PointsLot] = field(default_factory=list)
    allocations: list[PointsAllocation] = field(default_factory=list)
    expired_for: set[int] = field(default_factory=set)  # customers with a lot that expired in this call

    def insert(self) -> None:
        copying.insert(self.transactions)
        copying.insert(self.lots)
        copying.insert(self.allocations)


def lock(customer_ids: set[int], *, now: datetime) -> dict[int, PointsAccount]:
    """Open the accounts that are missing, then lock all of them in id order and settle those that are due."""
    known = set(PointsAccount.objects.filter(pk__in=customer_ids).values_list("pk", flat=True))
    missing = sorted(customer_ids - known)
    if missing:
        strangers = set(missing) - set(Customer.objects.filter(pk__in=missing).values_list("pk", flat=True))
        if strangers:
            raise UnknownCustomer(min(strangers))
        PointsAccount.objects.bulk_create(
            [PointsAccount(customer_id=customer_id, settled_at=now) for customer_id in missing], ignore_conflicts=True
        )
    locked = PointsAccount.objects.select_for_update().filter(pk__in=customer_ids).order_by("pk")
    accounts = {account.customer_id: account for account in locked}
    for account in accounts.values():
        locking.settle(account=account, now=now)
    return accounts


def _not_made_before(batch: Sequence[Credit]) -> list[Credit]:
    """The credits with new keys, each key once. Raises IdempotencyConflict for a key that stood for something else."""
    keys = [credit.idempotency_key for credit in batch]
    made = {
        str(key): (customer_id, points, str(kind))
        for key, customer_id, points, kind in PointsTransaction.objects.filter(idempotency_key__in=keys).values_list(
            "idempotency_key", "customer_id", "points_change", "kind"
        )
    }
    fresh = []
    for credit in batch:
        wanted = (credit.customer_id, credit.points, credit.kind.value)
        before = made.get(credit.idempotency_key)
        if before is None:
            made[credit.idempotency_key] = wanted
            fresh.append(credit)
        elif before != wanted:
            raise IdempotencyConflict(credit.idempotency_key)
    return fresh


def _has_ended(accounts: dict[int, PointsAccount], credit: Credit) -> bool:
    return credit.expires_at is not None and credit.expires_at <= accounts[credit.customer_id].settled_at


def _credit(
    account: PointsAccount, credit: Credit, rows: _Rows, *, lot_id: int, ids: Iterator[int], now: datetime
) -> None:
    """Add the rows of one credit and let the account's figures take it."""
    if account.total + credit.points > MOST_POINTS:
        raise InvalidPoints(
            f"Customer {credit.customer_id} would hold more than {MOST_POINTS:,} points with {credit.points} more."
        )
    entry = PointsTransaction(
        pk=next(ids),
        customer_id=credit.customer_id,
        kind=credit.kind,
        points_change=credit.points,
        balance_after=account.total + credit.points,
        cause_type=credit.cause.type,
        cause_id=credit.cause.id,
        actor_kind=credit.actor.kind,
        actor_id=credit.actor.id,
        idempotency_key=credit.idempotency_key,
        effective_at=credit.effective_at or now,
        recorded_at=now,
    )
    available_at, expires_at = credit.available_at or now, credit.expires_at
    if credit.idle_days is not None:
        expires_at = activity.idle_end(account=account, idle_days=credit.idle_days, available_at=available_at)
        account.has_idle_lots = True
    lot = PointsLot(
        pk=lot_id,
        customer_id=credit.customer_id,
        transaction_id=entry.pk,
        points=credit.points,
        remaining=credit.points,
        available_at=available_at,
        expires_at=expires_at,
        idle_days=credit.idle_days,
        created_at=now,
    )
    rows.transactions.append(entry)
    rows.lots.append(lot)
    if lot.expires_at is not None and lot.expires_at <= account.settled_at:
        _expire(account, lot, rows, transaction_id=next(ids))
    else:
        if lot.available_at <= account.settled_at:
            account.balance += lot.points
        else:
            account.pending += lot.points
        locking.bring_edge_forward(account=account, available_at=lot.available_at, expires_at=lot.expires_at)


def _expire(account: PointsAccount, lot: PointsLot, rows: _Rows, *, transaction_id: int) -> None:
    """The lot's end has passed: what came goes at once, as settling would have it. The account is as it was."""
    entry = PointsTransaction(
        pk=transaction_id,
        customer_id=account.customer_id,
        kind=TransactionKind.EXPIRY,
        points_change=-lot.points,
        balance_after=account.total,
        cause_type=CauseType.LOT,
        cause_id=lot.pk,
        actor_kind=SYSTEM.kind,
        actor_id=SYSTEM.id,
        effective_at=lot.expires_at or account.settled_at,
        recorded_at=account.settled_at,
    )
    rows.transactions.append(entry)
    rows.allocations.append(PointsAllocation(transaction_id=entry.pk, lot_id=lot.pk, points=lot.points))
    lot.remaining, lot.open = 0, False
    rows.expired_for.add(account.customer_id)


def _save(accounts: list[PointsAccount], rows: _Rows) -> None:
    """Write the figures of locked accounts. Where lots expired, the next edge is found anew, as settling does."""
    if rows.expired_for:
        edges: dict[int, list[datetime]] = {}
        settled_at = {account.customer_id: account.settled_at for account in accounts}
        open_lots = PointsLot.objects.filter(customer_id__in=rows.expired_for, open=True)
        for customer_id, *instants in open_lots.values_list("customer_id", "available_at", "expires_at"):
            ahead = [edge for edge in instants if edge is not None and edge > settled_at[customer_id]]
            edges.setdefault(customer_id, []).extend(ahead)
        for account in accounts:
            if account.customer_id in rows.expired_for:
                account.next_edge_at = min(edges.get(account.customer_id, []), default=None)
    write_figures(accounts)


def write_figures(accounts: Sequence[PointsAccount]) -> None:
    """Write the figures of locked accounts in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE points_pointsaccount AS account
            SET balance = new.balance, pending = new.pending, settled_at = new.settled_at,
                next_edge_at = new.next_edge_at, last_activity_at = new.last_activity_at,
                has_idle_lots = new.has_idle_lots
            FROM unnest(%s::bigint[], %s::int[], %s::int[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[],
                        %s::bool[])
                AS new (customer_id, balance, pending, settled_at, next_edge_at, last_activity_at, has_idle_lots)
            WHERE account.customer_id = new.customer_id""",
            [
                [account.customer_id for account in accounts],
                [account.balance for account in accounts],
                [account.pending for account in accounts],
                [account.settled_at for account in accounts],
                [account.next_edge_at for account in accounts],
                [account.last_activity_at for account in accounts],
                [account.has_idle_lots for account in accounts],
            ],
        )


def next_ids(model: type[PointsTransaction] | type[PointsLot], count: int) -> list[int]:
    """Ids for rows that name each other before they are written. Taken under the lock, they run as inserting would."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [model._meta.db_table, count],  # noqa: SLF001 (the documented way to a table's name)
        )
        return sorted(int(row[0]) for row in cursor.fetchall())
