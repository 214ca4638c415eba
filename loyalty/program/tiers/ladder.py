"""The tiers there are, from the lowest milestone to the highest, and the tier that figures lead to."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from loyalty.common import clock
from loyalty.program.tiers.models import HeldAs, TierRules, TierTerms

OUTSIDE = -1  # below the lowest tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One tier that can be reached."""

    tier_id: int
    name: str
    milestone: Decimal
    image_url: str = ""
    perks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ladder:
    """Tiers by rising milestone."""

    rungs: tuple[Rung, ...]

    def place(self, tier_id: int | None) -> int:
        """Where a tier stands, from 0; OUTSIDE for none and for one that cannot be reached any more."""
        return next((place for place, rung in enumerate(self.rungs) if rung.tier_id == tier_id), OUTSIDE)

    def reached(self, value: Decimal) -> int:
        """The place that value leads to."""
        return sum(rung.milestone <= value for rung in self.rungs) - 1

    def at(self, place: int) -> Rung | None:
        return self.rungs[place] if 0 <= place < len(self.rungs) else None

    def rung(self, tier_id: int | None) -> Rung | None:
        return self.at(self.place(tier_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What counts: in the present window, and in the year before where a tier may rest on it."""

    value: Decimal = Decimal(0)
    before: Decimal = Decimal(0)

    @property
    def best(self) -> Decimal:
        return max(self.value, self.before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where somebody stands, as a judgement reads and writes it."""

    tier_id: int | None
    grace_until: datetime | None = None
    held_as: str = ""
    held_tier_id: int | None = None
    held_until: datetime | None = None


def rules() -> TierRules:
    """The rules, as they are for a new installation when nobody has set any: switched off."""
    return TierRules.objects.get_or_create(pk=1)[0]


def load() -> Ladder:
    """The tiers that can be reached now."""
    terms = TierTerms.objects.filter(active=True).select_related("tier").order_by("milestone", "pk")
    return Ladder(
        tuple(
            Rung(
                tier_id=each.pk,
                name=each.tier.name,
                milestone=each.milestone,
                image_url=each.image_url,
                perks=tuple(each.perks),
            )
            for each in terms
        )
    )


def judge(*, ladder: Ladder, place: Place, measured: Measured, grace_days: int, zone: ZoneInfo, now: datetime) -> Place:
    """Where somebody is to stand, from what was measured: up at once, down after the days of grace.

    What staff hold stands until its day: nobody falls below a floor or rises above a ceiling. When a floor ends, the
    fall it held up needs no further grace.
    """
    held = place.held_until is not None and place.held_until > now
    reached, stands = ladder.reached(measured.best), ladder.place(place.tier_id)
    if held and place.held_as == HeldAs.FLOOR:
        reached = max(reached, ladder.place(place.held_tier_id))
    if held and place.held_as == HeldAs.CEILING:
        reached = min(reached, ladder.place(place.held_tier_id))
    hold = (place.held_as, place.held_tier_id, place.held_until) if held else ("", None, None)
    tier_id, grace_until = place.tier_id, None
    if reached >= stands or stands == OUTSIDE:
        rung = ladder.at(reached)
        tier_id = rung.tier_id if rung is not None else None
    else:
        ended = place.held_until is not None and not held
        grace_until = place.grace_until or clock.end_of_day(now, grace_days, zone)
        if not grace_days or ended or grace_until <= now:
            rung = ladder.at(reached)
            tier_id, grace_until = (rung.tier_id if rung is not None else None), None
    return Place(tier_id=tier_id, grace_until=grace_until, held_as=hold[0], held_tier_id=hold[1], held_until=hold[2])
