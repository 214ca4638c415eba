"""Who was forgotten, and the proof that nothing is left."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from loyalty.common.adminkit import desk, show
from loyalty.erasure.models import Erasure


@admin.register(Erasure)
class ErasureAdmin(desk.ReadOnlyAdmin):
    list_display = ("forgotten", "person", "outcome")
    list_display_links = ("forgotten",)
    sortable_by = ()
    ordering = ("-id",)
    list_intro = "People whose name was taken out of the books. Every column was searched for them afterwards."
    list_empty = "Nobody was forgotten yet. The button is on the customer’s page."
    fields = ("forgotten", "person", "outcome", "searched", "went", "left")
    readonly_fields = fields

    @admin.display(description="Forgotten")
    def forgotten(self, erasure: Erasure) -> SafeString:
        return show.instant(erasure.forgotten_at)

    @admin.display(description="Customer")
    def person(self, erasure: Erasure) -> SafeString:
        page = reverse("admin:customers_customer_change", args=(erasure.customer_id,))
        return show.link(f"Customer {erasure.customer_id}", page)

    @admin.display(description="Search for traces")
    def outcome(self, erasure: Erasure) -> SafeString:
        if erasure.searched_at is None:
            return show.badge("Under way", tone="neutral")
        if erasure.found:
            return show.badge("Something is left", tone="warn")
        return show.badge("Nothing left", tone="good")

    @admin.display(description="Searched")
    def searched(self, erasure: Erasure) -> str:
        if erasure.searched_at is None:
            return "A worker searches every column in a moment."
        return f"{show.points_text(erasure.columns_searched)} columns, {show.instant_text(erasure.searched_at)}"

    @admin.display(description="Blanked or deleted")
    def went(self, erasure: Erasure) -> SafeString:
        return _rows(erasure.blanked)

    @admin.display(description="Still holding one of their words")
    def left(self, erasure: Erasure) -> SafeString:
        """Their e-mail, phone, street, full name or an id: a namesake may be meant, so a person looks."""
        return _rows(erasure.found)


def _rows(counted: dict[str, int]) -> SafeString:
    rows = [(place, show.points_text(number)) for place, number in sorted(counted.items())]
    return format_html_join("", "<div><code>{}</code>: {}</div>", rows) or show.dash()
