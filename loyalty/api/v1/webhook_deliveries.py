"""What was sent to webhook endpoints and what became of it: list, get, and send again."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, documentation, errors, fields, pagination, parsing, query, views
from loyalty.api.keys import Scope
from loyalty.webhooks import outbox, sending
from loyalty.webhooks.models import DeliveryState, WebhookDelivery

NAME = "webhook_delivery"
MOST_ATTEMPTS = 20


class WebhookAttemptSerializer(serializers.Serializer):
    status = serializers.IntegerField(allow_null=True, help_text="What was answered; null: nothing.")
    milliseconds = serializers.IntegerField()
    reason = fields.OptionalTextField(help_text="Why it does not count as taken.")
    answer = fields.OptionalTextField(source="excerpt", help_text="The first 500 characters, less secrets.")
    attempted_at = fields.InstantField()


class WebhookDeliverySerializer(serializers.Serializer):
    id = serializers.IntegerField()
    webhook_endpoint_id = serializers.IntegerField(source="endpoint_id")
    webhook_id = serializers.SerializerMethodField(help_text="The header `webhook-id` of each attempt.")
    topic = serializers.CharField()
    state = serializers.ChoiceField(choices=DeliveryState.choices)
    status = serializers.IntegerField(allow_null=True, help_text="What was answered last.")
    reason = fields.OptionalTextField(help_text="Why it is not delivered.")
    occurred_at = fields.InstantField()
    due_at = fields.InstantField(allow_null=True, help_text="When it is tried next.")
    closed_at = fields.InstantField(allow_null=True, help_text="When it was taken, or given up.")
    created_at = fields.InstantField()

    def get_webhook_id(self, delivery: WebhookDelivery) -> str:
        return sending.message_id(delivery)


class WholeWebhookDeliverySerializer(WebhookDeliverySerializer):
    attempts = serializers.SerializerMethodField(help_text=f"The newest {MOST_ATTEMPTS}, newest first.")

    @extend_schema_field(WebhookAttemptSerializer(many=True))
    def get_attempts(self, delivery: WebhookDelivery) -> list[Any]:
        return list(WebhookAttemptSerializer(delivery.tried.order_by("-id")[:MOST_ATTEMPTS], many=True).data)


class WebhookDeliveries(views.ApiView):
    scopes = {"GET": Scope.WEBHOOK_ENDPOINT_READ}

    @documentation.listing(
        "webhook_deliveries",
        WebhookDeliverySerializer,
        summary="List what was sent to webhook endpoints (extension)",
        filters=[
            documentation.filter_by("webhook_endpoint_id", int),
            documentation.filter_by("state", DeliveryState.values),
        ],
    )
    def get(self, request: Request) -> Response:
        found: QuerySet[WebhookDelivery] = WebhookDelivery.objects.all()
        if (endpoint_id := query.identifier(request, "webhook_endpoint_id")) is not None:
            found = found.filter(endpoint_id=endpoint_id)
        if states := query.choices(request, "state", DeliveryState.values):
            found = found.filter(state__in=states)
        page = pagination.by_cursor(found, request=request)
        rows = WebhookDeliverySerializer(page.rows, many=True).data
        return Response({"webhook_deliveries": rows, "metadata": page.metadata})


class OneWebhookDelivery(views.ApiView):
    scopes = {"GET": Scope.WEBHOOK_ENDPOINT_READ}

    @documentation.single(NAME, WholeWebhookDeliverySerializer, summary="Get what became of one message (extension)")
    def get(self, request: Request, pk: str) -> Response:
        return Response({NAME: WholeWebhookDeliverySerializer(_existing(pk)).data})


class ResendWebhookDelivery(views.ApiView):
    scopes = {"POST": Scope.WEBHOOK_ENDPOINT_WRITE}

    @documentation.write(
        NAME,
        WholeWebhookDeliverySerializer,
        accepts=None,
        status=202,
        missing=True,
        operation="resend_webhook_delivery",
        summary="Send one message again (extension)",
        description="Under the id it had. One that waits is tried at once.",
        refusals="its endpoint is not active",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        delivery = _existing(pk)
        parsing.body_of(request, name=NAME)
        again = outbox.resend(delivery_id=delivery.pk, actor=authentication.actor_of(request), now=timezone.now())
        return Response({NAME: WholeWebhookDeliverySerializer(again).data}, status=202)


def _existing(pk: str) -> WebhookDelivery:
    """Raises NotFound."""
    delivery = WebhookDelivery.objects.filter(pk=query.path_id(pk)).first()
    if delivery is None:
        raise errors.NotFound(f"There is no webhook delivery {pk}.")
    return delivery
