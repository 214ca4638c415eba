"""Parcels of gifts: where they go, how they are followed, and every step of theirs; each can be tried with `dry_run`."""

from collections.abc import Callable
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, documentation, errors, fields, parsing, query, views
from loyalty.api.documentation import Decorator, SerializerClass
from loyalty.api.keys import Scope
from loyalty.api.v1 import addresses, planning
from loyalty.api.v1.addresses import AddressSerializer
from loyalty.api.v1.reward_acts import DryRunSerializer
from rewards import delivery, parcels, queries, rehearsal
from rewards.models import DeliveryChange, DeliveryStatus, DeliveryStep, RedeemedReward

NAME = "delivery"
STATUSES = [value for value in DeliveryStatus.values if value]


class StepSerializer(serializers.Serializer):
    step = serializers.ChoiceField(choices=DeliveryStep.choices)
    carrier = fields.OptionalTextField()
    tracking_number = fields.OptionalTextField()
    comment = fields.OptionalTextField()
    created_at = fields.InstantField(source="changed_at")


class DeliverySerializer(serializers.Serializer):
    # Takes redeemed rewards of `_readable`. A comment, as docstrings of serializers are printed in the schema.
    reward_fulfillment_id = serializers.IntegerField(source="pk")
    customer_id = serializers.IntegerField()
    name = serializers.CharField()
    status = serializers.ChoiceField(
        source="delivery_status", choices=STATUSES, allow_null=True, help_text="Null: not ordered yet."
    )
    address = serializers.SerializerMethodField(help_text="Where it goes; null when nobody has said.")
    carrier = fields.OptionalTextField(source="delivery.carrier")
    tracking_number = fields.OptionalTextField(source="delivery.tracking_number")
    tracking_url = fields.OptionalTextField(source="delivery.tracking_url")
    ordered_at = fields.InstantField(source="delivery.ordered_at", allow_null=True)
    shipped_at = fields.InstantField(source="delivery.shipped_at", allow_null=True)
    delivered_at = fields.InstantField(source="delivery.delivered_at", allow_null=True)
    returned_at = fields.InstantField(
        source="delivery.returned_at", allow_null=True, help_text="When the parcel came back."
    )
    cancelled_at = fields.InstantField(source="delivery.cancelled_at", allow_null=True)
    history = serializers.SerializerMethodField(help_text="What was done with it, newest first.")

    @extend_schema_field(AddressSerializer(allow_null=True))
    def get_address(self, redeemed: RedeemedReward) -> Any:
        return parcels.address_of(redeemed) or None

    @extend_schema_field(StepSerializer(many=True))
    def get_history(self, redeemed: RedeemedReward) -> list[Any]:
        rows = DeliveryChange.objects.filter(redeemed_reward=redeemed).order_by("-id")[:100]
        return list(StepSerializer(rows, many=True).data)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        return shown | {"status": shown["status"] or None}


class DeliveryActSerializer(DryRunSerializer):
    comment = fields.TextField(
        required=False, allow_null=True, allow_blank=True, max_length=500, help_text="For staff."
    )


class ShipSerializer(DeliveryActSerializer):
    carrier = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=60)
    tracking_number = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=80)
    tracking_url = serializers.URLField(
        required=False, allow_null=True, allow_blank=True, max_length=300, help_text="The customer sees it."
    )


class CorrectAddressSerializer(DeliveryActSerializer):
    address = AddressSerializer()


def documented(
    operation: str, *, summary: str, refusals: str, accepts: SerializerClass = DeliveryActSerializer, more: str = ""
) -> Decorator:
    """What all steps of a parcel have in common."""
    return documentation.write(
        NAME,
        DeliverySerializer,
        accepts=accepts,
        status=200,
        missing=True,
        plan=True,
        operation=operation,
        summary=f"{summary} (extension)",
        description=more or "Doing it twice is harmless.",
        refusals=f"{refusals}; or it is no gift",
    )


