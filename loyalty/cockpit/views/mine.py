"""The rewards the customer has."""

from django.core.paginator import Paginator
from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from loyalty.cockpit.access import Visit, customers_only
from loyalty.common import qr
from loyalty.points import queries as points
from rewards import queries, self_cancellation
from rewards.models import DeliveryStatus, RedeemedReward, RewardType
from rewards.queries import Status
from rewards.types import registry as types

ROWS = 20
UNDER_WAY = Q(type=RewardType.GIFT, delivery_status__in=[DeliveryStatus.ORDERED, DeliveryStatus.SHIPPED])
MONEY_UNDER_WAY = Q(status=Status.ISSUED, type=RewardType.CASHBACK)

PAID_OUT = Q(status=Status.ISSUED, cashback_status__startswith="1:")


@require_safe
@customers_only
def my_rewards(visit: Visit) -> HttpResponse:
    """Ready to use first, then parcels and money under way, then used ones, then what was paid out.

    What expired stands on a page of its own.
    """
    past = visit.request.GET.get("show") == "past"
    mine = queries.for_customer_page(customer_id=visit.customer.pk, now=visit.now)
    rows = mine.filter(Q(status=Status.EXPIRED)) if past else _in_groups(mine.exclude(Q(status=Status.EXPIRED)))
    page = Paginator(rows, ROWS).get_page(visit.request.GET.get("page"))
    return visit.render("cockpit/my_rewards.html", page=page, past=past)


@require_safe
@customers_only
def my_reward(visit: Visit, redeemed_reward_id: int) -> HttpResponse:
    """One reward with its code. Other people's, and those without success, do not exist here."""
    mine = queries.for_customer_page(customer_id=visit.customer.pk, now=visit.now)
    redeemed = get_object_or_404(mine.select_related("code", "delivery", "connection", "payout"), pk=redeemed_reward_id)
    left = points.balance(customer_id=visit.customer.pk, now=visit.now) if "new" in visit.request.GET else None
    status = queries.status_of(redeemed=redeemed, now=visit.now)
    cancel_until = self_cancellation.until(redeemed=redeemed, status=status, now=visit.now, programme=visit.programme)
    return visit.render(
        "cockpit/my_reward.html", redeemed=redeemed, left=left, cancel_until=cancel_until, qr=_qr(redeemed)
    )


def _qr(redeemed: RedeemedReward) -> str:
    """The code as a picture, for those that are shown at a door."""
    if redeemed.code is None or not types.type_of(redeemed.type).shows_qr:
        return ""
    return qr.svg(redeemed.code.canonical, label=_("QR code %(code)s") % {"code": redeemed.code.code})


def _in_groups(mine: QuerySet[RedeemedReward]) -> QuerySet[RedeemedReward]:
    group = Case(
        When(PAID_OUT, then=Value(3)),
        When(MONEY_UNDER_WAY, then=Value(1)),
        When(status=Status.ISSUED, then=Value(0)),
        When(UNDER_WAY, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    return mine.select_related("code").annotate(group=group).order_by("group", "-redeemed_at", "-pk")
