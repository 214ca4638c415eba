"""What the customer page shows: the points card, what expires when, and the Activity section."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from loyalty.accounts.models import User
from loyalty.common.actors import ActorKind
from loyalty.common.adminkit import show
from loyalty.common.causes import CauseType
from loyalty.customers.admin import granting, merging, standing, tiering
from loyalty.customers.models import Customer, CustomerState
from loyalty.points import ledger
from loyalty.points import queries as points_queries
from loyalty.points.models import PointsTransaction, TransactionKind
from rewards import obstacles
from rewards import queries as rewards_queries
from rewards.models import RedeemedReward
from rewards.queries import Status

CANCEL_CREDIT, RETURN_POINTS = "points.cancel_credit", "points.reverse_transaction"
CREDITS = (TransactionKind.EARNING, TransactionKind.ADJUSTMENT)

PER_PAGE = 10
TABS = ("points", "rewards", "failed", "why")

STATE_TONES: dict[str, show.Tone] = {
    CustomerState.CANDIDATE: "quiet",
    CustomerState.MEMBER: "good",
    CustomerState.DISABLED: "bad",
}
STATUS_TONES: dict[str, show.Tone] = {  # the grid's; a door may not import another
    Status.PENDING: "warn",
    Status.FAILED: "bad",
    Status.ISSUED: "info",
    Status.USED: "good",
    Status.CANCELLING: "warn",
    Status.CANCELLED: "quiet",
    Status.EXPIRED: "quiet",
}
PAGES_OF_CAUSES = {
    CauseType.REDEEMED_REWARD: "admin:rewards_redeemedreward_change",
    CauseType.ORDER: "admin:program_order_change",
    CauseType.ACTIVITY: "admin:program_activity_change",
    CauseType.EARNING_RULE: "admin:program_earningrule_change",
}


@dataclass(frozen=True)
class PointsRow:
    """One line of the Points tab."""

    transaction: PointsTransaction
    change: SafeString
    kind: str  # only where the customer's note hides it
    description: str
    customer_note: str
    internal_note: str
    cause_url: str
    cause_label: str
    actor: str
    act: "Offer | None"


@dataclass(frozen=True)
class Offer:
    """What can be put right about a transaction, as a link."""

    label: str
    url: str


@dataclass(frozen=True)
class RewardRow:
    """One line of the Rewards tab."""

    redeemed: RedeemedReward
    url: str
    badge: SafeString


def page(request: HttpRequest, *, customer: Customer, now: datetime) -> dict[str, Any]:
    """Everything the page shows beside its forms."""
    tab = request.GET.get("tab", "")
    tab = tab if tab in TABS else "points"
    attempts = rewards_queries.attempts().filter(customer=customer)
    return {
        "state": state_badge(customer),
        "expiring": points_queries.expiring(customer_id=customer.pk, now=now),
        "identities": customer.identities.select_related("connection").order_by("pk"),
        "vip": tiering.card(request, customer=customer, now=now),
        "may_grant": customer.merged_into_id is None and bool(granting.may_give(request)),
        **merging.card(request, customer=customer),
        "attempt_count": attempts.count(),
        "tab": tab,
        "zone": show.zone_name(),
        **standing.of(request, customer=customer, now=now),
        **activity(request, customer=customer, tab=tab, attempts=attempts, now=now),
    }


def activity(
    request: HttpRequest, *, customer: Customer, tab: str, attempts: QuerySet[RedeemedReward], now: datetime
) -> dict[str, Any]:
    """The rows of the chosen tab, one page of them."""
    if tab == "points":
        shown = one_page(request, points_queries.history(customer_id=customer.pk))
        return {"shown": shown, "rows": points_rows(request, shown.object_list), "available": False}
    if tab == "why":
        return {"shown": None, "rows": [], "available": False, "why": obstacles.of(customer_id=customer.pk, now=now)}
    available = tab == "rewards" and request.GET.get("available") == "1"
    mine = rewards_queries.of_person(customer_id=customer.pk) if tab == "rewards" else attempts
    rows = rewards_queries.with_status(mine.select_related("code"), now).order_by("-redeemed_at", "-id")
    shown = one_page(request, rows.filter(status=Status.ISSUED) if available else rows)
    return {"shown": shown, "rows": [reward_row(redeemed) for redeemed in shown], "available": available}


def one_page(request: HttpRequest, rows: QuerySet) -> Page:
    """The page that `?page=` asks for; the nearest one when there is no such page."""
    return Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))


def points_rows(request: HttpRequest, transactions: Iterable[PointsTransaction]) -> list[PointsRow]:
    transactions = list(transactions)
    names, rewards, undone = staff_names(transactions), reward_names(transactions), undone_points(transactions)
    rights = {right for right in (CANCEL_CREDIT, RETURN_POINTS) if request.user.has_perm(right)}
    return [
        points_row(transaction, names, rewards, offer(transaction, rights, undone=undone.get(transaction.pk)))
        for transaction in transactions
    ]


def points_row(
    transaction: PointsTransaction, names: dict[int, str], rewards: dict[int, str], act: Offer | None
) -> PointsRow:
    note = getattr(transaction, "note", None)
    return PointsRow(
        transaction=transaction,
        change=show.signed_points(transaction.points_change),
        kind=TransactionKind(transaction.kind).label if note and note.description else "",
        description=points_queries.describe(transaction=transaction),
        customer_note=note.description if note else "",
        internal_note=note.internal_note if note else "",
        cause_url=cause_url(transaction),
        cause_label=cause_label(transaction, rewards),
        actor=actor_text(transaction, names),
        act=act,
    )


def undone_points(transactions: Iterable[PointsTransaction]) -> dict[int, int]:
    """How many points of each transaction were undone already, in one query."""
    rows = PointsTransaction.objects.filter(reverses__in=[row.pk for row in transactions])
    sums = rows.order_by().values("reverses_id").annotate(points=Sum("points_change"))
    return {row["reverses_id"]: abs(row["points"]) for row in sums}


def offer(transaction: PointsTransaction, rights: set[str], *, undone: int | None) -> Offer | None:
    """What this person may put right about it. The page behind it says what is left, or why it is refused."""
    taken = -transaction.points_change
    act = "admin:points_pointstransaction_act"
    if taken > 0 and transaction.kind in ledger.REVERSIBLE and (undone or 0) < taken and RETURN_POINTS in rights:
        return Offer("Return points", f"{reverse(act, args=(transaction.pk, 'return-points'))}?from=customer")
    if taken < 0 and transaction.kind in CREDITS and undone is None and CANCEL_CREDIT in rights:
        return Offer("Cancel this credit", f"{reverse(act, args=(transaction.pk, 'cancel-credit'))}?from=customer")
    return None


def cause_url(transaction: PointsTransaction) -> str:
    """The page of what made the transaction, where it has one."""
    view = PAGES_OF_CAUSES.get(CauseType(transaction.cause_type))
    if view is None or transaction.cause_id is None:
        return ""
    return reverse(view, args=(transaction.cause_id,))


def cause_label(transaction: PointsTransaction, rewards: dict[int, str]) -> str:
    if transaction.cause_type == CauseType.REDEEMED_REWARD:
        return rewards.get(transaction.cause_id or 0, "The redeemed reward")
    return "The order"


def reward_names(transactions: Iterable[PointsTransaction]) -> dict[int, str]:
    """Names of the redeemed rewards among the causes, in one query."""
    ids = {row.cause_id for row in transactions if row.cause_type == CauseType.REDEEMED_REWARD and row.cause_id}
    return dict(RedeemedReward.objects.filter(pk__in=ids).values_list("pk", "name")) if ids else {}


def staff_names(transactions: Iterable[PointsTransaction]) -> dict[int, str]:
    """Names of the staff among the actors, in one query."""
    ids = {row.actor_id for row in transactions if row.actor_kind == ActorKind.STAFF and row.actor_id}
    return {user.pk: user.get_full_name() for user in User.objects.filter(pk__in=ids)} if ids else {}


def actor_text(transaction: PointsTransaction, names: dict[int, str]) -> str:
    """Who did it, in words."""
    match transaction.actor_kind:
        case ActorKind.STAFF:
            return names.get(transaction.actor_id or 0, f"staff {transaction.actor_id}")
        case ActorKind.CUSTOMER:
            return "the customer"
        case ActorKind.API_KEY:
            return f"API key {transaction.actor_id}"
        case ActorKind.SHOP:
            return "the shop"
        case _:
            return "the programme"


def reward_row(redeemed: Any) -> RewardRow:
    status = Status(redeemed.status)
    label = "Being checked" if status is Status.PENDING and not redeemed.on_profile else str(status.label)
    return RewardRow(
        redeemed=redeemed,
        url=reverse("admin:rewards_redeemedreward_change", args=(redeemed.pk,)),
        badge=show.badge(label, tone=STATUS_TONES[status]),
    )


def state_badge(customer: Customer) -> SafeString:
    if customer.merged_into_id is not None:
        return show.badge("Merged", tone="quiet")
    return show.badge(CustomerState(customer.state).label, tone=STATE_TONES[customer.state])
