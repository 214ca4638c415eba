"""Who was merged into whom, and the way back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from loyalty.common.actors import Actor
from loyalty.common.adminkit import acts, desk, show
from loyalty.customers.models import Customer
from loyalty.merging import parting
from loyalty.merging.models import CustomerMerge


class TakeBack(acts.Act):
    slug, label, tone, permission, bulk = "take-back", "Take back", "danger", "merging.merge_customers", False
    explain = (
        "What went over and is still there goes back to the customer it came from. What was spent, changed or handed on "
        "since stays where it is."
    )

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        title = str(CustomerMerge.objects.get(pk=pk))
        plan = parting.plan(merge_id=pk, now=now)
        if plan.refusals:
            return acts.Preview(title=title, refusal=" ".join(plan.refusals))
        return acts.Preview(title=title, effects=[sentence for _, sentence in plan.effects], token=plan.fingerprint)

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        done = parting.undo(merge_id=pk, actor=actor, now=now, fingerprint=token)
        return " ".join([f"Customer {done.source_id} is a customer of their own again.", *done.left])


@admin.register(CustomerMerge)
class CustomerMergeAdmin(desk.ReadOnlyAdmin):
    list_display = ("merged", "goes", "stays", "outcome", "internal_note")
    list_display_links = ("merged",)
    list_select_related = ("source", "survivor")
    sortable_by = ()
    ordering = ("-id",)
    acts = (TakeBack(),)
    list_intro = (
        "Customers who turned out to be one person. Each merge can be taken back as far as things are still there."
    )
    list_empty = "Nobody was merged yet. The button is on the customer’s page."
    change_form_template = "admin/merging/merge.html"
    fields = ("merged", "goes", "stays", "outcome", "internal_note", "stayed")
    readonly_fields = fields

    @admin.display(description="Merged")
    def merged(self, made: CustomerMerge) -> SafeString:
        return show.instant(made.merged_at)

    @admin.display(description="Goes")
    def goes(self, made: CustomerMerge) -> SafeString:
        return self.person(made.source)

    @admin.display(description="Stays")
    def stays(self, made: CustomerMerge) -> SafeString:
        return self.person(made.survivor)

    def person(self, customer: Customer) -> SafeString:
        return self.link_to(Customer, customer.pk, f"{customer} ({customer.pk})")

    @admin.display(description="State")
    def outcome(self, made: CustomerMerge) -> SafeString:
        return show.badge("Taken back", tone="quiet") if made.undone_at else show.badge("Merged", tone="info")

    @admin.display(description="Stayed when it was taken back")
    def stayed(self, made: CustomerMerge) -> SafeString:
        return format_html_join("", "<div>{}</div>", ((sentence,) for sentence in made.left)) or show.dash()

    def change_view(
        self, request: Any, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """With the button of the way back, while there is one."""
        made = self.get_object(request, object_id)
        links = self.act_links(request, made.pk) if isinstance(made, CustomerMerge) and not made.undone_at else []
        return super().change_view(request, object_id, form_url, {"acts": links, **(extra_context or {})})
