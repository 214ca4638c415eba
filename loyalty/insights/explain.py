"""Why a balance is what it is, where a credit went, and what expires when: in staff's words, from the rows.

Every sum that is told adds up: the statement to the balance, a credit to what was used, held and left of it, the ends
to what is left. Points that came back belong to the credit they once came from, also in a lot that stands in for
theirs.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from loyalty.common.causes import Cause
from loyalty.common.errors import DomainError
from loyalty.insights import facts, words
from loyalty.insights.as_of import Axis, LotAsOf, LotState, PointsAsOf, Timeline
from loyalty.insights.words import Words
from loyalty.merchant import queries as merchant
from loyalty.points.models import PointsAllocation, PointsTransaction, TransactionKind

STATEMENT = {
    TransactionKind.EARNING: "Earned",
    TransactionKind.REDEMPTION: "Spent",
    TransactionKind.ADJUSTMENT: "Adjusted by staff or an integrator",
    TransactionKind.EXPIRY: "Expired",
    TransactionKind.REVERSAL: "Returned",
    TransactionKind.CLAWBACK: "Taken back after refunds",
    TransactionKind.TRANSFER: "Moved between customers",
    TransactionKind.CANCELLATION: "Credits canceled",
}


class NotACredit(DomainError):
    """Only a credit went somewhere."""

    code = "not_a_credit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One part of a sum."""

    words: str
    points: int  # signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One transaction, told."""

    transaction_id: int
    kind: TransactionKind
    words: str
    by: str
    at: datetime  # when it counts from
    points: int  # signed
    cause: Cause
    note: str  # the internal one


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What one debit took from a credit, and how much of that came back since."""

    entry: Entry
    taken: int
    returned: int

    @property
    def points(self) -> int:
        """What it took for good."""
        return self.taken - self.returned


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What an open hold set aside of a credit."""

    hold_id: int
    words: str
    since: datetime
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditStory:
    """Where the points of one credit went. Always: entry.points = used + on_hold + left."""

    entry: Entry
    uses: tuple[Use, ...]  # oldest first
    held: tuple[Held, ...]
    lots: tuple[LotAsOf, ...]  # what is left, soonest ending first

    @property
    def used(self) -> int:
        return sum(use.points for use in self.uses)

    @property
    def on_hold(self) -> int:
        return sum(part.points for part in self.held)

    @property
    def left(self) -> int:
        return sum(lot.remaining for lot in self.lots)

    @property
    def by_kind(self) -> tuple[Line, ...]:
        """What it was used for, in few words: each kind once."""
        sums: dict[TransactionKind, int] = defaultdict(int)
        for use in self.uses:
            sums[use.entry.kind] += use.points
        return tuple(Line(words=STATEMENT[kind], points=points) for kind, points in sums.items() if points)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Points that end at one instant, None for those that never do, and the credits they came from."""

    expires_at: datetime | None
    active: int
    pending: int
    moves_with_activity: bool  # later for some of them, if the customer does something before
    parts: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyBalance:
    """Why the balance was what it was at that instant. The statement's lines add up to it."""

    as_of: PointsAsOf
    statement: tuple[Line, ...]
    history: tuple[Entry, ...]  # newest first
    credits: tuple[CreditStory, ...]  # newest first
    endings: tuple[Ending, ...]  # soonest first; active and pending points


def balance(*, customer_id: int, at: datetime, axis: Axis = Axis.RECORDED) -> WhyBalance:
    """Explain a customer's balance at an instant, in a constant number of queries. Raises UnknownCustomer."""
    rows = facts.load(customer_id=customer_id)
    timeline = Timeline(rows, zone=merchant.programme().zone)
    teller = _Teller(timeline, words.load(rows), at=at, axis=axis)
    stories = tuple(teller.story(entry) for entry in reversed(teller.found.history) if _is_credit(entry))
    return WhyBalance(
        as_of=teller.found,
        statement=_statement(teller.found),
        history=tuple(teller.entry(entry) for entry in reversed(teller.found.history)),
        credits=stories,
        endings=_endings(stories),
    )


def credit(*, transaction_id: int, at: datetime, axis: Axis = Axis.RECORDED) -> CreditStory:
    """Where the points of one credit had gone by an instant. Raises NotACredit."""
    entry = PointsTransaction.objects.filter(pk=transaction_id).first()
    if entry is None or not _is_credit(entry):
        raise NotACredit(
            f"Transaction {transaction_id} credited nothing of its own: look for an earning, an upward adjustment or "
            "points moved here."
        )
    rows = facts.load(customer_id=entry.customer_id)
    timeline = Timeline(rows, zone=merchant.programme().zone)
    return _Teller(timeline, words.load(rows), at=at, axis=axis).story(rows.transactions[entry.pk])


