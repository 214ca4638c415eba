"""What an order earns: read from its row, judged, and given once; what it comes to when money goes back."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.db.models import Q

from loyalty.common.actors import Actor
from loyalty.common.causes import Cause, CauseType
from loyalty.merchant.models import Programme
from loyalty.points import clawback, locking
from loyalty.points.models import PointsTransaction
from loyalty.program.earning import awarding, facts, rules
from loyalty.program.earning.awarding import Happening
from loyalty.program.earning.facts import Item, OrderFacts, Terms
from loyalty.program.earning.models import AwardState, EarningAward, RuleKind
from loyalty.program.models import Order, OrderItem, OrderStatus
from rewards import cancellation
from rewards.cancellation import CancellationRefused

STANDING = (AwardState.GIVEN, AwardState.WAITING, AwardState.REFUSED)


def earn(*, order: Order, programme: Programme, actor: Actor, now: datetime) -> None:
    """Give what a completed order earns, once: it stays so when its total, its buyer or a rule changes later.

    The caller has locked the order's row. Raises UnknownCustomer, InvalidPoints.
    """
    terms = rules.for_orders(programme=programme)
    if order.customer_id is None or not terms or _has_earned(order):
        return
    happening = happening_of(order, facts_of(order, terms))
    awarding.award(happening=happening, terms=terms, programme=programme, actor=actor, now=now)


def happening_of(order: Order, seen: OrderFacts) -> Happening:
    """An order with a buyer, as something to be judged."""
    return Happening(
        customer_id=order.customer_id or 0,
        kinds=facts.ORDER_KINDS,
        at=order.placed_at,
        prefix=key(order),
        cause=Cause(CauseType.ORDER, order.pk),
        order=seen,
        order_id=order.pk,
    )


def facts_of(order: Order, terms: Iterable[Terms]) -> OrderFacts:
    """The order as these rules see it; whether it is the buyer's first is looked up where one of them asks."""
    is_first = any(each.kind == RuleKind.FIRST_ORDER for each in terms) and not _completed_before(order)
    return facts_from(order, order.items.order_by("position"), is_first=is_first)


def facts_from(order: Order, told: Iterable[OrderItem], *, is_first: bool) -> OrderFacts:
    """The order and its items, in their order."""
    items = tuple(
        Item(
            product=item.product,
            amount=item.amount,
            quantity=item.quantity,
            tax=item.tax,
            categories=None if item.categories is None else frozenset(item.categories),
        )
        for item in told
    )
    return OrderFacts(
        total=order.total,
        currency=order.currency,
        rewardable_total=order.rewardable_total,
        tax=order.tax,
        shipping=order.shipping,
        items=items or None,
        is_first=is_first,
    )


def take_back(*, order: Order, actor: Actor, now: datetime) -> None:
    """Claw back the refunded share of all that the order earned; all of it when it was canceled. Safe to repeat.

    Each award gives back its share rounded down, and all of it with the last refund. Rewards go back with the whole
    order only: those that wait vanish, unused ones are canceled, and one that was used stays for a person to see.
    """
    share = refunded_share(order)
    if share is None:
        return
    for earning_id in _earnings(order):
        clawback.claw_back(earning_id=earning_id, refunded=share[0], total=share[1], actor=actor, now=now)
    if is_lost(order):
        undo(order, actor=actor, now=now)


def is_lost(order: Order) -> bool:
    """Whether it came to nothing: canceled, or refunded in full."""
    return order.status == OrderStatus.CANCELLED or (order.total > 0 and order.refunded >= order.total)


def refunded_share(order: Order) -> tuple[Decimal, Decimal] | None:
    """How much was refunded, of how much; None when nothing was."""
    total = order.total or Decimal(1)
    refunded = total if is_lost(order) else order.refunded
    return (refunded, total) if refunded > 0 else None


def key(order: Order) -> str:
    """The idempotency key under which an order earns by the programme's rate, and the beginning of all others."""
    return f"order:{order.pk}"


def _has_earned(order: Order) -> bool:
    """Whether it earned before, under whatever rules there were."""
    return (
        EarningAward.objects.filter(order=order).exists()
        or PointsTransaction.objects.filter(idempotency_key=key(order)).exists()
    )


def _earnings(order: Order) -> list[int]:
    """The transactions that the order earned; by two indexes, for one query by either would read the ledger."""
    by_rate = PointsTransaction.objects.filter(idempotency_key=key(order)).values_list("pk", flat=True)
    by_rules = EarningAward.objects.filter(order=order, transaction__isnull=False)
    return sorted({*by_rate, *by_rules.values_list("transaction_id", flat=True)})


def _completed_before(order: Order) -> bool:
    if order.customer_id is None:
        return False
    earlier = Q(placed_at__lt=order.placed_at) | Q(placed_at=order.placed_at, pk__lt=order.pk)
    return (
        Order.objects.filter(earlier, customer_id=order.customer_id, status=OrderStatus.COMPLETED)
        .exclude(pk=order.pk)
        .exists()
    )


def undo(order: Order, *, actor: Actor, now: datetime) -> None:
    """The order came to nothing: its awards are closed, and its rewards go back where they can."""
    awards = EarningAward.objects.filter(order=order)
    first = awards.order_by("pk").first()
    if first is None:
        return
    locking.lock(customer_id=first.customer_id, now=now)  # whoever gives a reward that waited is through, or sees this
    for made in awards.filter(state__in=STANDING).order_by("pk"):
        close(made, actor=actor, now=now)


def close(made: EarningAward, *, actor: Actor, now: datetime) -> CancellationRefused | None:
    """End an award whose customer's account is locked: its reward goes back, or why it stays for a person to see."""
    refused = None
    made.state, made.due_at, made.closed_at = AwardState.UNDONE, None, now
    if made.redeemed_reward_id is not None:
        try:
            cancellation.begin(redeemed_reward_id=made.redeemed_reward_id, actor=actor, now=now)
        except CancellationRefused as refusal:
            refused = refusal
            made.state, made.outcome = AwardState.STANDS, refusal.code[:40]
    made.save(update_fields=["state", "outcome", "due_at", "closed_at"])
    return refused
