"""Who asked to be forgotten, for staff to look after."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loyalty.common.adminkit import desk, show
from loyalty.customers.models import ErasureRequest


@admin.register(ErasureRequest)
class ErasureRequestAdmin(desk.ReadOnlyAdmin):
    list_display = ("requested", "person", "outcome")
    list_display_links = ("requested",)
    list_select_related = ("customer",)
    sortable_by = ()
    ordering = ("-id",)
    list_intro = "Customers who asked on their own pages for their account to be deleted. They can take it back there."
    list_empty = "Nobody has asked to be forgotten."
    fields = ("requested", "person", "outcome")
    readonly_fields = fields

    @admin.display(description="Asked")
    def requested(self, asked: ErasureRequest) -> SafeString:
        return show.instant(asked.requested_at)

    @admin.display(description="Customer")
    def person(self, asked: ErasureRequest) -> SafeString:
        page = reverse("admin:customers_customer_change", args=[asked.customer_id])
        return format_html('<a href="{}">{}</a>', page, asked.customer)

    @admin.display(description="State")
    def outcome(self, asked: ErasureRequest) -> SafeString | str:
        if asked.withdrawn_at is None:
            return "Open"
        return format_html("Taken back {}", show.instant(asked.withdrawn_at))
