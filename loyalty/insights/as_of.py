"""Balance, lots and history of a customer at any past instant, from the rows alone.

*By what was recorded* it is what the desk would have answered then: rows written down later do not count, and points
past their end are gone whether or not the sweep had come by. *By what was effective* it is what we know by now about
that instant: an order imported in March counts from the day it was placed.

Two things the rows do not keep are taken as they are now: the programme's time zone, in which the days of lots that end
without activity are counted, and that no clock went backwards.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from loyalty.common import clock
from loyalty.insights import facts
from loyalty.insights.facts import Facts
from loyalty.merchant import queries as merchant
from loyalty.points import activity
from loyalty.points.models import PointsLot, PointsLotChange, PointsTransaction, ShortfallState, TransactionKind


class Axis(StrEnum):
    """By which of its two instants a change counts."""

    RECORDED = "recorded"
    EFFECTIVE = "effective"


class LotState(StrEnum):
    ACTIVE = "active"
    PENDING = "pending"
    LAPSED = "lapsed"  # past its end, and no entry says so yet


@dataclass(frozen=True, slots=True, kw_only=True)
class LotAsOf:
    """A lot with something left in it, as it was."""

    lot_id: int
    transaction_id: int  # that opened it
    origin_id: int | None  # the lot it stands in for
    points: int
    remaining: int
    available_at: datetime
    expires_at: datetime | None
    idle_days: int | None
    state: LotState


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsAsOf:
    """What a customer had. Always: total = balance + pending + held + lapsed."""

    customer_id: int
    at: datetime
    axis: Axis
    balance: int
    pending: int
    held: int
    owed: int
    lapsed: int  # past their end, not written down yet: of no use, but still in the sum of the transactions
    lots: tuple[LotAsOf, ...]  # in spending order, lapsed ones first
    history: tuple[PointsTransaction, ...]  # what counts by then, oldest first

    @property
    def total(self) -> int:
        """The sum of the transactions that count."""
        return sum(entry.points_change for entry in self.history)


def points_as_of(*, customer_id: int, at: datetime, axis: Axis = Axis.RECORDED) -> PointsAsOf:
    """What the customer had at that instant. Raises UnknownCustomer."""
    return Timeline(facts.load(customer_id=customer_id), zone=merchant.programme().zone).at(at, axis=axis)


class Timeline:
    """One customer's rows, ready to be asked about many instants."""

    def __init__(self, rows: Facts, *, zone: ZoneInfo) -> None:
        self.rows = rows
        self.zone = zone
        self._moves: dict[int, list[PointsLotChange]] = defaultdict(list)
        for move in rows.changes.values():
            self._moves[move.lot_id].append(move)
        self._active_at = self._activities()
        self._came_in = self._last_arrivals()

    def at(self, at: datetime, *, axis: Axis = Axis.RECORDED) -> PointsAsOf:
        remaining = self.remaining(at, axis=axis)
        lots = [self._lot(lot, remaining[lot.pk], at) for lot in self.rows.lots.values() if remaining.get(lot.pk)]
        left = {state: sum(lot.remaining for lot in lots if lot.state is state) for state in LotState}
        history = [entry for entry in self.rows.transactions.values() if self.counts_from(entry, axis=axis) <= at]
        return PointsAsOf(
            customer_id=self.rows.customer_id,
            at=at,
            axis=axis,
            balance=left[LotState.ACTIVE],
            pending=left[LotState.PENDING],
            held=sum(hold.points for hold in self.rows.holds.values() if self.is_held(hold.pk, at)),
            owed=self._owed(at),
            lapsed=left[LotState.LAPSED],
            lots=tuple(sorted(lots, key=_spending_order)),
            history=tuple(sorted(history, key=lambda entry: (self.counts_from(entry, axis=axis), entry.pk))),
        )

    def counts_from(self, entry: PointsTransaction, *, axis: Axis) -> datetime:
        """From when a transaction counts. Points do not expire before they came (back) into their lot."""
        if axis is Axis.RECORDED:
            return entry.recorded_at
        if entry.kind == TransactionKind.EXPIRY:
            return max(entry.effective_at, self._came_in.get(entry.pk, entry.effective_at))
        return entry.effective_at

    def opened_at(self, lot: PointsLot, *, axis: Axis) -> datetime:
        """A lot counts with the credit that opened it; one that stands in was opened when points came back."""
        if axis is Axis.RECORDED or lot.origin_id is not None:
            return lot.created_at
        return self.rows.transactions[lot.transaction_id].effective_at

    def is_held(self, hold_id: int, at: datetime) -> bool:
        hold = self.rows.holds[hold_id]
        return hold.created_at <= at and (hold.closed_at is None or hold.closed_at > at)

    def remaining(self, at: datetime, *, axis: Axis) -> dict[int, int]:
        """What was left in each lot that there was: {lot id: points}."""
        counted = {entry.pk for entry in self.rows.transactions.values() if self.counts_from(entry, axis=axis) <= at}
        left = {lot.pk: lot.points for lot in self.rows.lots.values() if self.opened_at(lot, axis=axis) <= at}
        for lot_id, points in (*self._taken(counted), *self._set_aside(at)):
            if lot_id in left:
                left[lot_id] -= points
        return left

    def _taken(self, counted: set[int]) -> Iterator[tuple[int, int]]:
        """What transactions took from lots, and, below zero, what came back into the same one."""
        for part in self.rows.allocations.values():
            if part.transaction_id in counted:
                yield part.lot_id, part.points
        for back in self.rows.returns.values():
            own = back.lot_id == self.rows.allocations[back.allocation_id].lot_id
            if own and back.transaction_id in counted:
                yield back.lot_id, -back.points

    def _set_aside(self, at: datetime) -> Iterator[tuple[int, int]]:
        """What holds took from lots: while they are open, and for good what they released into another lot."""
        for charge in self.rows.charges.values():
            if self.is_held(charge.hold_id, at):
                yield charge.lot_id, charge.points
        for release in self.rows.releases.values():
            charge = self.rows.charges[release.charge_id]
            closed_at = self.rows.holds[charge.hold_id].closed_at
            if charge.lot_id != release.lot_id and closed_at is not None and closed_at <= at:
                yield charge.lot_id, release.points

    def end_of(self, lot: PointsLot, at: datetime) -> datetime | None:
        """The end the lot had then: before staff moved it, and before later activity did."""
        known = max(at, lot.created_at)
        moves = self._moves[lot.pk]
        later = next((move for move in moves if move.created_at > known), None)
        if lot.idle_days is None:
            return later.expires_before if later is not None else lot.expires_at
        place = bisect_right(self._active_at, known)
        if later is None and place == len(self._active_at):
            return lot.expires_at
        latest = self._active_at[place - 1] if place else lot.available_at
        move = next((move for move in reversed(moves) if move.created_at <= known), None)
        if move is None or move.expires_after is None:
            return clock.end_of_day(max(latest, lot.available_at), lot.idle_days, self.zone)
        if latest <= move.created_at:
            return move.expires_after
        return max(move.expires_after, clock.end_of_day(latest, lot.idle_days, self.zone))

    def _lot(self, lot: PointsLot, remaining: int, at: datetime) -> LotAsOf:
        expires_at = self.end_of(lot, at)
        if lot.available_at > at:
            state = LotState.PENDING
        elif expires_at is not None and expires_at <= at:
            state = LotState.LAPSED
        else:
            state = LotState.ACTIVE
        return LotAsOf(
            lot_id=lot.pk,
            transaction_id=lot.transaction_id,
            origin_id=lot.origin_id,
            points=lot.points,
            remaining=remaining,
            available_at=lot.available_at,
            expires_at=expires_at,
            idle_days=lot.idle_days,
            state=state,
        )

    def _owed(self, at: datetime) -> int:
        """What open shortfalls lacked."""
        paid: dict[int, int] = defaultdict(int)
        for payment in self.rows.payments.values():
            if self.rows.transactions[payment.transaction_id].recorded_at <= at:
                paid[payment.shortfall_id] += payment.points
        return sum(
            row.points - paid[row.pk]
            for row in self.rows.shortfalls.values()
            if row.created_at <= at
            and not (row.state == ShortfallState.WAIVED and row.closed_at is not None and row.closed_at <= at)
        )

    def _activities(self) -> list[datetime]:
        """When the customer was active: as accounts do, never before what was written down earlier."""
        seen: list[datetime] = []
        latest: datetime | None = None
        for entry in self.rows.transactions.values():
            latest = entry.recorded_at if latest is None else max(latest, entry.recorded_at)
            if entry.kind in activity.ACTIVITY:
                seen.append(latest)
        return seen

    def _last_arrivals(self) -> dict[int, datetime]:
        """For each expiry, when points last came back into its lot before it: {transaction id: instant}."""
        arrivals: dict[int, list[datetime]] = defaultdict(list)
        for back in self.rows.returns.values():
            arrivals[back.lot_id].append(self.rows.transactions[back.transaction_id].recorded_at)
        for release in self.rows.releases.values():
            closed_at = self.rows.holds[self.rows.charges[release.charge_id].hold_id].closed_at
            if closed_at is not None:
                arrivals[release.lot_id].append(closed_at)
        last: dict[int, datetime] = {}
        for part in self.rows.allocations.values():
            entry = self.rows.transactions[part.transaction_id]
            before = [instant for instant in arrivals[part.lot_id] if instant <= entry.recorded_at]
            if entry.kind == TransactionKind.EXPIRY and before:
                last[entry.pk] = max(before)
        return last


def _spending_order(lot: LotAsOf) -> tuple[bool, bool, datetime, int]:
    return lot.state is LotState.PENDING, lot.expires_at is None, lot.expires_at or lot.available_at, lot.lot_id
