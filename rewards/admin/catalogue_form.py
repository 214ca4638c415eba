"""The form of a reward: it says in sentences what the database would refuse."""

import json
from copy import copy
from typing import Any, ClassVar

import django_filters
from django import forms
from django.conf import settings
from django.db import transaction
from django.forms.models import construct_instance
from django.utils import timezone

from loyalty.common.adminkit import show
from loyalty.common.errors import DomainError
from platforms.models import StoreConnection
from rewards import limits, offering
from rewards.admin.catalogue_lists import ListFields
from rewards.admin.catalogue_price import PriceFields
from rewards.filters import AnyOf
from rewards.models import ExchangeType, Reward, RewardCategory, RewardKind, RewardText, RewardType
from rewards.types import registry as types


class RewardFilter(django_filters.FilterSet):
    """The chips and the search of the catalogue."""

    enabled = django_filters.ChoiceFilter(
        choices=[("true", "On"), ("false", "Off")],
        label="State",
        empty_label="Any",
        widget=forms.RadioSelect,
        method="by_state",
    )
    type = AnyOf(choices=RewardType.choices, label="Type")
    kind = AnyOf(choices=RewardKind.choices, label="Kind", method="by_kind")
    category = django_filters.ModelMultipleChoiceFilter(
        field_name="categories",
        queryset=RewardCategory.objects.order_by("position", "name"),
        label="Category",
        widget=forms.CheckboxSelectMultiple,
    )
    connection = django_filters.ModelMultipleChoiceFilter(
        queryset=StoreConnection.objects.order_by("name", "pk"), label="Shop", widget=forms.CheckboxSelectMultiple
    )
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", help_text="Name for staff")

    class Meta:
        model = Reward
        fields: ClassVar[list[str]] = []

    def by_state(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.filter(enabled=value == "true") if value else queryset

    def by_kind(self, queryset: Any, name: str, values: list[str]) -> Any:
        """The types that are of one of these kinds."""
        return (
            queryset.filter(type__in=[each for kind in values for each in types.OF_KIND[kind]]) if values else queryset
        )


class RewardForm(PriceFields, ListFields):
    """Which fields a type needs, what stands in the way of switching it on, and a total the stock can follow."""

    class Meta:
        model = Reward
        exclude = ("created_at", "updated_at", "categories")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in {
            "active_from",
            "active_until",
            "visible_until",
        } & self.fields.keys():  # none for those who only look
            self.fields[name].help_text = f"In {show.zone_name()}."
        if "type" in self.fields:
            own = {name: offering.fields_of(name) for name in types.TYPES}
            self.fields["type"].widget.attrs["data-fields"] = json.dumps(own)

    def clean_currency(self) -> str:
        currency: str = self.cleaned_data["currency"].strip().upper()
        return currency

    def clean_days_inactive(self) -> int:
        return self.cleaned_data["days_inactive"] or 0

    def clean_limit_total(self) -> int | None:
        """Rehearsed: fewer than are taken already is refused here, beside the field."""
        limit: int | None = self.cleaned_data["limit_total"]
        if self.instance.pk is None or "limit_total" not in self.changed_data:
            return limit
        try:
            with transaction.atomic():
                limits.set_total(reward_id=self.instance.pk, limit=limit, now=timezone.now())
                transaction.set_rollback(True)
        except DomainError as refusal:
            raise forms.ValidationError(refusal.sentence) from refusal
        return limit

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("type"):
            draft = construct_instance(self, copy(self.instance))
            by_steps = data.get("cost") == ExchangeType.VARIABLE
            for name, sentence in offering.problems(reward=draft, bought_by_steps=by_steps).items():
                if name in self.fields and name not in self.errors:
                    self.add_error(name, sentence)
            self.judge_price(draft)
        self.judge_audience(data)
        return data

    def judge_audience(self, data: dict[str, Any]) -> None:
        found = offering.audience_problems(
            restricted=bool(data.get("restricted")), tier_ids=self.tier_ids(), customer_ids=self.customer_ids
        )
        for name, sentence in found.items():
            if name not in self.errors:
                self.add_error(name, sentence)


class TextForm(forms.ModelForm):
    language = forms.ChoiceField(choices=settings.LANGUAGES)

    class Meta:
        model = RewardText
        fields = ("language", "name", "short_description", "usage_instructions", "terms", "action_text", "brand")
        widgets: ClassVar[dict[str, Any]] = {
            "short_description": forms.Textarea(attrs={"rows": 2}),
            "usage_instructions": forms.Textarea(attrs={"rows": 2}),
            "terms": forms.Textarea(attrs={"rows": 3}),
        }
