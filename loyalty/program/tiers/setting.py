"""Set up the tiers and their rules. Who moves by that is found out by the workers, not by whoever saves."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import F, Max

from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.customers.models import Tier
from loyalty.events import log, reading
from loyalty.program.tiers import evaluation
from loyalty.program.tiers.models import TierEntryReward, TierRules, TierTerms

APART = 10_000  # ranks are moved out of the way by so much while they are given anew


class TierRefused(DomainError):
    """The tier cannot be like that. The sentence says why."""

    code = "tier_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a tier is called, asks for and gives. `milestone` is in points, or in money of the programme's currency."""

    name: str
    milestone: Decimal
    entry_points: int = 0
    reward_ids: Collection[int] = ()
    perks: Collection[str] = ()
    image_url: str = ""
    active: bool = True


@transaction.atomic
def save_tier(*, tier_id: int | None, terms: Terms, gives: bool, actor: Actor, now: datetime) -> Tier:
    """Add a tier, or change one; everybody is judged anew. Without `gives`, who rises by that is given nothing.

    Raises TierRefused.
    """
    rules, name = _rules_locked(), terms.name.strip()
    require_possible(tier_id=tier_id, terms=terms)
    if tier_id is None:
        highest = Tier.objects.aggregate(highest=Max("rank"))["highest"] or 0
        tier = Tier.objects.create(name=name, rank=highest + 1)
    else:
        tier = Tier.objects.get(pk=tier_id)  # under the lock of the rules, as all who change tiers
        tier.name = name
        tier.save(update_fields=["name"])
    TierTerms.objects.update_or_create(
        tier=tier,
        defaults={
            "milestone": terms.milestone,
            "entry_points": terms.entry_points,
            "perks": list(terms.perks),
            "image_url": terms.image_url,
            "active": terms.active,
        },
    )
    rows = TierEntryReward.objects.filter(tier=tier)
    rows.exclude(reward_id__in=terms.reward_ids).delete()
    TierEntryReward.objects.bulk_create(
        (TierEntryReward(tier=tier, reward_id=pk) for pk in terms.reward_ids), ignore_conflicts=True
    )
    _give_ranks()
    _judge_anew(rules, gives=gives, now=now)
    log.record(kind="tier.saved", subject_type="tier", subject_id=tier.pk, actor=actor, now=now, active=terms.active)
    return tier


def require_possible(*, tier_id: int | None, terms: Terms) -> None:
    """Refuse a name or a milestone that another tier has. Raises TierRefused."""
    name = terms.name.strip()
    if not name or Tier.objects.filter(name__iexact=name).exclude(pk=tier_id or 0).exists():
        raise TierRefused("Another tier has this name. Choose one of its own.")
    same = (
        TierTerms.objects.filter(milestone=terms.milestone, active=True).exclude(pk=tier_id or 0).select_related("tier")
    )
    if terms.active and (other := same.first()) is not None:
        raise TierRefused(f"“{other.tier}” begins there already. Choose another milestone.")


@transaction.atomic
def save_rules(*, rules: TierRules, gives: bool, actor: Actor, now: datetime, fields: Collection[str]) -> None:
    """Keep changed rules; everybody is judged anew. Without `gives`, who rises by that is given nothing."""
    before = _rules_locked()
    if rules.enabled and not before.enabled:
        reading.begin_now(reader=evaluation.READER)  # everybody is marked, so what happened before need not be read
    rules.mark_quietly = before.mark_quietly
    _judge_anew(rules, gives=gives, now=now)
    log.record(
        kind="tier.rules_changed", subject_type="tier_rules", subject_id=1, actor=actor, now=now, fields=sorted(fields)
    )


@transaction.atomic
def remove_tier(*, tier_id: int, actor: Actor, now: datetime) -> None:
    """Delete a tier that nobody was ever in and no reward is for. Raises TierRefused."""
    try:
        with transaction.atomic():
            Tier.objects.filter(pk=tier_id).delete()
    except IntegrityError as error:  # ProtectedError is one
        raise TierRefused("Somebody was in this tier, or a reward is for it. Switch it off instead.") from error
    log.record(kind="tier.removed", subject_type="tier", subject_id=tier_id, actor=actor, now=now)


def _rules_locked() -> TierRules:
    TierRules.objects.get_or_create(pk=1)
    return TierRules.objects.select_for_update().get(pk=1)


def _judge_anew(rules: TierRules, *, gives: bool, now: datetime) -> None:
    rules.marked_on, rules.marked_up_to = None, None
    rules.mark_quietly, rules.changed_at = rules.mark_quietly or not gives, now
    rules.save()


def _give_ranks() -> None:
    """Ranks follow the milestones. Tiers without terms, and those that are switched off, stand below."""
    order = list(
        Tier.objects.order_by(
            F("terms__active").asc(nulls_first=True), F("terms__milestone").asc(nulls_first=True), "rank"
        ).values_list("pk", flat=True)
    )
    Tier.objects.filter(rank__lt=APART).update(rank=F("rank") + APART)
    for rank, pk in enumerate(order, start=1):
        Tier.objects.filter(pk=pk).update(rank=rank)