def _is_credit(entry: PointsTransaction) -> bool:
    return entry.points_change > 0 and entry.kind != TransactionKind.REVERSAL


def _statement(found: PointsAsOf) -> tuple[Line, ...]:
    sums: dict[str, int] = defaultdict(int)
    for entry in found.history:
        sums[entry.kind] += entry.points_change
    lines = [Line(words=STATEMENT[kind], points=sums[kind]) for kind in TransactionKind if sums[kind]]
    apart = {"Not to be spent yet": found.pending, "Held": found.held, "Past their end": found.lapsed}
    return (*lines, *(Line(words=name, points=-points) for name, points in apart.items() if points))


def _endings(stories: tuple[CreditStory, ...]) -> tuple[Ending, ...]:
    groups: dict[datetime | None, list[tuple[CreditStory, LotAsOf]]] = defaultdict(list)
    for story in stories:
        for lot in story.lots:
            if lot.state is not LotState.LAPSED:
                groups[lot.expires_at].append((story, lot))
    dated = sorted(end for end in groups if end is not None)
    return tuple(_ending(end, groups[end]) for end in [*dated, *([None] if None in groups else [])])


def _ending(expires_at: datetime | None, group: list[tuple[CreditStory, LotAsOf]]) -> Ending:
    return Ending(
        expires_at=expires_at,
        active=sum(lot.remaining for _, lot in group if lot.state is LotState.ACTIVE),
        pending=sum(lot.remaining for _, lot in group if lot.state is LotState.PENDING),
        moves_with_activity=any(lot.idle_days is not None for _, lot in group),
        parts=tuple(Line(words=story.entry.words, points=lot.remaining) for story, lot in group),
    )


class _Teller:
    """Tells the stories of one customer's credits, as they were at one instant."""

    def __init__(self, timeline: Timeline, names: Words, *, at: datetime, axis: Axis) -> None:
        self.names = names
        self.axis = axis
        self.timeline = timeline
        self.found: PointsAsOf = timeline.at(at, axis=axis)
        self._counted = {entry.pk for entry in self.found.history}
        self._allocations: dict[int, list[PointsAllocation]] = defaultdict(list)  # by the credit they took from
        self._returned: dict[int, int] = defaultdict(int)  # by allocation
        self._held: dict[int, list[Held]] = defaultdict(list)  # by credit
        self._left: dict[int, list[LotAsOf]] = defaultdict(list)  # by credit
        self._sort(at)

    def entry(self, entry: PointsTransaction) -> Entry:
        note = getattr(entry, "note", None)
        return Entry(
            transaction_id=entry.pk,
            kind=TransactionKind(entry.kind),
            words=self.names.source(entry),
            by=self.names.by(entry),
            at=self.timeline.counts_from(entry, axis=self.axis),
            points=entry.points_change,
            cause=entry.cause,
            note=note.internal_note if note is not None else "",
        )

    def story(self, entry: PointsTransaction) -> CreditStory:
        taken: dict[int, int] = defaultdict(int)
        returned: dict[int, int] = defaultdict(int)
        for part in self._allocations[entry.pk]:
            taken[part.transaction_id] += part.points
            returned[part.transaction_id] += self._returned[part.pk]
        return CreditStory(
            entry=self.entry(entry),
            uses=tuple(
                Use(
                    entry=self.entry(self.timeline.rows.transactions[debit_id]),
                    taken=points,
                    returned=returned[debit_id],
                )
                for debit_id, points in sorted(taken.items())
            ),
            held=tuple(self._held[entry.pk]),
            lots=tuple(self._left[entry.pk]),
        )

    def _sort(self, at: datetime) -> None:
        """Put every part to the credit it came from."""
        rows = self.timeline.rows
        for part in rows.allocations.values():
            if part.transaction_id in self._counted:
                self._allocations[self._credit_of(part.lot_id)].append(part)
        for back in rows.returns.values():
            if back.transaction_id in self._counted:
                self._returned[back.allocation_id] += back.points
        for charge in rows.charges.values():
            if self.timeline.is_held(charge.hold_id, at):
                hold = rows.holds[charge.hold_id]
                part_held = Held(
                    hold_id=hold.pk, words=self.names.held_for(hold), since=hold.created_at, points=charge.points
                )
                self._held[self._credit_of(charge.lot_id)].append(part_held)
        for lot in self.found.lots:
            self._left[self._credit_of(lot.lot_id)].append(lot)

    def _credit_of(self, lot_id: int) -> int:
        """The credit whose points these are, through all lots that stand in for one another."""
        lot = self.timeline.rows.lots[lot_id]
        while lot.origin_id is not None:
            lot = self.timeline.rows.lots[lot.origin_id]
        return lot.transaction_id
