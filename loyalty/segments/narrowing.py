"""Customers by what the desk knows of them: one query, built of what was said in the form of criteria.

Orders and referrals go over when customers are merged; ledger rows and redeemed rewards stay in the books of who they
were, and count for whom they are now.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Aggregate, Case, Count, F, IntegerField, Max, Q, QuerySet, Sum, When
from django.db.models.functions import Coalesce, ExtractMonth

from loyalty.common import clock
from loyalty.customers.models import Customer, CustomerIdentity, ShippingAddress
from loyalty.merchant.models import Programme
from loyalty.messages.models import Unsubscription
from loyalty.points import queries as points
from loyalty.points.models import PointsLot, PointsTransaction, TransactionKind
from loyalty.program.models import Order, OrderStatus
from loyalty.program.referrals.models import Referral, ReferralState
from rewards import queries as rewards
from rewards.models import FulfillmentStatus, UsageStatus

Said = Mapping[str, Any]  # what the form cleaned; None and nothing narrow nothing
Ids = QuerySet[Any, Any]
OWNER = "owner"
PERSON = Coalesce("customer__merged_into_id", "customer_id")


@dataclass(frozen=True, slots=True)
class At:
    """When it is asked, by which calendar, currency and language."""

    now: datetime
    programme: Programme

    def days_ago(self, days: int) -> datetime:
        return clock.start_of_day(self.now, -days, self.programme.zone)


def narrow(customers: QuerySet[Customer], said: Said, *, programme: Programme, now: datetime) -> QuerySet[Customer]:
    """Those of the customers who fit all of it."""
    at = At(now, programme)
    for part in (_person, _reached, _joined, _held, _moved, _ordered, _last_ordered, _rewarded, _recommending):
        for condition in part(said, at):
            customers = customers.filter(condition)
    if said.get("balance_min") is not None or said.get("balance_max") is not None:
        customers = customers.alias(active_now=points.spendable_expression(customer_id="pk", now=now))
        customers = customers.filter(_range("active_now", said, "balance"))
    return customers


def _person(said: Said, at: At) -> Iterator[Q]:
    for name, column in (("state", "state__in"), ("tier", "tier_id__in")):
        if said.get(name):
            yield Q(**{column: said[name]})
    if languages := said.get("language"):
        own = Q(language__in=languages)
        yield own | Q(language="") if at.programme.language in languages else own
    if said.get("birth_month"):
        months = ExtractMonth("date_of_birth")
        yield Q(pk__in=Customer.objects.alias(month=months).filter(month__in=said["birth_month"]).values("pk"))


def _reached(said: Said, at: At) -> Iterator[Q]:
    """Where and by what they are known."""
    if said.get("country"):
        yield _among(ShippingAddress.objects.filter(country__in=said["country"]).values("customer_id"))
    if said.get("shop"):
        yield _among(CustomerIdentity.objects.filter(connection_id__in=said["shop"]).values("customer_id"))
    if said.get("has_email"):
        yield Q(email__isnull=said["has_email"] == "no")
    if said.get("reminders"):
        yield _among(Unsubscription.objects.values("customer_id"), wanted=said["reminders"] == "no")


def _joined(said: Said, at: At) -> Iterator[Q]:
    yield _within("created_at", said, "created", at)


def _held(said: Said, at: At) -> Iterator[Q]:
    if days := said.get("points_end_days"):
        until = clock.end_of_day(at.now, days, at.programme.zone)
        ending = PointsLot.objects.filter(
            open=True, remaining__gt=0, available_at__lte=at.now, expires_at__gt=at.now, expires_at__lte=until
        )
        yield _among(ending.values("customer_id"))


def _moved(said: Said, at: At) -> Iterator[Q]:
    """Points earned and spent, at the time they count from."""
    rows = PointsTransaction.objects.filter(_within("effective_at", said, "points", at))
    earned = rows.filter(kind__in=[TransactionKind.EARNING, TransactionKind.CLAWBACK])
    yield from _sums(_people(earned), Sum("points_change"), said, "earned")
    back = Q(kind=TransactionKind.REVERSAL, reverses__kind=TransactionKind.REDEMPTION)
    spent = rows.filter(kind__in=[TransactionKind.REDEMPTION, TransactionKind.REVERSAL])
    taken = Case(
        When(Q(kind=TransactionKind.REDEMPTION) | back, then=-F("points_change")),
        default=0,
        output_field=IntegerField(),
    )
    yield from _sums(_people(spent), Sum(taken), said, "spent")


def _ordered(said: Said, at: At) -> Iterator[Q]:
    """Orders that are not canceled; the money of completed ones in the programme's currency, less what was refunded."""
    rows = _orders().filter(_within("placed_at", said, "orders", at))
    yield from _sums(_buyers(rows), Count("pk"), said, "orders")
    paid = rows.filter(status=OrderStatus.COMPLETED, currency=at.programme.currency)
    yield from _sums(_buyers(paid), Sum(F("total") - F("refunded")), said, "amount")


