"""The ledger, to look at: its rows are never changed, and a mistake is corrected by a row of its own."""

import django_filters
from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from loyalty.common.adminkit import desk, lists, moments, show
from loyalty.common.causes import CauseType
from loyalty.customers import queries as customers_queries
from loyalty.points import ledger, queries
from loyalty.points.admin import acts, imports, pages, policy
from loyalty.points.models import AdjustmentReason, AdjustmentRequest, PointsTransaction, TransactionKind

KIND_TONES: dict[str, show.Tone] = {
    TransactionKind.EARNING: "good",
    TransactionKind.REDEMPTION: "info",
    TransactionKind.ADJUSTMENT: "warn",
    TransactionKind.EXPIRY: "quiet",
    TransactionKind.REVERSAL: "neutral",
    TransactionKind.CLAWBACK: "bad",
    TransactionKind.TRANSFER: "info",
    TransactionKind.CANCELLATION: "bad",
}
# Named, not imported: the pages stand in layers above.
PAGES_OF_CAUSES: dict[str, str] = {
    CauseType.REDEEMED_REWARD: "admin:rewards_redeemedreward_change",
    CauseType.ORDER: "admin:program_order_change",
    CauseType.TRANSACTION: "admin:points_pointstransaction_change",
    CauseType.ACTIVITY: "admin:program_activity_change",
    CauseType.EARNING_RULE: "admin:program_earningrule_change",
}


class TransactionFilter(django_filters.FilterSet):
    search = django_filters.CharFilter(
        label="Customer", help_text="E-mail, phone or name", method="narrow", max_length=200
    )
    kind = django_filters.MultipleChoiceFilter(
        label="Kind", choices=TransactionKind.choices, widget=forms.CheckboxSelectMultiple
    )
    recorded_after = moments.MomentFilter(field_name="recorded_at", label="From", end=False)
    recorded_before = moments.MomentFilter(field_name="recorded_at", label="Until", end=True)

    class Meta:
        model = PointsTransaction
        fields: list[str] = []

    def narrow(self, queryset: QuerySet[PointsTransaction], name: str, value: str) -> QuerySet[PointsTransaction]:
        return queryset.filter(customer_id__in=customers_queries.search(value).values("pk"))


@admin.register(PointsTransaction)
class PointsTransactionAdmin(pages.PointsPage):
    acts = (acts.ReturnPoints(), acts.CancelCredit())
    list_display = ("recorded", "customer_link", "kind_badge", "change", "sum_after", "description")
    list_display_links = ("recorded",)
    list_select_related = ("customer", "note")
    sortable_by = ()
    ordering = ("-recorded_at", "-id")
    filterset_class = TransactionFilter
    chips = (
        lists.Chip("Recorded", "recorded_after", "recorded_before"),
        lists.Chip("Kind", "kind"),
    )
    list_intro = "Every change of every customer's points. Rows are only ever added."
    list_empty = "No points were earned, spent or adjusted yet."
    fields = (
        "customer_link",
        "kind_badge",
        "change",
        "sum_after",
        "description",
        "internal_note",
        "reason",
        "caused_by",
        "done_by",
        "asked_by",
        "effective",
        "recorded",
        "reverses_link",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[PointsTransaction]:
        rows: QuerySet[PointsTransaction] = super().get_queryset(request).select_related("customer", "note")
        return rows

    def list_tools(self, request: HttpRequest) -> list[desk.Tool]:
        return imports.tools(request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(imports.view_of(self))
        own = [path("import/", view, name="points_pointstransaction_import"), policy.url(self)]
        return [*own, *super().get_urls()]

    def menu_links(self, request: HttpRequest) -> list[desk.Tool]:
        """What is outstanding stands in a layer above: named, not imported."""
        links = [
            ("points.view_pointstransaction", "Points outstanding", "insights:liability"),
            ("points.view_adjustmentrequest", "Adjustment requests", "admin:points_adjustmentrequest_changelist"),
            ("points.view_pointsshortfall", "Shortfalls", "admin:points_pointsshortfall_changelist"),
        ]
        own = [desk.Tool(label, reverse(name)) for right, label, name in links if request.user.has_perm(right)]
        return [*own, *policy.menu_links(request)]

    def offered(self, request: HttpRequest, pk: int) -> list[dict[str, str]]:
        row = PointsTransaction.objects.get(pk=pk)
        if row.points_change < 0:
            return self.act_links(request, pk, only=("return-points",) if row.kind in ledger.REVERSIBLE else ())
        cancelled = row.reversals.filter(kind=TransactionKind.CANCELLATION).exists()
        credited = row.kind in {TransactionKind.EARNING, TransactionKind.ADJUSTMENT}
        return self.act_links(request, pk, only=("cancel-credit",) if credited and not cancelled else ())

    @admin.display(description="Recorded")
    def recorded(self, row: PointsTransaction) -> SafeString:
        return show.instant(row.recorded_at)

    @admin.display(description="Counts from")
    def effective(self, row: PointsTransaction) -> SafeString:
        return show.instant(row.effective_at)

    @admin.display(description="Customer")
    def customer_link(self, row: PointsTransaction) -> SafeString:
        return pages.customer_link(row.customer)

    @admin.display(description="Kind")
    def kind_badge(self, row: PointsTransaction) -> SafeString:
        return show.badge(TransactionKind(row.kind).label, tone=KIND_TONES[row.kind])

    @admin.display(description="Points")
    def change(self, row: PointsTransaction) -> SafeString:
        return show.signed_points(row.points_change)

    @admin.display(description="Sum after")
    def sum_after(self, row: PointsTransaction) -> SafeString:
        return show.points(row.balance_after)

    @admin.display(description="What the customer reads")
    def description(self, row: PointsTransaction) -> str:
        return queries.describe(transaction=row)

    @admin.display(description="Internal note")
    def internal_note(self, row: PointsTransaction) -> str:
        note = getattr(row, "note", None)
        return note.internal_note if note and note.internal_note else show.DASH

    @admin.display(description="Reason")
    def reason(self, row: PointsTransaction) -> SafeString:
        adjustment = getattr(row, "adjustment", None)
        return show.text(AdjustmentReason(adjustment.reason).label if adjustment and adjustment.reason else "")

    @admin.display(description="Asked by")
    def asked_by(self, row: PointsTransaction) -> SafeString:
        """For an adjustment that a second person approved: who had asked for it."""
        asked = AdjustmentRequest.objects.filter(adjustment__transaction=row).first()
        if asked is None:
            return show.dash()
        author = pages.names([asked.requested_by]).get(asked.requested_by, f"staff {asked.requested_by}")
        return show.link(author, reverse("admin:points_adjustmentrequest_change", args=(asked.pk,)))

    @admin.display(description="Caused by")
    def caused_by(self, row: PointsTransaction) -> str:
        words = f"{row.cause_type.replace('_', ' ')} {row.cause_id or ''}".strip()
        page = PAGES_OF_CAUSES.get(row.cause_type)
        return show.link(words, reverse(page, args=(row.cause_id,))) if page and row.cause_id else words

    @admin.display(description="Done by")
    def done_by(self, row: PointsTransaction) -> str:
        return f"{row.actor_kind.replace('_', ' ')} {row.actor_id or ''}".strip()

    @admin.display(description="Undoes")
    def reverses_link(self, row: PointsTransaction) -> SafeString:
        if row.reverses_id is None:
            return show.dash()
        url = reverse("admin:points_pointstransaction_change", args=(row.reverses_id,))
        return show.link(f"transaction {row.reverses_id}", url)
