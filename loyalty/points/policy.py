"""Apply an expiry policy to points that customers hold already: the plan, and then its effects by the batch.

A changed setting of the programme concerns new lots only. What is done here is a second, separate decision, which
begins with a plan that states every number of it.

**Which lots.** Open lots that were earned. Points that staff gave, that were moved between customers, or that came
back after their end (grace) were promised an end of their own and keep it. So do lots that are wholly spent or held
at the moment: what comes back to them comes back to the end it had.

**Which end.** The one that `earning` gives a new lot, counted from the instant this one became available. An end that
would have passed already becomes the moment of applying: the points were good until then, and no row says otherwise.
They expire in that batch, so the plan counts them apart ("at once"), and a run stops before it exceeds that number.

**Days without activity.** A lot that moves to this mode ends so many days after the customer's last activity (or after
it became available, if later), and from then on follows their activity as a new lot does: `idle_days` is set with its
end. A lot that leaves the mode gets the fixed end of the new policy, and activity moves it no more. Each change of
either is explained by a `PointsLotChange`; the database refuses one without.

Applying again changes nothing more, and a run that was stopped is taken up by the next. Applying the old policy undoes
a change: ends follow from the lots' own facts alone, so lots that were earned under that policy get their very ends
back. Points that have expired meanwhile are not brought back.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Case, F, Max, Min, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce, Least

from loyalty.common import clock, plans
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import ExpiryMode
from loyalty.points import activity, earning, locking
from loyalty.points.models import PointsAccount, PointsLot, PointsLotChange, PointsTransaction, TransactionKind

MOST_DAYS = 36_500
CUSTOMERS_AT_ONCE = 500
SAMPLED = 5  # rows of each effect
HORIZONS = (30, 90)
# One statement for a batch, whose every lot gets an end of its own.
MOVE_ENDS = """
    UPDATE points_pointslot lot SET expires_at = moved.expires_at, idle_days = moved.idle_days
    FROM unnest(%s::bigint[], %s::timestamptz[], %s::integer[]) AS moved (id, expires_at, idle_days)
    WHERE lot.id = moved.id"""
SUBJECT = "What this change would do"


class InvalidPolicy(DomainError):
    code = "invalid_policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When earned points expire: what the programme's settings say of new lots. Raises InvalidPolicy."""

    mode: ExpiryMode
    days: int

    def __post_init__(self) -> None:
        if not 1 <= self.days <= MOST_DAYS:
            raise InvalidPolicy(f"{self.days} is no number of days from 1 to {MOST_DAYS:,}.")

    @property
    def sentence(self) -> str:
        match self.mode:
            case ExpiryMode.DAYS:
                return f"Earned points expire {self.days:,} days after they can be spent."
            case ExpiryMode.IDLE:
                return f"Earned points expire after {self.days:,} days without activity."
            case ExpiryMode.MONTH_END:
                return "Earned points expire at the end of the month in which they can first be spent."
            case ExpiryMode.YEAR_END:
                return "Earned points expire at the end of the year in which they can first be spent."
            case _:
                return "Earned points never expire."


class Effect(StrEnum):
    EARLIER = "earlier"
    LATER = "later"
    NO_END = "no_end"
    FIRST_END = "first_end"
    SAME_END = "same_end"  # for now: activity will move it, or no longer does


@dataclass(slots=True)
class Tally:
    """How many lots, customers and points. Rows come customer by customer."""

    lots: int = 0
    customers: int = 0
    points: int = 0
    _last: int | None = field(default=None, repr=False, compare=False)

    def add(self, *, customer_id: int, points: int) -> None:
        self.lots += 1
        self.points += points
        self.customers += customer_id != self._last
        self._last = customer_id


@dataclass(slots=True)
class Horizon:
    """Points that expire within so many days, if nobody spends or earns: as things are, and after the change."""

    days: int
    until: datetime
    before: int = 0
    after: int = 0


