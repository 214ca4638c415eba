"""Take back what a refunded order had earned, at the amount recorded then, and keep what cannot be collected.

Never below zero: what the customer no longer has becomes a shortfall. Pro rata and cumulative over partial refunds, each
time rounded down, so that any split of refunds takes the same as one, and never more than was earned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_UP, Decimal
from typing import Any

from django.db import transaction
from django.db.models import Sum

from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import ShortfallPolicy
from loyalty.points import allocation, ledger, locking, queries, shortfalls
from loyalty.points.allocation import Charge, SpendableLot
from loyalty.points.models import (
    PointsAccount,
    PointsAllocation,
    PointsClawback,
    PointsLot,
    PointsTransaction,
    TransactionKind,
)

MOST_MONEY = 10**12  # what the rows hold
SMALLEST_MONEY = Decimal("0.0001")


class NotClawable(DomainError):
    """This transaction earned nothing that a refund could take back."""

    code = "not_clawable"


class InvalidRefund(DomainError):
    """The refunded share makes no sense."""

    code = "invalid_refund"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClawbackPlan:
    """What a refund would take: from which lots, and what could not be collected."""

    due: int  # by all refunds so far
    charges: tuple[Charge, ...]
    short: int

    @property
    def taken(self) -> int:
        return sum(charge.points for charge in self.charges)


def plan(*, earning_id: int, refunded: Decimal, total: Decimal, now: datetime) -> ClawbackPlan:
    """What clawing back would do now. `refunded` is all that was refunded of `total` so far, in any currency.

    Reads only; `claw_back` makes the same plan under the lock. Raises NotClawable, InvalidRefund.
    """
    earning = _earning(earning_id)
    require_share(refunded, total)
    due = due_of(points=earning.points_change, gone=_gone_unspent(earning), refunded=refunded, total=total)
    before = _due_before(earning)
    charges = _charges(earning, points=max(due - before, 0), now=now)
    return ClawbackPlan(
        due=max(due, before), charges=charges, short=max(due - before, 0) - sum(charge.points for charge in charges)
    )


@transaction.atomic
def claw_back(
    *, earning_id: int, refunded: Decimal, total: Decimal, actor: Actor, now: datetime, description: str = ""
) -> PointsClawback | None:
    """Take back what all refunds so far make an earning owe and no earlier one took; none when that is nothing.

    The earning's own lots that are still pending pay first, then its active ones, then the customer's others in
    spending order. What is missing becomes a shortfall, which the programme leaves open, collects or waives. News of
    the same refund, or of a smaller one that arrives late, changes nothing. Raises NotClawable, InvalidRefund.
    """
    earning = _earning(earning_id)
    account = locking.lock(customer_id=earning.customer_id, now=now)
    current = plan(earning_id=earning_id, refunded=refunded, total=total, now=account.settled_at)
    if not current.taken and not current.short:
        return None
    debit = None
    if current.charges:
        debit = ledger.debit_lots(
            customer_id=earning.customer_id,
            charges=current.charges,
            kind=TransactionKind.CLAWBACK,
            cause=earning.cause,
            actor=actor,
            now=now,
            description=description,
        )
    row = PointsClawback.objects.create(
        earning=earning,
        customer_id=earning.customer_id,
        refunded=stored(refunded),
        total=stored(total),
        due=current.due,
        taken=current.taken,
        short=current.short,
        transaction=debit,
        created_at=now,
    )
    if current.short:
        _keep_shortfall(row, actor=actor, now=now)
    log.record(
        kind="points.clawed_back",
        subject_type="points_clawback",
        subject_id=row.pk,
        customer_id=earning.customer_id,
        actor=actor,
        now=now,
        taken=current.taken,
        short=current.short,
    )
    return PointsClawback.objects.get(pk=row.pk)


def stored(amount: Decimal) -> Decimal:
    """As the row keeps it: what is finer than any currency is rounded up, so that something refunded never reads as 0."""
    return amount.quantize(SMALLEST_MONEY, rounding=ROUND_UP)


def due_of(*, points: int, gone: int, refunded: Decimal, total: Decimal) -> int:
    """What all refunds so far make an earning owe, of which so many points are gone unspent."""
    return min(int(points * refunded / total), points - gone)


def require_share(refunded: Any, total: Any) -> None:
    """Raises InvalidRefund."""
    for amount in (refunded, total):
        if not isinstance(amount, Decimal) or not amount.is_finite() or amount >= MOST_MONEY:
            raise InvalidRefund(f"{amount!r} is not an amount of money below {MOST_MONEY:,}.")
    if not 0 < refunded <= total:
        raise InvalidRefund(f"Refunded {refunded} of {total}: write more than nothing and at most the whole order.")


def _keep_shortfall(row: PointsClawback, *, actor: Actor, now: datetime) -> None:
    shortfall = shortfalls.open_one(clawback=row, now=now)
    if merchant.programme().shortfall_policy == ShortfallPolicy.WAIVE:
        shortfalls.waive(shortfall_id=shortfall.pk, actor=actor, now=now)


def _earning(earning_id: int) -> PointsTransaction:
    earning = PointsTransaction.objects.filter(pk=earning_id).first()
    if earning is None or earning.kind != TransactionKind.EARNING:
        raise NotClawable(f"Transaction {earning_id} earned no points: only an earning can be taken back.")
    return earning


def _gone_unspent(earning: PointsTransaction) -> int:
    """What expired, or was canceled, of the earning's points: the customer never spent it and does not owe it.

    Points that came back after their lot's end stand in another lot, and are the earning's all the same.
    """
    gone = PointsAllocation.objects.filter(
        lot__in=queries.lots_of(transaction=earning),
        transaction__kind__in=[TransactionKind.EXPIRY, TransactionKind.CANCELLATION],
    )
    return int(gone.aggregate(points=Sum("points", default=0))["points"])


def _due_before(earning: PointsTransaction) -> int:
    latest = PointsClawback.objects.filter(earning=earning).order_by("-due").first()
    return latest.due if latest is not None else 0


def _charges(earning: PointsTransaction, *, points: int, now: datetime) -> tuple[Charge, ...]:
    """Which lots pay, as far as they go."""
    account = PointsAccount.objects.get(pk=earning.customer_id)
    at = max(account.settled_at, now)
    own = {lot.pk for lot in queries.lots_of(transaction=earning)}
    lots = list(
        PointsLot.objects.filter(customer_id=earning.customer_id, open=True)
        .exclude(expires_at__lte=at)
        .order_by("id")
        .values_list("id", "remaining", "expires_at", "created_at", "available_at")
    )
    own_pending = [SpendableLot(*lot[:4]) for lot in lots if lot[0] in own and lot[4] > at]
    own_active = [SpendableLot(*lot[:4]) for lot in lots if lot[0] in own and lot[4] <= at]
    others = [SpendableLot(*lot[:4]) for lot in lots if lot[0] not in own and lot[4] <= at]
    return tuple(take(own_pending, own_active, others, points=points))


def take(*groups: Sequence[SpendableLot], points: int) -> list[Charge]:
    """Let the groups pay one after the other, as far as they go."""
    charges: list[Charge] = []
    for group in groups:
        share = min(points - sum(charge.points for charge in charges), sum(lot.remaining for lot in group))
        charges.extend(allocation.allocate(group, share) if share else [])
    return charges
