"""Webhook endpoints: who is told what happens. A secret is in the answer that makes it, and in no other."""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, documentation, errors, fields, idempotency, pagination, parsing, query, views
from loyalty.api.keys import Scope
from loyalty.api.v1 import webhook_bodies
from loyalty.webhooks import endpoints, outbox, topics
from loyalty.webhooks.models import BodyStyle, EndpointState, WebhookEndpoint

NAME = "webhook_endpoint"


class WebhookEndpointSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    url = serializers.CharField()
    topics = serializers.ListField(child=serializers.ChoiceField(choices=list(topics.BY_NAME)))
    body = serializers.ChoiceField(choices=BodyStyle.choices, help_text="`thin`: ids only. `full`: whole objects.")
    state = serializers.ChoiceField(
        choices=EndpointState.choices,
        help_text="`off`: by a person, and what happens is not told. `paused`: by us, and what happens waits.",
    )
    pause_reason = fields.OptionalTextField(help_text="Why it is paused.")
    failing_since = fields.InstantField(allow_null=True, help_text="Since when it has taken nothing.")
    secret = serializers.SerializerMethodField(
        help_text="Only in the answer that made it, and not when that is repeated; else null."
    )
    created_at = fields.InstantField()
    updated_at = fields.InstantField()

    def get_secret(self, endpoint: WebhookEndpoint) -> str | None:
        return self.context.get("secret")


class NewWebhookEndpointSerializer(serializers.Serializer):
    name = fields.TextField(max_length=80)
    url = fields.TextField(max_length=500, help_text="https, on the public internet, port 443 or from 1024 on.")
    topics = serializers.ListField(child=fields.WordField(choices=list(topics.BY_NAME)), max_length=200)
    body = fields.WordField(choices=BodyStyle.choices, required=False, help_text="`thin` when left out.")


class ChangedWebhookEndpointSerializer(serializers.Serializer):
    name = fields.TextField(required=False, max_length=80)
    url = fields.TextField(required=False, max_length=500)
    topics = serializers.ListField(child=fields.WordField(choices=list(topics.BY_NAME)), required=False, max_length=200)
    body = fields.WordField(choices=BodyStyle.choices, required=False)
    enabled = serializers.BooleanField(
        required=False, help_text="False switches it off. True switches it on, ends a pause, and sends what waits."
    )


class RangeSerializer(serializers.Serializer):
    occurred_after = serializers.DateTimeField(help_text="Inclusive.")
    occurred_before = serializers.DateTimeField(help_text="Exclusive.")
    failed_only = serializers.BooleanField(required=False, help_text="True: only what was given up.")


class WebhookEndpoints(views.ApiView):
    scopes = {"GET": Scope.WEBHOOK_ENDPOINT_READ, "POST": Scope.WEBHOOK_ENDPOINT_WRITE}

    @documentation.listing("webhook_endpoints", WebhookEndpointSerializer, summary="List webhook endpoints (extension)")
    def get(self, request: Request) -> Response:
        page = pagination.by_cursor(_readable(), request=request)
        rows = WebhookEndpointSerializer(page.rows, many=True).data
        return Response({"webhook_endpoints": rows, "metadata": page.metadata})

    @documentation.write(
        NAME,
        WebhookEndpointSerializer,
        accepts=NewWebhookEndpointSerializer,
        summary="Create a webhook endpoint (extension)",
        description="Full bodies need a key that may read what they hold.",
        refusals="an address that may not be called, an empty list of topics",
    )
    @views.once(atomic=True)
    def post(self, request: Request) -> Response:
        given = NewWebhookEndpointSerializer(data=parsing.body_of(request, name=NAME))
        given.is_valid(raise_exception=True)
        wanted = {"body": BodyStyle.THIN.value, **given.validated_data}
        _require_reading(request, wanted["body"], wanted["topics"])
        endpoint, secret = endpoints.create(
            name=wanted["name"],
            url=wanted["url"],
            chosen=wanted["topics"],
            body=wanted["body"],
            actor=authentication.actor_of(request),
            now=timezone.now(),
        )
        return _answer(endpoint.pk, secret=secret, status=201)


