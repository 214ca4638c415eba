"""Webhooks as they came, to look at. A body holds personal data, so it has a permission of its own."""

import json
from typing import Any

import django_filters
from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loyalty.common.adminkit import desk, lists, moments, show
from loyalty.hooks.models import InboundWebhook, InboxState
from platforms.models import StoreConnection

SEE_BODY = "platforms.change_storeconnection"
LONGEST_SHOWN = 20_000

STATE_TONES: dict[str, show.Tone] = {
    InboxState.RECEIVED: "warn",
    InboxState.PROCESSED: "good",
    InboxState.FAILED: "bad",
}


class WebhookFilter(django_filters.FilterSet):
    state = django_filters.MultipleChoiceFilter(
        label="State", choices=InboxState.choices, widget=forms.CheckboxSelectMultiple
    )
    shop = django_filters.ModelMultipleChoiceFilter(
        label="Shop",
        field_name="connection",
        queryset=StoreConnection.objects.order_by("name", "pk"),
        widget=forms.CheckboxSelectMultiple,
    )
    received_after = moments.MomentFilter(field_name="received_at", label="From", end=False)
    received_before = moments.MomentFilter(field_name="received_at", label="Until", end=True)

    class Meta:
        model = InboundWebhook
        fields: list[str] = []


@admin.register(InboundWebhook)
class InboundWebhookAdmin(desk.ReadOnlyAdmin):
    list_display = ("received", "shop", "topic", "state_badge", "attempts", "outcome")
    list_display_links = ("received",)
    list_select_related = ("connection", "payout_account")
    sortable_by = ()
    ordering = ("-received_at", "-id")
    filterset_class = WebhookFilter
    chips = (
        lists.Chip("State", "state"),
        lists.Chip("Shop", "shop"),
        lists.Chip("Received", "received_after", "received_before"),
    )
    list_intro = "What shops and payout providers told us, stored before anything is done with it."
    list_empty = "No webhook has come yet."

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboundWebhook]:
        rows: QuerySet[InboundWebhook] = super().get_queryset(request)
        return rows.select_related("connection", "payout_account").defer("body", "headers")

    def get_fields(self, request: HttpRequest, obj: InboundWebhook | None = None) -> Any:
        shown = ["shop", "topic", "event_id", "state_badge", "attempts", "outcome", "received", "processed"]
        return [*shown, "body_text"] if request.user.has_perm(SEE_BODY) else shown

    def get_readonly_fields(self, request: HttpRequest, obj: InboundWebhook | None = None) -> Any:
        return self.get_fields(request, obj)

    @admin.display(description="Received")
    def received(self, webhook: InboundWebhook) -> SafeString:
        return show.instant(webhook.received_at)

    @admin.display(description="Processed")
    def processed(self, webhook: InboundWebhook) -> SafeString:
        return show.instant(webhook.processed_at)

    @admin.display(description="From")
    def shop(self, webhook: InboundWebhook) -> str:
        return str(webhook.connection or webhook.payout_account)

    @admin.display(description="State")
    def state_badge(self, webhook: InboundWebhook) -> SafeString:
        return show.badge(InboxState(webhook.state).label, tone=STATE_TONES[webhook.state])

    @admin.display(description="What became of it")
    def outcome(self, webhook: InboundWebhook) -> str:
        return webhook.result or show.DASH

    @admin.display(description="Body")
    def body_text(self, webhook: InboundWebhook) -> SafeString:
        text = readable(bytes(webhook.body))
        return format_html('<pre class="desk-scroll">{}</pre>', text) if text else show.dash()


def readable(body: bytes) -> str:
    """The body as a person reads it, cut where it is very long."""
    try:
        text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        text = body.decode(errors="replace")
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}\n… cut after {LONGEST_SHOWN} characters"
