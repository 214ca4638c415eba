"""What was earned by which rule, and why; above all what could not be given, or stands after a refund, for a person."""

from typing import ClassVar

import django_filters
from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from loyalty.common.adminkit import desk, lists, show
from loyalty.customers import queries as customers_queries
from loyalty.program.admin import awards
from loyalty.program.earning import wording
from loyalty.program.earning.models import AwardState, EarningAward


class AwardFilter(django_filters.FilterSet):
    search = django_filters.CharFilter(
        label="Customer", help_text="Customer: e-mail, phone or name", method="narrow", max_length=200
    )
    state = django_filters.MultipleChoiceFilter(
        label="State", choices=AwardState.choices, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = EarningAward
        fields: ClassVar[list[str]] = []

    def narrow(self, queryset: QuerySet[EarningAward], name: str, value: str) -> QuerySet[EarningAward]:
        return queryset.filter(customer_id__in=customers_queries.search(value).values("pk"))


@admin.register(EarningAward)
class EarningAwardAdmin(desk.ReadOnlyAdmin):
    list_display = ("earned", "customer_link", "rule_name", "why", "state_badge")
    list_display_links = ("rule_name",)
    list_select_related = ("customer",)
    sortable_by = ()
    ordering = ("-pk",)
    filterset_class = AwardFilter
    chips = (lists.Chip("State", "state"),)
    list_intro = (
        "Look at what “could not be given” and at what “stands after a refund”: a reward that was used before its order "
        "was lost."
    )
    list_empty = "Nothing was earned by a rule yet."
    fields = ("rule_name", "customer_link", "order_link", "activity_link", "earned", "whole", "due")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[EarningAward]:
        rows: QuerySet[EarningAward] = super().get_queryset(request).select_related("customer")
        return rows

    @admin.display(description="Earned")
    def earned(self, award: EarningAward) -> SafeString:
        return show.instant(award.earned_at)

    @admin.display(description="Customer")
    def customer_link(self, award: EarningAward) -> SafeString:
        return show.link(str(award.customer), reverse("admin:customers_customer_change", args=(award.customer_id,)))

    @admin.display(description="Rule")
    def rule_name(self, award: EarningAward) -> str:
        return wording.name(award.terms)

    @admin.display(description="Why")
    def why(self, award: EarningAward) -> SafeString:
        return show.clipped(wording.of_award(award), wide=True)

    @admin.display(description="State")
    def state_badge(self, award: EarningAward) -> SafeString:
        return show.badge(AwardState(award.state).label, tone=awards.TONES[award.state])

    @admin.display(description="Why, and what became of it")
    def whole(self, award: EarningAward) -> SafeString:
        return awards.told([award])

    @admin.display(description="Waits until")
    def due(self, award: EarningAward) -> SafeString:
        return show.instant(award.due_at)

    @admin.display(description="Order")
    def order_link(self, award: EarningAward) -> SafeString:
        if award.order is None:
            return show.dash()
        return show.link(str(award.order), reverse("admin:program_order_change", args=(award.order_id,)))

    @admin.display(description="Activity")
    def activity_link(self, award: EarningAward) -> SafeString:
        if award.activity is None:
            return show.dash()
        return show.link(str(award.activity), reverse("admin:program_activity_change", args=(award.activity_id,)))
