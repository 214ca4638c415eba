"""Orders as their shops told them, to look at."""

from collections.abc import Sequence
from decimal import Decimal

import django_filters
from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from loyalty.common.adminkit import desk, lists, moments, show
from loyalty.customers import queries as customers_queries
from loyalty.program.admin import awards
from loyalty.program.models import Order, OrderItem, OrderStatus, PaymentState
from platforms.models import StoreConnection

STATUS_TONES: dict[str, show.Tone] = {
    OrderStatus.PLACED: "neutral",
    OrderStatus.COMPLETED: "good",
    OrderStatus.CANCELLED: "quiet",
}


class OrderFilter(django_filters.FilterSet):
    search = django_filters.CharFilter(
        label="Customer", help_text="Customer: e-mail, phone or name", method="narrow", max_length=200
    )
    status = django_filters.MultipleChoiceFilter(
        label="Status", choices=OrderStatus.choices, widget=forms.CheckboxSelectMultiple
    )
    shop = django_filters.ModelMultipleChoiceFilter(
        label="Shop",
        field_name="connection",
        queryset=StoreConnection.objects.order_by("name", "pk"),
        widget=forms.CheckboxSelectMultiple,
    )
    placed_after = moments.MomentFilter(field_name="placed_at", label="From", end=False)
    placed_before = moments.MomentFilter(field_name="placed_at", label="Until", end=True)

    class Meta:
        model = Order
        fields: list[str] = []

    def narrow(self, queryset: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        return queryset.filter(customer_id__in=customers_queries.search(value).values("pk"))


@admin.register(Order)
class OrderAdmin(desk.ReadOnlyAdmin):
    list_display = ("placed", "number_text", "shop", "customer_link", "status_badge", "total_text", "refunded_text")
    list_display_links = ("number_text",)
    list_select_related = ("connection", "customer")
    sortable_by = ()
    ordering = ("-placed_at", "-id")
    filterset_class = OrderFilter
    chips = (
        lists.Chip("Placed", "placed_after", "placed_before"),
        lists.Chip("Status", "status"),
        lists.Chip("Shop", "shop"),
    )
    list_empty = "No orders yet. They come from the shops, by webhook and by looking."
    fieldsets = (
        (None, {"fields": ("customer_link", "status_badge", "placed", "changed", "shop", "external_id")}),
        ("Points", {"fields": ("earned",)}),
        ("Money", {"fields": ("total_text", "parts_text", "payment_text", "refunded_text", "refunds_given")}),
        ("What was bought", {"fields": ("items_text", "codes_applied")}),
    )
    readonly_fields = (
        "customer_link",
        "status_badge",
        "placed",
        "changed",
        "shop",
        "earned",
        "total_text",
        "parts_text",
        "payment_text",
        "refunded_text",
        "refunds_given",
        "items_text",
        "codes_applied",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        rows: QuerySet[Order] = super().get_queryset(request).select_related("connection", "customer")
        return rows

    @admin.display(description="Placed")
    def placed(self, order: Order) -> SafeString:
        return show.instant(order.placed_at)

    @admin.display(description="Last changed in the shop")
    def changed(self, order: Order) -> SafeString:
        return show.instant(order.changed_at)

    @admin.display(description="Number")
    def number_text(self, order: Order) -> str:
        return str(order)

    @admin.display(description="Shop")
    def shop(self, order: Order) -> str:
        return str(order.connection) if order.connection else "Imported"

    @admin.display(description="Customer")
    def customer_link(self, order: Order) -> SafeString:
        if order.customer is None:
            return show.dash()
        return show.link(str(order.customer), reverse("admin:customers_customer_change", args=(order.customer_id,)))

    @admin.display(description="Status")
    def status_badge(self, order: Order) -> SafeString:
        return show.badge(OrderStatus(order.status).label, tone=STATUS_TONES[order.status])

    @admin.display(description="Total")
    def total_text(self, order: Order) -> SafeString:
        return show.money(order.total, order.currency)

    @admin.display(description="Of which")
    def parts_text(self, order: Order) -> SafeString:
        """What the shop tells of the total's parts; what it does not tell is left out."""
        parts = (
            ("may earn", order.rewardable_total),
            ("tax", order.tax),
            ("shipping", order.shipping),
            ("taken off by discounts", order.discounts),
        )
        rows = [(show.money_text(amount, order.currency), word) for word, amount in parts if amount is not None]
        return format_html_join("", "<div>{} {}</div>", rows) or show.dash()

    @admin.display(description="Payment")
    def payment_text(self, order: Order) -> SafeString:
        return show.text(PaymentState(order.payment_state).label)

    @admin.display(description="Items")
    def items_text(self, order: Order) -> SafeString:
        items = list(order.items.order_by("position"))
        rows = [
            (
                item.quantity,
                item.product,
                show.money_text(item.amount, order.currency),
                ", ".join(item.categories or ()),
            )
            for item in items
        ]
        told = format_html_join("", "<div>{} × {}, {} {}</div>", rows)
        rest = _beside(order, items)
        if rest:
            told += format_html(
                "<div>{} of the total is neither items nor shipping nor their tax: fees, tips or rounding.</div>",
                show.money_text(rest, order.currency),
            )
        return told or show.dash()

    @admin.display(description="Refunded")
    def refunded_text(self, order: Order) -> SafeString:
        return show.money(order.refunded, order.currency) if order.refunded else show.dash()

    @admin.display(description="Codes that took effect")
    def codes_applied(self, order: Order) -> SafeString:
        """Each with what it took off, where the shop tells."""
        rows = [
            (code.canonical, f"−{show.money_text(code.discount, order.currency)}" if code.discount else "")
            for code in order.codes.order_by("pk")
        ]
        return format_html_join("", "<div><code>{}</code> {}</div>", rows) or show.dash()

    @admin.display(description="Why these points")
    def earned(self, order: Order) -> SafeString:
        return awards.told_of_order(order)

    @admin.display(description="Money given back")
    def refunds_given(self, order: Order) -> SafeString:
        rows = [
            (show.money_text(refund.amount, order.currency), show.instant(refund.refunded_at))
            for refund in order.refunds.order_by("pk")
        ]
        return format_html_join("", "<div>{}, {}</div>", rows) or show.dash()


def _beside(order: Order, items: Sequence[OrderItem]) -> Decimal | None:
    """What of the total is neither items nor shipping nor their tax; None where the shop does not tell all parts."""
    taxes = [item.tax for item in items if item.tax is not None]
    if not items or order.shipping is None or order.tax is None or len(taxes) < len(items):
        return None
    parts = (order.shipping, order.tax, *(item.amount - (item.tax or 0) for item in items))
    return order.total - sum(parts, Decimal(0))
