"""The lock every writer takes first, and settling what time has done since the last one."""

from datetime import datetime

from django.db import transaction
from django.db.models import F, Min, Q, Sum

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.customers.models import Customer
from loyalty.points import rows
from loyalty.points.errors import UnknownCustomer
from loyalty.points.models import PointsAccount, PointsAllocation, PointsLot, TransactionKind


def lock(*, customer_id: int, now: datetime) -> PointsAccount:
    """Lock the customer's account and settle the lots that are due. Everything read after it is current.

    Must be called inside a transaction; the lock lasts until its end. Raises UnknownCustomer.
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("The points of a customer are locked inside a transaction only.")
    account = PointsAccount.objects.select_for_update().filter(pk=customer_id).first()
    if account is None:
        account = _open(customer_id=customer_id, now=now)
    settle(account=account, now=now)
    return account


def _open(*, customer_id: int, now: datetime) -> PointsAccount:
    if not Customer.objects.filter(pk=customer_id).exists():
        raise UnknownCustomer(customer_id)
    PointsAccount.objects.bulk_create([PointsAccount(customer_id=customer_id, settled_at=now)], ignore_conflicts=True)
    return PointsAccount.objects.select_for_update().get(pk=customer_id)


def settle(*, account: PointsAccount, now: datetime) -> None:
    """Bring a locked account up to `now`: pending lots that are due become active, lots past their end expire.

    Each lot that expires gets a ledger entry of its own, effective at its end. An account never goes back in time:
    a writer whose clock is behind works at `settled_at`, which every writer moves forward.
    """
    before, account.settled_at = account.settled_at, max(account.settled_at, now)
    now = account.settled_at
    if account.next_edge_at is None or account.next_edge_at > now:
        return
    lots = PointsLot.objects.filter(customer_id=account.customer_id, open=True)
    matured = lots.filter(available_at__gt=before, available_at__lte=now).aggregate(points=Sum("remaining", default=0))[
        "points"
    ]
    account.pending -= matured
    account.balance += matured
    for lot in lots.filter(expires_at__lte=now).order_by("expires_at", "created_at", "id"):
        expired = lot.remaining
        entry = rows.transaction(
            account=account,
            kind=TransactionKind.EXPIRY,
            change=-expired,
            cause=Cause(CauseType.LOT, lot.pk),
            actor=SYSTEM,
            effective_at=lot.expires_at or now,
            now=now,
        )
        PointsAllocation.objects.create(transaction=entry, lot=lot, points=expired)
        PointsLot.objects.filter(pk=lot.pk).update(remaining=0, open=False)
        account.balance -= expired
    account.next_edge_at = next_edge(customer_id=account.customer_id, now=now)
    account.save()


def next_edge(*, customer_id: int, now: datetime) -> datetime | None:
    """The next instant at which an open lot of the customer matures or expires."""
    edges = PointsLot.objects.filter(customer_id=customer_id, open=True).aggregate(
        matures=Min("available_at", filter=Q(available_at__gt=now)),
        expires=Min("expires_at", filter=Q(expires_at__gt=now)),
    )
    found = [edge for edge in edges.values() if edge is not None]
    return min(found) if found else None


def charge_lots(*, charges: dict[int, int]) -> None:
    """Take points out of lots: {lot id: points}. The lots' own checks refuse more than remains."""
    for lot_id, points in sorted(charges.items()):
        PointsLot.objects.filter(pk=lot_id).update(remaining=F("remaining") - points, open=Q(remaining__gt=points))


def refill_lots(*, charges: dict[int, int]) -> None:
    """Put points back into lots: {lot id: points}. The lots' own checks refuse more than they ever held."""
    for lot_id, points in sorted(charges.items()):
        PointsLot.objects.filter(pk=lot_id).update(remaining=F("remaining") + points, open=True)


def bring_edge_forward(*, account: PointsAccount, available_at: datetime, expires_at: datetime | None) -> None:
    """Remember the edges of a lot that has just been opened or reopened. An edge that has passed settles at once."""
    edges = [edge for edge in (account.next_edge_at, expires_at) if edge is not None]
    if available_at > account.settled_at:
        edges.append(available_at)
    account.next_edge_at = min(edges) if edges else None
