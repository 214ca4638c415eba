"""Referrals, and what both sides of one get. `referral_settings` is Smile's; the list is ours, of Smile's object."""

from datetime import datetime

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import documentation, errors, fields, pagination, query, views
from loyalty.api.keys import Scope
from loyalty.api.v1 import customers, reward_fulfillments, rewards
from loyalty.program.models import Referral
from loyalty.program.referrals import links
from loyalty.program.referrals.models import BlockReason, CancelReason, ReferralState
from rewards.models import Reward


class ReferralSerializer(serializers.Serializer):
    # Takes rows of `shape`, and what `customers.context_of` says of both sides as its context.
    id = serializers.IntegerField()
    sender_customer = customers.CustomerSerializer()
    receiver_customer = customers.CustomerSerializer(allow_null=True, help_text="Null until the friend has bought.")
    receiver_customer_email = fields.OptionalTextField()
    sender_reward_fulfillment = reward_fulfillments.RewardFulfillmentSerializer(
        allow_null=True, help_text="Null until the friend has bought."
    )
    receiver_reward_fulfillment = reward_fulfillments.RewardFulfillmentSerializer(allow_null=True)
    created_at = fields.InstantField()
    updated_at = fields.InstantField()
    state = serializers.ChoiceField(choices=ReferralState.choices, help_text="Extension.")
    block_reason = serializers.ChoiceField(
        choices=BlockReason.choices, allow_blank=True, help_text="Extension: why it is blocked; else empty."
    )
    cancel_reason = serializers.ChoiceField(
        choices=CancelReason.choices, allow_blank=True, help_text="Extension: why it was canceled; else empty."
    )


class ReferralRewardSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    image_url = serializers.CharField()


class ReferralSettingsSerializer(serializers.Serializer):
    status = serializers.ChoiceField(choices=["active", "inactive"])
    sender_reward = ReferralRewardSerializer(allow_null=True)
    receiver_reward = ReferralRewardSerializer(allow_null=True)


class Referrals(views.ApiView):
    scopes = {"GET": Scope.REFERRAL_READ}

    @documentation.listing(
        "referrals",
        ReferralSerializer,
        summary="List referrals (extension)",
        filters=[
            documentation.filter_by("sender_customer_id", int),
            documentation.filter_by("state", ReferralState.values),
            documentation.UPDATED_AT_MIN,
        ],
    )
    def get(self, request: Request) -> Response:
        found = readable()
        if (sender := query.identifier(request, "sender_customer_id")) is not None:
            found = found.filter(sender_id=sender)
        if (state := query.choice(request, "state", ReferralState.values)) is not None:
            found = found.filter(state=state)
        if (since := query.instant(request, "updated_at_min")) is not None:
            found = found.filter(updated_at__gte=since)
        page = pagination.by_cursor(found, request=request)
        return Response({"referrals": shape(page.rows, now=timezone.now()), "metadata": page.metadata})


class OneReferral(views.ApiView):
    scopes = {"GET": Scope.REFERRAL_READ}

    @documentation.single("referral", ReferralSerializer, summary="Get a referral (extension)")
    def get(self, request: Request, pk: str) -> Response:
        referral = readable().filter(pk=query.path_id(pk)).first()
        if referral is None:
            raise errors.NotFound(f"There is no referral {pk}.")
        return Response({"referral": shape([referral], now=timezone.now())[0]})


class OneReferralSettings(views.ApiView):
    scopes = {"GET": Scope.REFERRAL_SETTINGS_READ}

    @documentation.the_one(
        "referral_settings", ReferralSettingsSerializer, summary="Get what both sides of a referral get"
    )
    def get(self, request: Request) -> Response:
        rules = links.settings()
        return Response(
            {
                "referral_settings": {
                    "status": "active" if rules.active else "inactive",
                    "sender_reward": _reward(rules.sender_reward),
                    "receiver_reward": _reward(rules.friend_reward),
                }
            }
        )


def readable() -> QuerySet[Referral]:
    return Referral.objects.select_related("sender", "friend")


def shape(referrals: list[Referral], *, now: datetime) -> list[dict[str, object]]:
    """Referrals as the wire has them, in a constant number of queries."""
    given = [pk for each in referrals for pk in (each.sender_reward_id, each.friend_reward_id) if pk is not None]
    fulfillments = reward_fulfillments.readable(now=now).in_bulk(given) if given else {}
    rows = [
        {
            "id": each.pk,
            "sender_customer": each.sender,
            "receiver_customer": each.friend if each.order_id is not None else None,
            "receiver_customer_email": each.friend.email,
            "sender_reward_fulfillment": fulfillments.get(each.sender_reward_id),
            "receiver_reward_fulfillment": fulfillments.get(each.friend_reward_id),
            "created_at": each.created_at,
            "updated_at": each.updated_at,
            "state": each.state,
            "block_reason": each.block_reason,
            "cancel_reason": each.cancel_reason,
        }
        for each in referrals
    ]
    people = sorted({pk for each in referrals for pk in (each.sender_id, each.friend_id)})
    context = customers.context_of(people, now=now) if people else {}
    return list(ReferralSerializer(rows, many=True, context=context).data)


def _reward(reward: Reward | None) -> object:
    if reward is None:
        return None
    told = rewards.described([reward])[0]
    return {name: told[name] for name in ("id", "name", "description", "image_url")}
