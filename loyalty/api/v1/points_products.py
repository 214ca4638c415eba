"""What points can buy: the rewards on offer with their prices."""

from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import documentation, errors, fields, pagination, query, views
from loyalty.api.keys import Scope
from loyalty.merchant import queries as merchant
from rewards import catalogue, pricing, simulation, wording
from rewards.models import ExchangeType, PointsProduct, RewardKind, RewardType
from rewards.types import registry

EXCHANGE_TYPES = ExchangeType.values
MOST_POINTS = 2**31 - 1


class RewardSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    image_url = serializers.CharField()
    created_at = fields.InstantField()
    updated_at = fields.InstantField()
    type = serializers.ChoiceField(choices=RewardType.choices, help_text="Extension.")
    brand = serializers.CharField(allow_null=True, help_text="Extension: whose it is.")
    usage_instructions = serializers.CharField(allow_null=True, help_text="Extension.")
    terms_and_conditions = serializers.CharField(allow_null=True, help_text="Extension.")


class PointsProductSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    exchange_type = serializers.ChoiceField(choices=EXCHANGE_TYPES)
    exchange_description = serializers.CharField(help_text="Such as “500 points = 10% off”.")
    points_price = serializers.IntegerField(allow_null=True)
    variable_points_step = serializers.IntegerField(allow_null=True)
    variable_points_step_reward_value = serializers.IntegerField(allow_null=True)
    variable_points_min = serializers.IntegerField(allow_null=True)
    variable_points_max = serializers.IntegerField(allow_null=True)
    reward = RewardSerializer()
    created_at = fields.InstantField()
    updated_at = fields.InstantField()


class PointsProducts(views.ApiView):
    scopes = {"GET": Scope.POINTS_PRODUCT_READ}

    @documentation.numbered_listing(
        "points_products",
        PointsProductSerializer,
        summary="List what points can buy now",
        filters=[
            documentation.filter_by("exchange_type", EXCHANGE_TYPES),
            documentation.filter_by("type", RewardType.values, "Extension."),
            documentation.filter_by("kind", RewardKind.values, "Extension: what reaches the customer."),
        ],
    )
    def get(self, request: Request) -> Response:
        found = catalogue.on_offer(now=timezone.now()).order_by("id")
        if (exchange_type := query.choice(request, "exchange_type", EXCHANGE_TYPES)) is not None:
            found = found.filter(exchange_type=exchange_type)
        if types := query.choices(request, "type", RewardType.values):
            found = found.filter(reward__type__in=types)
        if (kind := query.choice(request, "kind", RewardKind.values)) is not None:
            found = found.filter(reward__type__in=registry.OF_KIND[kind])
        return Response({"points_products": shape(pagination.by_number(found, request=request))})


class OnePointsProduct(views.ApiView):
    scopes = {"GET": Scope.POINTS_PRODUCT_READ}

    @documentation.single("points_product", PointsProductSerializer, summary="Get one of them")
    def get(self, request: Request, pk: str) -> Response:
        product = catalogue.on_offer(now=timezone.now()).filter(pk=query.path_id(pk)).first()
        if product is None:
            raise errors.NotFound(f"There is no points product {pk} on offer now.")
        return Response({"points_product": shape([product])[0]})


class SimulationSerializer(serializers.Serializer):
    points_product_id = serializers.IntegerField()
    points_to_spend = serializers.IntegerField()
    value = serializers.DecimalField(
        max_digits=12, decimal_places=2, allow_null=True, help_text="The money it is worth; null when it is none."
    )
    currency = serializers.CharField()
    available = serializers.BooleanField(help_text="So many points can be spent on it now.")
    reason_code = fields.OptionalTextField(help_text="Why not: the code that a purchase would be refused with.")
    reason = fields.OptionalTextField(help_text="The same, for people.")


class SimulatePointsProduct(views.ApiView):
    scopes = {"GET": Scope.POINTS_PRODUCT_READ}

    @documentation.single(
        "simulation",
        SimulationSerializer,
        summary="What so many points would give (extension)",
        description="Spends nothing. Whether one customer can have it is judged when they redeem.",
        filters=[
            documentation.filter_by(
                "points_to_spend",
                {"type": "integer", "minimum": 1, "maximum": MOST_POINTS},
                "Left out: the price, or the least of a variable one.",
            )
        ],
    )
    def get(self, request: Request, pk: str) -> Response:
        spent = query.whole_number(request, "points_to_spend", lowest=1, highest=MOST_POINTS)
        try:
            found = simulation.simulate(points_product_id=query.path_id(pk), points_to_spend=spent, now=timezone.now())
        except catalogue.UnknownReward as missing:
            raise errors.NotFound(missing.sentence) from missing
        return Response({"simulation": SimulationSerializer(found).data})


def shape(products: list[PointsProduct]) -> list[dict[str, Any]]:
    """Products as the wire has them, in the programme's language and a constant number of queries."""
    programme = merchant.programme()
    texts = catalogue.words(rewards=[product.reward for product in products], language=programme.language)
    rows = []
    for product in products:
        words, steps = texts[product.reward_id], pricing.steps_of(product)
        price = steps.step if steps is not None else pricing.least_points(product)
        label = programme.points_label_one if price == 1 else programme.points_label_other
        buys = words.name if steps is None else _of_a_step(product, steps, language=programme.language)
        rows.append(
            {
                "id": product.pk,
                "exchange_type": product.exchange_type,
                "exchange_description": f"{price:,} {label} = {buys}",
                "points_price": product.points_price,
                "variable_points_step": product.variable_points_step,
                "variable_points_step_reward_value": product.variable_points_step_reward_value,
                "variable_points_min": product.variable_points_min,
                "variable_points_max": product.variable_points_max,
                "reward": {
                    "id": product.reward_id,
                    "name": words.name,
                    "description": words.short_description,
                    "image_url": product.reward.image_url,
                    "created_at": product.reward.created_at,
                    "updated_at": product.reward.updated_at,
                    "type": product.reward.type,
                    "brand": words.brand or None,
                    "usage_instructions": words.usage_instructions or None,
                    "terms_and_conditions": catalogue.terms(
                        reward=product.reward, text=words, language=programme.language
                    )
                    or None,
                },
                "created_at": product.created_at,
                "updated_at": product.updated_at,
            }
        )
    return list(PointsProductSerializer(rows, many=True).data)


def _of_a_step(product: PointsProduct, steps: pricing.Steps, *, language: str) -> str:
    return wording.of_value(
        reward_type=product.reward.type,
        amount=steps.worth(steps.step),
        currency=product.reward.currency,
        language=language,
    )
