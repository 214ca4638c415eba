"""Record what shops tell of orders: once each, whatever repeats, in any order of arrival."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from loyalty.common import codes
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.customers import contacts, enrollment
from loyalty.customers.models import Customer, CustomerState
from loyalty.events import log
from loyalty.merchant import queries as merchant
from loyalty.program.earning import orders as earning
from loyalty.program.models import Order, OrderCode, OrderItem, OrderRefund, OrderStatus
from loyalty.program.referrals import judging
from platforms.adapter import AppliedCode, ShopItem, ShopOrder, ShopRefund
from platforms.adapter import OrderStatus as ShopOrderStatus
from platforms.adapter import PaymentState as ShopPaymentState
from rewards import usage
from rewards.holders import OrderUse
from rewards.usage import OrderVerdict

# An order's course: news of one instant never takes it back.
COURSE = (OrderStatus.PLACED, OrderStatus.COMPLETED, OrderStatus.CANCELLED)
MOST_MONEY = 10**10
LONGEST_ID = 120
LONGEST_CODE = 60
MOST_ITEMS = 1_000
MOST_PIECES = 10**6


class OrderUnusable(DomainError):
    """The shop tells something of the order that cannot be kept; nothing of it was recorded."""

    code = "order_unusable"


def record(
    *, connection_id: int | None, order: ShopOrder, returns_use_on_cancel: bool, actor: Actor, now: datetime
) -> list[OrderVerdict]:
    """Store the order's present state and let it take effect: codes used or given back, points earned.

    Older news than what is stored changes nothing. Gives back what it did to each of its codes; `NOT_YET` among them
    means: bring this order again later. The order, its points and each code are separate transactions, each repeatable.
    Raises OrderUnusable.
    """
    _require_usable(order)
    stored = _store(connection_id=connection_id, order=order, actor=actor, now=now)
    if stored is None:
        return []
    verdicts = _take_effect(
        stored,
        order,
        connection_id=connection_id,
        returns_use_on_cancel=returns_use_on_cancel,
        actor=actor,
        now=now,
    )
    if stored.customer_id is not None:
        judging.by_orders(friend_id=stored.customer_id, now=now)
    return verdicts


def _take_effect(
    stored: Order,
    order: ShopOrder,
    *,
    connection_id: int | None,
    returns_use_on_cancel: bool,
    actor: Actor,
    now: datetime,
) -> list[OrderVerdict]:
    if stored.status == OrderStatus.COMPLETED:
        found = [
            _use(stored, connection_id=connection_id, code=applied.code, actor=actor, now=now)
            for applied in order.codes
        ]
        _earn(stored, actor=actor, now=now)
        _take_back(stored, actor=actor, now=now)
        return [verdict for verdict in found if verdict is not None]
    if stored.status == OrderStatus.CANCELLED:
        _take_back(stored, actor=actor, now=now)
    if stored.status == OrderStatus.CANCELLED and not returns_use_on_cancel:
        _note_spent(stored, connection_id=connection_id, actor=actor, now=now)
    if stored.status == OrderStatus.CANCELLED and returns_use_on_cancel:
        _give_back(stored, connection_id=connection_id, actor=actor, now=now)
        _use_by_others(stored, connection_id=connection_id, actor=actor, now=now)
    return []


def cancel_told(*, external_id: str, actor: Actor, now: datetime) -> bool:
    """Cancel an order that an integrator told of and says is gone; False when there is none. Again changes nothing."""
    stored = Order.objects.filter(connection=None, external_id=external_id).first()
    if stored is None:
        return False
    if stored.status != OrderStatus.CANCELLED:
        told = ShopOrder(
            external_id=stored.external_id,
            number=stored.number,
            status=ShopOrderStatus.CANCELLED,
            placed_at=stored.placed_at,
            updated_at=max(stored.changed_at, now),
            total=stored.total,
            currency=stored.currency,
            rewardable_total=stored.rewardable_total,
            tax=stored.tax,
            shipping=stored.shipping,
            discounts=stored.discounts,
            payment_state=ShopPaymentState(stored.payment_state),
            refunds=tuple(
                ShopRefund(external_id=each.external_id, amount=each.amount, refunded_at=each.refunded_at)
                for each in stored.refunds.order_by("pk")
            ),
            codes=tuple(AppliedCode(code=each.canonical) for each in stored.codes.order_by("pk")),
        )
        record(connection_id=None, order=told, returns_use_on_cancel=True, actor=actor, now=now)
    return True


def _require_usable(order: ShopOrder) -> None:
    """Raises OrderUnusable for what no column holds. What is only shown is cut instead."""
    discounts = [abs(code.discount) for code in order.codes if code.discount is not None]
    parts = [part for part in (order.tax, order.shipping, order.discounts) if part is not None]
    items = order.items or ()
    amounts = [order.total, *(refund.amount for refund in order.refunds), *discounts, *parts]
    amounts += [amount for item in items for amount in (item.amount, item.tax) if amount is not None]
    if not all(0 <= amount < MOST_MONEY for amount in amounts):
        raise OrderUnusable(f"Order {order.number[:60]}: an amount is negative or too large. Look at it in the shop.")
    ids = [order.external_id, *(refund.external_id for refund in order.refunds)]
    fits = all(0 < len(text) <= LONGEST_ID for text in ids) and len(order.customer_external_id) <= LONGEST_ID
    if not fits or len(order.currency) != 3:
        raise OrderUnusable(f"Order {order.number[:60]}: an id or its currency does not fit. Look at it in the shop.")
    if len(items) > MOST_ITEMS or not all(_item_fits(item) for item in items):
        raise OrderUnusable(f"Order {order.number[:60]}: its items do not fit. Look at it in the shop.")
    moments = [order.placed_at, order.updated_at, *(refund.refunded_at for refund in order.refunds)]
    if not all(1970 <= moment.year < 2200 for moment in moments):
        raise OrderUnusable(f"Order {order.number[:60]}: one of its dates cannot be. Look at it in the shop.")


def _item_fits(item: ShopItem) -> bool:
    names = (item.product, *(item.categories or ()))
    fits = all(0 < len(name) <= LONGEST_ID for name in names) and 0 <= item.quantity <= MOST_PIECES
    return fits and (item.tax is None or item.tax <= item.amount)


@transaction.atomic
def _store(*, connection_id: int | None, order: ShopOrder, actor: Actor, now: datetime) -> Order | None:
    """The order as stored now; None when we know newer news.

    Equal stamps may carry news, for some shops count seconds: an order then only goes on, never back.
    """
    customer = _customer(connection_id=connection_id, order=order, actor=actor, now=now)
    facts = {
        "number": order.number[:60],
        "customer": customer,
        "status": OrderStatus(order.status),
        "total": order.total,
        "refunded": min(sum((refund.amount for refund in order.refunds), Decimal(0)), order.total),
        "rewardable_total": _rewardable(order),
        "tax": order.tax,
        "shipping": order.shipping,
        "discounts": order.discounts,
        "payment_state": str(order.payment_state),
        "currency": order.currency,
        "placed_at": order.placed_at,
        "changed_at": order.updated_at,
    }
    stored, created = Order.objects.select_for_update(of=("self",)).get_or_create(
        connection_id=connection_id, external_id=order.external_id, defaults={**facts, "recorded_at": now}
    )
    news = created or stored.status != facts["status"]
    sums = (stored.total, stored.refunded, stored.customer_id)
    if not created:
        if (order.updated_at, COURSE.index(facts["status"])) < (stored.changed_at, COURSE.index(stored.status)):
            return None
        if stored.customer_id is not None:  # whoever it earned for; a shop may forget its customers
            facts["customer"] = stored.customer
        for name, value in facts.items():
            setattr(stored, name, value)
        stored.save()
    _store_parts(stored, order)
    if news or sums != (stored.total, stored.refunded, stored.customer_id):
        log.record(
            kind=f"order.{stored.status}" if news else "order.changed",
            subject_type="order",
            subject_id=stored.pk,
            customer_id=stored.customer_id,
            actor=actor,
            now=now,
        )
    return stored


def _rewardable(order: ShopOrder) -> Decimal | None:
    """What the shop lets earn: never less than nothing, never more than the order."""
    if order.rewardable_total is None:
        return None
    return min(max(order.rewardable_total, Decimal(0)), order.total)


def _store_parts(stored: Order, order: ShopOrder) -> None:
    if order.items is not None:
        OrderItem.objects.filter(order=stored).delete()
        OrderItem.objects.bulk_create(
            OrderItem(
                order=stored,
                position=position,
                product=item.product,
                categories=None if item.categories is None else sorted(set(item.categories)),
                quantity=item.quantity,
                amount=item.amount,
                tax=item.tax,
            )
            for position, item in enumerate(order.items)
        )
    OrderCode.objects.filter(order=stored).delete()
    OrderCode.objects.bulk_create(
        OrderCode(
            order=stored, canonical=canonical, remote_id=applied.remote_id[:LONGEST_ID], discount=applied.discount
        )
        for canonical, applied in {
            codes.canonical(applied.code)[:LONGEST_CODE]: applied for applied in order.codes
        }.items()
    )
    OrderRefund.objects.bulk_create(
        (
            OrderRefund(
                order=stored, external_id=refund.external_id, amount=refund.amount, refunded_at=refund.refunded_at
            )
            for refund in order.refunds
            if refund.amount > 0
        ),
        ignore_conflicts=True,
    )


def _customer(*, connection_id: int | None, order: ShopOrder, actor: Actor, now: datetime) -> Customer | None:
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


@transaction.atomic
def _use(stored: Order, *, connection_id: int | None, code: str, actor: Actor, now: datetime) -> OrderVerdict | None:
    """What the order does to one code; None when newer news came meanwhile, which sees to the codes itself."""
    if not _still_as(stored):
        return None
    return usage.record_order_use(
        use=OrderUse(
            connection_id=connection_id,
            order_id=stored.external_id,
            code=code,
            used_at=stored.placed_at,
            customer_id=stored.customer_id,
        ),
        actor=actor,
        now=now,
    )


@transaction.atomic
def _give_back(stored: Order, *, connection_id: int | None, actor: Actor, now: datetime) -> None:
    """Make what a canceled order had used usable again."""
    if _still_as(stored):
        usage.record_use_returned(connection_id=connection_id, order_id=stored.external_id, actor=actor, now=now)


@transaction.atomic
def _note_spent(stored: Order, *, connection_id: int | None, actor: Actor, now: datetime) -> None:
    """In this shop a code stays used when its order is canceled: staff are told."""
    if _still_as(stored):
        usage.record_code_spent(connection_id=connection_id, order_id=stored.external_id, actor=actor, now=now)


def _use_by_others(stored: Order, *, connection_id: int | None, actor: Actor, now: datetime) -> None:
    """A code that a canceled order gave back is used after all when another completed order carries it."""
    carried = OrderCode.objects.filter(
        canonical__in=stored.codes.values("canonical"),
        order__connection_id=connection_id,
        order__status=OrderStatus.COMPLETED,
    )
    for entry in carried.select_related("order").order_by("order__placed_at", "pk"):
        _use(entry.order, connection_id=connection_id, code=entry.canonical, actor=actor, now=now)


def _still_as(stored: Order) -> bool:
    """Whether the order is what we stored; it then stays so until the transaction ends."""
    same = Order.objects.filter(pk=stored.pk, status=stored.status, changed_at=stored.changed_at)
    return same.select_for_update().first() is not None


@transaction.atomic
def _earn(stored: Order, *, actor: Actor, now: datetime) -> None:
    """What a completed order earns by the rules and the programme's rate, once."""
    if stored.customer is None or stored.customer.state == CustomerState.DISABLED:
        return
    if _still_as(stored):
        earning.earn(order=stored, programme=merchant.programme(), actor=actor, now=now)


@transaction.atomic
def _take_back(stored: Order, *, actor: Actor, now: datetime) -> None:
    """What a refund, or the cancellation, takes back."""
    if _still_as(stored):
        earning.take_back(order=stored, actor=actor, now=now)
