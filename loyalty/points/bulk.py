"""Credit many lots at once: the ledger's rows for imports, written by the batch instead of one by one.

It leaves exactly the rows that `ledger.credit` would leave, called once for each credit in the same order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import transaction

from loyalty.common.actors import SYSTEM, Actor
from loyalty.common.among import Among
from loyalty.common.causes import Cause, CauseType
from loyalty.events import log
from loyalty.merchant import queries as merchant
from loyalty.points import activity, bulk_rows, locking
from loyalty.points.errors import MOST_POINTS, InvalidPoints, require_points
from loyalty.points.models import PointsAccount, PointsLot, TransactionKind


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

    @property
    def change(self) -> int:
        return self.points


@transaction.atomic
def credit_many(
    *, batch: Sequence[Credit], now: datetime, accounts: dict[int, PointsAccount] | None = None
) -> dict[str, int]:
    """Make every credit whose key is new, in the given order; gives back the transaction of each key, new or not.

    Locks all accounts concerned in id order until the caller's transaction ends, so keep the batch to some thousands.
    `accounts` are those that the caller has locked by `bulk_rows.lock` in the same transaction, when it has.
    A lot whose end has passed already expires in the same call. All or nothing: raises UnknownCustomer, InvalidPoints
    (also when a customer would hold more than fits), IdempotencyConflict.
    """
    for credit in batch:
        require_points(credit.points)
    if accounts is None:
        accounts = bulk_rows.lock({credit.customer_id for credit in batch}, now=now)
    fresh, made = bulk_rows.not_made_before(batch)
    for customer_id, kind in sorted({(credit.customer_id, credit.kind) for credit in fresh}):
        activity.note(account=accounts[customer_id], kind=kind)
    rows = _Rows(zone=_zone(fresh))
    entry_ids = iter(bulk_rows.next_ids(bulk_rows.Entry, sum(1 + _has_ended(accounts, credit) for credit in fresh)))
    for credit, lot_id in zip(fresh, bulk_rows.next_ids(bulk_rows.Lot, len(fresh)), strict=True):
        made[credit.idempotency_key] = _credit(
            accounts[credit.customer_id], credit, rows, lot_id=lot_id, ids=entry_ids, now=now
        )
    rows.insert()
    _save([accounts[customer_id] for customer_id in sorted({credit.customer_id for credit in fresh})], rows)
    return made


@dataclass(slots=True)
class _Rows:
    """What is to be inserted, in id order."""

    zone: ZoneInfo | None  # the programme's, where ends depend on it
    entries: list[bulk_rows.Entry] = field(default_factory=list)
    lots: list[bulk_rows.Lot] = field(default_factory=list)
    allocations: list[bulk_rows.Allocation] = field(default_factory=list)
    expired: list[log.Fact] = field(default_factory=list)

    def insert(self) -> None:
        bulk_rows.insert(self.entries)
        bulk_rows.insert(self.lots)
        bulk_rows.insert(self.allocations)
        log.record_many(kind="points.expired", subject_type="customer", actor=SYSTEM, facts=self.expired)


def _zone(fresh: Sequence[Credit]) -> ZoneInfo | None:
    return merchant.programme().zone if any(credit.idle_days is not None for credit in fresh) else None


def _has_ended(accounts: dict[int, PointsAccount], credit: Credit) -> bool:
    return credit.expires_at is not None and credit.expires_at <= accounts[credit.customer_id].settled_at


def _credit(
    account: PointsAccount, credit: Credit, rows: _Rows, *, lot_id: int, ids: Iterator[int], now: datetime
) -> int:
    """Add the rows of one credit and let the account's figures take it; gives back the transaction's id."""
    if account.total + credit.points > MOST_POINTS:
        raise InvalidPoints(
            f"Customer {credit.customer_id} would hold more than {MOST_POINTS:,} points with {credit.points} more."
        )
    entry = bulk_rows.entry(
        pk=next(ids),
        account=account,
        kind=credit.kind,
        change=credit.points,
        cause=credit.cause,
        actor=credit.actor,
        now=now,
        idempotency_key=credit.idempotency_key,
        effective_at=credit.effective_at,
    )
    available_at, expires_at = credit.available_at or now, credit.expires_at
    if credit.idle_days is not None:
        expires_at = activity.idle_end(
            account=account, idle_days=credit.idle_days, available_at=available_at, zone=rows.zone
        )
        account.has_idle_lots = True
    lot = bulk_rows.Lot(
        id=lot_id,
        customer_id=credit.customer_id,
        transaction_id=entry.id,
        origin_id=None,
        points=credit.points,
        remaining=credit.points,
        open=True,
        available_at=available_at,
        expires_at=expires_at,
        idle_days=credit.idle_days,
        created_at=now,
    )
    rows.entries.append(entry)
    if lot.expires_at is not None and lot.expires_at <= account.settled_at:
        _expire(account, lot, rows, ended_at=lot.expires_at, entry_id=next(ids))
    else:
        rows.lots.append(lot)
        if lot.available_at <= account.settled_at:
            account.balance += lot.points
        else:
            account.pending += lot.points
        locking.bring_edge_forward(account=account, available_at=lot.available_at, expires_at=lot.expires_at)
    return entry.id


def _expire(account: PointsAccount, lot: bulk_rows.Lot, rows: _Rows, *, ended_at: datetime, entry_id: int) -> None:
    """The lot's end has passed: what came goes at once, as settling would have it. The account is as it was."""
    rows.lots.append(lot._replace(remaining=0, open=False))
    rows.entries.append(
        bulk_rows.entry(
            pk=entry_id,
            account=account,
            kind=TransactionKind.EXPIRY,
            change=-lot.points,
            cause=Cause(CauseType.LOT, lot.id),
            actor=SYSTEM,
            now=account.settled_at,
            effective_at=ended_at,
        )._replace(balance_after=account.total)
    )
    rows.allocations.append(bulk_rows.Allocation(transaction_id=entry_id, lot_id=lot.id, points=lot.points))
    rows.expired.append(
        log.Fact(
            subject_id=account.customer_id,
            customer_id=account.customer_id,
            occurred_at=account.settled_at,
            data={
                "points": lot.points,
                "lots": 1,
                "first_transaction_id": entry_id,
                "last_transaction_id": entry_id,
            },
        )
    )


def _save(accounts: list[PointsAccount], rows: _Rows) -> None:
    """Write the figures of locked accounts. Where lots expired, the next edge is found anew, as settling does."""
    expired_for = {fact.subject_id for fact in rows.expired}
    if expired_for:
        edges: dict[int, list[datetime]] = {}
        settled_at = {account.customer_id: account.settled_at for account in accounts}
        open_lots = PointsLot.objects.filter(Among("customer_id", expired_for), open=True)
        for customer_id, *instants in open_lots.values_list("customer_id", "available_at", "expires_at"):
            ahead = [edge for edge in instants if edge is not None and edge > settled_at[customer_id]]
            edges.setdefault(customer_id, []).extend(ahead)
        for account in accounts:
            if account.customer_id in expired_for:
                account.next_edge_at = min(edges.get(account.customer_id, []), default=None)
    bulk_rows.write_figures(accounts)
