"""Import purchases as orders, by the batch: customers, orders, points and events of a batch are one transaction.

What a run guarantees: a purchase is known by everything the file says of it and by how many equal lines came before
it in the run. So the same purchases, in any order and any number of times, make the same orders once; lines that are
equal in every column are as many orders as there are lines. A file with a corrected line is another purchase.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import QuerySet

from loyalty.common import clock
from loyalty.common.actors import SYSTEM
from loyalty.common.among import Among
from loyalty.customers.models import Customer, CustomerIdentity, CustomerState
from loyalty.events.models import Event
from loyalty.merchant.models import Programme
from loyalty.program.earning import mass_orders
from loyalty.program.models import Order, OrderRefund, OrderStatus
from loyalty.program.purchases import Purchase
from loyalty.program.referrals import judging
from loyalty.program.referrals.models import Referral, ReferralState

SOURCE = "cdnow"
CURRENCY = "USD"
REFUND = "in full"  # the name of a refund that came by no shop
ROWS_AT_ONCE = 500
ONE_AT_A_TIME = 0x10A1_0001  # the advisory lock of imports: two of them at once take turns, batch by batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one batch did."""

    orders: int  # new ones
    known: int  # imported before
    customers: int  # new ones
    points: int  # earned by the new orders, those included that expired long ago


def begin() -> None:
    """Forget how many equal lines an earlier run of this connection saw. Call it once, before the first batch."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE IF NOT EXISTS import_seen (content text PRIMARY KEY, times int NOT NULL)"
        )
        cursor.execute("TRUNCATE import_seen")


def take(*, purchases: Sequence[Purchase], programme: Programme, now: datetime) -> Taken:
    """Import the purchases of a batch that are not in yet: all of them, or none when it is interrupted.

    An order counts from midnight of its day in the programme's time zone; it earns then, by the rules that are on and
    the programme's rate, as if a shop had told of it. Points expire as the programme says, at once where that has
    passed already. Customers who are excluded earn none. Afterwards the referrals of those who bought are judged, as by a
    shop's order; where that was cut off, the same file again does it.
    Raises InvalidPoints when a customer would hold more points than fit.
    """
    with transaction.atomic():
        _take_turns()
        named = _external_ids(purchases)
        taken = _take(named, programme=programme, now=now)
    _judge_referrals(Order.objects.filter(connection=None, external_id__in=named), now=now)
    return taken


def _take(named: dict[str, Purchase], *, programme: Programme, now: datetime) -> Taken:
    known = set(
        Order.objects.filter(connection=None, external_id__in=named).values_list("external_id", flat=True).order_by()
    )
    fresh = {external_id: purchase for external_id, purchase in named.items() if external_id not in known}
    customers, enrolled = _customers(
        {purchase.customer for purchase in fresh.values()}, CustomerState.CANDIDATE, now=now
    )
    orders = Order.objects.bulk_create(
        Order(
            connection=None,
            external_id=external_id,
            customer=customers[purchase.customer],
            status=OrderStatus.COMPLETED,
            total=purchase.amount,
            currency=CURRENCY,
            placed_at=clock.midnight(purchase.day, programme.zone),
            changed_at=clock.midnight(purchase.day, programme.zone),
            recorded_at=now,
        )
        for external_id, purchase in fresh.items()
    )
    earned = mass_orders.earn(stored=orders, programme=programme, actor=SYSTEM, now=now, is_news=False)
    Event.objects.bulk_create(
        _event("order.completed", "order", order.pk, order.customer_id, now=now) for order in orders
    )
    return Taken(
        orders=len(orders),
        known=len(known),
        customers=enrolled,
        points=sum(earned.values()),
    )


@transaction.atomic
def enrol(*, numbers: Collection[str], state: CustomerState, now: datetime) -> int:
    """Make customers of these numbers of a file, in that state, of whom there are none yet; gives back how many."""
    _take_turns()
    return _customers(set(numbers), state, now=now)[1]


def refund(*, order_ids: Collection[int], now: datetime) -> int:
    """Let these imported orders be refunded in full, as if the shop had told of it; gives back how many points went.

    What was refunded before stays as it is. Some thousands at a time. Referrals are judged afterwards, as by a shop's order.
    """
    with transaction.atomic():
        _take_turns()
        points = _refund(order_ids, now=now)
    _judge_referrals(Order.objects.filter(Among("pk", order_ids), connection=None), now=now)
    return points


def _refund(order_ids: Collection[int], *, now: datetime) -> int:
    rows = Order.objects.select_for_update(of=("self",)).filter(Among("pk", order_ids), connection=None)
    orders = [row for row in rows.order_by("pk") if row.status == OrderStatus.COMPLETED and row.refunded < row.total]
    OrderRefund.objects.bulk_create(
        OrderRefund(order=order, external_id=REFUND, amount=order.total - order.refunded, refunded_at=now)
        for order in orders
    )
    for order in orders:
        order.refunded, order.changed_at = order.total, max(order.changed_at, now)
    Order.objects.bulk_update(orders, ["refunded", "changed_at"], batch_size=ROWS_AT_ONCE)
    points = mass_orders.take_back(stored=orders, actor=SYSTEM, now=now)
    Event.objects.bulk_create(
        _event("order.changed", "order", order.pk, order.customer_id, now=now) for order in orders
    )
    return points


def _judge_referrals(orders: QuerySet[Order], *, now: datetime) -> None:
    """Of whoever these orders are: by transactions of their own, as a referral is locked before any account."""
    asked = Referral.objects.exclude(state=ReferralState.CANCELLED).filter(friend__in=orders.values("customer_id"))
    for friend_id in asked.order_by("friend_id").values_list("friend_id", flat=True):
        judging.by_orders(friend_id=friend_id, now=now)


def _take_turns() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_AT_A_TIME])


def _external_ids(purchases: Sequence[Purchase]) -> dict[str, Purchase]:
    """A stable name for each purchase, in the order of the lines. The count of equal lines is kept by the database."""
    counted = Counter(purchase.content for purchase in purchases)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO import_seen AS seen (content, times)
            SELECT * FROM unnest(%s::text[], %s::int[])
            ON CONFLICT (content) DO UPDATE SET times = seen.times + excluded.times
            RETURNING content, times""",
            [list(counted), list(counted.values())],
        )
        seen = {content: times - counted[content] for content, times in cursor.fetchall()}
    named = {}
    for purchase in purchases:
        seen[purchase.content] += 1
        named[f"{SOURCE}:{purchase.content}:{seen[purchase.content]}"] = purchase
    return named


