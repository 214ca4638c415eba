"""Record what shops tell of orders: once each, whatever repeats, in any order of arrival."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from loyalty.common import codes
from loyalty.common.actors import Actor
from loyalty.common.causes import Cause, CauseType
from loyalty.customers import contacts, enrollment
from loyalty.customers.models import Customer, CustomerState
from loyalty.events import log
from loyalty.merchant import queries as merchant
from loyalty.points import earning
from loyalty.program import refunds
from loyalty.program.models import Order, OrderCode, OrderRefund, OrderStatus
from platforms.adapter import ShopOrder
from rewards import usage
from rewards.usage import OrderUse, OrderVerdict


def record(
    *, connection_id: int, order: ShopOrder, returns_use_on_cancel: bool, actor: Actor, now: datetime
) -> list[OrderVerdict]:
    """Store the order's present state and let it take effect: points earned, codes used or given back.

    Older news than what is stored changes nothing. Gives back what it did to each of its codes; `NOT_YET` among them
    means: bring this order again later. The order, its points and each code are separate transactions, each repeatable.
    """
    stored = _store(connection_id=connection_id, order=order, actor=actor, now=now)
    if stored is None:
        return []
    if stored.status == OrderStatus.COMPLETED:
        _earn(stored, actor=actor, now=now)
    refunds.take_back(order=stored, actor=actor, now=now)
    if stored.status == OrderStatus.COMPLETED:
        return [
            usage.record_order_use(
                use=OrderUse(
                    connection_id=connection_id,
                    order_id=stored.external_id,
                    code=applied.code,
                    used_at=stored.placed_at,
                ),
                actor=actor,
                now=now,
            )
            for applied in order.codes
        ]
    if stored.status == OrderStatus.CANCELLED and returns_use_on_cancel:
        usage.record_use_returned(connection_id=connection_id, order_id=stored.external_id, actor=actor, now=now)
    return []


@transaction.atomic
def _store(*, connection_id: int, order: ShopOrder, actor: Actor, now: datetime) -> Order | None:
    """The order as stored now; None when we know newer news. Equal stamps may carry news: some shops count seconds."""
    customer = _customer(connection_id=connection_id, order=order, actor=actor, now=now)
    facts = {
        "number": order.number[:60],
        "customer": customer,
        "status": OrderStatus(order.status),
        "total": order.total,
        "refunded": min(sum((refund.amount for refund in order.refunds), Decimal(0)), order.total),
        "currency": order.currency,
        "placed_at": order.placed_at,
        "changed_at": order.updated_at,
    }
    stored, created = Order.objects.select_for_update(of=("self",)).get_or_create(
        connection_id=connection_id, external_id=order.external_id, defaults={**facts, "recorded_at": now}
    )
    news = created or stored.status != facts["status"]
    if not created:
        if order.updated_at < stored.changed_at:
            return None
        for name, value in facts.items():
            setattr(stored, name, value)
        stored.save()
    _store_parts(stored, order)
    if news:
        log.record(
            kind=f"order.{stored.status}",
            subject_type="order",
            subject_id=stored.pk,
            customer_id=customer.pk if customer is not None else None,
            actor=actor,
            now=now,
        )
    return stored


def _store_parts(stored: Order, order: ShopOrder) -> None:
    OrderCode.objects.filter(order=stored).delete()
    OrderCode.objects.bulk_create(
        OrderCode(order=stored, canonical=canonical, remote_id=applied.remote_id, discount=applied.discount)
        for canonical, applied in {codes.canonical(applied.code): applied for applied in order.codes}.items()
    )
    OrderRefund.objects.bulk_create(
        (
            OrderRefund(
                order=stored, external_id=refund.external_id, amount=refund.amount, refunded_at=refund.refunded_at
            )
            for refund in order.refunds
        ),
        ignore_conflicts=True,
    )


def _customer(*, connection_id: int, order: ShopOrder, actor: Actor, now: datetime) -> Customer | None:
    """Whose order it is; nobody's for a guest whose address cannot be read."""
    try:
        return enrollment.find_or_create_by_identity(
            connection_id=connection_id,
            external_id=order.customer_external_id,
            email=order.customer_email or None,
            actor=actor,
            now=now,
        )
    except (enrollment.UnidentifiedCustomer, contacts.InvalidEmail):
        return None


def _earn(stored: Order, *, actor: Actor, now: datetime) -> None:
    """Points for a completed order, once: one per whole unit of money, as the programme says."""
    programme = merchant.programme()
    points = int(stored.total) * programme.points_per_unit
    if stored.customer is None or stored.customer.state == CustomerState.DISABLED or points <= 0:
        return
    earning.earn(
        customer_id=stored.customer.pk,
        points=points,
        cause=Cause(CauseType.ORDER, stored.pk),
        actor=actor,
        programme=programme,
        earned_at=stored.placed_at,
        now=now,
        idempotency_key=refunds.earning_key(stored),
    )
