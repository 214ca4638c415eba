"""Points for tests, always through the ledger."""

from datetime import UTC, datetime

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.customers.models import Customer
from loyalty.points import ledger
from loyalty.points.models import PointsTransaction, TransactionKind

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

NO_ORDER = 4_711_000  # the number of no order: one that a test made could have earned already


def give(
    customer: Customer,
    points: int,
    *,
    now: datetime = NOW,
    expires_at: datetime | None = None,
    available_at: datetime | None = None,
    idle_days: int | None = None,
) -> PointsTransaction:
    """Credit points to a customer, as if an order had earned them."""
    return ledger.credit(
        customer_id=customer.pk,
        points=points,
        kind=TransactionKind.EARNING,
        cause=Cause(CauseType.ORDER, NO_ORDER),
        actor=SYSTEM,
        now=now,
        available_at=available_at,
        expires_at=expires_at,
        idle_days=idle_days,
    )
