"""The lock every writer takes first, and settling what time has done since the last one."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import DatabaseError, transaction
from django.db.models import F

from loyalty.customers.models import Customer
from loyalty.points import statements
from loyalty.points.errors import UnknownCustomer
from loyalty.points.models import PointsAccount, PointsLot


@contextmanager
def in_transaction() -> Iterator[None]:
    """As `transaction.atomic`, but without a savepoint inside a transaction of the caller.

    For acts that refuse before they write: a caller who goes on after a refusal has nothing to undo. An error of the
    database ends the caller's transaction.
    """
    if not transaction.get_connection().in_atomic_block:
        with transaction.atomic():
            yield
        return
    with in_one_statement():
        yield


@contextmanager
def in_one_statement() -> Iterator[None]:
    """As `in_transaction` around one statement: outside a transaction that is one by itself, and saves two messages."""
    try:
        yield
    except DatabaseError:
        if transaction.get_connection().in_atomic_block:
            transaction.set_rollback(True)
        raise


def lock(*, customer_id: int, now: datetime) -> PointsAccount:
    """Lock the customer's account and settle the lots that are due. Everything read after it is current.

    Must be called inside a transaction; the lock lasts until its end. Raises UnknownCustomer.
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("The points of a customer are locked inside a transaction only.")
    account = statements.lock_account(customer_id=customer_id)
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
    a writer whose clock is behind works at `settled_at`, which every writer moves forward. What the caller changed on
    the account is saved before.
    """
    account.settled_at = max(account.settled_at, now)
    if account.next_edge_at is None or account.next_edge_at > account.settled_at:
        return
    (settled,) = statements.settle(customer_ids=[account.customer_id], now=now)
    account.balance, account.pending = settled.balance, settled.pending
    account.settled_at, account.next_edge_at = settled.settled_at, settled.next_edge_at


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
