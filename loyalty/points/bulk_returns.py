"""Reverse many debits at once: the ledger's rows for undone imports, written by the batch instead of one by one.

It leaves exactly the rows that `ledger.reverse` would leave, called once for each debit.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Sum

from loyalty.common.actors import Actor
from loyalty.common.among import Among
from loyalty.common.causes import Cause
from loyalty.common.errors import DomainError
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import ReturnPolicy
from loyalty.points import activity, bulk_rows, ledger, locking, returns
from loyalty.points.errors import MOST_POINTS, InvalidPoints, NotReversible
from loyalty.points.models import (
    PointsAccount,
    PointsAllocation,
    PointsLot,
    PointsReturn,
    PointsTransaction,
    TransactionKind,
)

Plan = list[returns.ReturnLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """The transaction that gave back what had not come back before."""

    points: int
    transaction_id: int


def reverse_many(
    *,
    debited: Mapping[int, PointsAccount],
    cause: Cause,
    actor: Actor,
    now: datetime,
    internal_note: str = "",
) -> dict[int, Returned | DomainError]:
    """Return what is missing of debits to the lots it came from; gives back by debit how much, or why nothing.

    `debited` are the debits' ids with their customers' accounts, each another one, which the caller has locked by
    `bulk_rows.lock` in the same transaction.
    """
    taken = _taken(debited.keys())
    plans = _plans(debited, taken, now=now)
    told: dict[int, Returned | DomainError] = _refusals(debited, taken, plans)
    good = {pk: lines for pk, lines in plans.items() if pk not in told}
    rows = _Rows(
        now=now,
        lots={part.lot_id: part.lot for pk in good for part in taken[pk]},
        ids=iter(bulk_rows.next_ids(bulk_rows.Lot, sum(map(_fresh_lots, good.values())))),
    )
    for (pk, lines), entry_id in zip(good.items(), bulk_rows.next_ids(bulk_rows.Entry, len(good)), strict=True):
        entry = bulk_rows.entry(
            pk=entry_id,
            account=debited[pk],
            kind=TransactionKind.REVERSAL,
            change=_points(lines),
            cause=cause,
            actor=actor,
            now=now,
            reverses_id=pk,
        )
        rows.add(entry, lines, account=debited[pk])
        told[pk] = Returned(points=entry.points_change, transaction_id=entry_id)
    rows.insert(internal_note=internal_note)
    accounts = [debited[pk] for pk in good]
    bulk_rows.write_figures(accounts)
    bulk_rows.settle(accounts, now=now)
    return told


@dataclass(slots=True, kw_only=True)
class _Rows:
    """What is to be written for the reversals of a batch."""

    now: datetime
    lots: Mapping[int, PointsLot]  # from which points were taken
    ids: Iterator[int]  # for lots that stand in for them
    entries: list[bulk_rows.Entry] = field(default_factory=list)
    fresh: list[bulk_rows.Lot] = field(default_factory=list)
    refills: dict[int, tuple[int, datetime | None]] = field(default_factory=dict)
    given_back: list[bulk_rows.Return] = field(default_factory=list)

    def add(self, entry: bulk_rows.Entry, lines: Plan, *, account: PointsAccount) -> None:
        """Put the points of each line into its lot, or into a fresh one, and let the account's figures take them."""
        self.entries.append(entry)
        for line in lines:
            if line.way is returns.Way.FRESH_LOT:
                lot_id, available_at = self._open(line, entry), self.now
            else:
                lot_id, available_at = line.lot_id, self.lots[line.lot_id].available_at
                self.refills[lot_id] = (line.points, line.expires_at)
            account.balance += line.points
            locking.bring_edge_forward(account=account, available_at=available_at, expires_at=line.expires_at)
            self.given_back.append(
                bulk_rows.Return(
                    transaction_id=entry.id, allocation_id=line.source_id, lot_id=lot_id, points=line.points
                )
            )

    def _open(self, line: returns.ReturnLine, entry: bulk_rows.Entry) -> int:
        lot = bulk_rows.Lot(
            id=next(self.ids),
            customer_id=entry.customer_id,
            transaction_id=entry.id,
            origin_id=line.lot_id,
            points=line.points,
            remaining=line.points,
            open=True,
            available_at=self.now,
            expires_at=line.expires_at,
            idle_days=None,
            created_at=self.now,
        )
        self.fresh.append(lot)
        return lot.id

    def insert(self, *, internal_note: str) -> None:
        bulk_rows.insert(self.entries)
        bulk_rows.insert_notes((entry.id, internal_note, "") for entry in self.entries)
        bulk_rows.insert(self.fresh)
        bulk_rows.refill_lots(self.refills)
        bulk_rows.insert(self.given_back)


def _taken(transaction_ids: Collection[int]) -> dict[int, list[PointsAllocation]]:
    """What debits took, in spending order, by transaction; those that can be reversed alone."""
    found: dict[int, list[PointsAllocation]] = {}
    allocations = PointsAllocation.objects.filter(
        Among("transaction_id", transaction_ids), transaction__kind__in=ledger.REVERSIBLE
    )
    for part in allocations.select_related("lot").order_by("id"):
        found.setdefault(part.transaction_id, []).append(part)
    return found


def _plans(
    debited: Mapping[int, PointsAccount], taken: Mapping[int, Sequence[PointsAllocation]], *, now: datetime
) -> dict[int, Plan]:
    """What reversing does to each lot, for the debits of which something has not come back yet."""
    programme = merchant.programme()
    policy = returns.Policy(
        mode=ReturnPolicy(programme.return_policy), grace_days=programme.grace_days, zone=programme.zone
    )
    back = PointsReturn.objects.filter(Among("allocation__transaction_id", taken))
    given_back = dict(back.values_list("allocation_id").annotate(points=Sum("points")).order_by("allocation_id"))
    debited_at = dict(PointsTransaction.objects.filter(Among("pk", taken)).values_list("pk", "effective_at"))
    plans = {}
    for pk, allocations in taken.items():
        parts = [
            returns.Taken(
                part.pk,
                part.lot_id,
                left,
                activity.end_of(lot=part.lot, account=debited[pk], zone=policy.zone),
                debited_at[pk],
            )
            for part in allocations
            if (left := part.points - given_back.get(part.pk, 0))
        ]
        if parts:
            plans[pk] = returns.plan(parts, points=sum(part.points for part in parts), policy=policy, now=now)
    return plans


def _refusals(
    debited: Mapping[int, PointsAccount], taken: Mapping[int, Sequence[PointsAllocation]], plans: Mapping[int, Plan]
) -> dict[int, Returned | DomainError]:
    refusals: dict[int, Returned | DomainError] = {}
    for pk, account in debited.items():
        if pk not in taken:
            refusals[pk] = NotReversible(f"Transaction {pk} took no points that could be returned.")
        elif pk not in plans:
            points = sum(part.points for part in taken[pk])
            refusals[pk] = NotReversible(
                f"All {points:,} points of transaction {pk} came back before: nothing is left to return."
            )
        elif account.total + _points(plans[pk]) > MOST_POINTS:
            refusals[pk] = InvalidPoints(f"The customer would have more than {MOST_POINTS:,} points: that is too many.")
    return refusals


def _points(lines: Plan) -> int:
    return sum(line.points for line in lines)


def _fresh_lots(lines: Plan) -> int:
    return sum(line.way is returns.Way.FRESH_LOT for line in lines)
