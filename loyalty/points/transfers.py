"""Move points from one customer to another: each lot keeps its beginning and its end, both sides in one transaction."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction

from loyalty.common.actors import Actor
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.customers.models import Customer, CustomerState
from loyalty.events import log
from loyalty.merchant import queries as merchant
from loyalty.points import allocation, ledger, locking
from loyalty.points.errors import IdempotencyConflict, InsufficientPoints, require_points
from loyalty.points.ledger import NewLot
from loyalty.points.models import PointsAccount, PointsLot, PointsTransfer, TransactionKind


class TransferRefused(DomainError):
    """These points cannot be moved. `code` says why."""

    code = "transfer_refused"


@transaction.atomic
def transfer(
    *,
    sender_id: int,
    receiver_id: int,
    points: int,
    actor: Actor,
    now: datetime,
    internal_note: str = "",
    idempotency_key: str | None = None,
) -> PointsTransfer:
    """Move active points, soonest expiring first. The same idempotency key gives the same transfer.

    Raises TransferRefused, InvalidPoints, InsufficientPoints, UnknownCustomer, IdempotencyConflict.
    """
    require_points(points)
    if sender_id == receiver_id:
        raise TransferRefused(
            "Sender and receiver are the same customer: choose another receiver.", code="same_customer"
        )
    accounts = {pk: locking.lock(customer_id=pk, now=now) for pk in sorted((sender_id, receiver_id))}
    if idempotency_key is not None:
        before = PointsTransfer.objects.filter(debit__idempotency_key=idempotency_key).first()
        if before is not None:
            if (before.sender_id, before.receiver_id, before.points) != (sender_id, receiver_id, points):
                raise IdempotencyConflict(idempotency_key)
            return before
    _require_allowed(sender=accounts[sender_id], receiver_id=receiver_id)
    return _move(
        sender_id=sender_id,
        receiver_id=receiver_id,
        charges=_charges(accounts[sender_id], points),
        actor=actor,
        now=now,
        internal_note=internal_note,
        idempotency_key=idempotency_key,
    )


@transaction.atomic
def move_lots(
    *,
    sender_id: int,
    receiver_id: int,
    charges: Sequence[allocation.Charge],
    actor: Actor,
    now: datetime,
    internal_note: str = "",
) -> PointsTransfer:
    """Move these parts of the sender's lots, pending ones among them, to somebody who is the same person.

    The caller has locked both accounts, in the order of their ids, and chose the parts under the lock. Whether the
    programme lets customers' points be moved is not asked. Raises InvalidPoints.
    """
    return _move(
        sender_id=sender_id,
        receiver_id=receiver_id,
        charges=charges,
        actor=actor,
        now=now,
        internal_note=internal_note,
        idempotency_key=None,
    )


def _move(
    *,
    sender_id: int,
    receiver_id: int,
    charges: Sequence[allocation.Charge],
    actor: Actor,
    now: datetime,
    internal_note: str,
    idempotency_key: str | None,
) -> PointsTransfer:
    """Both sides. The accounts are locked."""
    points = sum(charge.points for charge in charges)
    lots = PointsLot.objects.in_bulk([charge.lot_id for charge in charges])
    transfer_id = _next_id()
    cause = Cause(CauseType.TRANSFER, transfer_id)
    debit = ledger.debit_lots(
        customer_id=sender_id,
        charges=charges,
        kind=TransactionKind.TRANSFER,
        cause=cause,
        actor=actor,
        now=now,
        internal_note=internal_note.strip(),
        idempotency_key=idempotency_key,
    )
    credit = ledger.credit_lots(
        customer_id=receiver_id,
        lots=[_same(lots[charge.lot_id], points=charge.points) for charge in charges],
        kind=TransactionKind.TRANSFER,
        cause=cause,
        actor=actor,
        now=now,
        internal_note=internal_note.strip(),
    )
    made = PointsTransfer.objects.create(
        pk=transfer_id,
        sender_id=sender_id,
        receiver_id=receiver_id,
        points=points,
        debit=debit,
        credit=credit,
        created_at=now,
    )
    for customer_id in (sender_id, receiver_id):
        log.record(
            kind="points.transferred",
            subject_type="points_transfer",
            subject_id=made.pk,
            customer_id=customer_id,
            actor=actor,
            now=now,
            points=points,
        )
    return made


def _require_allowed(*, sender: PointsAccount, receiver_id: int) -> None:
    programme = merchant.programme()
    if not programme.transfers_allowed:
        raise TransferRefused(
            "Moving points between customers is switched off. A manager can allow it in the programme's settings.",
            code="transfers_off",
        )
    excluded = Customer.objects.filter(pk__in=[sender.customer_id, receiver_id], state=CustomerState.DISABLED)
    for customer_id in excluded.order_by("pk").values_list("pk", flat=True):
        side = "sender" if customer_id == sender.customer_id else "receiver"
        raise TransferRefused(
            f"The {side}, customer {customer_id}, is excluded from the programme: add them to it first.",
            code="customer_disabled",
        )
    if programme.shortfall_blocks and sender.owed:
        raise TransferRefused(
            f"The sender owes {sender.owed} points from refunds: collect or waive them first.", code="points_owed"
        )


def _charges(sender: PointsAccount, points: int) -> list[allocation.Charge]:
    if sender.balance < points:
        raise InsufficientPoints(missing=points - sender.balance, balance=sender.balance)
    return allocation.allocate(ledger.spendable_lots(account=sender), points)


def _same(lot: PointsLot, *, points: int) -> NewLot:
    return NewLot(points=points, available_at=lot.available_at, expires_at=lot.expires_at, idle_days=lot.idle_days)


def _next_id() -> int:
    """The transfer's id, before its row: both transactions name it as their cause and are never changed afterwards."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('points_pointstransfer', 'id'))")
        return int(cursor.fetchone()[0])
