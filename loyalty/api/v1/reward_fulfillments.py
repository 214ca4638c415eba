"""Redeemed rewards, which Smile calls reward fulfillments: list and get. What is done with them: see `reward_acts`."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import documentation, errors, fields, pagination, query, views
from loyalty.api.keys import Scope
from loyalty.common import codes
from loyalty.common.adminkit import moments
from rewards import queries
from rewards.filters import RedeemedRewardFilter, of_campaign
from rewards.models import (
    DeliveryStatus,
    FulfillmentStatus,
    Origin,
    PayoutState,
    RedeemedReward,
    RewardType,
    UsageStatus,
)
from rewards.queries import Status

# Of the filter set that grid and export use, those that integrators are promised.
SEVERAL: dict[str, list[str]] = {  # any of the given words will do
    "fulfillment_status": FulfillmentStatus.values,
    "usage_status": UsageStatus.values,
    "status": Status.values,
    "type": RewardType.values,
    "delivery_status": [value for value in DeliveryStatus.values if value],
    "payout_state": PayoutState.values,
}
BY_ID: dict[str, Callable[[int], Q]] = {
    "customer_id": lambda number: Q(customer_id=number),
    "campaign_id": of_campaign,
}
ONE = ("redeemed_after", "redeemed_before", "used_after", "used_before", "search")

FILTERS = [
    documentation.filter_by("customer_id", int),
    documentation.filter_by("fulfillment_status", SEVERAL["fulfillment_status"]),
    documentation.filter_by("usage_status", SEVERAL["usage_status"]),
    documentation.filter_by("status", SEVERAL["status"], "Extension."),
    documentation.filter_by("type", SEVERAL["type"], "Extension."),
    documentation.filter_by("delivery_status", SEVERAL["delivery_status"], "Extension."),
    documentation.filter_by("payout_state", SEVERAL["payout_state"], "Extension."),
    documentation.filter_by("campaign_id", int, "Extension: given by this campaign."),
    documentation.filter_by("redeemed_after", datetime, "Extension: date and time, inclusive."),
    documentation.filter_by("redeemed_before", datetime, "Extension: date and time, exclusive; a date is a whole day."),
    documentation.filter_by("used_after", datetime, "Extension: as above."),
    documentation.filter_by("used_before", datetime, "Extension: as above."),
    documentation.filter_by("search", str, "Extension: e-mail, phone, name, or the beginning of a code."),
    documentation.filter_by("code", str, "Extension: exactly this code, in any case; none or one in each shop."),
    documentation.UPDATED_AT_MIN,
]


class CustomerReferenceSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    email = fields.OptionalTextField()


class PayoutSerializer(serializers.Serializer):
    state = serializers.ChoiceField(choices=PayoutState.choices, help_text="Where the money stands, as far as we know.")
    amount = serializers.DecimalField(max_digits=12, decimal_places=2)
    currency = serializers.CharField()
    provider = serializers.CharField(source="account.provider")
    reference = serializers.CharField(help_text="Ours, which the provider knows it by.")
    remote_id = fields.OptionalTextField(help_text="The provider's own reference.")
    settled_at = fields.InstantField(allow_null=True, help_text="When it was paid, failed or canceled.")


class RewardFulfillmentSerializer(serializers.Serializer):
    # Takes rows of `readable`. A comment, as docstrings of serializers are printed in the schema.
    id = serializers.IntegerField()
    name = serializers.CharField()
    code = serializers.SerializerMethodField(
        help_text="Null until it is issued, and while a cancellation is under way."
    )
    customer_id = serializers.IntegerField()
    fulfillment_status = serializers.ChoiceField(choices=FulfillmentStatus.choices)
    image_url = serializers.CharField()
    action_text = fields.OptionalTextField()
    action_url = fields.OptionalTextField()
    usage_instructions = fields.OptionalTextField()
    terms_and_conditions = fields.OptionalTextField(source="terms")
    expires_at = fields.EndField(allow_null=True)
    usage_status = serializers.ChoiceField(choices=UsageStatus.choices)
    remaining = serializers.DecimalField(
        max_digits=12, decimal_places=2, allow_null=True, help_text="Extension: what is left of a value code."
    )
    used_at = fields.InstantField(allow_null=True)
    created_at = fields.InstantField(source="redeemed_at")
    updated_at = fields.InstantField()
    status = serializers.ChoiceField(choices=Status.choices, help_text="Extension: the one word people read.")
    type = serializers.ChoiceField(choices=RewardType.choices, help_text="Extension.")
    brand = fields.OptionalTextField(help_text="Extension: whose it is.")
    origin = serializers.ChoiceField(choices=Origin.choices, help_text="Extension.")
    delivery_status = serializers.SerializerMethodField(help_text="Extension: null until a reward is used.")
    cashback_status = fields.OptionalTextField(
        help_text="Extension: what the payout provider said last, such as `1: SUCCESS`; null unless it is a cashback."
    )
    payout = PayoutSerializer(allow_null=True, help_text="Extension: the money of a cashback; null for others.")
    cost_in_points = serializers.IntegerField(help_text="Extension.")
    reward_id = serializers.IntegerField(help_text="Extension.")
    points_product_id = serializers.IntegerField(allow_null=True, help_text="Extension.")
    issued_at = fields.InstantField(allow_null=True, help_text="Extension.")
    cancelled_at = fields.InstantField(allow_null=True, help_text="Extension.")
    starts_at = fields.InstantField(allow_null=True, help_text="Extension: until then it cannot be used.")
    used_order_id = fields.OptionalTextField(help_text="Extension: the shop's id of the order that used it.")
    reissue_of_id = serializers.IntegerField(
        allow_null=True, help_text="Extension: the reward that failed and in whose place this one was given."
    )
    customer = CustomerReferenceSerializer(help_text="Extension.")

    def get_code(self, redeemed: RedeemedReward) -> str | None:
        status: str = redeemed.status  # type: ignore[attr-defined]  # annotated by `readable`
        if redeemed.code is None or status in {Status.PENDING, Status.FAILED, Status.CANCELLING}:
            return None
        return redeemed.code.code

    def get_delivery_status(self, redeemed: RedeemedReward) -> str | None:
        return redeemed.delivery_status or None


def readable(*, now: datetime) -> QuerySet[RedeemedReward]:
    """What integrators see, joined with what its shape needs. Redemptions that have not succeeded are not among it."""
    return queries.with_status(queryset=queries.visible(), now=now).select_related(
        "code", "customer", "payout__account"
    )


class RewardFulfillments(views.ApiView):
    scopes = {"GET": Scope.REWARD_FULFILLMENT_READ}

    @documentation.listing(
        "reward_fulfillments",
        RewardFulfillmentSerializer,
        summary="List redeemed rewards",
        filters=FILTERS,
    )
    def get(self, request: Request) -> Response:
        page = pagination.by_cursor(filtered(request), request=request)
        rows = RewardFulfillmentSerializer(page.rows, many=True).data
        return Response({"reward_fulfillments": rows, "metadata": page.metadata})


class OneRewardFulfillment(views.ApiView):
    scopes = {"GET": Scope.REWARD_FULFILLMENT_READ}

    @documentation.single(
        "reward_fulfillment", RewardFulfillmentSerializer, summary="Get a redeemed reward (extension)"
    )
    def get(self, request: Request, pk: str) -> Response:
        shown = readable(now=timezone.now()).filter(pk=query.path_id(pk)).first()
        if shown is None:
            raise errors.NotFound(f"There is no reward fulfillment {pk}.")
        return Response({"reward_fulfillment": RewardFulfillmentSerializer(shown).data})


def existing(pk: str) -> int:
    """The id of a redeemed reward that integrators see. Raises NotFound."""
    number = query.path_id(pk)
    if not queries.visible().filter(pk=number).exists():
        raise errors.NotFound(f"There is no reward fulfillment {pk}.")
    return number


def shape(redeemed_reward_id: int) -> Any:
    """A redeemed reward as the wire has it now."""
    return RewardFulfillmentSerializer(readable(now=timezone.now()).get(pk=redeemed_reward_id)).data


def filtered(request: Request) -> QuerySet[RedeemedReward]:
    """What the request's query asks for. Raises InvalidParameter."""
    found = _chosen(request)
    for name, narrowed in BY_ID.items():
        if (number := query.identifier(request, name)) is not None:
            found = found.filter(narrowed(number))
    if (code := query.text(request, "code")) is not None:
        shown = (Status.ISSUED, Status.USED, Status.EXPIRED, Status.CANCELLED)  # those whose code an integrator sees
        found = found.filter(code__canonical=codes.canonical(code), status__in=shown)
    if (since := query.instant(request, "updated_at_min")) is not None:
        found = found.filter(updated_at__gte=since)
    return found


def _chosen(request: Request) -> QuerySet[Any]:
    """By the filter set that grid and export use. The rows know their status. Raises InvalidParameter."""
    given = QueryDict(mutable=True)
    for name, words in SEVERAL.items():
        given.setlist(name, query.choices(request, name, words))
    for name in ONE:
        if (value := query.text(request, name)) is not None:
            given[name] = value if name == "search" else _within_reason(value)
    chosen = RedeemedRewardFilter(data=given, queryset=readable(now=timezone.now()))
    if not chosen.is_valid():
        name, sentences = next(iter(chosen.errors.items()))
        raise errors.InvalidParameter(f"{name}: {sentences[0]}")
    found: QuerySet[Any] = chosen.qs
    return found


def _within_reason(value: str) -> str:
    """The nearest instant of the years that a desk knows: nothing lies beyond them, so that means the same."""
    try:
        year = datetime.fromisoformat(value).year
    except ValueError:
        return value
    if year < moments.EARLIEST:
        return f"{moments.EARLIEST}-01-01T00:00:00Z"
    return f"{moments.LATEST}-12-31T23:59:59Z" if year > moments.LATEST else value
