"""Pages of a long list: ids first, then the rows; by number near the beginning, by key from anywhere.

A page by key names the row it begins after, or ends before. Its place is found in the index of the order, so the last
page costs what the first one costs. The address holds that row's number only: no e-mail, no name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, F, Func, Q, QuerySet, Value
from django.db.models.expressions import OrderBy

LAST = "end"


@dataclass(frozen=True, slots=True)
class Sort:
    """An order that one index serves: its fields and the primary key, all in one direction, nothing last downwards."""

    fields: tuple[str, ...]
    descending: bool = True
    nullable: bool = False  # whether the first field may be empty

    def order(self, *, backwards: bool = False) -> list[OrderBy]:
        down = self.descending is not backwards
        return [self._part(name, down=down, nullable=self.nullable and not place) for place, name in self._named()]

    def beyond(self, rows: QuerySet, *, values: Sequence[Any], backwards: bool) -> list[QuerySet]:
        """The rows after the one with these values, in the order or against it; in parts where some values are empty."""
        down = self.descending is not backwards
        first, rest = self.fields[0], [name for _, name in self._named()[1:]]
        if not self.nullable:
            return [rows.filter(_compared([first, *rest], values, down=down))]
        empty, filled = Q(**{f"{first}__isnull": True}), Q(**{f"{first}__isnull": False})
        if values[0] is not None:
            later = rows.filter(filled, _compared([first, *rest], values, down=down))
            return [later, rows.filter(empty)] if down else [later]
        later = rows.filter(empty, _compared(rest, values[1:], down=down))
        return [later] if down else [later, rows.filter(filled)]

    def values_of(self, rows: QuerySet, pk: int) -> Sequence[Any] | None:
        """What the order compares, of one row; none when there is no such row."""
        found: Sequence[Any] | None = rows.order_by().filter(pk=pk).values_list(*self.fields, "pk").first()
        return found

    def _named(self) -> list[tuple[int, str]]:
        return list(enumerate((*self.fields, "pk")))

    def _part(self, name: str, *, down: bool, nullable: bool) -> OrderBy:
        if not nullable:
            return F(name).desc() if down else F(name).asc()
        return F(name).desc(nulls_last=True) if down else F(name).asc(nulls_first=True)


def _compared(names: Sequence[str], values: Sequence[Any], *, down: bool) -> Q:
    return Q(Compared(*names, *(Value(value) for value in values), operator="<" if down else ">"))


class Compared(Func):
    """(a, b) < (1, 2) as SQL compares rows: the one form in which an index finds the place."""

    output_field = BooleanField()
    conditional = True

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:  # type: ignore[override]
        parts = [compiler.compile(each) for each in self.get_source_expressions()]
        half = len(parts) // 2
        left, right = (", ".join(sql for sql, _ in side) for side in (parts[:half], parts[half:]))
        operator = {"<": "<", ">": ">"}[self.extra["operator"]]
        return f"({left}) {operator} ({right})", [param for _, params in parts for param in params]


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows in order, and whether there are more on either side."""

    rows: list[Any]
    more_before: bool
    more_after: bool


def by_number(rows: QuerySet, *, sort: Sort, number: int, size: int, shown: Callable[[QuerySet], QuerySet]) -> Page:
    """The page of that number, by skipping ids. For numbers near the beginning."""
    begin = (number - 1) * size
    ids = rows.order_by(*sort.order()).values("pk")[begin : begin + size + 1]
    found = list(shown(_of(rows, ids)).order_by(*sort.order()))
    return Page(found[:size], more_before=number > 1, more_after=len(found) > size)


def after(rows: QuerySet, *, sort: Sort, pk: int, size: int, shown: Callable[[QuerySet], QuerySet]) -> Page | None:
    """The page that begins after this row; none when there is no such row."""
    values = sort.values_of(rows.model.objects.all(), pk)
    if values is None:
        return None
    found = _taken(sort.beyond(rows, values=values, backwards=False), rows, sort=sort, size=size, shown=shown)
    return Page(found[:size], more_before=True, more_after=len(found) > size)


def before(
    rows: QuerySet, *, sort: Sort, pk: int | None, size: int, shown: Callable[[QuerySet], QuerySet]
) -> Page | None:
    """The page that ends before this row; without one the last page. None when there is no such row."""
    parts = [rows]
    if pk is not None:
        values = sort.values_of(rows.model.objects.all(), pk)
        if values is None:
            return None
        parts = sort.beyond(rows, values=values, backwards=True)
    found = _taken(parts, rows, sort=sort, size=size, shown=shown, backwards=True)
    return Page(found[:size][::-1], more_before=len(found) > size, more_after=pk is not None)


def _taken(
    parts: Sequence[QuerySet],
    rows: QuerySet,
    *,
    sort: Sort,
    size: int,
    shown: Callable[[QuerySet], QuerySet],
    backwards: bool = False,
) -> list[Any]:
    order = sort.order(backwards=backwards)
    each = [part.order_by(*order).values("pk")[: size + 1] for part in parts]
    ids = each[0] if len(each) == 1 else each[0].union(*each[1:], all=True)
    return list(shown(_of(rows, ids)).order_by(*order)[: size + 1])


def _of(rows: QuerySet, ids: QuerySet) -> QuerySet:
    """The rows of these ids, without the filters that found them."""
    found: QuerySet = rows.model.objects.filter(pk__in=ids)
    return found
