"""The programme's settings: one row, so one form and no list."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from loyalty.common import actors
from loyalty.common.adminkit import desk
from loyalty.events import log
from loyalty.merchant.models import Programme


class ProgrammeForm(forms.ModelForm):
    """The settings in the merchant's words."""

    class Meta:
        model = Programme
        fields = (
            "name",
            "support_email",
            "language",
            "time_zone",
            "currency",
            "points_label_one",
            "points_label_other",
            "points_per_unit",
            "pending_days",
            "expiry_mode",
            "expiry_days",
            "return_policy",
            "grace_days",
            "shortfall_policy",
            "shortfall_blocks",
            "self_cancel_minutes",
            "expiry_notice_days",
            "adjustment_text",
            "transfers_allowed",
        )
        labels = {
            "points_label_one": "One of them",
            "points_label_other": "Several of them",
            "points_per_unit": "Points per whole unit of currency",
            "pending_days": "Days before they can be spent",
            "expiry_mode": "When they expire",
            "expiry_days": "Number of days",
            "return_policy": "If their last day has passed meanwhile",
            "grace_days": "Days of grace",
            "shortfall_policy": "What the customer has spent already",
            "shortfall_blocks": "Count it against the balance",
            "transfers_allowed": "Staff may move points between customers",
            "self_cancel_minutes": "Minutes in which customers may cancel",
            "expiry_notice_days": "Days of notice",
            "adjustment_text": "Text of an adjustment",
        }
        help_texts = {
            "points_per_unit": "1 means 1 point for every whole dollar, euro or zloty.",
            "pending_days": "0: at once. 14 waits until the goods can no longer be sent back.",
            "expiry_mode": "Earning, redeeming, an adjustment and a move between customers count as activity.",
            "shortfall_policy": "Nobody falls below zero by a refund: what is missing is owed.",
            "shortfall_blocks": "The balance is shown less what is owed, below zero if need be, and nothing can be "
            "redeemed until nothing is owed.",
            "transfers_allowed": "Points that move keep their last day. Each role needs its permission as well.",
            "self_cancel_minutes": "30 is a good number. Empty: customers cannot cancel. Only what they redeemed for "
            "points and did not use, and no gift that was ordered.",
            "expiry_notice_days": "7 is a good number. 0: nobody is told ahead.",
            "adjustment_text": "Customers read it where staff write them no note. Empty: “Points adjusted”.",
        }
        widgets = {"shortfall_policy": forms.RadioSelect, "return_policy": forms.RadioSelect}


@admin.register(Programme)
class ProgrammeAdmin(desk.DeskAdmin):
    form = ProgrammeForm

    class Media:
        css = {"all": ("desk/programme.css",)}

    fieldsets = (
        (None, {"fields": ("name", "support_email", "language", "time_zone", "currency")}),
        ("What points are called", {"fields": ("points_label_one", "points_label_other")}),
        (
            "Earning and expiry",
            {
                "fields": ("points_per_unit", "pending_days", "expiry_mode", "expiry_days"),
                "description": "Changes concern points earned from now on. Points that customers hold keep their day.",
            },
        ),
        (
            "When points come back",
            {
                "fields": ("return_policy", "grace_days"),
                "description": "For a reward that is canceled after the points it cost would have expired.",
            },
        ),
        (
            "When an order is refunded",
            {
                "fields": ("shortfall_policy", "shortfall_blocks"),
                "description": "A refund takes back the points its order earned, in proportion to what was refunded.",
            },
        ),
        (
            "When customers change their mind",
            {
                "fields": ("self_cancel_minutes",),
                "description": "Customers may cancel a reward by themselves for so long after they got it: the code is "
                "killed in the shop and the points go back.",
            },
        ),
        (
            "Before a reward expires",
            {
                "fields": ("expiry_notice_days",),
                "description": "So many days before its last day an unused reward is told of, once; if it is extended, "
                "once more before its new last day.",
            },
        ),
        (
            "What staff do by hand",
            {
                "fields": ("adjustment_text", "transfers_allowed"),
                "description": "Adjustments of a balance, and points moved from one customer to another. How many "
                "points each role may adjust alone is set under “Adjustment ceilings” in the menu.",
            },
        ),
    )

    def menu_links(self, request: HttpRequest) -> list[desk.Tool]:
        """Named, not imported: the page stands in a layer above."""
        if not request.user.has_perm("points.view_adjustmentceiling"):
            return []
        return [desk.Tool("Adjustment ceilings", reverse("admin:points_adjustmentceiling_changelist"))]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Programme | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:merchant_programme_change", args=(1,)))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        extra = {"title": "Programme", "subtitle": None, "show_save_and_continue": False}
        return super().change_view(request, object_id, form_url, {**extra, **(extra_context or {})})

    def response_post_save_change(self, request: HttpRequest, obj: Programme) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:merchant_programme_change", args=(1,)))

    def save_model(self, request: HttpRequest, obj: Programme, form: forms.ModelForm, change: bool) -> None:  # noqa: FBT001
        super().save_model(request, obj, form, change)
        if form.changed_data:
            log.record(
                kind="programme.changed",
                subject_type="programme",
                subject_id=obj.pk,
                actor=actors.staff(int(str(request.user.pk))),
                now=timezone.now(),
                fields=sorted(form.changed_data),
            )
