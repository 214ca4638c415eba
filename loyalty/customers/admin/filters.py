"""How the list of customers is narrowed."""

import django_filters
from django import forms
from django.db.models import QuerySet

from loyalty.common.adminkit import moments
from loyalty.customers import queries
from loyalty.customers.models import Customer, CustomerState, Tier


class CustomerFilter(django_filters.FilterSet):
    search = django_filters.CharFilter(
        label="Search", help_text="E-mail, phone or name", method="narrow", max_length=200
    )
    state = django_filters.MultipleChoiceFilter(
        label="State", choices=CustomerState.choices, widget=forms.CheckboxSelectMultiple
    )
    tier = django_filters.ModelMultipleChoiceFilter(
        label="Tier", queryset=Tier.objects.order_by("rank"), widget=forms.CheckboxSelectMultiple
    )
    created_after = moments.MomentFilter(field_name="created_at", label="From", end=False)
    created_before = moments.MomentFilter(field_name="created_at", label="Until", end=True)

    class Meta:
        model = Customer
        fields: list[str] = []

    def narrow(self, queryset: QuerySet[Customer], name: str, value: str) -> QuerySet[Customer]:
        return queryset.filter(pk__in=queries.search(value).values("pk"))
