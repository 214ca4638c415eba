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


@admin.register(Programme)
class ProgrammeAdmin(desk.DeskAdmin):
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
                "description": "For a reward that is cancelled after the points it cost would have expired.",
            },
        ),
    )

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
