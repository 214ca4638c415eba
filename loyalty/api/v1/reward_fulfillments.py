"""Redeemed rewards, which Smile calls reward fulfillments: list, get, cancel, mark used, mark unused."""

from datetime import datetime

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, documentation, errors, fields, pagination, parsing, query, views
from loyalty.api.keys import Scope
from loyalty.common.errors import DomainError
from rewards import cancellation, queries, reissue, usage
from rewards.filters import RedeemedRewardFilter
from rewards.models import (
    CancellationState,
    DeliveryStatus,
    FulfillmentStatus,
    Origin,
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
}
ONE = ("redeemed_after", "redeemed_before", "used_after", "used_before", "search")


class CustomerReferenceSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    email = fields.OptionalTextField()


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
    origin = serializers.ChoiceField(choices=Origin.choices, help_text="Extension.")
    delivery_status = serializers.SerializerMethodField(help_text="Extension: null until a reward is used.")
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


class CancelSerializer(serializers.Serializer):
    return_points = serializers.BooleanField(required=False, default=True)
    internal_note = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=1000)


class MarkUsedSerializer(serializers.Serializer):
    order_id = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=120)


class UsedMeanwhile(DomainError):
    """The cancellation came too late."""

    code = "used_meanwhile"


def readable(*, now: datetime) -> QuerySet[RedeemedReward]:
    """What integrators see, joined with what its shape needs. Redemptions that have not succeeded are not among it."""
    return queries.with_status(queryset=queries.visible(), now=now).select_related("code", "customer")


class RewardFulfillments(views.ApiView):
    scopes = {"GET": Scope.REWARD_FULFILLMENT_READ}

    @documentation.listing(
        "reward_fulfillments",
        RewardFulfillmentSerializer,
        summary="List redeemed rewards",
        filters=[
            documentation.filter_by("customer_id", int),
            documentation.filter_by("fulfillment_status", SEVERAL["fulfillment_status"]),
            documentation.filter_by("usage_status", SEVERAL["usage_status"]),
            documentation.filter_by("status", SEVERAL["status"], "Extension."),
            documentation.filter_by("type", SEVERAL["type"], "Extension."),
            documentation.filter_by("delivery_status", SEVERAL["delivery_status"], "Extension."),
            documentation.filter_by("redeemed_after", str, "Extension: date and time, inclusive."),
            documentation.filter_by(
                "redeemed_before", str, "Extension: date and time, exclusive; a date is a whole day."
            ),
            documentation.filter_by("used_after", str, "Extension: as above."),
            documentation.filter_by("used_before", str, "Extension: as above."),
            documentation.filter_by("search", str, "Extension: e-mail, phone, name, or the beginning of a code."),
            documentation.UPDATED_AT_MIN,
        ],
    )
    def get(self, request: Request) -> Response:
        page = pagination.by_cursor(_filtered(request), request=request)
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


class CancelRewardFulfillment(views.ApiView):
    scopes = {"POST": Scope.REWARD_FULFILLMENT_WRITE}

    @documentation.write(
        "reward_fulfillment",
        RewardFulfillmentSerializer,
        accepts=CancelSerializer,
        status=200,
        missing=True,
        operation="cancel_reward_fulfillment",
        summary="Cancel a redeemed reward (extension)",
        description=(
            "The code is killed in the shop and proved dead, then the points go back. While the shop cannot be reached "
            "the answer is 202, `fulfillment_status` stays `issued` and `status` is `cancelling`: get it again later. "
            "Cancelling twice is harmless."
        ),
        refusals="it was used, or it cannot be cancelled any more",
        also=(202,),
    )
    @views.once(atomic=False)
    def post(self, request: Request, pk: str) -> Response:
        redeemed_reward_id = existing(pk)
        given = CancelSerializer(data=parsing.body_of(request, name="reward_fulfillment"))
        given.is_valid(raise_exception=True)
        row = cancellation.cancel(
            redeemed_reward_id=redeemed_reward_id,
            return_points=given.validated_data["return_points"],
            internal_note=given.validated_data.get("internal_note") or "",
            actor=authentication.actor_of(request),
            now=timezone.now(),
        )
        if row.state == CancellationState.USED_MEANWHILE:
            raise UsedMeanwhile("The shop shows that the code was used before it could be killed: no points went back.")
        return _answer(redeemed_reward_id, status=202 if row.state == CancellationState.CANCELLING else 200)


