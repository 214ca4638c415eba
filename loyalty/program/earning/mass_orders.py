"""What many orders earn, or lose to refunds, at once: as `orders` does, called for one after the other."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from loyalty.common.actors import Actor
from loyalty.common.among import Among
from loyalty.merchant.models import Programme
from loyalty.points import bulk_clawbacks
from loyalty.points.bulk_clawbacks import Refund
from loyalty.points.models import PointsTransaction
from loyalty.program.earning import mass_awarding, orders, rules
from loyalty.program.earning.awarding import Happening
from loyalty.program.earning.facts import Terms
from loyalty.program.earning.models import AwardState, EarningAward, RuleKind
from loyalty.program.models import Order, OrderItem, OrderStatus

Place = tuple[datetime, int]


def earn(
    *, stored: Sequence[Order], programme: Programme, actor: Actor, now: datetime, is_news: bool = True
) -> dict[int, int]:
    """Give what these completed orders earn, once; the points of each order that earned some, by its id.

    The orders are stored, locked by the caller, and judged in the given order: whether one is the first of its buyer
    depends on those that were stored before and on those that stand before it here. As `mass_awarding.award_many`.
    """
    terms = rules.for_orders(programme=programme)
    done = _have_earned(stored) if terms else set()
    fresh = [each for each in happenings(stored, terms) if terms and each.order_id not in done]
    outcomes = mass_awarding.award_many(
        happenings=fresh, terms=terms, programme=programme, actor=actor, now=now, is_news=is_news
    )
    earned: dict[int, int] = defaultdict(int)
    for outcome in outcomes:
        for made in outcome.awards:
            earned[made.order_id or 0] += made.points
    return {order_id: points for order_id, points in earned.items() if points}


def happenings(stored: Sequence[Order], terms: Sequence[Terms]) -> Iterator[Happening]:
    """Those of the orders that have a buyer, as these rules see them one after the other."""
    items: dict[int, list[OrderItem]] = defaultdict(list)
    for item in OrderItem.objects.filter(Among("order_id", [order.pk for order in stored])).order_by("position"):
        items[item.order_id].append(item)
    asked = any(each.kind == RuleKind.FIRST_ORDER for each in terms)
    earliest = _earliest(stored) if asked else {}
    for order in stored:
        if order.customer_id is None:
            continue
        place = (order.placed_at, order.pk)
        first = earliest.get(order.customer_id, place)
        earliest[order.customer_id] = min(first, place)
        seen = orders.facts_from(order, items[order.pk], is_first=asked and place <= first)
        yield orders.happening_of(order, seen)


def _earliest(stored: Iterable[Order]) -> dict[int, Place]:
    """The first completed order of each buyer, but for these."""
    ids = {order.pk for order in stored}
    buyers = {order.customer_id for order in stored if order.customer_id is not None}
    rows = Order.objects.filter(Among("customer_id", buyers), status=OrderStatus.COMPLETED)
    found: dict[int, Place] = {}
    for customer_id, placed_at, pk in rows.values_list("customer_id", "placed_at", "pk"):
        if pk not in ids:
            found[customer_id] = min(found.get(customer_id, (placed_at, pk)), (placed_at, pk))
    return found


def _have_earned(stored: Sequence[Order]) -> set[int]:
    """Those that earned before, under whatever rules there were."""
    by_key = {orders.key(order): order.pk for order in stored}
    by_rules = EarningAward.objects.filter(Among("order_id", by_key.values())).values_list("order_id", flat=True)
    by_rate = PointsTransaction.objects.filter(Among("idempotency_key", by_key)).values_list(
        "idempotency_key", flat=True
    )
    return {*by_rules} | {by_key[str(key)] for key in by_rate}


def take_back(*, stored: Sequence[Order], actor: Actor, now: datetime) -> int:
    """As `orders.take_back`, for many orders in the given order; gives back how many points went."""
    shares = {order.pk: share for order in stored if (share := orders.refunded_share(order)) is not None}
    earnings = _earnings([order for order in stored if order.pk in shares])
    refunds = [
        Refund(earning_id=earning_id, refunded=shares[order.pk][0], total=shares[order.pk][1])
        for order in stored
        for earning_id in sorted(earnings.get(order.pk, ()))
    ]
    points = bulk_clawbacks.claw_back_many(refunds=refunds, actor=actor, now=now)
    _undo([order for order in stored if orders.is_lost(order)], actor=actor, now=now)
    return points


def _earnings(stored: Iterable[Order]) -> dict[int, set[int]]:
    """The transactions that each order earned."""
    by_key = {orders.key(order): order.pk for order in stored}
    found: dict[int, set[int]] = defaultdict(set)
    by_rules = EarningAward.objects.filter(Among("order_id", by_key.values()), transaction__isnull=False)
    for order_id, transaction_id in by_rules.values_list("order_id", "transaction_id"):
        found[order_id].add(transaction_id)
    by_rate = PointsTransaction.objects.filter(Among("idempotency_key", by_key))
    for key, transaction_id in by_rate.values_list("idempotency_key", "pk"):
        found[by_key[str(key)]].add(transaction_id)
    return found


def _undo(lost: Sequence[Order], *, actor: Actor, now: datetime) -> None:
    """Orders that came to nothing: those that gave a reward are undone one by one, the awards of the others at once."""
    awards = EarningAward.objects.filter(Among("order_id", [order.pk for order in lost]), state__in=orders.STANDING)
    of_rewards = set(awards.filter(reward__isnull=False).values_list("order_id", flat=True))
    awards.exclude(order_id__in=of_rewards).update(state=AwardState.UNDONE, due_at=None, closed_at=now)
    for order in lost:
        if order.pk in of_rewards:
            orders.undo(order, actor=actor, now=now)
