"""Reading points. The one way to a balance: it is right even when the sweep is late."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Case, DateTimeField, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, JSONObject
from django.utils.translation import gettext_noop

from loyalty.common.among import Among
from loyalty.common.causes import CauseType
from loyalty.merchant.models import Programme
from loyalty.points.models import PointsAccount, PointsLot, PointsTransaction, TransactionKind


@dataclass(frozen=True, slots=True)
class Balance:
    """A customer's points at one instant. `balance` can be spent; `pending` and `held` cannot; `owed` is not collected."""

    balance: int = 0
    pending: int = 0
    held: int = 0
    owed: int = 0
    next_expiry_at: datetime | None = None
    next_expiry_points: int = 0


def shown(*, balance: Balance, programme: Programme) -> int:
    """The balance people read: less what is owed, below zero if need be, where the programme counts that against it."""
    return balance.balance - balance.owed if programme.shortfall_blocks else balance.balance


@dataclass(frozen=True, slots=True)
class ExpiringPoints:
    """Active points that end at one instant; None for those that never do."""

    expires_at: datetime | None
    points: int


def balance(*, customer_id: int, now: datetime) -> Balance:
    """What the customer has now. A customer nobody credited yet has nothing."""
    return balances(customer_ids=[customer_id], now=now)[customer_id]


def balances(*, customer_ids: Iterable[int], now: datetime) -> dict[int, Balance]:
    """The same for many customers in two queries."""
    wanted = set(customer_ids)
    figures = {
        row["customer_id"]: row
        for row in PointsLot.objects.filter(Among("customer_id", wanted), open=True)
        .values("customer_id")
        .annotate(
            active=Sum("remaining", filter=_usable(now), default=0),
            waiting=Sum("remaining", filter=Q(available_at__gt=now), default=0),
        )
    }
    result = dict.fromkeys(wanted, Balance())
    for customer_id, held, owed, expiry in _accounts(wanted, now=now):
        row = figures.get(customer_id)
        result[customer_id] = Balance(
            balance=row["active"] if row else 0,
            pending=row["waiting"] if row else 0,
            held=held,
            owed=owed,
            next_expiry_at=expiry.expires_at,
            next_expiry_points=expiry.points,
        )
    return result


def expiring(*, customer_id: int, now: datetime) -> list[ExpiringPoints]:
    """Active points grouped by their end, soonest first, never-ending last."""
    groups = (
        PointsLot.objects.filter(_usable(now), customer_id=customer_id, open=True)
        .values("expires_at")
        .annotate(points=Sum("remaining"))
        .order_by(F("expires_at").asc(nulls_last=True))
    )
    return [ExpiringPoints(group["expires_at"], group["points"]) for group in groups]


@dataclass(frozen=True, slots=True)
class Holdings:
    """A balance, and when the active points of it end: soonest first, never-ending last."""

    balance: Balance
    expiring: tuple[ExpiringPoints, ...] = ()


def holdings(*, customer_id: int, now: datetime) -> Holdings:
    """What `balance` and `expiring` say, in one query."""
    lots = PointsLot.objects.filter(customer_id=OuterRef("customer_id"), open=True).order_by()
    ends = (
        lots.values("expires_at")
        .annotate(
            active=Sum("remaining", filter=_usable(now), default=0),
            waiting=Sum("remaining", filter=Q(available_at__gt=now), default=0),
        )
        .values(end=JSONObject(at=F("expires_at"), active=F("active"), waiting=F("waiting")))
    )
    row = (
        PointsAccount.objects.filter(pk=customer_id)
        .annotate(ends=ArraySubquery(ends))
        .values("held", "owed", "ends")
        .first()
    )
    if row is None:
        return Holdings(Balance())
    found = [
        ExpiringPoints(datetime.fromisoformat(end["at"]) if end["at"] else None, end["active"])
        for end in row["ends"]
        if end["active"]
    ]
    found.sort(key=lambda group: (group.expires_at is None, group.expires_at or now))
    first = next((group for group in found if group.expires_at is not None), ExpiringPoints(None, 0))
    figures = Balance(
        balance=sum(group.points for group in found),
        pending=sum(end["waiting"] for end in row["ends"]),
        held=row["held"],
        owed=row["owed"],
        next_expiry_at=first.expires_at,
        next_expiry_points=first.points,
    )
    return Holdings(figures, tuple(found))


def lots_held(*, customer_id: int, now: datetime) -> list[PointsLot]:
    """Every lot that holds points now or soon, with its credit and its note; soonest end first, never-ending last."""
    lots = PointsLot.objects.filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=now), customer_id=customer_id, open=True
    )
    soonest = F("expires_at").asc(nulls_last=True)
    return list(lots.select_related("transaction__note").order_by(soonest, "created_at", "id"))


def movable(*, customer_id: int, at: datetime) -> list[PointsLot]:
    """Every lot that holds points at that instant, pending ones too, in the order of their ids."""
    ended = Q(expires_at__isnull=False, expires_at__lte=at)
    return list(PointsLot.objects.filter(customer_id=customer_id, open=True).exclude(ended).order_by("id"))