class ReissueRewardFulfillment(views.ApiView):
    scopes = {"POST": Scope.REWARD_FULFILLMENT_WRITE}

    @documentation.write(
        "reward_fulfillment",
        RewardFulfillmentSerializer,
        accepts=None,
        status=201,
        missing=True,
        operation="reissue_reward_fulfillment",
        summary="Give a failed reward anew (extension)",
        description=(
            "A failed reward stays failed. The answer is the new one, which names it in `reissue_of_id` and is pending "
            "until the shop has made it. Reissuing twice gives the same new one."
        ),
        refusals="it has not failed, or its limits are reached",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        redeemed_reward_id = existing(pk)
        parsing.body_of(request, name="reward_fulfillment")
        new = reissue.reissue(
            redeemed_reward_id=redeemed_reward_id, actor=authentication.actor_of(request), now=timezone.now()
        )
        return _answer(new.pk, status=201)


class MarkRewardFulfillmentUsed(views.ApiView):
    scopes = {"POST": Scope.REWARD_FULFILLMENT_WRITE}

    @documentation.write(
        "reward_fulfillment",
        RewardFulfillmentSerializer,
        accepts=MarkUsedSerializer,
        status=200,
        missing=True,
        operation="mark_reward_fulfillment_used",
        summary="Mark a redeemed reward used (extension)",
        refusals="expired, canceled, or its use is not tracked",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        redeemed_reward_id = existing(pk)
        given = MarkUsedSerializer(data=parsing.body_of(request, name="reward_fulfillment"))
        given.is_valid(raise_exception=True)
        usage.mark_used(
            redeemed_reward_id=redeemed_reward_id,
            order_id=given.validated_data.get("order_id") or "",
            actor=authentication.actor_of(request),
            now=timezone.now(),
        )
        return _answer(redeemed_reward_id)


class MarkRewardFulfillmentUnused(views.ApiView):
    scopes = {"POST": Scope.REWARD_FULFILLMENT_WRITE}

    @documentation.write(
        "reward_fulfillment",
        RewardFulfillmentSerializer,
        accepts=None,
        status=200,
        missing=True,
        operation="mark_reward_fulfillment_unused",
        summary="Mark a redeemed reward unused (extension)",
        refusals="its parcel has been shipped, it was canceled, or its use is not tracked",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        redeemed_reward_id = existing(pk)
        parsing.body_of(request, name="reward_fulfillment")
        usage.mark_unused(
            redeemed_reward_id=redeemed_reward_id, actor=authentication.actor_of(request), now=timezone.now()
        )
        return _answer(redeemed_reward_id)


def existing(pk: str) -> int:
    """The id of a redeemed reward that integrators see. Raises NotFound."""
    number = query.path_id(pk)
    if not queries.visible().filter(pk=number).exists():
        raise errors.NotFound(f"There is no reward fulfillment {pk}.")
    return number


def _answer(redeemed_reward_id: int, *, status: int = 200) -> Response:
    """What became of it."""
    shown = readable(now=timezone.now()).get(pk=redeemed_reward_id)
    return Response({"reward_fulfillment": RewardFulfillmentSerializer(shown).data}, status=status)


def _filtered(request: Request) -> QuerySet[RedeemedReward]:
    given = QueryDict(mutable=True)
    for name, words in SEVERAL.items():
        given.setlist(name, query.choices(request, name, words))
    for name in ONE:
        if (value := query.text(request, name)) is not None:
            given[name] = value
    chosen = RedeemedRewardFilter(data=given, queryset=readable(now=timezone.now()))
    if not chosen.is_valid():
        name, sentences = next(iter(chosen.errors.items()))
        raise errors.InvalidParameter(f"{name}: {sentences[0]}")
    found: QuerySet[RedeemedReward] = chosen.qs
    if (customer_id := query.identifier(request, "customer_id")) is not None:
        found = found.filter(customer_id=customer_id)
    if (since := query.instant(request, "updated_at_min")) is not None:
        found = found.filter(updated_at__gte=since)
    return found
