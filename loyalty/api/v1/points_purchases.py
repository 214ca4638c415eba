"""Redeeming: points spent on a reward, answered with the code."""

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, documentation, errors, fields, pagination, parsing, query, views
from loyalty.api.keys import Scope
from loyalty.api.v1 import addresses, reward_fulfillments
from rewards import redemption
from rewards.models import PointsProduct, RedeemedReward


class PointsPurchaseSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    customer_id = serializers.IntegerField()
    points_product_id = serializers.IntegerField()
    points_spent = serializers.IntegerField(source="cost_in_points")
    reward_fulfillment = reward_fulfillments.RewardFulfillmentSerializer(source="*")
    created_at = fields.InstantField(source="redeemed_at")
    updated_at = fields.InstantField()


class NewPointsPurchaseSerializer(serializers.Serializer):
    customer_id = fields.WholeNumberField()
    points_to_spend = fields.WholeNumberField(
        required=False,
        allow_null=True,
        help_text="Of a variable cost: a step between its minimum and maximum. Of a fixed one: leave out, null, or its price.",
    )
    shipping_address = addresses.AddressSerializer(
        required=False,
        allow_null=True,
        help_text="Extension: where this one goes. A gift needs it when the customer's own address is not known.",
    )


class AllPointsPurchases(views.ApiView):
    scopes = {"GET": Scope.POINTS_PURCHASE_READ}

    @documentation.listing(
        "points_purchases",
        PointsPurchaseSerializer,
        summary="List what points were spent on (extension)",
        filters=[
            documentation.filter_by("customer_id", int),
            documentation.filter_by("points_product_id", int),
            documentation.UPDATED_AT_MIN,
        ],
    )
    def get(self, request: Request) -> Response:
        found = _purchases()
        for name in ("customer_id", "points_product_id"):
            if (value := query.identifier(request, name)) is not None:
                found = found.filter(**{name: value})
        if (since := query.instant(request, "updated_at_min")) is not None:
            found = found.filter(updated_at__gte=since)
        page = pagination.by_cursor(found, request=request)
        rows = PointsPurchaseSerializer(page.rows, many=True).data
        return Response({"points_purchases": rows, "metadata": page.metadata})


class OnePointsPurchase(views.ApiView):
    scopes = {"GET": Scope.POINTS_PURCHASE_READ}

    @documentation.single("points_purchase", PointsPurchaseSerializer, summary="Get one of them (extension)")
    def get(self, request: Request, pk: str) -> Response:
        shown = _purchases().filter(pk=query.path_id(pk)).first()
        if shown is None:
            raise errors.NotFound(f"There is no points purchase {pk}.")
        return Response({"points_purchase": PointsPurchaseSerializer(shown).data})


class PointsPurchases(views.ApiView):
    scopes = {"POST": Scope.POINTS_PURCHASE_WRITE}

    @documentation.write(
        "points_purchase",
        PointsPurchaseSerializer,
        accepts=NewPointsPurchaseSerializer,
        wrapped=False,
        missing=True,
        summary="Redeem a reward for a customer's points",
        description=(
            "Answers when the shop has made the code, or with a refusal; then nothing was spent. With 503 "
            "`redemption_unresolved` the shop did not answer in time: the points are held while it is being checked, and "
            "the same Idempotency-Key later answers with the result."
        ),
        refusals="too few points, no address for a gift, another price, points between two steps, customer excluded, reward not available, limit reached, the shop refused",
    )
    @views.once(atomic=False)
    def post(self, request: Request, pk: str) -> Response:
        product = PointsProduct.objects.filter(pk=query.path_id(pk)).first()
        if product is None:
            raise errors.NotFound(f"There is no points product {pk}.")
        given = NewPointsPurchaseSerializer(data=parsing.body_of(request, name="points_purchase"))
        given.is_valid(raise_exception=True)
        now = timezone.now()
        redeemed = redemption.redeem(
            customer_id=given.validated_data["customer_id"],
            points_product_id=product.pk,
            actor=authentication.actor_of(request),
            now=now,
            points_to_spend=given.validated_data.get("points_to_spend"),
            idempotency_key=self.domain_key,
            address=addresses.address_of(address)
            if (address := given.validated_data.get("shipping_address"))
            else None,
            address_required=True,
        )
        return Response({"points_purchase": _shape(redeemed)}, status=201)


def _purchases() -> QuerySet[RedeemedReward]:
    return reward_fulfillments.readable(now=timezone.now()).filter(points_product__isnull=False)


def _shape(redeemed: RedeemedReward) -> object:
    shown = reward_fulfillments.readable(now=timezone.now()).get(pk=redeemed.pk)
    return PointsPurchaseSerializer(shown).data
