"""One request that a shop passed on: what to do until when, what we hold, and who settled it."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from loyalty.accounts.models import User
from loyalty.common.adminkit import desk, show
from loyalty.customers.models import Customer
from loyalty.hooks import privacy
from loyalty.hooks.admin import acts
from loyalty.hooks.admin.wishes import NOBODY, open_badge
from loyalty.hooks.models import InboundWebhook, PrivacyKind, PrivacyRequest
from platforms.models import StoreConnection

MOST_ORDERS = 20

TO_DO = {
    PrivacyKind.DATA_REQUEST: "Somebody wants to see what you hold about them. Send them, or the shop, what is listed here.",
    PrivacyKind.ERASE_CUSTOMER: "Somebody wants to be forgotten. Open the customer, choose “Forget this person”, and settle "
    "this once the search for traces is done. Orders, points and rewards stay as numbers.",
    PrivacyKind.ERASE_SHOP: "The shop has taken the app away and asks to forget its customers. Switch the shop off, and choose "
    "“Forget this person” on the pages of the customers you know from it alone. Webhooks of the shop are emptied within minutes.",
}


@admin.register(PrivacyRequest)
class PrivacyRequestAdmin(desk.ReadOnlyAdmin):
    acts = (acts.Settle(),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PrivacyRequest]:
        rows: QuerySet[PrivacyRequest] = super().get_queryset(request)
        return rows.select_related("connection", "customer")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """There is one list for all that people ask."""
        return redirect("admin:hooks_privacywish_changelist")

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

    def whose(self, asked: PrivacyRequest) -> SafeString:
        if asked.customer is not None:
            return self.link_to(Customer, asked.customer.pk, str(asked.customer))
        return show.text("" if asked.kind == PrivacyKind.ERASE_SHOP else NOBODY)

    def state_badge(self, asked: PrivacyRequest) -> SafeString:
        if asked.settled_at is not None:
            return show.badge("Settled", tone="good")
        return open_badge(asked.due_at)
