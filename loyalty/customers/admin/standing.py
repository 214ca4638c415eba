"""What stands beside the balance on the customer page: why it is what it is, what is owed, held and asked for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from loyalty.common.actors import ActorKind
from loyalty.common.adminkit import show
from loyalty.common.causes import CauseType
from loyalty.customers.admin import adjusting, transferring
from loyalty.customers.models import Customer
from loyalty.merchant import queries as merchant
from loyalty.points import queries as points_queries
from loyalty.points.models import (
    AdjustmentRequest,
    HoldState,
    PointsHold,
    PointsShortfall,
    RequestState,
    ShortfallState,
)

SETTLE = "points.waive_shortfall"
MOST_ROWS = 20  # of each kind; a customer with more is looked at in the lists


@dataclass(frozen=True)
class Shortfall:
    """One line of what is owed."""

    row: PointsShortfall
    order_url: str
    ordered_at: datetime
    collect_url: str
    waive_url: str

    @property
    def partly(self) -> bool:
        return self.row.left < self.row.points


@dataclass(frozen=True)
class Hold:
    """One open hold, and who decides about it."""

    row: PointsHold
    url: str
    who: str


@dataclass(frozen=True)
class Asked:
    """One adjustment that waits for a second person."""

    row: AdjustmentRequest
    url: str
    change: Any


def of(request: HttpRequest, *, customer: Customer, now: datetime) -> dict[str, Any]:
    """Everything the points card and the cards under it show. A handful of queries, however much there is."""
    programme = merchant.programme()
    balance = points_queries.balance(customer_id=customer.pk, now=now)
    may_settle = request.user.has_perm(SETTLE)
    is_present = customer.merged_into_id is None
    return {
        "balance": balance,
        "shown_balance": show.points_text(abs(shown := points_queries.shown(balance=balance, programme=programme))),
        "is_negative": shown < 0,
        "counts_against": programme.shortfall_blocks and balance.owed > 0,
        "may_settle": may_settle,
        "may_collect": may_settle and balance.owed > 0 and balance.balance > 0,
        "may_move": is_present and programme.transfers_allowed and request.user.has_perm(transferring.TRANSFER),
        "may_adjust": is_present and request.user.has_perm(adjusting.ADJUST),
        "shortfalls": [shortfall(row) for row in open_shortfalls(customer)] if balance.owed else [],
        "holds": [hold(row) for row in open_holds(customer)] if balance.held else [],
        "asked": [asked(row) for row in waiting(customer)],
    }


def open_shortfalls(customer: Customer) -> Any:
    rows = PointsShortfall.objects.filter(customer=customer, state=ShortfallState.OPEN)
    return rows.select_related("clawback__earning").order_by("id")[:MOST_ROWS]


def shortfall(row: PointsShortfall) -> Shortfall:
    earning = row.clawback.earning
    of_order = earning.cause_type == CauseType.ORDER and earning.cause_id is not None
    act = "admin:points_pointsshortfall_act"
    return Shortfall(
        row=row,
        order_url=reverse("admin:program_order_change", args=(earning.cause_id,)) if of_order else "",
        ordered_at=earning.effective_at,
        collect_url=f"{reverse(act, args=(row.pk, 'collect'))}?from=customer",
        waive_url=f"{reverse(act, args=(row.pk, 'waive'))}?from=customer",
    )


def open_holds(customer: Customer) -> Any:
    return PointsHold.objects.filter(customer=customer, state=HoldState.OPEN).order_by("id")[:MOST_ROWS]


def hold(row: PointsHold) -> Hold:
    if row.cause_type == CauseType.REDEEMED_REWARD:
        url = reverse("admin:rewards_redeemedreward_change", args=(row.cause_id,))
        return Hold(row=row, url=url, who="a reward that is being made")
    who = f"API key {row.actor_id}" if row.actor_kind == ActorKind.API_KEY else row.actor_kind.replace("_", " ")
    return Hold(row=row, url="", who=who)


def waiting(customer: Customer) -> Any:
    return AdjustmentRequest.objects.filter(customer=customer, state=RequestState.WAITING).order_by("id")[:MOST_ROWS]


def asked(row: AdjustmentRequest) -> Asked:
    return Asked(
        row=row,
        url=reverse("admin:points_adjustmentrequest_change", args=(row.pk,)),
        change=show.signed_points(row.points),
    )
