"""The figures of one simulated month, from the rows: by when things count, not by when they were written down."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from django.db import connection
from django.db.models import Count

from loyalty.customers.models import Customer
from loyalty.program import imports

LEDGER = """
SELECT coalesce(sum(points_change) FILTER (WHERE kind = 'earning' AND effective_at >= %(begins)s), 0),
    -coalesce(sum(points_change) FILTER (WHERE kind = 'redemption' AND effective_at >= %(begins)s), 0),
    -coalesce(sum(points_change) FILTER (WHERE kind = 'expiry' AND effective_at >= %(begins)s), 0),
    coalesce(sum(points_change), 0)
FROM points_pointstransaction WHERE effective_at < %(ends)s"""
OTHERS = """
SELECT (SELECT count(*) FROM events_event WHERE kind = 'customer.enrolled' AND occurred_at < %(ends)s),
    (SELECT count(*) FROM program_order WHERE placed_at >= %(begins)s AND placed_at < %(ends)s),
    (SELECT coalesce(sum(cardinality(reward_ids)), 0) FROM program_tierentry
     WHERE state = 'given' AND created_at >= %(begins)s AND created_at < %(ends)s)"""
HEADER = (
    f"{'month':7} {'members':>8} {'orders':>7} {'earned':>9} {'spent':>7} {'expired':>9} {'liability':>10} "
    f"{'entry rewards':>13}  tiers"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One month; `tiers` are how many stand in each at its end. The liability is in points: all that are outstanding."""

    month: str
    members: int
    orders: int
    earned: int
    spent: int
    expired: int
    liability: int
    entry_rewards: int
    tiers: dict[str, int]

    def __str__(self) -> str:
        tiers = ", ".join(f"{name} {count:,}" for name, count in self.tiers.items()) or "nobody"
        return (
            f"{self.month:7} {self.members:8,} {self.orders:7,} {self.earned:9,} {self.spent:7,} {self.expired:9,} "
            f"{self.liability:10,} {self.entry_rewards:13,}  {tiers}"
        )


def in_money(points: int, *, value: Decimal | None) -> str:
    """The liability at the end in a sentence: points times the value of one, in the purchases' currency, or unknown."""
    if value is None:
        return f"Liability at the end: {points:,} points; in money unknown without --point-value."
    worth = (points * value).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return f"Liability at the end: {points:,} points × {value:f} {imports.CURRENCY} = {worth:,} {imports.CURRENCY}."


def of_month(*, month: str, begins_at: datetime, ends_at: datetime) -> Figures:
    """The month from one instant until another (exclusive). Who stands where is read as it is now."""
    parameters = {"begins": begins_at, "ends": ends_at}
    with connection.cursor() as cursor:
        cursor.execute(LEDGER, parameters)
        earned, spent, expired, liability = (int(each) for each in cursor.fetchone())
        cursor.execute(OTHERS, parameters)
        members, orders, entry_rewards = (int(each) for each in cursor.fetchone())
    standing = Customer.objects.filter(tier__isnull=False).values_list("tier__name").order_by("tier__rank")
    return Figures(
        month=month,
        members=members,
        orders=orders,
        earned=earned,
        spent=spent,
        expired=expired,
        liability=liability,
        entry_rewards=entry_rewards,
        tiers=dict(standing.annotate(count=Count("pk"))),
    )
