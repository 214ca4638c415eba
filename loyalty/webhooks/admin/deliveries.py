"""What was sent, and what became of it."""

from typing import Any

import django_filters
from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from loyalty.common.adminkit import desk, lists, moments, show
from loyalty.webhooks import sending, topics
from loyalty.webhooks.admin import acts
from loyalty.webhooks.models import DeliveryState, WebhookAttempt, WebhookDelivery, WebhookEndpoint

MOST_ATTEMPTS = 50
TONES: dict[str, show.Tone] = {
    DeliveryState.WAITING: "info",
    DeliveryState.DELIVERED: "good",
    DeliveryState.FAILED: "bad",
}


class DeliveryFilter(django_filters.FilterSet):
    endpoint = django_filters.ModelMultipleChoiceFilter(
        label="Endpoint",
        queryset=WebhookEndpoint.objects.order_by("name", "pk"),
        widget=forms.CheckboxSelectMultiple,
    )
    state = django_filters.MultipleChoiceFilter(
        label="State", choices=DeliveryState.choices, widget=forms.CheckboxSelectMultiple
    )
    occurred_after = moments.MomentFilter(field_name="occurred_at", label="From", end=False)
    occurred_before = moments.MomentFilter(field_name="occurred_at", label="Until", end=True)

    class Meta:
        model = WebhookDelivery
        fields: list[str] = []


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(desk.ReadOnlyAdmin):
    list_display = ("occurred", "topic", "about", "endpoint_name", "state_badge", "answered", "why")
    list_display_links = ("occurred",)
    list_select_related = ("endpoint",)
    sortable_by = ()
    ordering = ("-id",)
    filterset_class = DeliveryFilter
    acts = (acts.Resend(),)
    chips = (
        lists.Chip("Endpoint", "endpoint"),
        lists.Chip("State", "state"),
        lists.Chip("Happened", "occurred_after", "occurred_before"),
    )
    list_intro = (
        "Messages to systems that listen, newest first. They hold no words: these are written when one is sent."
    )
    list_empty = "Nothing was sent yet."

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One message, and each attempt."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        delivery = self.get_object(request, object_id)
        if delivery is None:
            raise Http404("There is no such message.")
        tried = WebhookAttempt.objects.filter(delivery=delivery).order_by("-id")[:MOST_ATTEMPTS]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{delivery.topic}, to {delivery.endpoint}",
            "delivery": delivery,
            "state": self.state_badge(delivery),
            "facts": self.facts(delivery),
            "tried": [
                {
                    "at": show.instant(each.attempted_at),
                    "status": each.status or "No answer",
                    "took": f"{show.points_text(each.milliseconds)} ms",
                    "reason": each.reason,
                    "excerpt": each.excerpt,
                }
                for each in tried
            ],
            "acts": self.act_links(request, delivery.pk),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/webhooks/delivery.html", context)

    def facts(self, delivery: WebhookDelivery) -> list[tuple[str, SafeString]]:
        endpoint = delivery.endpoint
        facts = [
            ("To", self.link_to(WebhookEndpoint, endpoint.pk, endpoint.name)),
            ("About", show.text(self.about(delivery))),
            ("Happened", show.instant(delivery.occurred_at)),
            ("Next attempt", show.instant(delivery.due_at)),
            ("Ended", show.instant(delivery.closed_at)),
            ("webhook-id", show.copyable(sending.message_id(delivery))),
        ]
        return [(label, value) for label, value in facts if value != show.dash()]

    @admin.display(description="Happened")
    def occurred(self, delivery: WebhookDelivery) -> SafeString:
        return show.instant(delivery.occurred_at)

    @admin.display(description="About")
    def about(self, delivery: WebhookDelivery) -> str:
        topic = topics.BY_NAME.get(delivery.topic)
        if topic is None or delivery.subject_id is None:
            return show.DASH
        return f"{topic.thing.replace('_', ' ')} {delivery.subject_id}"

    @admin.display(description="To")
    def endpoint_name(self, delivery: WebhookDelivery) -> str:
        return delivery.endpoint.name

    @admin.display(description="State")
    def state_badge(self, delivery: WebhookDelivery) -> SafeString:
        return show.badge(DeliveryState(delivery.state).label, tone=TONES[delivery.state])

    @admin.display(description="Answer")
    def answered(self, delivery: WebhookDelivery) -> str:
        return str(delivery.status or show.DASH)

    @admin.display(description="Why")
    def why(self, delivery: WebhookDelivery) -> SafeString:
        return show.clipped(delivery.reason, wide=True)
