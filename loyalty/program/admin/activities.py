"""Activities as other systems told them, and what came of each."""

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
from loyalty.program.earning import activities
from loyalty.program.earning.models import Activity, ActivityState


class ActivityFilter(django_filters.FilterSet):
    search = django_filters.CharFilter(
        label="Customer", help_text="Customer: e-mail, phone or name", method="narrow", max_length=200
    )
    token = django_filters.CharFilter(label="Activity", max_length=80)
    state = django_filters.MultipleChoiceFilter(
        label="State", choices=ActivityState.choices, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = Activity
        fields: ClassVar[list[str]] = []

    def narrow(self, queryset: QuerySet[Activity], name: str, value: str) -> QuerySet[Activity]:
        return queryset.filter(customer_id__in=customers_queries.search(value).values("pk"))


@admin.register(Activity)
class ActivityAdmin(desk.ReadOnlyAdmin):
    list_display = ("told", "token", "customer_link", "outcome_badge", "distinct_id")
    list_display_links = ("token",)
    list_select_related = ("customer",)
    sortable_by = ()
    ordering = ("-pk",)
    filterset_class = ActivityFilter
    chips = (
        lists.Chip("Activity", "token"),
        lists.Chip("State", "state"),
    )
    list_empty = "No activities yet. Other systems tell them by POST /api/v1/activities."
    fields = ("token", "customer_link", "distinct_id", "told", "happened", "outcome_badge", "earned", "tries")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Activity]:
        rows: QuerySet[Activity] = super().get_queryset(request).select_related("customer")
        return rows

    @admin.display(description="Told")
    def told(self, activity: Activity) -> SafeString:
        return show.instant(activity.created_at)

    @admin.display(description="Happened, as the other system says")
    def happened(self, activity: Activity) -> SafeString:
        return show.instant(activity.created_on_origin_at)

    @admin.display(description="Customer")
    def customer_link(self, activity: Activity) -> SafeString:
        return show.link(
            str(activity.customer), reverse("admin:customers_customer_change", args=(activity.customer_id,))
        )

    @admin.display(description="Outcome")
    def outcome_badge(self, activity: Activity) -> SafeString:
        if activity.state == ActivityState.WAITING:
            return show.badge("Waiting", tone="info")
        tone: show.Tone = "good" if activity.outcome == "awarded" else "quiet"
        return show.badge(activities.OUTCOMES.get(activity.outcome, activity.outcome), tone=tone)

    @admin.display(description="What it earned")
    def earned(self, activity: Activity) -> SafeString:
        return awards.told(activity.awards.order_by("pk"))
