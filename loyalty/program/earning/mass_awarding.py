"""Give what many happenings earn, in a few statements for all of them.

Each is judged as `awarding.award` would judge it, called for one after the other in the given order, by the same pure
function; the rows are the same, which the tests compare. Rewards are given one by one.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import transaction

from loyalty.common import copying
from loyalty.common.actors import Actor
from loyalty.common.among import Among
from loyalty.customers.models import Customer, CustomerState
from loyalty.merchant.models import Programme
from loyalty.points import bulk_rows, mass_earning
from loyalty.points.mass_earning import Earned
from loyalty.points.models import PointsAccount
from loyalty.program.earning import awarding, evaluating, rules
from loyalty.program.earning.awarding import Happening, Outcome
from loyalty.program.earning.evaluating import Verdict
from loyalty.program.earning.facts import Given, Occasion, Terms
from loyalty.program.earning.models import AwardState, EarningAward


@transaction.atomic
def award_many(
    *,
    happenings: Sequence[Happening],
    terms: Sequence[Terms],
    programme: Programme,
    actor: Actor,
    now: datetime,
    is_news: bool = True,
) -> list[Outcome]:
    """Judge and give; what came of each happening, in their order. Awards have no ids yet, those of rewards neither.

    Locks the accounts of all customers until the caller's transaction ends: some thousands at most. Again it gives
    nothing more. Without `is_news`, as for imports, no event tells of points. Raises UnknownCustomer, InvalidPoints.
    """
    accounts = bulk_rows.lock({each.customer_id for each in happenings}, now=now)
    batch = _Batch(programme=programme, now=now, known=_known(happenings, terms))
    taking_part = _customers(accounts)
    counts = Counts.read(rules.capped(terms), taking_part, zone=programme.zone)
    outcomes = []
    for happening in happenings:
        if happening.customer_id not in taking_part:
            outcomes.append(Outcome(awards=(), verdicts=()))
            continue
        occasion = Occasion(
            kinds=happening.kinds,
            at=happening.at,
            tier_id=taking_part[happening.customer_id],
            token=happening.token,
            order=happening.order,
            paid=happening.paid,
            given=counts.of(happening),
        )
        verdicts = evaluating.judge(occasion, terms)
        made = batch.take(verdicts, happening)
        for each in made:
            counts.note(each.customer_id, each.rule_id, each.earned_at, points=each.points)
        outcomes.append(Outcome(awards=tuple(made), verdicts=tuple(verdicts)))
    batch.give(accounts, actor=actor, is_news=is_news)
    return outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """An award that is to be given."""

    made: EarningAward
    terms: Terms
    happening: Happening
    days: int


@dataclass(slots=True, kw_only=True)
class _Batch:
    """What is to be given, in the order in which it was judged."""

    programme: Programme
    now: datetime
    known: set[str]  # the keys of what was given before
    due: list[_Due] = field(default_factory=list)

    def take(self, verdicts: Iterable[Verdict], happening: Happening) -> list[EarningAward]:
        """The awards of those verdicts that give, and gave not before."""
        found = []
        for verdict in verdicts:
            if not verdict.gives or awarding.key(happening.prefix, verdict.terms) in self.known:
                continue
            made = awarding.prepared(verdict, happening, now=self.now)
            days = awarding.days_to_wait(verdict.terms, happening, programme=self.programme)
            self.known.add(made.key)
            self.due.append(_Due(made=made, terms=verdict.terms, happening=happening, days=days))
            found.append(made)
        return found

    def give(self, accounts: dict[int, PointsAccount], *, actor: Actor, is_news: bool) -> None:
        """Write points, rewards and awards. The accounts are locked; what is on them is written by then."""
        of_points = [each for each in self.due if each.made.points]
        credited = mass_earning.earn_many(
            batch=[_earned(each) for each in of_points],
            accounts=accounts,
            programme=self.programme,
            actor=actor,
            now=self.now,
            is_news=is_news,
        )
        for each in of_points:
            each.made.state, each.made.transaction_id = AwardState.GIVEN, credited[each.made.key]
        for each in self.due:
            if not each.made.points:
                awarding.give_reward(each.made, days=each.days, programme=self.programme, actor=actor, now=self.now)
        copying.insert([each.made for each in self.due])


def _earned(due: _Due) -> Earned:
    return Earned(
        customer_id=due.made.customer_id,
        points=due.made.points,
        cause=awarding.cause_of(due.terms, due.happening),
        earned_at=due.happening.at,
        idempotency_key=due.made.key,
        description=due.terms.name,
        pending_days=due.days,
    )


@dataclass(slots=True, kw_only=True)
class Counts:
    """When each rule with a cap gave each customer what still stands, and how many points: read once, kept in memory."""

    capped: Mapping[int, Terms]
    zone: ZoneInfo
    moments: dict[tuple[int, int], list[tuple[datetime, int]]]  # by customer and rule

    @classmethod
    def read(cls, capped: Mapping[int, Terms], customers: Iterable[int], *, zone: ZoneInfo) -> "Counts":
        moments: dict[tuple[int, int], list[tuple[datetime, int]]] = defaultdict(list)
        if capped:
            standing = EarningAward.objects.filter(Among("customer_id", customers), rule_id__in=list(capped))
            rows = standing.exclude(state=AwardState.UNDONE).values_list(
                "customer_id", "rule_id", "earned_at", "points"
            )
            for customer_id, rule_id, earned_at, points in rows:
                moments[customer_id, rule_id or 0].append((earned_at, points))
        return cls(capped=capped, zone=zone, moments=moments)

    def of(self, happening: Happening) -> dict[int, Given]:
        """As `rules.given`."""
        return {
            rule_id: _count(moments, terms, at=happening.at, zone=self.zone)
            for rule_id, terms in self.capped.items()
            if (moments := self.moments.get((happening.customer_id, rule_id)))
        }

    def note(self, customer_id: int, rule_id: int | None, moment: datetime, *, points: int) -> None:
        """The rule gave the customer something then."""
        if rule_id is not None and rule_id in self.capped:
            self.moments[customer_id, rule_id].append((moment, points))


def _count(moments: Sequence[tuple[datetime, int]], terms: Terms, *, at: datetime, zone: ZoneInfo) -> Given:
    ever = Given(ever=len(moments), points_ever=sum(points for _, points in moments))
    if not terms.period:
        return ever
    begins, ends = rules.bounds(terms.period, at=at, zone=zone)
    within = [points for moment, points in moments if begins <= moment < ends]
    return replace(ever, in_period=len(within), points_in_period=sum(within))


def _customers(customer_ids: Iterable[int]) -> dict[int, int | None]:
    """Who takes part in the programme, with their tier; read under the locks."""
    rows = Customer.objects.filter(Among("pk", customer_ids)).exclude(state=CustomerState.DISABLED)
    return dict(rows.values_list("pk", "tier_id"))


def _known(happenings: Iterable[Happening], terms: Sequence[Terms]) -> set[str]:
    """The keys under which something was given for these before."""
    keys = [awarding.key(each.prefix, rule) for each in happenings for rule in terms if rule.kind in each.kinds]
    return set(EarningAward.objects.filter(Among("key", keys)).values_list("key", flat=True))
