"""What a refunded or canceled order takes back of the points it earned."""

from datetime import datetime

from loyalty.common.actors import Actor
from loyalty.points import clawback
from loyalty.points.models import PointsTransaction
from loyalty.program.models import Order, OrderStatus


def take_back(*, order: Order, actor: Actor, now: datetime) -> None:
    """Claw back the refunded share of what the order earned; all of it when it was canceled. Safe to repeat."""
    refunded = order.total if order.status == OrderStatus.CANCELLED else order.refunded
    earning_id = (
        PointsTransaction.objects.filter(idempotency_key=earning_key(order)).values_list("pk", flat=True).first()
    )
    if earning_id is not None and refunded > 0:
        clawback.claw_back(earning_id=earning_id, refunded=refunded, total=order.total, actor=actor, now=now)


def earning_key(order: Order) -> str:
    """The idempotency key under which an order earns, once."""
    return f"order:{order.pk}"
