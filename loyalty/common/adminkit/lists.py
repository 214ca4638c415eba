"""Lists that stay fast: declared filters as chips, a capped count, and an order an index can serve."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from django.contrib.admin.views.main import IGNORED_PARAMS, SEARCH_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import F, QuerySet
from django.db.models.expressions import OrderBy
from django.forms import BoundField, Form
from django.http import HttpRequest
from django.utils.safestring import SafeString

from loyalty.common.adminkit import moments, panels, show

COUNT_CAP = 10_000
SEARCH = "search"


class Chip:
    """One filter chip: a label and the filter fields that open under it."""

    def __init__(self, label: str, *fields: str) -> None:
        self.label = label
        self.fields = fields


@dataclass(frozen=True)
class DrawnChip:
    """A chip as the page shows it."""

    label: str
    fields: list[BoundField]
    value: str  # what is chosen, in words; empty when nothing is
    zone: str
    errors: list[str]

    @property
    def drawn_fields(self) -> list[SafeString]:
        return [panels.drawn(field, alone=len(self.fields) == 1) for field in self.fields]


class CappedPaginator(Paginator):
    """Counts to COUNT_CAP and one more, whatever the size of the table."""

    @cached_property
    def counted(self) -> int:
        rows: Any = self.object_list
        return len(rows) if isinstance(rows, list) else int(rows.order_by().values("pk")[: COUNT_CAP + 1].count())

    @property
    def count(self) -> int:
        return min(self.counted, COUNT_CAP)

    def validate_number(self, number: Any) -> int:
        """The page asked for, or the nearest there is: rows may have gone since the link was drawn."""
        try:
            return min(max(int(number), 1), self.num_pages)
        except (TypeError, ValueError):
            return 1

    @property
    def capped(self) -> bool:
        """There are more than are counted; pages end at the cap."""
        return self.counted > COUNT_CAP


def query(request: HttpRequest) -> str:
    """The filters of a list as a query string, without page and order; for links that act on the same rows."""
    kept = request.GET.copy()
    for name in ("p", "o", "e", "all", "per", "after", "before"):
        kept.pop(name, None)
    return f"?{kept.urlencode()}" if kept else ""


def parameters(form: Form) -> set[str]:
    """Every parameter the fields of a filter form read."""
    names: set[str] = set()
    for name, field in form.fields.items():
        widget = field.widget
        names.update(widget.names(name) if isinstance(widget, moments.MomentInput) else [name])
    return names


def problems(filterset: Any, chips: Sequence[Chip]) -> list[str]:
    """Why the filters of a list cannot be read, in sentences; nothing when they can."""
    form = filterset.form
    found = []
    if filterset.is_valid():
        found = [f"{label}: it ends before it begins. Choose a later end." for label in reversed_ranges(form, chips)]
    for name, errors in form.errors.items():
        found += [f"{named(form, name, chips)}: {error}" for error in errors]
    return found


def named(form: Form, name: str, chips: Sequence[Chip]) -> str:
    """A filter field as people know it: under its chip, where several fields share one."""
    field = form.fields.get(name)
    label = str(field.label if field is not None and field.label else name)
    chip = next((chip for chip in chips if name in chip.fields and len(chip.fields) > 1), None)
    return f"{chip.label} {label.lower()}" if chip else label.capitalize()


def reversed_ranges(form: Form, chips: Sequence[Chip]) -> list[str]:
    """The chips whose range holds nothing, because it ends before it begins."""
    found = []
    for chip in chips:
        ends = {
            field.end: form.cleaned_data.get(name)
            for name in chip.fields
            if isinstance(field := form.fields[name], moments.MomentField)
        }
        start, end = ends.get(False), ends.get(True)
        if start and end and end <= start:
            found.append(str(chip.label))
    return found


def in_words(bound: BoundField, *, alone: bool = True) -> str:
    """What is chosen in a filter field, as its chip says it: with the name of the field unless it is alone there.

    What was chosen takes the place of “…” in a name such as “in the last … days”.
    """
    value = bound.data
    if not value:
        return ""
    if isinstance(bound.field, moments.MomentField):
        return f"{str(bound.label).lower()} {str(value).replace('T', ' ')}"
    choices = dict(getattr(bound.field, "choices", []))
    chosen = value if isinstance(value, list | tuple) else [value]
    labels = {str(key): str(label) for key, label in choices.items()}
    words = ", ".join(labels.get(str(each), str(each)) for each in chosen)
    if alone:
        return words
    label = str(bound.label).lower()
    return label.replace("…", words) if "…" in label else f"{label} {words}"


class DeskChangeList(ChangeList):
    """A change list whose filters are one django-filter FilterSet. What cannot be read is shown, never ignored."""

    further_parameters: ClassVar[frozenset[str]] = frozenset()  # what a subclass reads beside the filters
    model_admin: Any  # a DeskAdmin
    filter_form: Form | None
    problems: list[str]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.page_num = self.paginator.validate_number(self.page_num)

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet:
        self.root_queryset = self.model_admin.get_list_queryset(request)
        self.problems = []
        self.filter_form = None
        own: set[str] = set()
        filterset_class = self.model_admin.filterset_class
        if filterset_class is not None:
            filterset = filterset_class(data=request.GET, queryset=self.root_queryset, request=request)
            self.filter_form = filterset.form
            own = parameters(filterset.form)
            self.root_queryset = self.filtered(filterset)
        self.own_parameters = own
        self.refuse_unknown_parameters()
        queryset = super().get_queryset(request, exclude_parameters)
        return queryset.none() if self.problems else queryset

    def filtered(self, filterset: Any) -> QuerySet:
        self.problems = problems(filterset, self.model_admin.chips)
        rows: QuerySet = self.root_queryset.none() if self.problems else filterset.qs
        return rows

    def refuse_unknown_parameters(self) -> None:
        """A parameter nobody reads is a mistake in a link: say so rather than show the wrong rows."""
        if self.list_filter:
            return
        known = {*IGNORED_PARAMS, "p", "e", *self.own_parameters, *self.further_parameters}
        if not self.search_fields:
            known.discard(SEARCH_VAR)
        for name in sorted(set(self.filter_params) - known):
            self.problems.append(f"There is no filter “{name[:60]}” in this list. Take it out of the address.")

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        remaining: dict[str, Any] = super().get_filters_params(params)
        if self.list_filter:
            return {name: value for name, value in remaining.items() if name not in self.own_parameters}
        return {}

    def get_ordering(self, request: HttpRequest, queryset: QuerySet) -> list[Any]:
        """The chosen order, its own tie-breaks and the primary key, all in one direction so that one index serves it."""
        ordering = super().get_ordering(request, queryset)
        if ordering and ordering[-1] in {"pk", "-pk", "id", "-id"}:
            ordering = ordering[:-1]
        if not ordering:
            return ["-pk"]
        last = ordering[-1]
        prefix = "-" if descends(last) else ""
        breaks = self.model_admin.tie_breaks.get(field_of(last), ())
        return [*ordering, *(f"{prefix}{name}" for name in breaks), f"{prefix}pk"]

    @property
    def chips(self) -> list[DrawnChip]:
        """The chips of the filter bar, with what is chosen in each."""
        form = self.filter_form
        if form is None:
            return []
        declared: Sequence[Chip] = self.model_admin.chips or [
            Chip(str(field.label or name), name) for name, field in form.fields.items() if name != SEARCH
        ]
        shown = {name for chip in declared for name in (*chip.fields, SEARCH)}
        hidden = [name for name in form.fields if name not in shown and form[name].data]
        also = [Chip(str(form.fields[name].label or name), name) for name in hidden]
        return [self.draw(form, chip) for chip in (*declared, *also)]

    def draw(self, form: Form, chip: Chip) -> DrawnChip:
        fields = [form[name] for name in chip.fields]
        instants = any(isinstance(bound.field, moments.MomentField) for bound in fields)
        return DrawnChip(
            label=chip.label,
            fields=fields,
            value=", ".join(filter(None, (in_words(bound, alone=len(fields) == 1) for bound in fields))),
            zone=show.zone_name() if instants else "",
            errors=[str(error) for bound in fields for error in bound.errors],
        )

    @property
    def search_field(self) -> BoundField | None:
        form = self.filter_form
        return form[SEARCH] if form is not None and SEARCH in form.fields else None

    @property
    def is_filtered(self) -> bool:
        return bool(self.query or self.has_active_filters or any(name in self.params for name in self.own_parameters))

    @property
    def count_sentence(self) -> str:
        """How many rows there are, as far as it is worth counting."""
        counted = show.points_text(self.result_count)
        noun = self.opts.verbose_name if self.result_count == 1 else self.opts.verbose_name_plural
        noun = self.model_admin.list_noun or noun
        return f"More than {counted} {noun}" if getattr(self.paginator, "capped", False) else f"{counted} {noun}"


def descends(part: Any) -> bool:
    return part.startswith("-") if isinstance(part, str) else bool(getattr(part, "descending", False))


def field_of(part: Any) -> str:
    if isinstance(part, OrderBy) and isinstance(part.expression, F):
        return str(vars(part.expression)["name"])
    return part.lstrip("-") if isinstance(part, str) else ""
