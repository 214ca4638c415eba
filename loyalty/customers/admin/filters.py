"""How the list of customers is narrowed: by everything a segment may hold, by a segment, and by search."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils import timezone

from loyalty.common.adminkit import lists
from loyalty.common.errors import DomainError
from loyalty.customers import queries
from loyalty.customers.models import Customer
from loyalty.merchant import queries as merchant
from loyalty.segments import narrowing
from loyalty.segments import queries as segments
from loyalty.segments.form import SECTIONS, CriteriaForm
from loyalty.segments.models import Segment

ALONE = ("state", "tier")  # chips of their own, as they are used most
CHIPS = (
    lists.Chip("Segment", "segment"),
    lists.Chip("State", "state"),
    lists.Chip("Tier", "tier"),
    *(lists.Chip(title, *(name for name in names if name not in ALONE)) for title, names in SECTIONS),
)


class GridForm(CriteriaForm):
    search = forms.CharField(label="Search", help_text="E-mail, phone or name", required=False, max_length=200)
    segment = forms.ChoiceField(
        label="Segment",
        required=False,
        error_messages={"invalid_choice": "There is no such segment. It may have been removed: choose another one."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.choose("segment", "segment", ("", "Any, or none"))

    def clean_segment(self) -> QuerySet[Customer] | None:
        """The customers of the segment as of now."""
        if not self.cleaned_data["segment"]:
            return None
        segment = Segment.objects.get(pk=int(self.cleaned_data["segment"]))
        try:
            return segments.customers(segment=segment, now=timezone.now())
        except DomainError as refusal:
            raise ValidationError(refusal.sentence, code=refusal.code) from refusal


class CustomerFilter:
    """What the list, its file and its links read from an address, in the shape of a filter set."""

    def __init__(self, *, data: Mapping[str, Any], queryset: QuerySet[Customer], request: Any = None) -> None:
        self.form = GridForm(data)
        self.queryset = queryset

    def is_valid(self) -> bool:
        return self.form.is_valid()

    @property
    def qs(self) -> QuerySet[Customer]:
        """The customers who fit; once it is valid."""
        said, rows = self.form.cleaned_data, self.queryset
        if said["search"]:
            rows = rows.filter(pk__in=queries.search(said["search"]).values("pk"))
        if said["segment"] is not None:
            rows = rows.filter(pk__in=said["segment"].values("pk"))
        if not self.form.kept():
            return rows
        return narrowing.narrow(rows, said, programme=merchant.programme(), now=timezone.now())
