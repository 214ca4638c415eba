"""Take back what many refunded orders had earned: the ledger's rows, written by the batch instead of one by one.

It leaves exactly the rows that `clawback.claw_back` would leave, called once for each refund in the same order.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Max, Sum

from loyalty.common.actors import Actor
from loyalty.common.among import Among
from loyalty.events import log
from loyalty.points import bulk_rows, clawback, queries
from loyalty.points.allocation import SpendableLot
from loyalty.points.clawback import NotClawable
from loyalty.points.models import (
    PointsAccount,
    PointsAllocation,
    PointsClawback,
    PointsLot,
    PointsTransaction,
    TransactionKind,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """All that was refunded so far of what an earning came from: the arguments of `clawback.claw_back`."""

    earning_id: int
    refunded: Decimal
    total: Decimal


@transaction.atomic
def claw_back_many(*, refunds: Sequence[Refund], actor: Actor, now: datetime) -> int:
    """Take back what each refund makes its earning owe; how many points were taken or became shortfalls.

    Locks the accounts of all customers in id order until the caller's transaction ends: some thousands at most. From
    the first refund on that a customer's points do not cover, theirs are taken back one by one. All or nothing: raises
    NotClawable, InvalidRefund.
    """
    earnings = _earnings(refunds)
    accounts = bulk_rows.lock({earning.customer_id for earning in earnings.values()}, now=now)
    found = _Situation.read(earnings, accounts)
    rows, singly, uncovered = _Rows(), list[Refund](), set[int]()
    for refund in refunds:
        earning = earnings[refund.earning_id]
        if earning.customer_id in uncovered or not found.take(earning, refund, rows):
            uncovered.add(earning.customer_id)
            singly.append(refund)
    rows.write(actor=actor, now=now)
    bulk_rows.write_figures([accounts[pk] for pk in sorted({each.earning.customer_id for each in rows.taken})])
    for refund in singly:
        made = clawback.claw_back(
            earning_id=refund.earning_id, refunded=refund.refunded, total=refund.total, actor=actor, now=now
        )
        rows.points += made.taken + made.short if made is not None else 0
    return rows.points


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """One clawback that the customer's lots cover."""

    earning: PointsTransaction
    refund: Refund
    due: int
    charges: tuple[tuple[int, int], ...]  # lot id, points
    total_before: int

    @property
    def points(self) -> int:
        return sum(points for _, points in self.charges)


@dataclass(slots=True)
class _Rows:
    """What is to be written, in the order of the refunds."""

    taken: list[_Taken] = field(default_factory=list)
    points: int = 0

    def add(self, taken: _Taken) -> None:
        self.taken.append(taken)
        self.points += taken.points

    def write(self, *, actor: Actor, now: datetime) -> None:
        ids = bulk_rows.next_ids(bulk_rows.Entry, len(self.taken))
        pairs = list(zip(self.taken, ids, strict=True))
        bulk_rows.insert([_entry(each, pk=pk, actor=actor, now=now) for each, pk in pairs])
        bulk_rows.insert(
            [
                bulk_rows.Allocation(transaction_id=pk, lot_id=lot_id, points=points)
                for each, pk in pairs
                for lot_id, points in each.charges
            ]
        )
        charged: dict[int, int] = defaultdict(int)
        for each in self.taken:
            for lot_id, points in each.charges:
                charged[lot_id] += points
        bulk_rows.charge_lots(charged)
        kept = PointsClawback.objects.bulk_create([_row(each, pk=pk, now=now) for each, pk in pairs])
        facts = [log.Fact(row.pk, row.customer_id, now, {"taken": row.taken, "short": 0}) for row in kept]
        log.record_many(kind="points.clawed_back", subject_type="points_clawback", actor=actor, facts=facts)


