"""Write that customers moved: the change, its event, the tier on the customer, and what the new tier gives.

The caller has locked their standings and writes those.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import connection

from loyalty.common.actors import Actor
from loyalty.events import log
from loyalty.program.tiers import gifts, windows
from loyalty.program.tiers.models import (
    TierCause,
    TierEntry,
    TierRules,
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
    giving, period = gifts.of_tiers(), windows.period_of_entry(rules=rules, zone=zone, now=now)
    risen = {(change.customer_id, change.current_tier_id or 0): change for change in changes}
    owed = gifts.owed(rises=risen, gifts=giving, rules=rules, zone=zone, now=now)
    TierEntry.objects.bulk_create(
        (
            TierEntry(
                customer_id=customer_id,
                tier_id=tier_id,
                period=period,
                change=change,
                points=giving[tier_id].points,
                reward_ids=list(giving[tier_id].reward_ids),
                created_at=now,
            )
            for (customer_id, tier_id), change in risen.items()
            if (customer_id, tier_id) in owed
        ),
        batch_size=ROWS_AT_ONCE,
        ignore_conflicts=True,
    )
