"""Webhooks as they came, what became of them, and why. A body holds personal data, so it has a permission of its own."""

import json
from typing import Any

import django_filters
from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loyalty.accounts.models import User
from loyalty.common.actors import ActorKind
from loyalty.common.adminkit import desk, lists, moments, show
from loyalty.events.models import Event
from loyalty.hooks import inbox, processing, replay, retention
from loyalty.hooks.admin import acts
from loyalty.hooks.models import InboundWebhook, InboxState
from loyalty.program.models import Order
from platforms.models import StoreConnection

SEE_BODY = "platforms.change_storeconnection"
LONGEST_SHOWN = 20_000
MOST_HISTORY = 50

STATE_TONES: dict[str, show.Tone] = {
    InboxState.RECEIVED: "warn",
    InboxState.PROCESSED: "good",
    InboxState.FAILED: "bad",
}
NEXT = {
    InboxState.RECEIVED: "A worker tries it by itself, with growing pauses for about a day.",
    InboxState.PROCESSED: "Nothing more happens.",
    InboxState.FAILED: "It is not tried again by itself. Put right what the reason says, then try it again: the shop is "
    "asked for the order as it is then.",
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
    acts = (acts.TryAgain(),)
    list_display = ("received", "shop", "topic", "about", "state_badge", "attempts", "outcome")
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
    list_intro = (
        "What shops and payout providers told us, stored before anything is done with it. What failed stays here with "
        "its reason, and can be tried again."
    )
    list_empty = "No webhook has come yet."

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboundWebhook]:
        rows: QuerySet[InboundWebhook] = super().get_queryset(request)
        return rows.select_related("connection", "payout_account").defer("body", "headers")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One webhook: what became of it and why, what can be done, what it said."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        webhook = self.get_object(request, object_id)
        if webhook is None:
            raise Http404("There is no such webhook.")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": acts.title(webhook),
            "webhook": webhook,
            "state": self.state_badge(webhook),
            "next": NEXT[InboxState(webhook.state)],
            "facts": self.facts(webhook),
            "history": history(webhook),
            "may_see_body": request.user.has_perm(SEE_BODY),
            "body": body_of(webhook) if request.user.has_perm(SEE_BODY) else "",
            "kept_days": retention.kept_for().days,
            "acts": [] if replay.refusal(webhook) else self.act_links(request, webhook.pk),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/hooks/webhook.html", context)

    def facts(self, webhook: InboundWebhook) -> list[tuple[str, SafeString]]:
        facts = [
            ("From", self.sender(webhook)),
            ("Topic", show.text(webhook.topic)),
            ("About", self.subject(webhook)),
            ("Its name there", show.copyable(webhook.event_id)),
            ("Received", show.instant(webhook.received_at)),
            ("Attempts", show.text(str(webhook.attempts))),
            ("Next attempt", show.instant(webhook.due_at)),
            ("Done", show.instant(webhook.processed_at)),
            ("Body emptied", show.instant(webhook.body_emptied_at)),
        ]
        return [(label, value) for label, value in facts if value != show.dash()]

    def sender(self, webhook: InboundWebhook) -> SafeString:
        sender = webhook.connection or webhook.payout_account
        return show.dash() if sender is None else self.link_to(type(sender), sender.pk, str(sender))

    def subject(self, webhook: InboundWebhook) -> SafeString:
        """The order it is about, as a link where we know it."""
        if not webhook.subject_id:
            return show.dash()
        order = Order.objects.filter(connection_id=webhook.connection_id, external_id=webhook.subject_id).first()
        return (
            show.text(webhook.subject_id) if order is None else self.link_to(Order, order.pk, f"Order {order.number}")
        )

    @admin.display(description="Received")
    def received(self, webhook: InboundWebhook) -> SafeString:
        return show.instant(webhook.received_at)

    @admin.display(description="From")
    def shop(self, webhook: InboundWebhook) -> str:
        return str(webhook.connection or webhook.payout_account)

    @admin.display(description="About")
    def about(self, webhook: InboundWebhook) -> SafeString:
        return show.clipped(webhook.subject_id or "")

    @admin.display(description="State")
    def state_badge(self, webhook: InboundWebhook) -> SafeString:
        return show.badge(InboxState(webhook.state).label, tone=STATE_TONES[webhook.state])

    @admin.display(description="What became of it")
    def outcome(self, webhook: InboundWebhook) -> SafeString:
        return show.clipped(webhook.result, wide=True)


def history(webhook: InboundWebhook) -> list[tuple[SafeString, str, str]]:
    """When it was given up and when it was brought again, oldest first: the instant, what happened, the reason then."""
    events = Event.objects.filter(subject_type=inbox.SUBJECT, subject_id=webhook.pk).order_by("-id")[:MOST_HISTORY]
    told = [event for event in reversed(events) if event.kind in {processing.GAVE_UP, replay.AGAIN}]
    staff = {user.pk: user.get_full_name() for user in User.objects.filter(pk__in={event.actor_id for event in told})}
    lines = []
    for event in told:
        if event.kind == processing.GAVE_UP:
            words = f"Failed, attempt {event.data['attempts']}"
        else:
            by = staff.get(event.actor_id or 0, "somebody") if event.actor_kind == ActorKind.STAFF else "the desk"
            words = f"Tried again by {by}"
        reason = str(event.data["reason"]) if event.kind == processing.GAVE_UP else ""
        lines.append((show.instant(event.occurred_at), words, reason))
    return lines


def body_of(webhook: InboundWebhook) -> SafeString:
    text = readable(bytes(webhook.body))
    return format_html('<pre class="desk-scroll webhooks-body">{}</pre>', text) if text else show.dash()


def readable(body: bytes) -> str:
    """The body as a person reads it, cut where it is very long."""
    try:
        text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        text = body.decode(errors="replace")
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}\n… cut after {LONGEST_SHOWN} characters"
