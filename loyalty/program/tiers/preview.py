"""Who would move if the tiers or their rules were changed: judged by what the workers judge by, before it is saved.

Nothing is written or locked. Of more than MOST_JUDGED customers about so many are judged, picked by a hash of their ids, and
the numbers are what follows from them for all.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import BigIntegerField, F, Func, QuerySet
from django.db.models.functions import Mod

from loyalty.customers.models import Customer, Tier
from loyalty.merchant import queries as merchant
from loyalty.program.tiers import gifts, judging, ladder, setting
from loyalty.program.tiers.gifts import Gift
from loyalty.program.tiers.judging import Judged
from loyalty.program.tiers.ladder import Ladder, Rung
from loyalty.program.tiers.models import TierRules

MOST_JUDGED = 20_000
BATCH = 5_000
POSITIVE = 2**31 - 1  # without the sign of a hash
NEW_TIER = 0  # the id of a tier that nobody has saved yet
FIGURES = (
    "pk", "tier_id", "tier_standing__changes", "tier_standing__grace_until", "tier_standing__held_as",
    "tier_standing__held_tier_id", "tier_standing__held_until", "tier_standing__quiet", "state", "anonymised_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The tiers and rules that somebody is about to save. Without `gives`, who rises by them is given nothing."""

    rules: TierRules
    steps: Ladder
    gifts: Mapping[int, Gift]
    gives: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """So many customers would go from one tier to another; an empty name is no tier."""

    previous: str
    current: str
    upward: bool
    customers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would come of it. The numbers are of all customers: exact where everybody was judged, else about so many."""

    customers: int
    judged: int
    flows: tuple[Flow, ...]  # the largest first
    later: tuple[tuple[str, int], ...]  # tier → customers who would lose it once the days of grace are over
    given: int  # customers who would be given what their new tier gives
    points: int  # that they would be given altogether
    rewards: int

    @property
    def is_exact(self) -> bool:
        return self.judged >= self.customers

    @property
    def moving(self) -> int:
        return sum(flow.customers for flow in self.flows)


def with_rules(*, rules: TierRules, gives: bool) -> Wanted:
    """The tiers there are, under these rules."""
    return Wanted(rules=rules, steps=ladder.load(), gifts=gifts.of_tiers(), gives=gives)


def with_tier(*, tier_id: int | None, terms: setting.Terms, gives: bool) -> Wanted:
    """The rules there are, with one tier added or changed. Raises TierRefused where it could not be saved."""
    setting.require_possible(tier_id=tier_id, terms=terms)
    pk = tier_id or NEW_TIER
    others = [rung for rung in ladder.load().rungs if rung.tier_id != pk]
    mine = [Rung(tier_id=pk, name=terms.name.strip(), milestone=terms.milestone)] if terms.active else []
    steps = Ladder(tuple(sorted([*others, *mine], key=lambda rung: rung.milestone)))
    gift = Gift(terms.entry_points, tuple(terms.reward_ids))
    return Wanted(rules=ladder.rules(), steps=steps, gifts={**gifts.of_tiers(), pk: gift}, gives=gives)


def of(*, wanted: Wanted, now: datetime) -> Preview:
    """What would come of it if it were saved now. Rules that are off are taken as on: so it would be from then on."""
    customers = Customer.objects.count()
    every = max(-(-customers // MOST_JUDGED), 1)
    names: dict[int | None, str] = dict(Tier.objects.values_list("pk", "name"))
    names |= {rung.tier_id: rung.name for rung in wanted.steps.rungs}
    moves: Counter[tuple[str, str, bool]] = Counter()
    later: Counter[str] = Counter()
    judged = given = points = rewards = 0
    for batch in _batches(every):
        found = _judged(batch, wanted, now=now)
        judged += len(batch)
        for each in found:
            if each.move is not None:
                previous, current = (names.get(pk, "") for pk in (each.move.previous_id, each.move.current_id))
                moves[previous, current, each.move.upward] += 1
            elif each.place.grace_until is not None:
                later[names.get(each.place.tier_id, "")] += 1
        owed = _given(found, wanted, now=now)
        given += len({customer_id for customer_id, _ in owed})
        points += sum(wanted.gifts[tier_id].points for _, tier_id in owed)
        rewards += sum(len(wanted.gifts[tier_id].reward_ids) for _, tier_id in owed)

    def of_all(count: int) -> int:
        return round(count * customers / judged) if every > 1 else count

    return Preview(
        customers=customers,
        judged=judged,
        flows=tuple(
            Flow(previous=previous, current=current, upward=upward, customers=of_all(count))
            for (previous, current, upward), count in moves.most_common()
        ),
        later=tuple((name, of_all(count)) for name, count in later.most_common()),
        given=of_all(given),
        points=of_all(points),
        rewards=of_all(rewards),
    )


def _batches(every: int) -> Iterator[list[tuple]]:
    """The customers, or one in so many of them, as rows to be judged."""
    rows: QuerySet = Customer.objects.order_by("pk")
    if every > 1:
        mixed = Func(F("pk"), function="hashint8", output_field=BigIntegerField()).bitand(POSITIVE)
        rows = rows.annotate(rest=Mod(mixed, every)).filter(rest=0)
    after = 0
    while batch := list(rows.filter(pk__gt=after).values_list(*FIGURES)[:BATCH]):
        after = batch[-1][0]
        yield batch


def _judged(batch: list[tuple], wanted: Wanted, *, now: datetime) -> list[Judged]:
    """Customers who were never judged stand where they stand, and are held by nothing."""
    rows = [
        (pk, tier_id, changes or 0, grace, held_as or "", held_id, held_until, quiet or not wanted.gives, state, erased)
        for pk, tier_id, changes, grace, held_as, held_id, held_until, quiet, state, erased in batch
    ]
    return judging.judge(rows=rows, steps=wanted.steps, rules=wanted.rules, programme=merchant.programme(), now=now)


def _given(found: list[Judged], wanted: Wanted, *, now: datetime) -> set[gifts.Rise]:
    moves = [each.move for each in found if each.move is not None]
    rises = {
        (move.customer_id, move.current_id)
        for move in moves
        if move.upward and move.gives and move.current_id is not None
    }
    zone = merchant.programme().zone
    return gifts.owed(rises=rises, gifts=wanted.gifts, rules=wanted.rules, zone=zone, now=now)
