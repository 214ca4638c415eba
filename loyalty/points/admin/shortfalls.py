"""What customers owe from refunds, to look at, to collect and to waive."""

import django_filters
from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from loyalty.common.adminkit import lists, show
from loyalty.common.causes import CauseType
from loyalty.customers import queries as customers_queries
from loyalty.points.admin import acts, pages
from loyalty.points.models import PointsShortfall, ShortfallState

TONES: dict[str, show.Tone] = {
    ShortfallState.OPEN: "warn",
    ShortfallState.COLLECTED: "good",
    ShortfallState.WAIVED: "quiet",
}


class ShortfallFilter(django_filters.FilterSet):
    search = django_filters.CharFilter(
        label="Customer", help_text="E-mail, phone or name", method="narrow", max_length=200
    )
    state = django_filters.MultipleChoiceFilter(
        label="State", choices=ShortfallState.choices, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = PointsShortfall
        fields: list[str] = []

    def narrow(self, queryset: QuerySet[PointsShortfall], name: str, value: str) -> QuerySet[PointsShortfall]:
        return queryset.filter(customer_id__in=customers_queries.search(value).values("pk"))


@admin.register(PointsShortfall)
class PointsShortfallAdmin(pages.PointsPage):
    acts = (acts.Collect(), acts.Waive())
    list_display = ("since", "customer_link", "order_link", "owed", "still_owed", "state_badge")
    list_display_links = ("since",)
    sortable_by = ()
    ordering = ("-id",)
    filterset_class = ShortfallFilter
    chips = (lists.Chip("State", "state"),)
    list_intro = (
        "A refund takes back what its order earned. Where the customer had spent it already, the rest stands here "
        "until it is collected or waived."
    )
    list_empty = "Nobody owes anything."
    fields = ("customer_link", "order_link", "owed", "still_owed", "state_badge", "since", "closed", "internal_note")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[PointsShortfall]:
        rows: QuerySet[PointsShortfall] = super().get_queryset(request)
        return rows.select_related("customer", "clawback__earning")

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        """Reached from the points transactions, not from a section of its own."""
        return {}

    def offered(self, request: HttpRequest, pk: int) -> list[dict[str, str]]:
        is_open = PointsShortfall.objects.filter(pk=pk, state=ShortfallState.OPEN).exists()
        return self.act_links(request, pk) if is_open else []

    @admin.display(description="Since")
    def since(self, row: PointsShortfall) -> SafeString:
        return show.instant(row.created_at)

    @admin.display(description="Closed")
    def closed(self, row: PointsShortfall) -> SafeString:
        return show.instant(row.closed_at)

    @admin.display(description="Customer")
    def customer_link(self, row: PointsShortfall) -> SafeString:
        return pages.customer_link(row.customer)

    @admin.display(description="Refunded order")
    def order_link(self, row: PointsShortfall) -> SafeString:
        earning = row.clawback.earning
        words = f"of {show.instant_text(earning.effective_at)}"
        if earning.cause_type != CauseType.ORDER or earning.cause_id is None:
            return show.text(words)
        return show.link(words, reverse("admin:program_order_change", args=(earning.cause_id,)))

    @admin.display(description="Points owed")
    def owed(self, row: PointsShortfall) -> SafeString:
        return show.points(row.points)

    @admin.display(description="Not collected yet")
    def still_owed(self, row: PointsShortfall) -> SafeString:
        return show.points(row.left if row.state == ShortfallState.OPEN else 0)

    @admin.display(description="State")
    def state_badge(self, row: PointsShortfall) -> SafeString:
        return show.badge(ShortfallState(row.state).label, tone=TONES[row.state])

    @admin.display(description="Internal note")
    def internal_note(self, row: PointsShortfall) -> SafeString:
        return show.text(row.internal_note)
