"""All that people ask about their data, in one list: what is open and until when, and what became of the rest."""

from datetime import datetime, timedelta
from typing import Any

import django_filters
from django import forms
from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.safestring import SafeString

from loyalty.common.adminkit import desk, lists, moments, show
from loyalty.customers.models import Customer
from loyalty.hooks import wishes
from loyalty.hooks.models import PrivacyKind, PrivacyWish, WishOutcome

OPEN, DONE = "open", "settled"
SHOP, THEMSELVES = "shop", "themselves"
NOBODY = "Nobody we know"
TONES = {WishOutcome.SETTLED: "good", WishOutcome.FORGOTTEN: "good", WishOutcome.WITHDRAWN: "quiet"}


def open_badge(due_at: datetime) -> SafeString:
    """How near its last day is."""
    left = due_at - timezone.now()
    if left <= timedelta(0):
        return show.badge("Overdue", tone="bad")
    return show.badge("Due soon" if left < wishes.SOON else "Open", tone="warn")


class WishFilter(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(
        label="State", choices=[(OPEN, "Open"), (DONE, "Over")], method="narrow", widget=forms.RadioSelect
    )
    kind = django_filters.MultipleChoiceFilter(
        label="What is asked", choices=PrivacyKind.choices, widget=forms.CheckboxSelectMultiple
    )
    way = django_filters.ChoiceFilter(
        label="Came from",
        choices=[(SHOP, "Their shop"), (THEMSELVES, "Their own pages")],
        method="came",
        widget=forms.RadioSelect,
    )
    asked_after = moments.MomentFilter(field_name="asked_at", label="From", end=False)
    asked_before = moments.MomentFilter(field_name="asked_at", label="Until", end=True)

    class Meta:
        model = PrivacyWish
        fields: list[str] = []

    def narrow(self, queryset: QuerySet[PrivacyWish], name: str, value: str) -> QuerySet[PrivacyWish]:
        return queryset.filter(closed_at__isnull=value == OPEN)

    def came(self, queryset: QuerySet[PrivacyWish], name: str, value: str) -> QuerySet[PrivacyWish]:
        return queryset.filter(own__isnull=value == SHOP)


@admin.register(PrivacyWish)
class PrivacyWishAdmin(desk.ReadOnlyAdmin):
    list_display = ("asked", "kind_word", "whose", "where", "state_badge", "due")
    list_display_links = ("asked",)
    list_select_related = ("connection", "customer")
    sortable_by = ()
    filterset_class = WishFilter
    chips = (
        lists.Chip("State", "state"),
        lists.Chip("What is asked", "kind"),
        lists.Chip("Came from", "way"),
        lists.Chip("Asked", "asked_after", "asked_before"),
    )
    list_intro = (
        "What people ask about their data, in their shop or on their own pages here. The law gives you 30 days; the next one "
        "due is first, and the back office is reminded by e-mail a week before."
    )
    list_empty = "Nobody has asked anything about their data."

    def get_ordering(self, request: HttpRequest) -> Any:
        return (F("closed_at").desc(nulls_first=True), "due_at", "key")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """To where it is done: the request's own page, or the customer who can be forgotten there."""
        wish = self.get_object(request, object_id)
        if wish is None:
            raise Http404("There is no such request.")
        if wish.request_id is not None:
            return redirect("admin:hooks_privacyrequest_change", wish.request_id)
        return redirect("admin:customers_customer_change", wish.customer_id)

    @admin.display(description="Asked")
    def asked(self, wish: PrivacyWish) -> SafeString:
        return show.instant(wish.asked_at)

    @admin.display(description="What is asked")
    def kind_word(self, wish: PrivacyWish) -> str:
        return PrivacyKind(wish.kind).label

    @admin.display(description="Whose")
    def whose(self, wish: PrivacyWish) -> SafeString:
        if wish.customer is not None:
            return self.link_to(Customer, wish.customer.pk, str(wish.customer))
        return show.text("" if wish.kind == PrivacyKind.ERASE_SHOP else NOBODY)

    @admin.display(description="Came from")
    def where(self, wish: PrivacyWish) -> str:
        return "Their own pages" if wish.connection is None else str(wish.connection)

    @admin.display(description="State")
    def state_badge(self, wish: PrivacyWish) -> SafeString:
        if wish.outcome:
            outcome = WishOutcome(wish.outcome)
            return show.badge(str(outcome.label), tone=TONES[outcome])
        return open_badge(wish.due_at)

    @admin.display(description="To be done until")
    def due(self, wish: PrivacyWish) -> SafeString:
        return show.instant(wish.due_at)
