"""Accounts and ledger rows by the batch: locked, settled and written in one statement for all of them.

For the bulk acts only, which are writers of those tables beside `ledger`: they decide, this writes.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar

from django.db import connection

from loyalty.common import copying
from loyalty.common.actors import Actor
from loyalty.common.among import Among
from loyalty.common.causes import Cause
from loyalty.points import statements
from loyalty.points.errors import IdempotencyConflict, UnknownCustomer
from loyalty.points.models import PointsAccount, PointsTransaction, TransactionKind

Item = TypeVar("Item")


class Keyed(Protocol):
    """One change of a batch, under a key that makes it happen once."""

    @property
    def customer_id(self) -> int: ...
    @property
    def change(self) -> int: ...
    @property
    def kind(self) -> TransactionKind: ...
    @property
    def idempotency_key(self) -> str: ...


Change = TypeVar("Change", bound=Keyed)


class Entry(NamedTuple):
    """A row of points_pointstransaction: its fields are the columns."""

    id: int
    customer_id: int
    kind: str
    points_change: int
    balance_after: int
    reverses_id: int | None
    cause_type: str
    cause_id: int
    actor_kind: str
    actor_id: int | None
    idempotency_key: str | None
    effective_at: datetime
    recorded_at: datetime


class Lot(NamedTuple):
    """A row of points_pointslot."""

    id: int
    customer_id: int
    transaction_id: int
    origin_id: int | None
    points: int
    remaining: int
    open: bool
    available_at: datetime
    expires_at: datetime | None
    idle_days: int | None
    created_at: datetime


class Allocation(NamedTuple):
    """A row of points_pointsallocation."""

    transaction_id: int
    lot_id: int
    points: int


class Return(NamedTuple):
    """A row of points_pointsreturn."""

    transaction_id: int
    allocation_id: int
    lot_id: int
    points: int


TABLES: dict[type[Any], str] = {
    Entry: "points_pointstransaction",
    Lot: "points_pointslot",
    Allocation: "points_pointsallocation",
    Return: "points_pointsreturn",
}


def entry(
    *,
    pk: int,
    account: PointsAccount,
    kind: TransactionKind,
    change: int,
    cause: Cause,
    actor: Actor,
    now: datetime,
    reverses_id: int | None = None,
    idempotency_key: str | None = None,
    effective_at: datetime | None = None,
) -> Entry:
    """A transaction on top of the account's sum as it is now. The caller changes the account's figures afterwards."""
    return Entry(
        id=pk,
        customer_id=account.customer_id,
        kind=str(kind),
        points_change=change,
        balance_after=max(account.total + change, 0),  # when that is too much to take, charging the lots refuses
        reverses_id=reverses_id,
        cause_type=str(cause.type),
        cause_id=cause.id,
        actor_kind=str(actor.kind),
        actor_id=actor.id,
        idempotency_key=idempotency_key,
        effective_at=effective_at or now,
        recorded_at=now,
    )


def not_made_before(batch: Sequence[Change]) -> tuple[list[Change], dict[str, int]]:
    """The changes with new keys, each key once, and the transactions of the others by key.

    Raises IdempotencyConflict for a key that stood for something else.
    """
    found = PointsTransaction.objects.filter(Among("idempotency_key", [change.idempotency_key for change in batch]))
    made: dict[str, int] = {}
    meant: dict[str, tuple[int, int, str]] = {}
    for entry in found:
        made[str(entry.idempotency_key)] = entry.pk
        meant[str(entry.idempotency_key)] = (entry.customer_id, entry.points_change, str(entry.kind))
    fresh = []
    for change in batch:
        wanted = (change.customer_id, change.change, str(change.kind))
        before = meant.setdefault(change.idempotency_key, wanted)
        if before is wanted:
            fresh.append(change)
        elif before != wanted:
            raise IdempotencyConflict(change.idempotency_key)
    return fresh, made


def insert(rows: Sequence[NamedTuple]) -> None:
    """Insert rows of one kind in the given order."""
    if rows:
        kind = type(rows[0])
        copying.stream(TABLES[kind], kind._fields, rows)


def insert_notes(notes: Iterable[tuple[int, str, str]]) -> None:
    """Insert what is said about transactions: (transaction id, internal note, customer note), where something is."""
    said = [note for note in notes if note[1] or note[2]]
    if said:
        copying.stream("points_pointstransactionnote", ("transaction_id", "internal_note", "description"), said)


def next_ids(kind: type[Entry] | type[Lot], count: int) -> list[int]:
    """Ids for rows that name each other before they are written. Taken under the lock, they run as inserting would."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [TABLES[kind], count]
        )
        return sorted(int(row[0]) for row in cursor.fetchall())


