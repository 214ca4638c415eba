"""How many points each role may adjust without a second person."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from loyalty.common import actors
from loyalty.common.adminkit import desk, show
from loyalty.events import log
from loyalty.points.models import AdjustmentCeiling


class CeilingForm(forms.ModelForm):
    class Meta:
        model = AdjustmentCeiling
        fields = ("role", "points")
        labels = {"points": "Points at once"}
        help_texts = {
            "points": "Up or down, in one adjustment. Above it a second person has to approve.",
        }


@admin.register(AdjustmentCeiling)
class AdjustmentCeilingAdmin(desk.DeskAdmin):
    form = CeilingForm
    list_display = ("role_name", "at_once")
    list_display_links = ("role_name",)
    list_select_related = ("role",)
    sortable_by = ()
    ordering = ("role__name", "pk")
    actions = None
    list_intro = (
        "How many points somebody may adjust at once without a second person. Whoever has several roles may use the "
        "highest; a role that is not listed has no ceiling."
    )
    list_empty = "No role has a ceiling: everybody who may adjust points may adjust any number of them."

    @admin.display(description="Role")
    def role_name(self, row: AdjustmentCeiling) -> str:
        return row.role.name.capitalize()

    @admin.display(description="Points at once")
    def at_once(self, row: AdjustmentCeiling) -> SafeString:
        return show.points(row.points)

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        """Reached from the programme's settings, not from a section of its own."""
        return {}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("role",) if obj is not None else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        super().save_model(request, obj, form, change)
        self.record(request, obj, points=obj.points)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        role_id = obj.pk
        super().delete_model(request, obj)
        obj.pk = role_id
        self.record(request, obj, points=None)

    def record(self, request: HttpRequest, row: AdjustmentCeiling, *, points: int | None) -> None:
        log.record(
            kind="points.ceiling_changed",
            subject_type="role",
            subject_id=row.pk,
            actor=actors.staff(int(str(request.user.pk))),
            now=timezone.now(),
            points=points,
        )
