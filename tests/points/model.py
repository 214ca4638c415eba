"""The ledger in plain Python: what people should have after any acts, by the words of the programme alone. No Django.

It writes no rows, locks nothing, and expires points the moment their time comes. The state machine plays the same acts
here and on the real ledger, and the two must agree.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo


class Refused(Exception):
    """The act is refused; the argument is the code."""


@dataclass(kw_only=True)
class Programme:
    """What the merchant has set."""

    zone: ZoneInfo
    expiry: str = "never"  # days, month_end, year_end, idle
    expiry_days: int = 30
    pending_days: int = 0
    returns: str = "grace"  # strict, original
    grace_days: int = 30
    shortfalls: str = "open"  # collect, waive
    blocks: bool = False

    def midnight(self, day: date) -> datetime:
        return datetime.combine(day, time.min, tzinfo=self.zone).astimezone(UTC)

    def day(self, instant: datetime) -> date:
        return instant.astimezone(self.zone).date()

    def day_end(self, instant: datetime, days: int) -> datetime:
        return self.midnight(self.day(instant) + timedelta(days=days + 1))

    def lot_end(self, available_at: datetime) -> datetime | None:
        day = self.day(available_at)
        match self.expiry:
            case "days":
                return self.day_end(available_at, self.expiry_days)
            case "month_end":
                return self.midnight((day.replace(day=1) + timedelta(days=31)).replace(day=1))
            case "year_end":
                return self.midnight(date(day.year + 1, 1, 1))
        return None


@dataclass(eq=False, kw_only=True)
class Credit:
    """Points that came in by one act."""

    person: "Person"
    kind: str  # earning, adjustment, transfer
    points: int
    gone: int = 0  # expired or canceled unspent
    due: int = 0  # what refunds made it owe
    cancelled: bool = False


@dataclass(eq=False, kw_only=True)
class Lot:
    number: int
    credit: Credit  # the one its points came from, for a lot that stands in as well
    points: int
    remaining: int
    available_at: datetime
    created_at: datetime
    expires_at: datetime | None = None
    idle_days: int | None = None


@dataclass(eq=False, kw_only=True)
class Part:
    """What one lot paid, and how much of that came back."""

    lot: Lot
    points: int
    back: int = 0

    @property
    def left(self) -> int:
        return self.points - self.back


@dataclass(eq=False, kw_only=True)
class Debit:
    person: "Person"
    parts: list[Part]
    at: datetime


@dataclass(eq=False, kw_only=True)
class Hold:
    person: "Person"
    parts: list[Part]
    at: datetime
    ends_at: datetime | None
    state: str = "open"  # captured, released
    spent: int = 0
    debit: Debit | None = None

    @property
    def points(self) -> int:
        return sum(part.points for part in self.parts)


@dataclass(eq=False, kw_only=True)
class Shortfall:
    person: "Person"
    points: int
    left: int
    state: str = "open"  # collected, waived


@dataclass(eq=False)
class Person:
    active_at: datetime | None = None  # their last activity
    lots: list[Lot] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    shortfalls: list[Shortfall] = field(default_factory=list)

    @property
    def held(self) -> int:
        return sum(hold.points for hold in self.holds if hold.state == "open")

    @property
    def owed(self) -> int:
        return sum(row.left for row in self.shortfalls if row.state == "open")


class Model:
    """Everything at one instant, `now`."""

    def __init__(self, *, people: int, now: datetime, programme: Programme) -> None:
        self.people = [Person() for _ in range(people)]
        self.now = now
        self.programme = programme
        self.numbers = 0

    # What people have.

    def active(self, person: Person) -> list[Lot]:
        return [lot for lot in person.lots if lot.remaining and lot.available_at <= self.now]

    def balance(self, person: Person) -> int:
        return sum(lot.remaining for lot in self.active(person))

    def pending(self, person: Person) -> int:
        return sum(lot.remaining for lot in person.lots) - self.balance(person)

    def next_expiry(self, person: Person) -> tuple[datetime | None, int]:
        end = min((lot.expires_at for lot in self.active(person) if lot.expires_at), default=None)
        return end, sum(lot.remaining for lot in self.active(person) if end and lot.expires_at == end)

    def next_edge(self) -> datetime | None:
        edges = [edge for person in self.people for lot in person.lots if lot.remaining
                 for edge in (lot.available_at, lot.expires_at) if edge and edge > self.now]  # fmt: skip
        return min(edges, default=None)

    # Acts. Each refuses before it changes anything.

    def pass_time(self, now: datetime) -> None:
        self.now = now
        for person in self.people:
            self._expire(person.lots)

    def earn(self, person: Person, points: int, *, earned_at: datetime) -> Credit:
        available_at = earned_at
        if self.programme.pending_days:
            available_at = self.programme.midnight(
                self.programme.day(earned_at) + timedelta(days=self.programme.pending_days)
            )
        credit = self._credit(
            person,
            kind="earning",
            lots=[(points, available_at, self.programme.lot_end(available_at),
                   self.programme.expiry_days if self.programme.expiry == "idle" else None)],
        )  # fmt: skip
        if self.programme.shortfalls == "collect":
            self.collect(person)
        return credit

    def spend(self, person: Person, points: int) -> Debit:
        """A redemption, or an adjustment that takes points."""
        debit = Debit(person=person, parts=self._take(person, points), at=self.now)
        self._note_activity(person)
        return debit

    def adjust_up(self, person: Person, points: int) -> Credit:
        idle_days = self.programme.expiry_days if self.programme.expiry == "idle" else None
        lots = [(points, self.now, self.programme.lot_end(self.now), idle_days)]
        return self._credit(person, kind="adjustment", lots=lots)

    def hold(self, person: Person, points: int, *, lasts: timedelta | None) -> Hold:
        """With a time limit it is an integrator's, else a reward's."""
        if lasts is not None and self.programme.blocks and person.owed:
            raise Refused("points_owed")
        parts = self._take(person, points)
        hold = Hold(person=person, parts=parts, at=self.now, ends_at=self.now + lasts if lasts else None)
        person.holds.append(hold)
        return hold

    def capture(self, hold: Hold, points: int | None) -> Debit:
        if hold.state == "open" and hold.ends_at and hold.ends_at <= self.now:
            raise Refused("hold_timed_out")
        spent = hold.points if points is None else points
        if spent > hold.points:
            raise Refused("invalid_points")
        if hold.state == "captured" and hold.debit and (points is None or spent == hold.spent):
            return hold.debit
        if hold.state != "open":
            raise Refused("hold_closed")
        taken, spare, missing = [], [], spent
        for part in hold.parts:
            share = min(part.points, missing)
            missing -= share
            taken += [Part(lot=part.lot, points=share)] if share else []
            spare += [Part(lot=part.lot, points=part.points - share)] if part.points > share else []
        over = {id(part.lot): end for part in spare if (end := self._end(part.lot)) is not None and end <= self.now}
        hold.state, hold.spent = "captured", spent
        hold.debit = Debit(person=hold.person, parts=taken, at=self.now)
        self._note_activity(hold.person)
        for part in reversed(spare):
            self._give_back(part, part.points, taken_at=hold.at, ended_at=over.get(id(part.lot)))
        return hold.debit

    def release(self, hold: Hold) -> None:
        if hold.state == "captured":
            raise Refused("hold_closed")
        if hold.state == "open":
            hold.state = "released"
            for part in reversed(hold.parts):
                self._give_back(part, part.points, taken_at=hold.at)

    def release_due(self) -> int:
        due = [hold for person in self.people for hold in person.holds
               if hold.state == "open" and hold.ends_at and hold.ends_at <= self.now]  # fmt: skip
        for hold in sorted(due, key=lambda hold: hold.ends_at):
            self.release(hold)
        return len(due)

    def reverse(self, debit: Debit, points: int | None) -> None:
        left = sum(part.left for part in debit.parts)
        missing = left if points is None else points
        if not 0 < missing <= left:
            raise Refused("not_reversible")
        for part in reversed(debit.parts):
            share = min(part.left, missing)
            if share:
                missing -= share
                part.back += share
                self._give_back(part, share, taken_at=debit.at)

    def claw_back(self, earning: Credit, share: Fraction) -> tuple[int, int] | None:
        """What was taken and what is short; none when there was nothing more to take."""
        due = min(int(earning.points * share), earning.points - earning.gone)
        if due <= earning.due:
            return None
        missing, earning.due = due - earning.due, due
        mine = [lot for lot in earning.person.lots if lot.credit is earning]
        others = [lot for lot in self.active(earning.person) if lot.credit is not earning]
        taken = 0
        for lots in (
            [lot for lot in mine if lot.available_at > self.now],
            [lot for lot in mine if lot.available_at <= self.now],
            others,
        ):
            taken += sum(part.points for part in self._charge(lots, missing - taken))
        short = missing - taken
        if short:
            state = "waived" if self.programme.shortfalls == "waive" else "open"
            earning.person.shortfalls.append(Shortfall(person=earning.person, points=short, left=short, state=state))
        return taken, short

    def collect(self, person: Person) -> int:
        points = min(person.owed, self.balance(person))
        self._take(person, points)
        left = points
        for row in person.shortfalls:
            share = min(row.left, left) if row.state == "open" else 0
            left -= share
            row.left -= share
            row.state = "collected" if share and not row.left else row.state
        return points

    def waive(self, row: Shortfall) -> None:
        if row.state == "collected":
            raise Refused("shortfall_closed")
        row.state = "waived"

    def transfer(self, sender: Person, receiver: Person, points: int) -> Credit:
        if sender is receiver:
            raise Refused("same_customer")
        if self.programme.blocks and sender.owed:
            raise Refused("points_owed")
        parts = self._take(sender, points)
        lots = [(part.points, part.lot.available_at, part.lot.expires_at, part.lot.idle_days) for part in parts]
        self._note_activity(sender)
        return self._credit(receiver, kind="transfer", lots=lots)

    def cancel_credit(self, credit: Credit) -> None:
        if credit.kind not in ("earning", "adjustment"):
            raise Refused("not_a_credit")
        if credit.cancelled:
            return
        left = [lot for lot in credit.person.lots if lot.credit is credit and lot.remaining]
        if not left:
            raise Refused("nothing_left")
        credit.cancelled = True
        for lot in left:
            credit.gone += lot.remaining
            lot.remaining = 0

    # How.

    def _expire(self, lots: Iterable[Lot]) -> None:
        for lot in lots:
            if lot.remaining and lot.expires_at and lot.expires_at <= self.now:
                lot.credit.gone += lot.remaining
                lot.remaining = 0

    def _note_activity(self, person: Person) -> None:
        person.active_at = self.now
        for lot in person.lots:
            if lot.remaining and lot.idle_days:
                lot.expires_at = max(lot.expires_at, self.programme.day_end(self.now, lot.idle_days))

    def _idle_end(self, person: Person, lot: Lot) -> datetime:
        since = max(person.active_at or self.now, lot.available_at)
        return self.programme.day_end(since, lot.idle_days)

    def _credit(self, person: Person, *, kind: str, lots: list[tuple]) -> Credit:
        self._note_activity(person)
        credit = Credit(person=person, kind=kind, points=sum(points for points, *_ in lots))
        for points, available_at, expires_at, idle_days in lots:
            self._open(credit, points, available_at=available_at, expires_at=expires_at, idle_days=idle_days)
        return credit

    def _open(self, credit: Credit, points: int, **facts) -> None:
        self.numbers += 1
        lot = Lot(number=self.numbers, credit=credit, points=points, remaining=points, created_at=self.now, **facts)
        if lot.idle_days:
            lot.expires_at = self._idle_end(credit.person, lot)
        credit.person.lots.append(lot)
        self._expire([lot])

    def _take(self, person: Person, points: int) -> list[Part]:
        if points > self.balance(person):
            raise Refused("insufficient_points")
        return self._charge(self.active(person), points)

    def _charge(self, lots: Iterable[Lot], points: int) -> list[Part]:
        parts = []
        never = datetime.max.replace(tzinfo=UTC)
        for lot in sorted(lots, key=lambda lot: (lot.expires_at or never, lot.created_at, lot.number)):
            share = min(lot.remaining, points)
            if share:
                points -= share
                lot.remaining -= share
                parts.append(Part(lot=lot, points=share))
        return parts

    def _end(self, lot: Lot) -> datetime | None:
        """When a lot ends, one that is spent too: activity would have moved it."""
        return max(lot.expires_at, self._idle_end(lot.credit.person, lot)) if lot.idle_days else lot.expires_at

    def _give_back(self, part: Part, points: int, *, taken_at: datetime, ended_at: datetime | None = None) -> None:
        """`ended_at` is when the lot was over, where activity of the same moment comes too late for it."""
        lot, end = part.lot, ended_at or self._end(part.lot)
        if end is None or end > self.now:
            lot.remaining += points
            lot.expires_at = end
        elif self.programme.returns == "strict":
            lot.credit.gone += points
            lot.expires_at = end  # where activity had moved it meanwhile
        elif self.programme.returns == "original":
            life = max(end - taken_at, timedelta(seconds=1))
            self._open(lot.credit, points, available_at=self.now, expires_at=self.now + life)
        else:
            end = self.programme.day_end(self.now, self.programme.grace_days)
            self._open(lot.credit, points, available_at=self.now, expires_at=end)