class OneWebhookEndpoint(views.ApiView):
    scopes = {"GET": Scope.WEBHOOK_ENDPOINT_READ, "POST": Scope.WEBHOOK_ENDPOINT_WRITE}

    @documentation.single(NAME, WebhookEndpointSerializer, summary="Get a webhook endpoint (extension)")
    def get(self, request: Request, pk: str) -> Response:
        return _answer(_existing(pk).pk)

    @documentation.write(
        NAME,
        WebhookEndpointSerializer,
        accepts=ChangedWebhookEndpointSerializer,
        status=200,
        missing=True,
        operation="change_webhook_endpoint",
        summary="Change a webhook endpoint, or switch it on or off (extension)",
        description="What is left out stays.",
        refusals="an address that may not be called, an empty list of topics",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        endpoint = _existing(pk)
        given = ChangedWebhookEndpointSerializer(data=parsing.body_of(request, name=NAME))
        given.is_valid(raise_exception=True)
        wanted = dict(given.validated_data)
        enabled = wanted.pop("enabled", None)
        act: dict[str, Any] = {"actor": authentication.actor_of(request), "now": timezone.now()}
        if wanted:
            body, chosen = wanted.get("body", endpoint.body), wanted.get("topics", endpoint.topics)
            _require_reading(request, body, chosen)
            name, url = wanted.get("name", endpoint.name), wanted.get("url", endpoint.url)
            endpoints.change(endpoint_id=endpoint.pk, name=name, url=url, chosen=chosen, body=body, **act)
        if enabled is True:
            endpoints.switch_on(endpoint_id=endpoint.pk, **act)
        elif enabled is False:
            endpoints.switch_off(endpoint_id=endpoint.pk, **act)
        return _answer(endpoint.pk)


class _OnEndpoint(views.ApiView):
    scopes = {"POST": Scope.WEBHOOK_ENDPOINT_WRITE}


class RotateWebhookSecret(_OnEndpoint):
    @documentation.write(
        NAME,
        WebhookEndpointSerializer,
        accepts=None,
        status=200,
        missing=True,
        operation="rotate_webhook_secret",
        summary="Make a new secret (extension)",
        description="For 24 hours each message carries two signatures, one by the old secret and one by the new.",
        refusals="it was removed meanwhile",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        endpoint = _existing(pk)
        parsing.body_of(request, name=NAME)
        secret = endpoints.rotate_secret(
            endpoint_id=endpoint.pk, actor=authentication.actor_of(request), now=timezone.now()
        )
        return _answer(endpoint.pk, secret=secret)


class TestWebhookEndpoint(_OnEndpoint):
    @documentation.write(
        NAME,
        WebhookEndpointSerializer,
        accepts=None,
        status=202,
        missing=True,
        operation="test_webhook_endpoint",
        summary="Send a test (extension)",
        description="A message of the topic `ping` is on its way; what became of it stands in the list of deliveries.",
        refusals="it is not active",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        endpoint = _existing(pk)
        parsing.body_of(request, name=NAME)
        endpoints.send_test(endpoint_id=endpoint.pk, actor=authentication.actor_of(request), now=timezone.now())
        return _answer(endpoint.pk, status=202)


class ResendWebhooks(_OnEndpoint):
    @documentation.write(
        NAME,
        WebhookEndpointSerializer,
        accepts=RangeSerializer,
        status=202,
        missing=True,
        operation="resend_webhooks",
        summary="Send again what happened in a time (extension)",
        description="Messages go out under the ids they had, and say what is so now.",
        refusals="it is not active, the time ends before it begins",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        endpoint = _existing(pk)
        given = RangeSerializer(data=parsing.body_of(request, name=NAME))
        given.is_valid(raise_exception=True)
        outbox.resend_range(
            endpoint_id=endpoint.pk,
            since=given.validated_data["occurred_after"],
            until=given.validated_data["occurred_before"],
            failed_only=given.validated_data.get("failed_only", False),
            actor=authentication.actor_of(request),
            now=timezone.now(),
        )
        return _answer(endpoint.pk, status=202)


class RemoveWebhookEndpoint(_OnEndpoint):
    @documentation.write(
        NAME,
        WebhookEndpointSerializer,
        accepts=None,
        status=200,
        missing=True,
        operation="remove_webhook_endpoint",
        summary="Remove a webhook endpoint (extension)",
        description="It is told nothing any more, and its secret is forgotten. The answer is what it was.",
        refusals="it was removed meanwhile",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        shown = _answer(_existing(pk).pk)
        parsing.body_of(request, name=NAME)
        endpoints.remove(endpoint_id=query.path_id(pk), actor=authentication.actor_of(request), now=timezone.now())
        return shown


def _require_reading(request: Request, body: str, chosen: Iterable[str]) -> None:
    """Whole objects are sent only where the key may read them itself. Raises PermissionDenied."""
    if body == BodyStyle.FULL:
        for thing in sorted({topics.BY_NAME[name].thing for name in chosen}):
            authentication.require_scope(request, webhook_bodies.SCOPES[thing])


def _existing(pk: str) -> WebhookEndpoint:
    """Raises NotFound."""
    endpoint = _readable().filter(pk=query.path_id(pk)).first()
    if endpoint is None:
        raise errors.NotFound(f"There is no webhook endpoint {pk}.")
    return endpoint


def _answer(endpoint_id: int, *, secret: str | None = None, status: int = 200) -> Response:
    """With its secret when one was just made, which no stored answer holds."""
    endpoint = WebhookEndpoint.objects.get(pk=endpoint_id)
    shown: dict[str, Any] = dict(WebhookEndpointSerializer(endpoint, context={"secret": secret}).data)
    response = Response({NAME: shown}, status=status)
    if secret is not None:
        idempotency.keep_instead(response, {NAME: shown | {"secret": None}})
    return response


def _readable() -> QuerySet[WebhookEndpoint]:
    return WebhookEndpoint.objects.exclude(state=EndpointState.REMOVED)