def _customers(numbers: set[str], state: CustomerState, *, now: datetime) -> tuple[dict[str, Customer], int]:
    """The customer behind each number of the file, and how many of them are new: without e-mail, known by the number."""
    names = {f"{SOURCE}:{number}": number for number in sorted(numbers)}
    found = {
        names[identity.external_id]: identity.customer
        for identity in CustomerIdentity.objects.filter(connection=None, external_id__in=names).select_related(
            "customer"
        )
    }
    missing = [name for name, number in names.items() if number not in found]
    made = Customer.objects.bulk_create(Customer(state=state) for _ in missing)
    CustomerIdentity.objects.bulk_create(
        CustomerIdentity(customer=customer, connection=None, external_id=name)
        for customer, name in zip(made, missing, strict=True)
    )
    Event.objects.bulk_create(
        event
        for customer in made
        for event in (
            _event("customer.enrolled", "customer", customer.pk, customer.pk, now=now, state=str(customer.state)),
            _event("customer.identity_added", "customer", customer.pk, customer.pk, now=now, connection_id=None),
        )
    )
    found |= {names[name]: customer for customer, name in zip(made, missing, strict=True)}
    return found, len(made)


def _event(
    kind: str, subject: str, subject_id: int, customer_id: int | None, *, now: datetime, **data: object
) -> Event:
    """An event as `events.log` writes it, marked as imported so that nobody is told of it as news."""
    return Event(
        kind=kind,
        occurred_at=now,
        actor_kind=SYSTEM.kind,
        actor_id=SYSTEM.id,
        subject_type=subject,
        subject_id=subject_id,
        customer_id=customer_id,
        data={**data, "imported": True},
    )