class DeliveryView(views.ApiView):
    """A step: what it is called with, and the domain's call."""

    scopes = {"POST": Scope.DELIVERY_WRITE}
    accepts: SerializerClass = DeliveryActSerializer
    step: Callable[..., RedeemedReward]

    def carry_out(self, request: Request, pk: str) -> Response:
        redeemed_reward_id = _existing(pk)
        serializer = self.accepts(data=parsing.body_of(request, name=NAME))
        serializer.is_valid(raise_exception=True)
        given = dict(serializer.validated_data)
        dry_run, comment = given.pop("dry_run"), given.pop("comment", None) or ""

        def deed() -> None:
            type(self).step(
                redeemed_reward_id=redeemed_reward_id,
                actor=authentication.actor_of(request),
                now=timezone.now(),
                comment=comment,
                **self.facts(given),
            )

        if dry_run:
            found = rehearsal.rehearse(deed, redeemed_reward_id=redeemed_reward_id)
            return Response({NAME: _shape(redeemed_reward_id), "plan": planning.rehearsed(found)})
        deed()
        return Response({NAME: _shape(redeemed_reward_id)})

    def facts(self, given: dict[str, Any]) -> dict[str, Any]:
        """What the body says, as the domain takes it."""
        return {name: value or "" for name, value in given.items()}


class OneDelivery(views.ApiView):
    scopes = {"GET": Scope.DELIVERY_READ}

    @documentation.single(NAME, DeliverySerializer, summary="Get the parcel of a gift (extension)")
    def get(self, request: Request, pk: str) -> Response:
        return Response({NAME: _shape(_existing(pk))})


def send(**facts: Any) -> RedeemedReward:
    """Ship it; one that is on its way gets other numbers, when some are given."""
    followed = any(facts.get(name) for name in ("carrier", "tracking_number", "tracking_url"))
    return delivery.set_tracking(**facts) if followed else delivery.ship(**facts)


class ShipDelivery(DeliveryView):
    accepts = ShipSerializer
    step = staticmethod(send)

    @documented(
        "ship_delivery",
        summary="Say that a parcel is on its way",
        accepts=ShipSerializer,
        more="One that is on its way already gets the other carrier and number. The same again changes nothing.",
        refusals="the gift was not ordered, has arrived or is canceled",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        return self.carry_out(request, pk)


class DeliverDelivery(DeliveryView):
    step = staticmethod(delivery.deliver)

    @documented("deliver_delivery", summary="Say that a parcel has arrived", refusals="it was not shipped")
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        return self.carry_out(request, pk)


class CancelDelivery(DeliveryView):
    step = staticmethod(delivery.cancel_delivery)

    @documented(
        "cancel_delivery",
        summary="Cancel a delivery",
        more="The reward and its points stay as they are: canceling the reward is another act.",
        refusals="it was not ordered, or has arrived",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        return self.carry_out(request, pk)


class ReturnDelivery(DeliveryView):
    step = staticmethod(delivery.came_back)

    @documented(
        "return_delivery",
        summary="Say that a parcel came back",
        more="Its delivery ends. It can be ordered anew, or the reward be canceled.",
        refusals="it is not on its way",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        return self.carry_out(request, pk)


class OrderDeliveryAgain(DeliveryView):
    step = staticmethod(delivery.order_again)

    @documented(
        "order_delivery_again",
        summary="Send a gift after all whose delivery was canceled or came back",
        refusals="its delivery is not canceled, or the reward is",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        return self.carry_out(request, pk)


class CorrectDeliveryAddress(DeliveryView):
    accepts = CorrectAddressSerializer
    step = staticmethod(delivery.correct_address)

    @documented(
        "correct_delivery_address",
        summary="Correct the address of a parcel",
        accepts=CorrectAddressSerializer,
        more="For this parcel alone, while it is here. The customer's own address stays.",
        refusals="it has left, or the reward is canceled",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        return self.carry_out(request, pk)

    def facts(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"address": addresses.address_of(given["address"])}


def _existing(pk: str) -> int:
    """The id of a redeemed reward that integrators see. Raises NotFound."""
    number = query.path_id(pk)
    if not queries.visible().filter(pk=number).exists():
        raise errors.NotFound(f"There is no reward fulfillment {pk}.")
    return number


def _shape(redeemed_reward_id: int) -> Any:
    return DeliverySerializer(queries.visible().select_related("delivery").get(pk=redeemed_reward_id)).data
