"""Where customers are to stand by given rules and tiers: what the workers do, and what staff are shown before. Writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from loyalty.customers.models import CustomerState
from loyalty.merchant.models import Programme
from loyalty.program.tiers import ladder, measuring, windows
from loyalty.program.tiers.changing import Move
from loyalty.program.tiers.ladder import Ladder, Measured, Place
from loyalty.program.tiers.models import TierCause, TierRules

FIGURES = (
    "customer_id", "tier_id", "changes", "grace_until", "held_as", "held_tier_id", "held_until", "quiet",
    "customer__state", "customer__anonymised_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One standing as it is to be written."""

    customer_id: int
    place: Place
    measured: Measured
    move: Move | None


def judge(
    *, rows: Sequence[tuple], steps: Ladder, rules: TierRules, programme: Programme, now: datetime
) -> list[Judged]:
    """Where each of these customers is to stand, measured by one statement. `rows`: the FIGURES of each standing."""
    measured = measuring.measure(
        customer_ids=[row[0] for row in rows],
        basis=rules.basis,
        windows=windows.at(rules=rules, zone=programme.zone, now=now),
        currency=programme.currency,
        now=now,
    )
    return [
        _one(row, steps=steps, measured=measured.get(row[0], Measured()), rules=rules, programme=programme, now=now)
        for row in rows
    ]


def _one(
    row: tuple, *, steps: Ladder, measured: Measured, rules: TierRules, programme: Programme, now: datetime
) -> Judged:
    """Excluded and anonymised customers are measured, and stay where they are."""
    customer_id, tier_id, changes, grace_until, held_as, held_tier_id, held_until, quiet, state, erased_at = row
    before = Place(
        tier_id=tier_id, grace_until=grace_until, held_as=held_as, held_tier_id=held_tier_id, held_until=held_until
    )
    if state == CustomerState.DISABLED or erased_at is not None:
        return Judged(customer_id=customer_id, place=before, measured=measured, move=None)
    after = ladder.judge(
        ladder=steps, place=before, measured=measured, grace_days=rules.grace_days, zone=programme.zone, now=now
    )
    move = None
    if after.tier_id != tier_id:
        known = tier_id is None or steps.rung(tier_id) is not None
        upward = known and steps.place(after.tier_id) > steps.place(tier_id)
        decisive = steps.rung(after.tier_id if upward else tier_id)
        move = Move(
            customer_id=customer_id,
            number=changes + 1,
            previous_id=tier_id,
            current_id=after.tier_id,
            upward=upward,
            cause=TierCause.REACHED if upward else TierCause.LOST,
            measured=measured.best,
            threshold=decisive.milestone if decisive else None,
            gives=not quiet,
        )
    return Judged(customer_id=customer_id, place=after, measured=measured, move=move)
