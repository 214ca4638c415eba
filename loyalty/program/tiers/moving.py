"""Move a customer to another tier by hand, up or down, with a reason: planned, shown, and done as shown."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction

from loyalty.common import clock, plans
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.customers.models import Customer, CustomerState
from loyalty.events import log
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import Programme
from loyalty.program.tiers import changing, ladder, measuring, windows
from loyalty.program.tiers.changing import Move
from loyalty.program.tiers.ladder import Ladder, Measured
from loyalty.program.tiers.models import (
    HeldAs,
    TierCause,
    TierEntryReward,
    TierRules,
    TierStanding,
    TierTerms,
    VipTierChange,
    VipTierChangeNote,
)

LONGEST_HOLD = timedelta(days=3_660)
LONGEST_REASON = 1_000


class MoveRefused(DomainError):
    """The customer is not moved. The sentence says why."""

    code = "tier_move_refused"


class StandsThere(MoveRefused):
    """The customer stands there already, for as long."""

    code = "tier_stands_there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Where somebody is to stand. `until` is the last day on which that holds; None: until they are judged again."""

    tier_id: int | None
    reason: str
    until: date | None = None
    gives: bool = True  # the entry points and rewards, when it is upward


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the wish would do now, in sentences; or why it is refused."""

    effects: tuple[str, ...]
    fingerprint: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Situation:
    customer: Customer
    standing: TierStanding
    ladder: Ladder
    rules: TierRules
    programme: Programme
    held_until: datetime | None

    def upward(self, tier_id: int | None) -> bool:
        return self.ladder.place(tier_id) > self.ladder.place(self.customer.tier_id)

    def nothing_new(self, wish: Wish) -> bool:
        same_hold = self.standing.held_until == self.held_until
        return wish.tier_id == self.customer.tier_id and same_hold


def plan(*, customer_id: int, wish: Wish, now: datetime) -> Plan:
    """What would happen. Changes nothing."""
    try:
        found = _situation(customer_id, wish=wish, now=now, lock=False)
    except MoveRefused as refusal:
        return Plan(effects=(), refusal=refusal.sentence)
    return Plan(effects=_effects(found, wish=wish, now=now), fingerprint=_fingerprint(found, wish))


@transaction.atomic
def move(
    *,
    customer_id: int,
    wish: Wish,
    actor: Actor,
    now: datetime,
    fingerprint: str | None = None,
    cause: TierCause = TierCause.STAFF,
) -> VipTierChange | None:
    """Do it. None where they stand there already and only the time for which that holds is new.

    `fingerprint`: that of the plan that was shown, if one was. Raises MoveRefused, PlanOutdated.
    """
    found = _situation(customer_id, wish=wish, now=now, lock=True)
    if fingerprint is not None:
        plans.require_current(
            shown=fingerprint, current=_fingerprint(found, wish), subject="The customer's tier, or what you chose,"
        )
    standing, before = found.standing, found.customer.tier_id
    written = None
    if wish.tier_id != before:
        written = _write(found, wish=wish, actor=actor, now=now, cause=cause)
        standing.tier_id, standing.since, standing.changes = wish.tier_id, now, written.number
    standing.grace_until, standing.held_until = None, found.held_until
    standing.held_as, standing.held_tier_id = "", None
    if found.held_until is not None:
        rising = wish.tier_id is not None and (found.upward(wish.tier_id) or wish.tier_id == before)
        standing.held_as = HeldAs.FLOOR if rising else HeldAs.CEILING
        standing.held_tier_id = wish.tier_id
    standing.save()
    if written is None:
        log.record(
            kind="tier.held",
            subject_type="customer",
            subject_id=customer_id,
            customer_id=customer_id,
            actor=actor,
            now=now,
            tier_id=wish.tier_id,
        )
    return written


def _situation(customer_id: int, *, wish: Wish, now: datetime, lock: bool) -> _Situation:
    """Everything a move depends on. Raises MoveRefused."""
    programme, rules, steps = merchant.programme(), ladder.rules(), ladder.load()
    if lock:
        tier = Customer.objects.filter(pk=customer_id).values_list("tier_id", flat=True).first()
        TierStanding.objects.bulk_create(
            [TierStanding(customer_id=customer_id, tier_id=tier)] if Customer.objects.filter(pk=customer_id) else [],
            ignore_conflicts=True,
        )
        standing = TierStanding.objects.select_for_update().filter(pk=customer_id).first()
    else:
        standing = TierStanding.objects.filter(pk=customer_id).first()
    customer = Customer.objects.select_related("tier").filter(pk=customer_id).first()
    if customer is None:
        raise MoveRefused(f"There is no customer {customer_id}. Check the number.")
    if customer.state == CustomerState.DISABLED or customer.anonymised_at is not None:
        raise MoveRefused("This customer is excluded from the programme, so the tier stays. Let them take part first.")
    if wish.tier_id is not None and steps.rung(wish.tier_id) is None:
        raise MoveRefused("This tier is switched off, or gone. Choose one of those under “VIP tiers”.")
    if not wish.reason.strip() or len(wish.reason) > LONGEST_REASON:
        raise MoveRefused(f"Write why, in at most {LONGEST_REASON:,} characters. Customers do not read it.")
    found = _Situation(
        customer=customer,
        standing=standing or TierStanding(customer=customer, tier_id=customer.tier_id),
        ladder=steps,
        rules=rules,
        programme=programme,
        held_until=_end(wish.until, programme=programme, now=now),
    )
    if found.nothing_new(wish):
        raise StandsThere(f"{customer} stands there already. Choose another tier, or another day.")
    return found


def _end(until: date | None, *, programme: Programme, now: datetime) -> datetime | None:
    if until is None:
        return None
    today = now.astimezone(programme.zone).date()
    if not today <= until <= today + LONGEST_HOLD:
        raise MoveRefused(f"{until.isoformat()} is no day from today on within ten years. Choose another last day.")
    return clock.midnight(until + timedelta(days=1), programme.zone)


def _write(found: _Situation, *, wish: Wish, actor: Actor, now: datetime, cause: TierCause) -> VipTierChange:
    spans, measured = _measured(found, now=now)
    upward, target = found.upward(wish.tier_id), found.ladder.rung(wish.tier_id)
    one = Move(
        customer_id=found.customer.pk,
        number=found.standing.changes + 1,
        previous_id=found.customer.tier_id,
        current_id=wish.tier_id,
        upward=upward,
        cause=cause,
        measured=measured.best,
        threshold=target.milestone if target else None,
        gives=wish.gives,
        held_until=found.held_until,
    )
    (written,) = changing.write(
        moves=[one], rules=found.rules, zone=found.programme.zone, window=spans.now, actor=actor, now=now
    )
    VipTierChangeNote.objects.create(change=written, internal_note=wish.reason.strip())
    return written


def _measured(found: _Situation, *, now: datetime) -> tuple[windows.Windows, Measured]:
    spans = windows.at(rules=found.rules, zone=found.programme.zone, now=now)
    measured = measuring.measure(
        customer_ids=[found.customer.pk],
        basis=found.rules.basis,
        windows=spans,
        currency=found.programme.currency,
        now=now,
    )
    return spans, measured.get(found.customer.pk, Measured())


def _fingerprint(found: _Situation, wish: Wish) -> str:
    facts = (found.standing.changes, found.customer.tier_id, found.standing.held_until, wish.tier_id, wish.until)
    return plans.fingerprint({"facts": facts, "gives": wish.gives, "tiers": found.ladder.rungs})


def _effects(found: _Situation, *, wish: Wish, now: datetime) -> tuple[str, ...]:
    target, before = found.ladder.rung(wish.tier_id), found.customer.tier
    upward, said = found.upward(wish.tier_id), []
    if wish.tier_id == found.customer.tier_id:
        said.append(f"Stays in {before}." if before else "Stays without a tier.")
    elif target is None:
        said.append(f"Leaves {before}, and is in no tier.")
    else:
        start = f"from {before} " if before else ""
        said.append(f"Moves {'up' if upward else 'down'} {start}to {target.name}.")
    said.append(_lasts(found, wish=wish, now=now))
    if upward and target is not None:
        said.append(_gifts(target.tier_id) if wish.gives else "Nothing is given for it.")
    elif wish.tier_id != found.customer.tier_id:
        said.append("Rewards that were given before stay.")
    return tuple(said)


def _lasts(found: _Situation, *, wish: Wish, now: datetime) -> str:
    if wish.until is not None:
        return f"That holds until the end of {wish.until:%d %B %Y}; then what was earned or spent decides again."
    if not found.rules.enabled:
        return "Tiers are switched off, so it stays like that until they are switched on."
    reached = found.ladder.at(found.ladder.reached(_measured(found, now=now)[1].best))
    name = reached.name if reached else "no tier"
    return (
        "That holds until the customer is judged again: when points or orders change, at midnight at the latest. "
        f"What counts now leads to {name}. Give a last day to make it last."
    )


def _gifts(tier_id: int) -> str:
    terms = TierTerms.objects.get(pk=tier_id)
    gifts = [f"{terms.entry_points:,} points"] if terms.entry_points else []
    rewards = TierEntryReward.objects.filter(tier_id=tier_id).select_related("reward").order_by("pk")
    gifts += [f"“{entry.reward.name}”" for entry in rewards]
    if not gifts:
        return "Entering this tier gives nothing."
    return f"Is given {', '.join(gifts)}, unless that was given for this tier in this period already."
