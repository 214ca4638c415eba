"""What customers earned or spent within a window, for many of them by one statement."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from loyalty.common.causes import CauseType
from loyalty.program.tiers.ladder import Measured
from loyalty.program.tiers.models import TierBasis
from loyalty.program.tiers.windows import BEGINNING, Windows

# Earned and adjusted points, at the time they count from; not those that cannot be spent yet, and not what tiers gave.
# What a refund or a canceled credit took back counts against the time of what it took back, also where the customer
# had spent it already. Spending, expiry and points that were moved change nothing.
# What whoever was merged into a customer earned and spent counts for that customer.
MEMBERS = """
WITH member AS (
    SELECT id, id AS person_id FROM customers_customer WHERE id = ANY(%(ids)s) AND merged_into_id IS NULL
    UNION ALL
    SELECT id, merged_into_id FROM customers_customer WHERE merged_into_id = ANY(%(ids)s)
),"""
POINTS = """
credit AS (
    SELECT entry.id, member.person_id AS customer_id, entry.kind, entry.effective_at, entry.points_change
    FROM member JOIN points_pointstransaction entry ON entry.customer_id = member.id
    WHERE entry.kind IN ('earning', 'adjustment')
      AND entry.cause_type <> %(own)s AND entry.effective_at >= %(from)s AND entry.effective_at < %(until)s
      AND NOT EXISTS (
          SELECT FROM points_pointslot lot WHERE lot.transaction_id = entry.id AND lot.available_at > %(now)s)
),
counted AS (
    SELECT customer_id, effective_at, points_change::bigint AS amount FROM credit
    UNION ALL
    SELECT credit.customer_id, credit.effective_at, -(taken.taken + taken.short)::bigint
    FROM points_pointsclawback taken JOIN credit ON credit.id = taken.earning_id
    UNION ALL
    SELECT credit.customer_id, credit.effective_at, undone.points_change::bigint
    FROM points_pointstransaction undone JOIN credit ON credit.id = undone.reverses_id
    WHERE undone.kind = 'cancellation' OR (undone.kind = 'reversal' AND credit.kind = 'adjustment')
)"""
# Completed orders in the programme's currency, less what was refunded of each.
MONEY = """
counted AS (
    SELECT member.person_id AS customer_id, placed_at AS effective_at, total - refunded AS amount
    FROM member JOIN program_order ON program_order.customer_id = member.id
    WHERE status = 'completed' AND currency = %(currency)s
      AND placed_at >= %(from)s AND placed_at < %(until)s
)"""
SUMS = """
SELECT customer_id,
    greatest(coalesce(sum(amount) FILTER (WHERE effective_at >= %(now_from)s), 0), 0)::numeric,
    greatest(coalesce(sum(amount) FILTER (
        WHERE effective_at >= %(before_from)s AND effective_at < %(before_until)s), 0), 0)::numeric
FROM counted GROUP BY customer_id"""


def measure(
    *, customer_ids: Sequence[int], basis: str, windows: Windows, currency: str, now: datetime
) -> dict[int, Measured]:
    """Customer id → what counts. Whoever has nothing that counts is left out."""
    before = windows.before
    parameters: dict[str, Any] = {
        "ids": list(customer_ids),
        "own": CauseType.VIP_TIER.value,
        "currency": currency,
        "now": now,
        "from": before.begins_at if before else windows.now.begins_at,
        "until": windows.now.ends_at,
        "now_from": windows.now.begins_at,
        "before_from": before.begins_at if before else BEGINNING,
        "before_until": before.ends_at if before else BEGINNING,
    }
    source = POINTS if basis == TierBasis.POINTS_EARNED else MONEY
    with connection.cursor() as cursor:
        cursor.execute(MEMBERS + source + SUMS, parameters)
        return {
            customer_id: Measured(value=Decimal(value), before=Decimal(earlier))
            for customer_id, value, earlier in cursor.fetchall()
        }
