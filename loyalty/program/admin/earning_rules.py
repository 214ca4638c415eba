"""Earning rules: the list, the form, switching on and off, and what an order would earn."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

import django_filters
from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loyalty.common import actors
from loyalty.common.actors import Actor
from loyalty.common.adminkit import desk, lists, show
from loyalty.common.adminkit.acts import Act, Preview
from loyalty.program.admin import earning_backfill, earning_preview
from loyalty.program.admin.rule_form import RuleForm
from loyalty.program.earning import rules
from loyalty.program.earning.models import EarningRule, RuleKind

CHANGE = "program.change_earningrule"


class SwitchRule(Act):
    """One way of the switch."""

    permission = CHANGE
    on: ClassVar[bool]

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> Preview:
        rule = EarningRule.objects.get(pk=pk)
        if rule.enabled == self.on:
            return Preview(title=rule.name, refusal=f"It is switched {'on' if self.on else 'off'} already.")
        return Preview(title=rule.name, effects=[self.effect])

    @property
    def effect(self) -> str:
        return (
            "It counts for what happens from now on." if self.on else "It gives nothing any more; what it gave stays."
        )

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        rule = rules.switch(rule_id=pk, on=self.on, actor=actor, now=now)
        return f"“{rule.name}” is switched {'on' if self.on else 'off'}."


class SwitchOn(SwitchRule):
    slug, label, on = "switch-on", "Switch on", True


class SwitchOff(SwitchRule):
    slug, label, on = "switch-off", "Switch off", False


class RuleFilter(django_filters.FilterSet):
    enabled = django_filters.ChoiceFilter(
        choices=[("true", "On"), ("false", "Off")],
        label="State",
        empty_label="Any",
        widget=forms.RadioSelect,
        method="by_state",
    )
    kind = django_filters.MultipleChoiceFilter(
        choices=RuleKind.choices, label="Kind", widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = EarningRule
        fields: ClassVar[list[str]] = []

    def by_state(self, queryset: QuerySet[EarningRule], name: str, value: str) -> QuerySet[EarningRule]:
        return queryset.filter(enabled=value == "true") if value else queryset


@admin.register(EarningRule)
class EarningRuleAdmin(desk.DeskAdmin):
    """Changes concern what happens from now on: what was earned keeps the terms of then."""

    form = RuleForm
    acts = (SwitchOn(), SwitchOff())
    list_display = ("name", "on", "kind", "gives", "window", "caps", "priority")
    list_select_related = ("reward",)
    ordering = ("-enabled", "priority", "pk")
    sortable_by = ()
    filterset_class = RuleFilter
    chips = (lists.Chip("State", "enabled"), lists.Chip("Kind", "kind"))
    list_intro = (
        "Rules are judged by their priority, lowest first; the programme's own rate comes last. Their points add up."
    )
    list_empty = "There is no rule yet: orders earn by the programme's own rate. Add one; it starts switched off."
    fieldsets = (
        (None, {"fields": ("name", "kind", "enabled")}),
        ("What it gives", {"fields": ("points", "per_amount", "rounding", "factor", "reward", "delay_days")}),
        (
            "Of an order",
            {
                "fields": (
                    "minimum",
                    "currency",
                    "excludes_tax",
                    "excludes_shipping",
                    "products",
                    "categories",
                    "excluded_products",
                    "excluded_categories",
                )
            },
        ),
        ("Of an activity", {"fields": ("token", "action_text", "action_url")}),
        ("For whom and when", {"fields": ("tiers", "starts_at", "ends_at")}),
        ("How often", {"fields": ("most_times", "most_points", "period", "most_times_ever", "most_points_ever")}),
        ("Beside other rules", {"fields": ("priority", "is_last")}),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("preview/", view(self.preview_view), name=earning_preview.URL_NAME),
            path("backfill/", view(self.backfills_view), name=earning_backfill.LIST),
            path("backfill/<int:pk>/", view(self.backfill_view), name=earning_backfill.PAGE),
            *super().get_urls(),
        ]

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        return earning_preview.view(request, model_admin=self)

    def backfills_view(self, request: HttpRequest) -> HttpResponse:
        return earning_backfill.list_view(request, model_admin=self)

    def backfill_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return earning_backfill.page_view(request, pk, model_admin=self)

    def list_tools(self, request: HttpRequest) -> list[desk.Tool]:
        preview = desk.Tool("What would an order earn?", reverse(f"admin:{earning_preview.URL_NAME}"))
        return [preview, *earning_backfill.tool(request)]

    def get_fieldsets(self, request: HttpRequest, obj: EarningRule | None = None) -> Any:
        """A new rule has no switch yet. Who only looks sees the tiers' ids as they are kept."""
        if obj is None:
            return [(None, {"fields": ("name", "kind")}), *self.fieldsets[1:]]
        if self.has_change_permission(request, obj):
            return self.fieldsets
        return [
            (title, {"fields": [_read_only(str(name)) for name in part["fields"]]}) for title, part in self.fieldsets
        ]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: EarningRule, form: Any, change: bool) -> None:  # noqa: FBT001
        actor = actors.staff(request.user.pk or 0)
        saved = rules.save(rule=obj, on=form.cleaned_data.get("enabled", False), actor=actor, now=timezone.now())
        obj.enabled, obj.enabled_at = saved.enabled, saved.enabled_at

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        tried = f"{reverse(f'admin:{earning_preview.URL_NAME}')}?rule={object_id}"
        past = earning_backfill.tool(request, rule_id=int(object_id)) if object_id.isdecimal() else []
        extra = {"tried_url": tried, "past": past, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, extra)

    change_form_template = "admin/program/earningrule/change_form.html"

    @admin.display(description="State")
    def on(self, rule: EarningRule) -> SafeString:
        return show.badge("On", tone="good") if rule.enabled else show.badge("Off", tone="quiet")

    @admin.display(description="Gives")
    def gives(self, rule: EarningRule) -> SafeString:
        if rule.reward is not None:
            return show.text(rule.reward.name)
        if rule.factor is not None:
            return format_html("× {}", f"{rule.factor.normalize():f}")
        each = f" for each {rule.per_amount.normalize():f}" if rule.per_amount is not None else ""
        return format_html("{} points{}", show.points_text(rule.points or 0), each)

    @admin.display(description="When")
    def window(self, rule: EarningRule) -> SafeString:
        if rule.starts_at is None and rule.ends_at is None:
            return show.dash()
        return format_html("{} to {}", show.instant(rule.starts_at), show.instant(rule.ends_at))

    @admin.display(description="How often")
    def caps(self, rule: EarningRule) -> SafeString:
        parts = []
        if rule.most_times is not None:
            parts.append(f"{rule.most_times} a {rule.period}")
        if rule.most_points is not None:
            parts.append(f"{show.points_text(rule.most_points)} points a {rule.period}")
        if rule.most_times_ever is not None:
            parts.append(f"{rule.most_times_ever} ever")
        if rule.most_points_ever is not None:
            parts.append(f"{show.points_text(rule.most_points_ever)} points ever")
        return show.text(", ".join(parts))


def _read_only(name: str) -> str:
    return "tier_ids" if name == "tiers" else name
