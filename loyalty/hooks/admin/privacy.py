"""What people ask about their data: what is open and until when, what we hold, and who settled it."""

from datetime import timedelta
from typing import Any

import django_filters
from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString

from loyalty.accounts.models import User
from loyalty.common.adminkit import desk, lists, moments, show
from loyalty.customers.models import Customer
from loyalty.hooks import privacy
from loyalty.hooks.admin import acts
from loyalty.hooks.models import InboundWebhook, PrivacyKind, PrivacyRequest
from platforms.models import StoreConnection

SOON = timedelta(days=7)
MOST_ORDERS = 20
OPEN, DONE = "open", "settled"

TO_DO = {
    PrivacyKind.DATA_REQUEST: "Somebody wants to see what you hold about them. Send them, or the shop, what is listed here.",
    PrivacyKind.ERASE_CUSTOMER: "Somebody wants to be forgotten. Open the customer, choose “Forget this person”, and settle "
    "this once the search for traces is done. Orders, points and rewards stay as numbers.",
    PrivacyKind.ERASE_SHOP: "The shop has taken the app away and asks to forget its customers. Switch the shop off, and choose "
    "“Forget this person” on the pages of the customers you know from it alone. Webhooks of the shop are emptied within minutes.",
}


class PrivacyFilter(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(
        label="State", choices=[(OPEN, "Open"), (DONE, "Settled")], method="narrow", widget=forms.RadioSelect
    )
    kind = django_filters.MultipleChoiceFilter(
        label="What is asked", choices=PrivacyKind.choices, widget=forms.CheckboxSelectMultiple
    )
    asked_after = moments.MomentFilter(field_name="asked_at", label="From", end=False)
    asked_before = moments.MomentFilter(field_name="asked_at", label="Until", end=True)

    class Meta:
        model = PrivacyRequest
        fields: list[str] = []

    def narrow(self, queryset: QuerySet[PrivacyRequest], name: str, value: str) -> QuerySet[PrivacyRequest]:
        return queryset.filter(settled_at__isnull=value == OPEN)


@admin.register(PrivacyRequest)
class PrivacyRequestAdmin(desk.ReadOnlyAdmin):
    acts = (acts.Settle(),)
    list_display = ("asked", "kind_word", "whose", "shop", "state_badge", "due")
    list_display_links = ("asked",)
    list_select_related = ("connection", "customer")
    sortable_by = ()
    filterset_class = PrivacyFilter
    chips = (
        lists.Chip("State", "state"),
        lists.Chip("What is asked", "kind"),
        lists.Chip("Asked", "asked_after", "asked_before"),
    )
    list_intro = "What people ask about their data, passed on by their shop. The law gives you 30 days; the next one due is first."
    list_empty = "Nobody has asked anything about their data."

    def get_queryset(self, request: HttpRequest) -> QuerySet[PrivacyRequest]:
        rows: QuerySet[PrivacyRequest] = super().get_queryset(request)
        return rows.select_related("connection", "customer")

    def get_ordering(self, request: HttpRequest) -> Any:
        return (F("settled_at").desc(nulls_first=True), "due_at", "id")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One request: what to do until when, what we hold, and who settled it how."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = self.get_object(request, object_id)
        if asked is None:
            raise Http404("There is no such request.")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(asked),
            "asked": asked,
            "state": self.state_badge(asked),
            "to_do": TO_DO[PrivacyKind(asked.kind)],
            "facts": self.facts(asked),
            "holdings": self.holdings(asked),
            "known": asked.customer_id is not None or asked.kind == PrivacyKind.ERASE_SHOP,
            "orders": [
                self.link_to(type(order), order.pk, order.number)
                for order in privacy.orders_of(asked).order_by("-placed_at", "-pk")[:MOST_ORDERS]
            ],
            "acts": [] if privacy.refusal(asked) else self.act_links(request, asked.pk),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/hooks/privacy.html", context)

    def facts(self, asked: PrivacyRequest) -> list[tuple[str, SafeString]]:
        by = User.objects.filter(pk=asked.settled_by).first() if asked.settled_by is not None else None
        facts = [
            ("Asked", show.instant(asked.asked_at)),
            ("To be done until", show.instant(asked.due_at)),
            ("Customer", self.whose(asked)),
            ("Their number in the shop", show.text(asked.customer_external_id)),
            ("Shop", self.link_to(StoreConnection, asked.connection_id, str(asked.connection))),
            ("Came as", self.link_to(InboundWebhook, asked.webhook_id, f"webhook {asked.webhook_id}")),
            ("Settled", show.instant(asked.settled_at)),
            ("Settled by", show.text(by.get_full_name() if by is not None else "")),
        ]
        return [(label, value) for label, value in facts if value != show.dash()]

    def holdings(self, asked: PrivacyRequest) -> list[tuple[str, str]]:
        held = privacy.holdings(asked)
        counts = [
            ("Customers", held.customers),
            ("Orders", held.orders),
            ("Redeemed rewards", held.rewards),
            ("Points transactions", held.transactions),
            ("E-mails in the outbox", held.mails),
            ("Webhooks whose body is kept", held.webhooks),
        ]
        address = [("Shipping address", "yes" if held.address else "none")]
        return [(label, show.points_text(count)) for label, count in counts] + address

    @admin.display(description="Asked")
    def asked(self, asked: PrivacyRequest) -> SafeString:
        return show.instant(asked.asked_at)

    @admin.display(description="What is asked")
    def kind_word(self, asked: PrivacyRequest) -> str:
        return PrivacyKind(asked.kind).label

    @admin.display(description="Whose")
    def whose(self, asked: PrivacyRequest) -> SafeString:
        if asked.customer is not None:
            return self.link_to(Customer, asked.customer.pk, str(asked.customer))
        return show.text("" if asked.kind == PrivacyKind.ERASE_SHOP else "Nobody we know")

    @admin.display(description="Shop")
    def shop(self, asked: PrivacyRequest) -> str:
        return str(asked.connection)

    @admin.display(description="State")
    def state_badge(self, asked: PrivacyRequest) -> SafeString:
        if asked.settled_at is not None:
            return show.badge("Settled", tone="good")
        left = asked.due_at - timezone.now()
        if left <= timedelta(0):
            return show.badge("Overdue", tone="bad")
        return show.badge("Due soon" if left < SOON else "Open", tone="warn")

    @admin.display(description="To be done until")
    def due(self, asked: PrivacyRequest) -> SafeString:
        return show.instant(asked.due_at)
