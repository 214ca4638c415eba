"""The rewards of the catalogue: what can be redeemed, granted, or is switched off."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import documentation, errors, fields, pagination, query, views
from loyalty.api.keys import Scope
from loyalty.merchant import queries as merchant
from rewards import catalogue
from rewards.models import Reward, RewardKind, RewardType
from rewards.types import registry


class CatalogueRewardSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    image_url = serializers.CharField()
    created_at = fields.InstantField()
    updated_at = fields.InstantField()
    type = serializers.ChoiceField(choices=RewardType.choices, help_text="Extension.")
    enabled = serializers.BooleanField(help_text="Extension: switched off, it can be neither redeemed nor granted.")
    points_product_id = serializers.IntegerField(
        allow_null=True, help_text="Extension: its price; null for one that is only granted."
    )


class Rewards(views.ApiView):
    scopes = {"GET": Scope.REWARD_READ}

    @documentation.listing(
        "rewards",
        CatalogueRewardSerializer,
        summary="List the rewards of the catalogue (extension)",
        filters=[
            documentation.filter_by("type", RewardType.values),
            documentation.filter_by("kind", RewardKind.values, "What reaches the customer."),
            documentation.filter_by("enabled", ("true", "false")),
            documentation.UPDATED_AT_MIN,
        ],
    )
    def get(self, request: Request) -> Response:
        found = _readable()
        if types := query.choices(request, "type", RewardType.values):
            found = found.filter(type__in=types)
        if (kind := query.choice(request, "kind", RewardKind.values)) is not None:
            found = found.filter(type__in=registry.OF_KIND[kind])
        if (enabled := query.choice(request, "enabled", ("true", "false"))) is not None:
            found = found.filter(enabled=enabled == "true")
        if (since := query.instant(request, "updated_at_min")) is not None:
            found = found.filter(updated_at__gte=since)
        page = pagination.by_cursor(found, request=request)
        return Response({"rewards": described(page.rows), "metadata": page.metadata})


class OneReward(views.ApiView):
    scopes = {"GET": Scope.REWARD_READ}

    @documentation.single("reward", CatalogueRewardSerializer, summary="Get one of them (extension)")
    def get(self, request: Request, pk: str) -> Response:
        reward = _readable().filter(pk=query.path_id(pk)).first()
        if reward is None:
            raise errors.NotFound(f"There is no reward {pk}.")
        return Response({"reward": described([reward])[0]})


def _readable() -> QuerySet[Reward]:
    return Reward.objects.select_related("points_product")


def described(rewards: list[Reward]) -> list[dict[str, Any]]:
    """Rewards of the catalogue as the wire has them. `points_product` is selected, or asked for one by one."""
    texts = catalogue.words(rewards=rewards, language=merchant.programme().language)
    rows = [
        {
            "id": reward.pk,
            "name": texts[reward.pk].name,
            "description": texts[reward.pk].short_description,
            "image_url": reward.image_url,
            "created_at": reward.created_at,
            "updated_at": reward.updated_at,
            "type": reward.type,
            "enabled": reward.enabled,
            "points_product_id": product.pk if (product := getattr(reward, "points_product", None)) else None,
        }
        for reward in rewards
    ]
    return list(CatalogueRewardSerializer(rows, many=True).data)
