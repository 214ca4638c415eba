"""Give what an occasion earns, once: judged under the lock of the customer's account, and recorded at its terms."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from loyalty.common import clock
from loyalty.common.actors import Actor
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.customers.models import Customer, CustomerState
from loyalty.events import log
from loyalty.merchant.models import Programme
from loyalty.points import earning, locking
from loyalty.program.earning import evaluating, rules
from loyalty.program.earning.evaluating import Verdict
from loyalty.program.earning.facts import Occasion, OrderFacts, Terms
from loyalty.program.earning.models import AwardState, EarningAward, RuleKind
from rewards import granting
from rewards.models import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What is to be judged. `prefix` and a rule make the key under which that rule gives for it, once."""

    customer_id: int
    kinds: frozenset[RuleKind]
    at: datetime
    prefix: str
    cause: Cause | None  # None: the rule itself is
    token: str = ""
    order: OrderFacts | None = None
    paid: tuple[Terms, ...] = ()
    order_id: int | None = None
    activity_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a happening: the awards, in the order they were judged, and every verdict."""

    awards: tuple[EarningAward, ...]
    verdicts: tuple[Verdict, ...]


@transaction.atomic
def award(*, happening: Happening, terms: list[Terms], programme: Programme, actor: Actor, now: datetime) -> Outcome:
    """Judge and give. The same happening again gives the same awards and nothing more; an excluded customer gets none.

    A reward that cannot be given now is recorded as refused, for a person to see. Raises UnknownCustomer, InvalidPoints.
    """
    locking.lock(customer_id=happening.customer_id, now=now)
    customer = Customer.objects.get(pk=happening.customer_id)
    if customer.state == CustomerState.DISABLED:
        return Outcome(awards=(), verdicts=())
    occasion = Occasion(
        kinds=happening.kinds,
        at=happening.at,
        tier_id=customer.tier_id,
        token=happening.token,
        order=happening.order,
        paid=happening.paid,
        given=rules.given(customer_id=customer.pk, rules=terms, at=happening.at, zone=programme.zone),
    )
    verdicts = evaluating.judge(occasion, terms)
    keys = [key(happening.prefix, verdict.terms) for verdict in verdicts if verdict.gives]
    known = set(EarningAward.objects.filter(key__in=keys).values_list("key", flat=True)) if keys else set()
    awards = [
        _give(verdict, happening, programme=programme, actor=actor, now=now)
        for verdict in verdicts
        if verdict.gives and key(happening.prefix, verdict.terms) not in known
    ]
    return Outcome(awards=tuple(awards), verdicts=tuple(verdicts))


def key(prefix: str, terms: Terms) -> str:
    """Of an award, and of its points in the ledger; the programme's own rate has the prefix alone."""
    return prefix if terms.rule_id is None else f"{prefix}:rule:{terms.rule_id}"


def recorded(verdict: Verdict) -> dict[str, Any]:
    """A rule's terms and the numbers it was applied to, as they are kept with an award."""
    terms = verdict.terms
    kept: dict[str, Any] = {"kind": str(terms.kind), "name": terms.name, **verdict.facts}
    if terms.kind == RuleKind.PER_AMOUNT:
        kept |= {"points": terms.points, "per_amount": str(terms.per_amount), "rounding": str(terms.rounding)}
    if terms.factor is not None:
        kept["factor"] = str(terms.factor)
    return kept


def prepared(verdict: Verdict, happening: Happening, *, now: datetime) -> EarningAward:
    """The award of a verdict that gives, not saved, and without what was given."""
    return EarningAward(
        key=key(happening.prefix, verdict.terms),
        rule_id=verdict.terms.rule_id,
        customer_id=happening.customer_id,
        order_id=happening.order_id,
        activity_id=happening.activity_id,
        points=verdict.points,
        reward_id=verdict.reward_id,
        terms=recorded(verdict),
        earned_at=happening.at,
        created_at=now,
    )


def days_to_wait(terms: Terms, happening: Happening, *, programme: Programme) -> int:
    """How many days what the rule gives waits before it can be used."""
    if terms.delay_days is not None:
        return terms.delay_days
    return programme.pending_days if happening.order is not None else 0


def cause_of(terms: Terms, happening: Happening) -> Cause:
    """What the ledger names as the cause of the points."""
    return happening.cause or Cause(CauseType.EARNING_RULE, terms.rule_id or 0)


def give_reward(made: EarningAward, *, days: int, programme: Programme, actor: Actor, now: datetime) -> None:
    """Give the award's reward, or let it wait for its days. The account is locked; the caller saves the row."""
    due_at = clock.start_of_day(made.earned_at, days, programme.zone) if days else now
    if due_at > now:
        made.state, made.due_at = AwardState.WAITING, due_at
    else:
        grant(made, actor=actor, now=now)


def _give(verdict: Verdict, happening: Happening, *, programme: Programme, actor: Actor, now: datetime) -> EarningAward:
    terms = verdict.terms
    made = prepared(verdict, happening, now=now)
    days = days_to_wait(terms, happening, programme=programme)
    if verdict.reward_id is not None:
        give_reward(made, days=days, programme=programme, actor=actor, now=now)
    else:
        made.state = AwardState.GIVEN
        made.transaction = earning.earn(
            customer_id=happening.customer_id,
            points=verdict.points,
            cause=cause_of(terms, happening),
            actor=actor,
            programme=programme,
            pending_days=days,
            earned_at=happening.at,
            now=now,
            idempotency_key=made.key,
            description=terms.name,
        )
    made.save()
    return made


def grant(made: EarningAward, *, actor: Actor, now: datetime) -> None:
    """Give the award's reward now, or note why not. Its customer's account is locked; the caller saves the row."""
    made.due_at = None
    try:
        with transaction.atomic():
            made.redeemed_reward = granting.grant(
                customer_id=made.customer_id,
                reward_id=made.reward_id or 0,
                actor=actor,
                now=now,
                origin=Origin.PROGRAMME,
                idempotency_key=made.key,
            )
            made.state = AwardState.GIVEN
    except DomainError as refusal:
        made.redeemed_reward = None
        made.state, made.outcome = AwardState.REFUSED, refusal.code[:40]
        log.record(
            kind="earning.reward_refused",
            subject_type="customer",
            subject_id=made.customer_id,
            customer_id=made.customer_id,
            actor=actor,
            now=now,
            reward_id=made.reward_id,
            reason=made.outcome,
        )


def give_due(*, actor: Actor, now: datetime, limit: int = 200) -> int:
    """Give the rewards whose days of waiting are over; gives back how many were found. Safe beside itself."""
    due = list(
        EarningAward.objects.filter(state=AwardState.WAITING, due_at__lte=now)
        .order_by("due_at", "pk")
        .values_list("pk", "customer_id")[:limit]
    )
    for award_id, customer_id in due:
        with transaction.atomic():
            locking.lock(customer_id=customer_id, now=now)
            waiting = EarningAward.objects.get(pk=award_id)
            if waiting.state == AwardState.WAITING and waiting.customer_id == customer_id:  # else merged: next time
                grant(waiting, actor=actor, now=now)
                waiting.save(update_fields=["state", "due_at", "outcome", "redeemed_reward"])
    return len(due)