def _last_ordered(said: Said, at: At) -> Iterator[Q]:
    since, until = said.get("last_order_after"), said.get("last_order_before")
    if days := said.get("last_order_days"):
        since = at.days_ago(days)
    if days := said.get("no_order_days"):
        until = at.days_ago(days)
    if until:
        last = _orders().order_by().values("customer_id").annotate(last=Max("placed_at")).filter(last__lt=until)
        yield _among((last.filter(last__gte=since) if since else last).values("customer_id"))
    elif since:
        yield _among(_orders().filter(placed_at__gte=since).values("customer_id"))


def _rewarded(said: Said, at: At) -> Iterator[Q]:
    """What they have got and what was not canceled since; a reissued one is the one it was reissued as."""
    had = rewards.visible().filter(fulfillment_status__in=[FulfillmentStatus.PENDING, FulfillmentStatus.ISSUED])
    if days := said.get("rewards_days"):
        had = had.filter(redeemed_at__gte=at.days_ago(days))
    if said.get("got"):
        yield _among(_people(had.filter(reward_id__in=said["got"])))
    if said.get("not_got"):
        yield _among(_people(had.filter(reward_id__in=said["not_got"])), wanted=False)
    if said.get("usable_reward"):
        alive = Q(expires_at__isnull=True) | Q(expires_at__gt=at.now)
        usable = rewards.visible().filter(
            alive,
            fulfillment_status=FulfillmentStatus.ISSUED,
            usage_status__in=[UsageStatus.UNUSED, UsageStatus.UNTRACKED],
        )
        yield _among(_people(usable), wanted=said["usable_reward"] == "yes")


def _recommending(said: Said, at: At) -> Iterator[Q]:
    if wanted := said.get("recommended"):
        rows = Referral.objects.exclude(state=ReferralState.BLOCKED)
        if wanted == "completed":
            rows = rows.filter(state=ReferralState.COMPLETED)
        yield _among(rows.values("sender_id"), wanted=wanted != "no")
    if said.get("came_by"):
        yield _among(Referral.objects.values("friend_id"), wanted=said["came_by"] == "yes")


def _orders() -> QuerySet[Order]:
    return Order.objects.filter(customer__isnull=False).exclude(status=OrderStatus.CANCELLED)


def _people(rows: QuerySet[Any]) -> Ids:
    """Whose they are now."""
    found: Ids = rows.order_by().annotate(owner=PERSON).values(OWNER)
    return found


def _buyers(orders: QuerySet[Order]) -> Ids:
    """Whose they are: orders go over with a merge, so no other row is asked."""
    return orders.order_by().values(owner=F("customer_id"))


def _sums(owned: Ids, total: Aggregate, said: Said, name: str) -> Iterator[Q]:
    """Of each whose rows these are the sum, between what was said. Whoever has no row has 0."""
    least, most = said.get(f"{name}_min"), said.get(f"{name}_max")
    summed = owned.annotate(sum=total)
    if least:
        yield _among(summed.filter(sum__gte=least).values(OWNER))
    if most is not None:
        yield _among(summed.filter(sum__gt=most).values(OWNER), wanted=False)


def _range(column: str, said: Said, name: str) -> Q:
    ends: dict[str, int | Decimal | None] = {"gte": said.get(f"{name}_min"), "lte": said.get(f"{name}_max")}
    return Q(**{f"{column}__{end}": value for end, value in ends.items() if value is not None})


def _within(column: str, said: Said, name: str, at: At) -> Q:
    since, until = said.get(f"{name}_after"), said.get(f"{name}_before")
    if days := said.get(f"{name}_days"):
        since = at.days_ago(days)
    ends: dict[str, Any] = {f"{column}__gte": since, f"{column}__lt": until}
    return Q(**{end: value for end, value in ends.items() if value is not None})


def _among(ids: Ids, *, wanted: bool = True) -> Q:
    """Those whose ids these are, or all others: by set difference, as `NOT IN` is quick only while the ids are few."""
    if wanted:
        return Q(pk__in=ids.order_by())
    return Q(pk__in=Customer.objects.order_by().values("pk").difference(ids.order_by()))
