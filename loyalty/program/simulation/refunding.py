"""Refund every order of a simulation in full, and look whether every balance came to what it must be."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from loyalty.common.causes import CauseType
from loyalty.customers.models import Customer
from loyalty.points.models import PointsShortfall
from loyalty.program import imports
from loyalty.program.earning.models import AwardState, EarningAward
from loyalty.program.models import Order
from loyalty.program.simulation import running

AT_ONCE = 2_000
# What the lots hold that came by no order: the customer keeps all of that, and nothing else.
NOT_FROM_ORDERS = """
SELECT account.customer_id, account.balance, coalesce(kept.points, 0) AS kept
FROM points_pointsaccount account
LEFT JOIN (
    SELECT lot.customer_id, sum(lot.remaining) AS points
    FROM points_pointslot lot JOIN points_pointstransaction entry ON entry.id = lot.transaction_id
    WHERE entry.cause_type <> %(order)s GROUP BY lot.customer_id) kept USING (customer_id)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunded:
    """What refunding everything did, and how many customers it left with something else than they must have."""

    points: int  # taken back
    accounts: int
    kept: int  # points for joining and for entering tiers that have not ended
    wrong_balances: int
    shortfalls: int
    standing_awards: int  # of orders: none may stand
    in_tiers: int  # nobody has spent anything any more

    @property
    def is_right(self) -> bool:
        return not (self.wrong_balances or self.shortfalls or self.standing_awards or self.in_tiers)

    def __str__(self) -> str:
        return (
            f"All orders refunded: {self.points:,} points taken back; {self.accounts - self.wrong_balances:,} of "
            f"{self.accounts:,} balances are what they must be ({self.kept:,} points for joining and for tiers); "
            f"{self.shortfalls:,} shortfalls, {self.standing_awards:,} awards of orders that still stand, "
            f"{self.in_tiers:,} customers in a tier."
        )


def refund_all(*, now: datetime) -> Refunded:
    """Refund all orders at that instant, judge everybody, and compare each balance with what it was made of before."""
    with connection.cursor() as cursor:
        cursor.execute(NOT_FROM_ORDERS, {"order": CauseType.ORDER.value})
        expected = {customer_id: int(kept) for customer_id, _, kept in cursor.fetchall()}
    ids = list(Order.objects.order_by("pk").values_list("pk", flat=True))
    points = sum(
        imports.refund(order_ids=ids[first : first + AT_ONCE], now=now) for first in range(0, len(ids), AT_ONCE)
    )
    running.settle(now=now)
    with connection.cursor() as cursor:
        cursor.execute(NOT_FROM_ORDERS, {"order": CauseType.ORDER.value})
        balances = {customer_id: int(balance) for customer_id, balance, _ in cursor.fetchall()}
    standing = EarningAward.objects.filter(order__isnull=False, order__total__gt=0)
    return Refunded(
        points=points,
        accounts=len(balances),
        kept=sum(expected.values()),
        wrong_balances=sum(balances[pk] != expected.get(pk) for pk in balances),
        shortfalls=PointsShortfall.objects.count(),
        standing_awards=standing.exclude(state=AwardState.UNDONE).count(),
        in_tiers=Customer.objects.filter(tier__isnull=False).count(),
    )
