"""Adjustments that wait for a second person, and what became of earlier ones."""

from typing import Any

import django_filters
from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from loyalty.common.adminkit import lists, show
from loyalty.customers import queries as customers_queries
from loyalty.points import adjustments
from loyalty.points.admin import acts, pages
from loyalty.points.models import AdjustmentReason, AdjustmentRequest, RequestState

TONES: dict[str, show.Tone] = {
    RequestState.WAITING: "warn",
    RequestState.APPROVED: "good",
    RequestState.REJECTED: "bad",
    RequestState.WITHDRAWN: "quiet",
}


class RequestFilter(django_filters.FilterSet):
    search = django_filters.CharFilter(
        label="Customer", help_text="E-mail, phone or name", method="narrow", max_length=200
    )
    state = django_filters.MultipleChoiceFilter(
        label="State", choices=RequestState.choices, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = AdjustmentRequest
        fields: list[str] = []

    def narrow(self, queryset: QuerySet[AdjustmentRequest], name: str, value: str) -> QuerySet[AdjustmentRequest]:
        return queryset.filter(customer_id__in=customers_queries.search(value).values("pk"))


class RequestList(lists.DeskChangeList):
    """The people of a page are read together, after the page is known."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        known = pages.names(row.requested_by for row in self.result_list)
        for row in self.result_list:
            row.author = known.get(row.requested_by, f"staff {row.requested_by}")


@admin.register(AdjustmentRequest)
class AdjustmentRequestAdmin(pages.PointsPage):
    acts = (acts.Approve(), acts.Reject(), acts.Withdraw())
    list_display = ("asked", "customer_link", "change", "reason_word", "asked_by", "state_badge")
    list_display_links = ("asked",)
    sortable_by = ()
    ordering = ("-id",)
    filterset_class = RequestFilter
    chips = (lists.Chip("State", "state"),)
    list_intro = "Adjustments above the ceiling of whoever asked. Nothing changes until a second person approves."
    list_empty = "Nobody has asked for an adjustment above their ceiling."
    fields = (
        "customer_link",
        "change",
        "reason_word",
        "customer_note",
        "internal_note_text",
        "last_day",
        "asked_by",
        "asked",
        "changed",
        "state_badge",
        "decided",
        "decision",
        "made",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[AdjustmentRequest]:
        rows: QuerySet[AdjustmentRequest] = super().get_queryset(request)
        return rows.select_related("customer", "adjustment")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[RequestList]:
        return RequestList

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        """Reached from the points transactions, not from a section of its own."""
        return {}

    def offered(self, request: HttpRequest, pk: int) -> list[dict[str, str]]:
        """The author changes or withdraws it; everybody else decides."""
        row = AdjustmentRequest.objects.get(pk=pk)
        if row.state != RequestState.WAITING:
            return []
        if row.requested_by != request.user.pk:
            return self.act_links(request, pk, only=("approve", "reject"))
        withdraw = self.act_links(request, pk, only=("withdraw",))
        edit = reverse("admin:customers_customer_adjust_request", args=(row.customer_id, pk))
        return [{"label": "Change", "tone": "primary", "url": edit}, *withdraw] if withdraw else []

    @admin.display(description="Asked")
    def asked(self, row: AdjustmentRequest) -> SafeString:
        return show.instant(row.created_at)

    @admin.display(description="Changed")
    def changed(self, row: AdjustmentRequest) -> SafeString:
        return show.instant(row.updated_at if row.updated_at != row.created_at else None)

    @admin.display(description="Customer")
    def customer_link(self, row: AdjustmentRequest) -> SafeString:
        return pages.customer_link(row.customer)

    @admin.display(description="Points")
    def change(self, row: AdjustmentRequest) -> SafeString:
        return show.signed_points(row.points)

    @admin.display(description="Reason")
    def reason_word(self, row: AdjustmentRequest) -> SafeString:
        return show.text(AdjustmentReason(row.reason).label if row.reason else "")

    @admin.display(description="What the customer will read")
    def customer_note(self, row: AdjustmentRequest) -> str:
        return row.description or adjustments.customer_text()

    @admin.display(description="Internal note")
    def internal_note_text(self, row: AdjustmentRequest) -> SafeString:
        return show.text(row.internal_note)

    @admin.display(description="Last day of the points")
    def last_day(self, row: AdjustmentRequest) -> Any:
        if row.points < 0:
            return show.dash()
        return show.last_day(row.expires_at) if row.expires_at else "As the programme says"

    @admin.display(description="Asked by")
    def asked_by(self, row: Any) -> str:
        author = getattr(row, "author", None)
        return str(author or person(row.requested_by))

    @admin.display(description="State")
    def state_badge(self, row: AdjustmentRequest) -> SafeString:
        return show.badge(RequestState(row.state).label, tone=TONES[row.state])

    @admin.display(description="Decided by")
    def decided(self, row: AdjustmentRequest) -> Any:
        if row.decided_by is None:
            return show.dash()
        return f"{person(row.decided_by)}, {show.instant_text(row.decided_at)}"

    @admin.display(description="Note on the decision")
    def decision(self, row: AdjustmentRequest) -> SafeString:
        return show.text(row.decision_note)

    @admin.display(description="Adjustment")
    def made(self, row: AdjustmentRequest) -> SafeString:
        if row.adjustment is None:
            return show.dash()
        url = reverse("admin:points_pointstransaction_change", args=(row.adjustment.transaction_id,))
        return show.link(f"transaction {row.adjustment.transaction_id}", url)


def person(user_id: int) -> str:
    return pages.names([user_id]).get(user_id, f"staff {user_id}")