class Move(NamedTuple):
    """What becomes of one lot."""

    lot_id: int
    customer_id: int
    points: int
    available_at: datetime
    end_before: datetime | None
    end_after: datetime | None
    idle_before: int | None
    idle_after: int | None
    own_end: bool  # it was not earned: its end is nobody's setting
    now: datetime

    @property
    def changes(self) -> bool:
        return (self.end_before, self.idle_before) != (self.end_after, self.idle_after)

    @property
    def at_once(self) -> bool:
        return self.changes and self.end_after is not None and self.end_after <= self.now

    @property
    def effect(self) -> Effect:
        if self.end_before == self.end_after:
            return Effect.SAME_END
        if self.end_after is None:
            return Effect.NO_END
        if self.end_before is None:
            return Effect.FIRST_END
        return Effect.EARLIER if self.end_after < self.end_before else Effect.LATER


@dataclass(slots=True, kw_only=True)
class Plan:
    """What applying a policy would do to the lots that exist now."""

    policy: Policy
    zone: ZoneInfo
    up_to: int  # lots opened later are not concerned
    horizons: tuple[Horizon, ...]
    effects: Mapping[Effect, Tally] = field(default_factory=lambda: {effect: Tally() for effect in Effect})
    changed: Tally = field(default_factory=Tally)
    unchanged: Tally = field(default_factory=Tally)
    own_end: Tally = field(default_factory=Tally)
    at_once: Tally = field(default_factory=Tally)
    sample: tuple[Move, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Of everything that somebody confirms. How much expires in 30 days is left out: it moves with the clock."""
        return plans.fingerprint(
            {
                "policy": [self.policy.mode, self.policy.days, self.zone.key],
                "effects": {effect: [one.lots, one.customers, one.points] for effect, one in self.effects.items()},
                "at_once": [self.at_once.lots, self.at_once.customers, self.at_once.points],
            }
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. `expired` are points that expired at once."""

    customers: int = 0
    lots: int = 0
    points: int = 0
    expired: int = 0


def of_programme() -> Policy:
    """The policy of new lots. Raises InvalidPolicy."""
    programme = merchant.programme()
    return Policy(mode=ExpiryMode(programme.expiry_mode), days=programme.expiry_days)


def make_plan(*, policy: Policy, now: datetime) -> Plan:
    """What applying the policy would do now. Reads only, every open lot once, in constant memory."""
    zone = merchant.programme().zone
    plan = Plan(
        policy=policy,
        zone=zone,
        up_to=PointsLot.objects.aggregate(last=Max("pk", default=0))["last"],
        horizons=tuple(Horizon(days, clock.end_of_day(now, days, zone)) for days in HORIZONS),
    )
    worst: dict[Effect, list[tuple[tuple[bool, int, int], Move]]] = {effect: [] for effect in Effect}
    for move in _moves(_open_lots(up_to=plan.up_to), policy=policy, zone=zone, now=now):
        _count(plan, move)
        if move.changes:
            _keep(worst[move.effect], move)
    plan.sample = tuple(move for kept in worst.values() for _, move in sorted(kept, reverse=True))
    return plan


def confirm(*, policy: Policy, now: datetime, shown: str | None = None, most_at_once: int | None = None) -> Plan:
    """The plan as it is now, if it is what somebody agreed to. Raises PlanOutdated.

    `shown` is the fingerprint of the very plan they saw. `most_at_once` is for a desk where every second changes a
    number: any plan will do that lets no more points expire at once.
    """
    plan = make_plan(policy=policy, now=now)
    if most_at_once is None or shown is not None:
        plans.require_current(shown=shown or "", current=plan.fingerprint, subject=SUBJECT)
    if most_at_once is not None and plan.at_once.points > most_at_once:
        raise plans.PlanOutdated(
            f"{plan.at_once.points:,} points would expire at once, more than {most_at_once:,}. Look at the preview."
        )
    return plan


def apply(*, plan: Plan, actor: Actor, now: datetime, size: int = CUSTOMERS_AT_ONCE) -> Iterator[Progress]:
    """Do what a confirmed plan says, some customers at a time, each batch a transaction; gives the progress after each.

    Batches with nothing to do give none, so whoever stops after the first has come further. Stop whenever you like:
    what was committed stays, and the next plan is of the rest. Each batch looks again under the lock. Raises PlanOutdated, the batch undone, before more points expire at once than the plan said.
    """
    log.record(
        kind="points.policy_applied",
        subject_type="programme",
        subject_id=1,
        actor=actor,
        now=now,
        mode=plan.policy.mode,
        days=plan.policy.days,
        lots=plan.changed.lots,
        customers=plan.changed.customers,
        points=plan.changed.points,
        at_once=plan.at_once.points,
    )
    return _run(plan=plan, actor=actor, watch=clock.Stopwatch(now), size=size)


def _run(*, plan: Plan, actor: Actor, watch: clock.Stopwatch, size: int) -> Iterator[Progress]:
    after, done = 0, Progress()
    while chosen := list(
        PointsLot.objects.filter(open=True, pk__lte=plan.up_to, customer_id__gt=after)
        .order_by("customer_id")
        .values_list("customer_id", flat=True)
        .distinct()[:size]
    ):
        before, done = done, _batch(chosen, plan=plan, actor=actor, now=watch.now, done=done)
        after = chosen[-1]
        if done != before:
            yield done


@transaction.atomic
def _batch(chosen: list[int], *, plan: Plan, actor: Actor, now: datetime, done: Progress) -> Progress:
    """Look without a lock who is concerned, lock those in id order, and look again."""
    concerned = {move.customer_id for move in _changes(chosen, plan=plan, now=now)}
    if not concerned:
        return done
    accounts = list(PointsAccount.objects.select_for_update().filter(pk__in=concerned).order_by("pk"))
    for account in accounts:
        locking.settle(account=account, now=now)
    clocks = {account.customer_id: account.settled_at for account in accounts}
    moves = _changes(clocks, plan=plan, now=now, clocks=clocks)
    ending = {move.customer_id for move in moves if move.at_once}
    expired = done.expired + sum(move.points for move in moves if move.at_once)
    if expired > plan.at_once.points:
        raise plans.PlanOutdated(
            f"More than the {plan.at_once.points:,} points that the preview showed would expire at once by now. Stopped "
            "there; what was done before stays. Look at the new preview and confirm again."
        )
    _write(moves, actor=actor, now=now)
    _find_edges(clocks, idle=plan.policy.mode == ExpiryMode.IDLE)
    for account in PointsAccount.objects.filter(pk__in=ending).order_by("pk"):
        locking.settle(account=account, now=clocks[account.customer_id])
    return Progress(
        customers=done.customers + len({move.customer_id for move in moves}),
        lots=done.lots + len(moves),
        points=done.points + sum(move.points for move in moves),
        expired=expired,
    )


def _write(moves: list[Move], *, actor: Actor, now: datetime) -> None:
    """The rows that say why, and then the lots."""
    PointsLotChange.objects.bulk_create(
        PointsLotChange(
            lot_id=move.lot_id,
            expires_before=move.end_before,
            expires_after=move.end_after,
            idle_days_before=move.idle_before,
            idle_days_after=move.idle_after,
            actor_kind=actor.kind,
            actor_id=actor.id,
            created_at=now,
        )
        for move in moves
    )
    with connection.cursor() as cursor:
        cursor.execute(
            MOVE_ENDS,
            [
                [move.lot_id for move in moves],
                [move.end_after for move in moves],
                [move.idle_after for move in moves],
            ],
        )


def _find_edges(customer_ids: Iterable[int], *, idle: bool) -> None:
    """Write the next edge of locked accounts anew.

    `has_idle_lots` is never taken back: a spent lot may still follow activity when its points return.
    """
    lots = PointsLot.objects.filter(customer_id=OuterRef("pk"), open=True).order_by().values("customer_id")
    matures = lots.filter(available_at__gt=OuterRef("settled_at")).annotate(edge=Min("available_at")).values("edge")
    expires = lots.filter(expires_at__gt=OuterRef("settled_at")).annotate(edge=Min("expires_at")).values("edge")
    PointsAccount.objects.filter(pk__in=customer_ids).update(
        next_edge_at=Least(Subquery(matures), Subquery(expires)),
        has_idle_lots=Value(True) if idle else F("has_idle_lots"),  # noqa: FBT003 (a value, not a flag)
    )


def _changes(
    customer_ids: Iterable[int], *, plan: Plan, now: datetime, clocks: Mapping[int, datetime] | None = None
) -> list[Move]:
    lots = _open_lots(up_to=plan.up_to).filter(customer_id__in=list(customer_ids))
    moves = _moves(lots, policy=plan.policy, zone=plan.zone, now=now, clocks=clocks or {})
    return [move for move in moves if move.changes]


def _open_lots(*, up_to: int) -> QuerySet[PointsLot]:
    return PointsLot.objects.filter(open=True, pk__lte=up_to)


def _moves(
    lots: QuerySet[PointsLot],
    *,
    policy: Policy,
    zone: ZoneInfo,
    now: datetime,
    clocks: Mapping[int, datetime] | None = None,
) -> Iterator[Move]:
    """What becomes of these lots, customer by customer. `clocks`: accounts whose own time is ahead of ours."""
    last_activity = (
        PointsTransaction.objects.filter(customer_id=OuterRef("customer_id"), kind__in=activity.ACTIVITY)
        .order_by()
        .values("customer_id")
        .annotate(last=Max("recorded_at"))
        .values("last")
    )
    rows = (
        lots.annotate(
            active_at=Coalesce(
                F("customer__points_account__last_activity_at"), Subquery(last_activity), F("created_at")
            ),
            own_end=Case(
                When(Q(origin__isnull=True, transaction__kind=TransactionKind.EARNING), then=Value(False)),  # noqa: FBT003
                default=Value(True),  # noqa: FBT003
            ),
        )
        .order_by("customer_id", "pk")
        .values_list(
            "pk", "customer_id", "remaining", "available_at", "expires_at", "idle_days", "active_at", "own_end"
        )
    )
    for pk, customer_id, remaining, available_at, end, idle_days, active_at, own_end in rows.iterator(chunk_size=5000):
        instant = (clocks or {}).get(customer_id, now)
        if end is not None and end <= instant:
            continue  # it has ended: nothing is left to decide
        end_after, idle_after = end, idle_days
        if not own_end:
            end_after, idle_after = _target(policy, zone=zone, available_at=available_at, active_at=active_at)
            if end_after is not None and end_after < instant:
                end_after = instant
        yield Move(pk, customer_id, remaining, available_at, end, end_after, idle_days, idle_after, own_end, instant)


def _target(
    policy: Policy, *, zone: ZoneInfo, available_at: datetime, active_at: datetime
) -> tuple[datetime | None, int | None]:
    if policy.mode == ExpiryMode.IDLE:
        return clock.end_of_day(max(active_at, available_at), policy.days, zone), policy.days
    return earning.end_by(mode=policy.mode, days=policy.days, zone=zone, available_at=available_at), None


def _count(plan: Plan, move: Move) -> None:
    tallies = [plan.changed, plan.effects[move.effect]] if move.changes else [plan.unchanged]
    if move.own_end:
        tallies = [plan.own_end]
    if move.at_once:
        tallies.append(plan.at_once)
    for tally in tallies:
        tally.add(customer_id=move.customer_id, points=move.points)
    for horizon in plan.horizons:
        horizon.before += move.points if move.end_before is not None and move.end_before <= horizon.until else 0
        horizon.after += move.points if move.end_after is not None and move.end_after <= horizon.until else 0


def _keep(kept: list[tuple[tuple[bool, int, int], Move]], move: Move) -> None:
    """Keep the rows that weigh most: those that expire at once, then those with most points."""
    entry = ((move.at_once, move.points, -move.lot_id), move)
    if len(kept) < SAMPLED:
        heapq.heappush(kept, entry)
    elif kept[0][0] < entry[0]:
        heapq.heapreplace(kept, entry)
