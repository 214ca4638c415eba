"""Write that customers moved: the change, its event, the tier on the customer, and what the new tier gives.

The caller has locked their standings and writes those.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import connection

from loyalty.common.actors import Actor
from loyalty.events import log
from loyalty.program.tiers import windows
from loyalty.program.tiers.models import (
    TierCause,
    TierEntry,
    TierEntryReward,
    TierPeriod,
    TierRules,
    TierTerms,
    VipTierChange,
)
from loyalty.program.tiers.windows import Window

SUBJECT = "vip_tier_change"
ROWS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One customer leaves a tier for another; None is no tier. `number` is the customer's next."""

    customer_id: int
    number: int
    previous_id: int | None
    current_id: int | None
    upward: bool
    cause: TierCause
    measured: Decimal | None
    threshold: Decimal | None  # the milestone that was reached, or no longer is
    gives: bool  # the new tier's entry points and rewards, if it goes up
    held_until: datetime | None = None


def write(
    *, moves: Sequence[Move], rules: TierRules, zone: ZoneInfo, window: Window, actor: Actor, now: datetime
) -> list[VipTierChange]:
    """The changes that were written, in the order of the moves."""
    if not moves:
        return []
    _hand_over(moves, now=now)
    changes = VipTierChange.objects.bulk_create(
        (
            VipTierChange(
                customer_id=move.customer_id,
                number=move.number,
                previous_tier_id=move.previous_id,
                current_tier_id=move.current_id,
                upward=move.upward,
                cause=move.cause,
                actor_kind=actor.kind,
                actor_id=actor.id,
                basis=rules.basis,
                measured=move.measured,
                threshold=move.threshold,
                window_from=window.known_beginning,
                window_until=window.ends_at,
                held_until=move.held_until,
                changed_at=now,
            )
            for move in moves
        ),
        batch_size=ROWS_AT_ONCE,
    )
    log.record_many(
        kind="tier.changed",
        subject_type=SUBJECT,
        actor=actor,
        facts=[
            log.Fact(
                change.pk,
                change.customer_id,
                now,
                {
                    "previous_tier_id": change.previous_tier_id,
                    "current_tier_id": change.current_tier_id,
                    "cause": str(change.cause),
                },
            )
            for change in changes
        ],
    )
    rising = [change for move, change in zip(moves, changes, strict=True) if move.upward and move.gives]
    _open_entries(rising, rules=rules, zone=zone, now=now)
    return changes


def _hand_over(moves: Sequence[Move], *, now: datetime) -> None:
    """The tier on the customers, who are locked in the order of their ids, as everywhere."""
    ids, tiers = [move.customer_id for move in moves], [move.current_id for move in moves]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM customers_customer WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE", [ids]
        )
        cursor.execute(
            """
            UPDATE customers_customer AS person SET tier_id = moved.tier_id, updated_at = %s
            FROM unnest(%s::bigint[], %s::bigint[]) AS moved (id, tier_id) WHERE person.id = moved.id""",
            [now, ids, tiers],
        )


def _open_entries(changes: Sequence[VipTierChange], *, rules: TierRules, zone: ZoneInfo, now: datetime) -> None:
    """What the new tiers give is owed from here on, to each customer once in a period."""
    points = dict(TierTerms.objects.filter(active=True, entry_points__gt=0).values_list("tier_id", "entry_points"))
    rewards: dict[int, list[int]] = defaultdict(list)
    for offered in TierEntryReward.objects.order_by("pk"):
        rewards[offered.tier_id].append(offered.reward_id)
    giving = [change for change in changes if change.current_tier_id in points or change.current_tier_id in rewards]
    if not giving:
        return
    if rules.period == TierPeriod.ROLLING:
        recent = _entered_within(giving, rules=rules, zone=zone, now=now)
        giving = [change for change in giving if (change.customer_id, change.current_tier_id) not in recent]
    period = windows.period_of_entry(rules=rules, zone=zone, now=now)
    TierEntry.objects.bulk_create(
        (
            TierEntry(
                customer_id=change.customer_id,
                tier_id=tier_id,
                period=period,
                change=change,
                points=points.get(tier_id, 0),
                reward_ids=rewards.get(tier_id, []),
                created_at=now,
            )
            for change in giving
            if (tier_id := change.current_tier_id) is not None
        ),
        batch_size=ROWS_AT_ONCE,
        ignore_conflicts=True,
    )


def _entered_within(
    changes: Sequence[VipTierChange], *, rules: TierRules, zone: ZoneInfo, now: datetime
) -> set[tuple[int, int | None]]:
    """Who entered which tier less than a rolling period ago; their standings are locked, so nobody adds to it."""
    since: date = now.astimezone(zone).date() - timedelta(days=rules.rolling_days)
    entered = TierEntry.objects.filter(customer_id__in=[change.customer_id for change in changes])
    return {
        (customer_id, tier_id)
        for customer_id, tier_id, created_at in entered.values_list("customer_id", "tier_id", "created_at")
        if created_at.astimezone(zone).date() > since
    }