def lock(customer_ids: Collection[int], *, now: datetime) -> dict[int, PointsAccount]:
    """Open the accounts that are missing, then lock all of them in id order and settle those that are due.

    Raises UnknownCustomer.
    """
    wanted = sorted(customer_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO points_pointsaccount (customer_id, balance, pending, held, owed, settled_at, has_idle_lots)
            SELECT c.id, 0, 0, 0, 0, %s, false FROM customers_customer c
            WHERE c.id = ANY (%s) AND NOT EXISTS (SELECT 1 FROM points_pointsaccount a WHERE a.customer_id = c.id)
            ORDER BY c.id ON CONFLICT DO NOTHING""",
            [now, wanted],
        )
    locked = PointsAccount.objects.select_for_update().filter(Among("pk", wanted)).order_by("pk")
    accounts = {account.customer_id: account for account in locked}
    strangers = set(wanted) - accounts.keys()
    if strangers:
        raise UnknownCustomer(min(strangers))
    settle(accounts.values(), now=now)
    return accounts


def settle(accounts: Iterable[PointsAccount], *, now: datetime) -> None:
    """As `locking.settle`, for many locked accounts in one statement. What the caller changed on them is saved before."""
    by_id = {account.customer_id: account for account in accounts}
    for account in by_id.values():
        account.settled_at = max(account.settled_at, now)
    due = [
        pk
        for pk, account in by_id.items()
        if account.next_edge_at is not None and account.next_edge_at <= account.settled_at
    ]
    for settled in statements.settle(customer_ids=due, now=now) if due else []:
        account = by_id[settled.customer_id]
        account.balance, account.pending = settled.balance, settled.pending
        account.settled_at, account.next_edge_at = settled.settled_at, settled.next_edge_at


def write_figures(accounts: Collection[PointsAccount]) -> None:
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


def charge_lots(charges: Mapping[int, int]) -> None:
    """Take points out of lots: {lot id: points}. The lots' own checks refuse more than remains."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE points_pointslot AS lot
            SET remaining = lot.remaining - taken.points, open = lot.remaining > taken.points
            FROM unnest(%s::bigint[], %s::int[]) AS taken (id, points)
            WHERE lot.id = taken.id""",
            [list(charges), list(charges.values())],
        )


def refill_lots(refills: Mapping[int, tuple[int, datetime | None]]) -> None:
    """Put points back into lots: {lot id: (points, the end it has then)}. Their checks refuse more than they ever held."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE points_pointslot AS lot
            SET remaining = lot.remaining + back.points, open = true, expires_at = back.expires_at
            FROM unnest(%s::bigint[], %s::int[], %s::timestamptz[]) AS back (id, points, expires_at)
            WHERE lot.id = back.id""",
            [
                list(refills),
                [points for points, _ in refills.values()],
                [expires_at for _, expires_at in refills.values()],
            ],
        )


def turns(items: Iterable[tuple[int, Item]]) -> Iterator[list[Item]]:
    """The items of (customer id, item) in turns: each in the given order, and none with two of one customer.

    What one item does to an account, the customer's next one finds done: so the rows are those of single acts.
    """
    waiting = list(items)
    while waiting:
        first: dict[int, Item] = {}
        later: list[tuple[int, Item]] = []
        for customer_id, item in waiting:
            if customer_id in first:
                later.append((customer_id, item))
            else:
                first[customer_id] = item
        yield list(first.values())
        waiting = later
