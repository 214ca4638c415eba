"""Opening lots, and giving points back to those they came from. For the ledger only: the account is locked."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from loyalty.merchant import queries as merchant
from loyalty.merchant.models import Programme, ReturnPolicy
from loyalty.points import activity, locking, returns
from loyalty.points.models import PointsAccount, PointsHold, PointsHoldRelease, PointsLot, PointsTransaction


def open_lot(
    *,
    account: PointsAccount,
    entry: PointsTransaction,
    points: int,
    available_at: datetime,
    expires_at: datetime | None,
    now: datetime,
    idle_days: int | None = None,
    origin: PointsLot | None = None,
) -> PointsLot:
    """A lot of a credit, or one that stands in for `origin`; its points are on the account, which the caller saves."""
    if idle_days is not None:
        expires_at = activity.idle_end(account=account, idle_days=idle_days, available_at=available_at)
        account.has_idle_lots = True
    lot = PointsLot.objects.create(
        customer_id=account.customer_id,
        transaction=entry,
        origin=origin,
        points=points,
        remaining=points,
        available_at=available_at,
        expires_at=expires_at,
        idle_days=idle_days,
        created_at=now,
    )
    if available_at <= account.settled_at:
        account.balance += points
    else:
        account.pending += points
    locking.bring_edge_forward(account=account, available_at=available_at, expires_at=expires_at)
    return lot


def receiving_lot(
    *, account: PointsAccount, line: returns.ReturnLine, entry: PointsTransaction, original: PointsLot, now: datetime
) -> PointsLot:
    """Put the points of one line into their lot, or into a fresh one that stands in for it."""
    if line.way == returns.Way.FRESH_LOT:
        return open_lot(
            account=account,
            entry=entry,
            points=line.points,
            available_at=now,
            expires_at=line.expires_at,
            now=now,
            origin=original,
        )
    if original.idle_days is not None and original.expires_at != line.expires_at:
        PointsLot.objects.filter(pk=original.pk).update(expires_at=line.expires_at)
    locking.refill_lots(charges={original.pk: line.points})
    account.balance += line.points
    locking.bring_edge_forward(account=account, available_at=original.available_at, expires_at=line.expires_at)
    return original


def charges_of(held: PointsHold, account: PointsAccount) -> list[returns.Taken]:
    """What an open hold took of which lots, in spending order."""
    return [
        returns.Taken(
            charge.pk,
            charge.lot_id,
            charge.points,
            activity.end_of(lot=charge.lot, account=account),
            held.created_at,
        )
        for charge in held.charges.select_related("lot").order_by("id")
    ]


def moved_along(parts: Sequence[returns.Taken], *, account: PointsAccount) -> list[returns.Taken]:
    """The same parts with the ends their lots have since the activity just written. Those that ended stay ended."""
    lots = PointsLot.objects.in_bulk([part.lot_id for part in parts])
    return [
        part
        if part.lot_expires_at is not None and part.lot_expires_at <= account.settled_at
        else replace(part, lot_expires_at=activity.end_of(lot=lots[part.lot_id], account=account))
        for part in parts
    ]


def give_back(*, account: PointsAccount, parts: Sequence[returns.Taken], now: datetime) -> None:
    """Release what was held of some lots: to them, or to what stands in for those that expired meanwhile."""
    points = sum(part.points for part in parts)
    lots = PointsLot.objects.select_related("transaction").in_bulk([part.lot_id for part in parts])
    account.held -= points
    for line in returns.plan(parts, points=points, policy=return_policy(), now=now):
        original = lots[line.lot_id]
        lot = receiving_lot(account=account, line=line, entry=original.transaction, original=original, now=now)
        PointsHoldRelease.objects.create(charge_id=line.source_id, lot=lot, points=line.points)
    account.save()
    locking.settle(account=account, now=now)


def return_policy(programme: Programme | None = None) -> returns.Policy:
    programme = programme or merchant.programme()
    return returns.Policy(
        mode=ReturnPolicy(programme.return_policy), grace_days=programme.grace_days, zone=programme.zone
    )
