"""What a customer does from the shop's own pages (ours: Smile's REST paths behind its script are not documented)."""

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import documentation, errors, fields, pagination, parsing, query, storefront, views
from loyalty.merchant import own_words
from loyalty.merchant import queries as merchant
from loyalty.points import queries as points
from rewards import catalogue, queries, redemption
from rewards.models import RedeemedReward, RewardType, UsageStatus
from rewards.queries import Status


class OwnBalanceSerializer(serializers.Serializer):
    customer_id = serializers.IntegerField()
    first_name = fields.OptionalTextField()
    points_balance = serializers.IntegerField(help_text="Points that can be spent now.")
    points_pending = serializers.IntegerField(help_text="Points that become active later.")
    points_label = serializers.CharField(help_text="What points are called.")


class OwnOfferSerializer(serializers.Serializer):
    points_product_id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField(source="short_description")
    image_url = serializers.CharField()
    type = serializers.ChoiceField(choices=RewardType.choices)
    cost_in_points = serializers.IntegerField(help_text="Of a variable cost, the least it takes.")
    available = serializers.BooleanField(help_text="This customer can redeem it now.")
    missing_points = serializers.IntegerField()
    reason = fields.OptionalTextField(help_text="Why not, for the customer.")


class OwnRewardSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    code = serializers.SerializerMethodField()
    status = serializers.ChoiceField(choices=Status.choices)
    usage_status = serializers.ChoiceField(choices=UsageStatus.choices)
    image_url = serializers.CharField()
    action_text = fields.OptionalTextField()
    action_url = fields.OptionalTextField()
    usage_instructions = fields.OptionalTextField()
    terms_and_conditions = fields.OptionalTextField(source="terms")
    expires_at = fields.EndField(allow_null=True)
    created_at = fields.InstantField(source="redeemed_at")

    def get_code(self, redeemed: RedeemedReward) -> str | None:
        return redeemed.code.code if redeemed.code is not None else None


class OwnPurchaseSerializer(serializers.Serializer):
    points_to_spend = fields.WholeNumberField(
        required=False, allow_null=True, help_text="Of a variable cost. Of a fixed one: leave out, null, or its price."
    )


class OwnBalance(storefront.StorefrontView):
    @documentation.mine("balance", OwnBalanceSerializer, summary="The customer's own balance (customer token)")
    def get(self, request: Request) -> Response:
        customer, programme = storefront.customer_of(request), merchant.programme()
        balance = points.balance(customer_id=customer.pk, now=timezone.now())
        shown = points.shown(balance=balance, programme=programme)
        told = {
            "customer_id": customer.pk,
            "first_name": customer.first_name,
            "points_balance": shown,
            "points_pending": balance.pending,
            "points_label": own_words.points_label(
                programme=programme, number=shown, language=customer.language or programme.language
            ),
        }
        return Response({"balance": OwnBalanceSerializer(told).data})


class OwnOffers(storefront.StorefrontView):
    @documentation.mine(
        "offers", OwnOfferSerializer, summary="What the customer can redeem, and how far away it is", many=True
    )
    def get(self, request: Request) -> Response:
        customer = storefront.customer_of(request)
        found = catalogue.offers(customer_id=customer.pk, now=timezone.now(), language=catalogue.language_of(customer))
        return Response({"offers": OwnOfferSerializer(found, many=True).data})


class OwnRewards(storefront.StorefrontView):
    @documentation.listing(
        "redeemed_rewards", OwnRewardSerializer, operation="list_own_rewards", summary="The customer's own rewards"
    )
    def get(self, request: Request) -> Response:
        mine = queries.for_customer_page(customer_id=storefront.customer_of(request).pk, now=timezone.now())
        page = pagination.by_cursor(mine, request=request)
        return Response({"redeemed_rewards": [_reward(each) for each in page.rows], "metadata": page.metadata})


class OwnPurchases(storefront.StorefrontView):
    @documentation.write(
        "redeemed_reward",
        OwnRewardSerializer,
        accepts=OwnPurchaseSerializer,
        operation="redeem_own_points",
        wrapped=False,
        missing=True,
        summary="Redeem the customer's own points",
        refusals="too few points, no address for a gift, points between two steps, reward not available, limit reached, the shop refused",
    )
    @views.once(atomic=False)
    def post(self, request: Request, pk: str) -> Response:
        customer, now = storefront.customer_of(request), timezone.now()
        given = OwnPurchaseSerializer(data=parsing.body_of(request, name="redeemed_reward"))
        given.is_valid(raise_exception=True)
        try:
            redeemed = redemption.redeem(
                customer_id=customer.pk,
                points_product_id=query.path_id(pk),
                actor=storefront.actor_of(request),
                now=now,
                points_to_spend=given.validated_data.get("points_to_spend"),
                idempotency_key=self.domain_key,
                address_required=True,
            )
        except catalogue.UnknownReward as missing:
            raise errors.NotFound(missing.sentence) from missing
        shown = queries.for_customer_page(customer_id=customer.pk, now=timezone.now()).get(pk=redeemed.pk)
        return Response({"redeemed_reward": _reward(shown)}, status=201)


def _reward(redeemed: RedeemedReward) -> object:
    return OwnRewardSerializer(redeemed).data
