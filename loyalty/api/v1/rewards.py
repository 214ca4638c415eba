"""The rewards of the catalogue: what can be redeemed, granted, or is switched off."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, documentation, errors, fields, pagination, parsing, query, views
from loyalty.api.keys import Scope
from loyalty.api.v1 import reward_settings
from loyalty.merchant import queries as merchant
from rewards import catalogue, editing
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


class WholeRewardSerializer(CatalogueRewardSerializer):
    settings = reward_settings.RewardSettingsSerializer(help_text="Extension: all that can be set of it.")


class Rewards(views.ApiView):
    scopes = {"GET": Scope.REWARD_READ, "POST": Scope.REWARD_WRITE}

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

    @documentation.write(
        "reward",
        WholeRewardSerializer,
        accepts=reward_settings.NewRewardSerializer,
        summary="Make a reward (extension)",
        description="Switched off unless `enabled` is true. What each type needs is told by the refusal.",
        refusals="what this type of reward needs is missing, what it cannot have is there, the shop cannot make it",
    )
    @views.once(atomic=True)
    def post(self, request: Request) -> Response:
        given = _given(reward_settings.NewRewardSerializer, request)
        reward = editing.create(
            said=reward_settings.said(given),
            actor=authentication.actor_of(request),
            now=timezone.now(),
        )
        return _answer(reward.pk, status=201)


class OneReward(views.ApiView):
    scopes = {"GET": Scope.REWARD_READ, "POST": Scope.REWARD_WRITE}

    @documentation.single("reward", WholeRewardSerializer, summary="Get one of them (extension)")
    def get(self, request: Request, pk: str) -> Response:
        reward = _readable().filter(pk=query.path_id(pk)).first()
        if reward is None:
            raise errors.NotFound(f"There is no reward {pk}.")
        return Response({"reward": _whole(reward)})

    @documentation.write(
        "reward",
        WholeRewardSerializer,
        accepts=reward_settings.ChangedRewardSerializer,
        operation="update_reward",
        status=200,
        missing=True,
        summary="Change a reward (extension)",
        description="What is left out stays; a list stands in place of what there was. Rewards that customers have already keep what they were.",
        refusals="what this type of reward needs is missing, or what it cannot have is there",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        given = _given(reward_settings.ChangedRewardSerializer, request)
        try:
            reward = editing.change(
                reward_id=query.path_id(pk),
                said=reward_settings.said(given),
                actor=authentication.actor_of(request),
                now=timezone.now(),
            )
        except catalogue.UnknownReward as missing:
            raise errors.NotFound(missing.sentence) from missing
        return _answer(reward.pk, status=200)


def _given(accepts: type[serializers.Serializer], request: Request) -> dict[str, Any]:
    given = accepts(data=parsing.body_of(request, name="reward"))
    given.is_valid(raise_exception=True)
    found: dict[str, Any] = given.validated_data
    return found


def _answer(reward_id: int, *, status: int) -> Response:
    return Response({"reward": _whole(_readable().get(pk=reward_id))}, status=status)


def _whole(reward: Reward) -> dict[str, Any]:
    return described([reward])[0] | {"settings": reward_settings.settings_of(reward)}


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