@dataclass(slots=True, kw_only=True)
class _Situation:
    """What the locked accounts hold: read once, and kept up to date in memory."""

    accounts: dict[int, PointsAccount]
    lots: dict[int, list[SpendableLot]]  # of each customer, by id; pending ones among them
    available_at: dict[int, datetime]
    own: dict[int, set[int]]  # the lots of each earning
    gone: dict[int, int]  # of each earning
    due: dict[int, int]  # by earlier refunds of each earning

    @classmethod
    def read(cls, earnings: dict[int, PointsTransaction], accounts: dict[int, PointsAccount]) -> "_Situation":
        lots: dict[int, list[SpendableLot]] = defaultdict(list)
        available_at = {}
        rows = PointsLot.objects.filter(Among("customer_id", accounts), open=True).order_by("id")
        for lot in rows:
            if lot.expires_at is None or lot.expires_at > accounts[lot.customer_id].settled_at:
                spendable = SpendableLot(lot.pk, lot.remaining, lot.expires_at, lot.created_at)
                lots[lot.customer_id].append(spendable)
                available_at[lot.pk] = lot.available_at
        opened = queries.lots_of_many(transaction_ids=earnings)
        own = {pk: {lot.pk for lot in found} for pk, found in opened.items()}
        before = PointsClawback.objects.filter(Among("earning_id", earnings)).values_list("earning_id")
        return cls(
            accounts=accounts,
            lots=lots,
            available_at=available_at,
            own=own,
            gone=_gone(own),
            due=dict(before.annotate(due=Max("due")).order_by("earning_id")),
        )

    def take(self, earning: PointsTransaction, refund: Refund, rows: _Rows) -> bool:
        """Add what the refund takes to the rows; false, and nothing is changed, when the lots do not cover it."""
        due = clawback.due_of(
            points=earning.points_change,
            gone=self.gone.get(earning.pk, 0),
            refunded=refund.refunded,
            total=refund.total,
        )
        points = max(due - self.due.get(earning.pk, 0), 0)
        if not points:
            return True
        account, lots = self.accounts[earning.customer_id], self.lots[earning.customer_id]
        own = self.own[earning.pk]
        pending = {lot.id for lot in lots if self.available_at[lot.id] > account.settled_at}
        charges = clawback.take(
            [lot for lot in lots if lot.id in own and lot.id in pending],
            [lot for lot in lots if lot.id in own and lot.id not in pending],
            [lot for lot in lots if lot.id not in own and lot.id not in pending],
            points=points,
        )
        paid = {charge.lot_id: charge.points for charge in charges}
        if sum(paid.values()) < points:
            return False
        rows.add(
            _Taken(earning=earning, refund=refund, due=due, charges=tuple(paid.items()), total_before=account.total)
        )
        self.due[earning.pk] = due
        lots[:] = [replace(lot, remaining=left) for lot in lots if (left := lot.remaining - paid.get(lot.id, 0))]
        from_pending = sum(share for lot_id, share in paid.items() if lot_id in pending)
        account.pending -= from_pending
        account.balance -= points - from_pending
        return True


def _earnings(refunds: Iterable[Refund]) -> dict[int, PointsTransaction]:
    """What the refunds take back, by id. Raises NotClawable, InvalidRefund."""
    for refund in refunds:
        clawback.require_share(refund.refunded, refund.total)
    rows = PointsTransaction.objects.filter(Among("pk", {refund.earning_id for refund in refunds}))
    found = {row.pk: row for row in rows if row.kind == TransactionKind.EARNING}
    for refund in refunds:
        if refund.earning_id not in found:
            raise NotClawable(f"Transaction {refund.earning_id} earned no points: only an earning can be taken back.")
    return found


def _gone(own: dict[int, set[int]]) -> dict[int, int]:
    """What expired, or was canceled, of each earning's points: the customer never spent it and does not owe it."""
    earning_of = {lot_id: pk for pk, lots in own.items() for lot_id in lots}
    gone: dict[int, int] = defaultdict(int)
    for lot_id, points in _ended(earning_of):
        gone[earning_of[lot_id]] += points
    return gone


def _ended(lot_ids: Collection[int]) -> Iterable[tuple[int, int]]:
    rows = PointsAllocation.objects.filter(
        Among("lot_id", lot_ids), transaction__kind__in=[TransactionKind.EXPIRY, TransactionKind.CANCELLATION]
    )
    return rows.values_list("lot_id").annotate(points=Sum("points")).order_by("lot_id")


def _entry(taken: _Taken, *, pk: int, actor: Actor, now: datetime) -> bulk_rows.Entry:
    earning = taken.earning
    return bulk_rows.Entry(
        id=pk,
        customer_id=earning.customer_id,
        kind=str(TransactionKind.CLAWBACK),
        points_change=-taken.points,
        balance_after=taken.total_before - taken.points,
        reverses_id=None,
        cause_type=str(earning.cause.type),
        cause_id=earning.cause.id,
        actor_kind=str(actor.kind),
        actor_id=actor.id,
        idempotency_key=None,
        effective_at=now,
        recorded_at=now,
    )


def _row(taken: _Taken, *, pk: int, now: datetime) -> PointsClawback:
    return PointsClawback(
        earning_id=taken.earning.pk,
        customer_id=taken.earning.customer_id,
        refunded=clawback.stored(taken.refund.refunded),
        total=clawback.stored(taken.refund.total),
        due=taken.due,
        taken=taken.points,
        short=0,
        transaction_id=pk,
        created_at=now,
    )