def spendable(*, lots: Iterable[PointsLot], now: datetime) -> int:
    """How many points of these lots can be spent now."""
    return sum(
        lot.remaining for lot in lots if lot.available_at <= now and (lot.expires_at is None or now < lot.expires_at)
    )


def history(*, customer_id: int) -> QuerySet[PointsTransaction]:
    """The customer's transactions, newest first, with their notes."""
    return PointsTransaction.objects.filter(customer_id=customer_id).select_related("note").order_by("-id")


def lots_of(*, transaction: PointsTransaction) -> list[PointsLot]:
    """The lots a credit opened, and those that stand in for them since some points came back after their end."""
    return lots_of_many(transaction_ids=[transaction.pk])[transaction.pk]


def lots_of_many(*, transaction_ids: Collection[int]) -> dict[int, list[PointsLot]]:
    """The same for many credits: as many queries as points of them came back one after the other, and two."""
    found: dict[int, list[PointsLot]] = {pk: [] for pk in transaction_ids}
    credit_of: dict[int, int] = {}
    lots = PointsLot.objects.order_by("id")
    level = list(lots.filter(Among("transaction_id", transaction_ids), origin__isnull=True))
    while level:
        for lot in level:
            credit_of[lot.pk] = lot.transaction_id if lot.origin_id is None else credit_of[lot.origin_id]
            found[credit_of[lot.pk]].append(lot)
        level = list(lots.filter(Among("origin_id", [lot.pk for lot in level])))
    return found


def describe(*, transaction: PointsTransaction) -> str:
    """What the customer reads about a transaction: the note written for them, else what it was."""
    note = getattr(transaction, "note", None)
    said = str(note.description) if note is not None else ""
    return description(kind=transaction.kind, cause_type=transaction.cause_type, note=said)


def description(*, kind: str, cause_type: str, note: str) -> str:
    """The same of a transaction's bare facts; `note` is the one for the customer, empty where there is none."""
    if note:
        return note
    if kind == TransactionKind.REDEMPTION and cause_type == CauseType.API:
        return gettext_noop("Points spent")
    return DESCRIPTIONS[TransactionKind(kind)]


DESCRIPTIONS = {
    TransactionKind.EARNING: gettext_noop("Points earned"),
    TransactionKind.REDEMPTION: gettext_noop("Reward redeemed"),
    TransactionKind.ADJUSTMENT: gettext_noop("Points adjusted"),
    TransactionKind.EXPIRY: gettext_noop("Points expired"),
    TransactionKind.REVERSAL: gettext_noop("Points returned"),
    TransactionKind.CLAWBACK: gettext_noop("Points taken back after a refund"),
    TransactionKind.TRANSFER: gettext_noop("Points moved"),
    TransactionKind.CANCELLATION: gettext_noop("Points credited by mistake"),
}


def spendable_expression(*, customer_id: str, now: datetime) -> Combinable:
    """The spendable balance as SQL, for filters and columns; `customer_id` names the column of the outer query.

    Reads the account row, and sums lots only where an edge has passed since it was settled.
    """
    stale = (
        PointsLot.objects.filter(_usable(now), customer_id=OuterRef("customer_id"), open=True)
        .order_by()
        .values("customer_id")
        .annotate(points=Sum("remaining"))
        .values("points")
    )
    account = (
        PointsAccount.objects.filter(customer_id=OuterRef(customer_id))
        .annotate(
            spendable=Case(
                When(
                    next_edge_at__lte=Value(now, output_field=DateTimeField()),
                    then=Coalesce(Subquery(stale), Value(0)),
                ),
                default=F("balance"),
                output_field=IntegerField(),
            )
        )
        .values("spendable")
    )
    return Coalesce(Subquery(account, output_field=IntegerField()), Value(0))


def _usable(now: datetime) -> Q:
    return Q(available_at__lte=now) & (Q(expires_at__isnull=True) | Q(expires_at__gt=now))


def _accounts(customer_ids: set[int], *, now: datetime) -> Iterator[tuple[int, int, int, ExpiringPoints]]:
    """Customer, held, owed, and what ends next: of all the lots only those that end then are read."""
    lots = PointsLot.objects.filter(customer_id=OuterRef("pk"), open=True, available_at__lte=now)
    first = lots.filter(expires_at__gt=now).order_by("expires_at").values("expires_at")[:1]
    ending = lots.filter(expires_at=OuterRef("ends_next_at")).order_by().values("customer_id")
    found = (
        PointsAccount.objects.filter(Among("pk", customer_ids))
        .annotate(ends_next_at=Subquery(first, output_field=DateTimeField()))
        .annotate(
            end_next=Subquery(ending.annotate(points=Sum("remaining")).values("points"), output_field=IntegerField())
        )
    )
    for customer_id, held, owed, ends_next_at, points in found.values_list(
        "pk", "held", "owed", "ends_next_at", "end_next"
    ):
        yield customer_id, held, owed, ExpiringPoints(ends_next_at, points or 0)
