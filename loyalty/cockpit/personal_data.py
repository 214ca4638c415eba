"""Everything we hold about one customer, for the customer: section by section, row by row, in constant memory.

Notes that staff wrote for staff are not part of it, nor the secrets of shops and of sign-in.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Case, F, QuerySet, Value, When

from loyalty.accounts.models import User
from loyalty.customers import queries as customers
from loyalty.customers.models import Customer, CustomerIdentity, ErasureRequest, ShippingAddress
from loyalty.events.models import Event
from loyalty.messages.models import Mail, Unsubscription
from loyalty.points.models import PointsLot, PointsTransaction
from loyalty.program.models import Activity, EarningAward, Order, OrderItem, Referral, ReferralLink
from loyalty.program.tiers.models import VipTierChange
from rewards import queries
from rewards.models import RedeemedReward
from rewards.states import VISIBLE

ROWS_AT_ONCE = 500

PERSON = ("id", "email", "phone", "first_name", "last_name", "date_of_birth", "language", "state", "created_at")
ADDRESS = ("recipient", "line_1", "line_2", "postal_code", "city", "region", "country")
REDEEMED = (
    "id", "name", "type", "origin", "status", "cost_in_points", "amount", "currency", "redeemed_at", "issued_at",
    "used_at", "starts_at", "expires_at", "cancelled_at", "customer_email", "customer_phone", "customer_first_name",
    "customer_last_name", "shipping_address",
)  # fmt: skip
PARCEL = ("address", "carrier", "tracking_number", "shipped_at", "delivered_at")
ORDER = ("id", "number", "external_id", "status", "total", "refunded", "currency", "placed_at")
ACTIVITY = ("id", "token", "distinct_id", "created_on_origin_at", "created_at", "outcome")
EARNED = ("id", "order_id", "activity_id", "points", "reward_id", "state", "terms", "earned_at")
MAIL = ("id", "kind", "state", "created_at", "sent_at", "address", "subject", "text")


def sections(*, customer_id: int, now: datetime) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """The name of each section, and its rows as they are read. Read one section before asking for the next."""
    for name, rows in _queries(customer_id, now).items():
        yield name, rows.iterator(chunk_size=ROWS_AT_ONCE)


def _queries(who: int, now: datetime) -> dict[str, QuerySet[Any, dict[str, Any]]]:
    person = customers.same_person(who)  # and whoever was merged into them
    own = {"customer_id__in": person}
    return {
        "customer": Customer.objects.filter(pk__in=person).order_by("pk").values(*PERSON, tier_name=F("tier__name")),
        "address": ShippingAddress.objects.filter(**own).values(*ADDRESS),
        "ids_in_shops": CustomerIdentity.objects.filter(**own).order_by("pk").values("external_id", "created_at"),
        "sign_in": User.objects.filter(customer__in=person).values("email", "name", "created_at", "last_login"),
        "points_transactions": PointsTransaction.objects.filter(**own)
        .order_by("pk")
        .values("id", "kind", "points_change", "effective_at", "recorded_at", description=F("note__description")),
        "points_lots": PointsLot.objects.filter(**own)
        .order_by("pk")
        .values("id", "points", "remaining", "available_at", "expires_at"),
        "redeemed_rewards": _redeemed(who, now),
        "orders": Order.objects.filter(**own).order_by("pk").values(*ORDER),
        "items_of_orders": OrderItem.objects.filter(order__customer_id__in=person)
        .order_by("order_id", "position")
        .values("order_id", "product", "categories", "quantity", "amount", "tax"),
        "activities": Activity.objects.filter(**own).order_by("pk").values(*ACTIVITY),
        "earned": EarningAward.objects.filter(**own).order_by("pk").values(*EARNED),
        "vip_tier_changes": VipTierChange.objects.filter(**own)
        .order_by("pk")
        .values("changed_at", "cause", "measured", previous=F("previous_tier__name"), current=F("current_tier__name")),
        "e_mails": Mail.objects.filter(**own).order_by("pk").values(*MAIL),
        "e_mails_refused": Unsubscription.objects.filter(**own).order_by("pk").values("kind", "created_at"),
        "recommendation_link": ReferralLink.objects.filter(**own).values("code", "created_at"),
        "friends_recommended": Referral.objects.filter(sender__in=person)
        .order_by("pk")
        .values("id", "state", "created_at"),
        "requests_to_be_forgotten": ErasureRequest.objects.filter(**own)
        .order_by("pk")
        .values("requested_at", "withdrawn_at"),
        "what_happened": Event.objects.filter(**own).order_by("pk").values("kind", "occurred_at", "actor_kind"),
    }


def _redeemed(who: int, now: datetime) -> QuerySet[Any, dict[str, Any]]:
    """With the code where the customer may see it: one that is being canceled may still work."""
    rows = queries.with_status(RedeemedReward.objects.filter(customer_id__in=customers.same_person(who)), now)
    code = Case(When(status__in=VISIBLE, then=F("code__code")), default=Value(None))
    parcel = {f"parcel_{name}": F(f"delivery__{name}") for name in PARCEL}
    found: QuerySet[Any, dict[str, Any]] = rows.order_by("pk").values(*REDEEMED, visible_code=code, **parcel)
    return found
