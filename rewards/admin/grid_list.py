"""The grid's change list: which columns and which order a person chose, which page, and the rows as HTML."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, ClassVar

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.views.main import ORDER_VAR
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loyalty.common.adminkit import lists, show
from platforms import registry
from rewards.admin import inline, paging
from rewards.admin.paging import Page, Sort

SIZE, AFTER, BEFORE = "per", "after", "before"
SIZES = (25, 50, 100, 200)
USUAL_SIZE = 50
USUAL_SORT = "-redeemed"


class GridChangeList(lists.DeskChangeList):
    """Ids first, then the rows; by number as far as rows are counted, by key from anywhere."""

    further_parameters: ClassVar[frozenset[str]] = frozenset({ORDER_VAR, SIZE, AFTER, BEFORE})
    page: Page

    # What was asked for

    @cached_property
    def sort_name(self) -> str:
        """The column of the order, with a minus when it descends. What cannot be read is said."""
        asked = str(self.params.get(ORDER_VAR) or USUAL_SORT)
        if asked.lstrip("-") in self.model_admin.sorts and not asked.startswith("--"):
            return asked
        self.problems.append(f"There is no column “{asked[:40]}” to sort by. Take “o” out of the address.")
        return USUAL_SORT

    @cached_property
    def sort(self) -> Sort:
        fields, nullable = self.model_admin.sorts[self.sort_name.lstrip("-")]
        return Sort(fields=fields, descending=self.sort_name.startswith("-"), nullable=nullable)

    @cached_property
    def size(self) -> int:
        asked = str(self.params.get(SIZE) or USUAL_SIZE)
        if asked in map(str, SIZES):
            return int(asked)
        self.problems.append(f"A page holds {', '.join(map(str, SIZES))} rows, not “{asked[:40]}”.")
        return USUAL_SIZE

    @cached_property
    def place(self) -> tuple[str, int | None] | None:
        """The row this page begins after or ends before; none for a page by number."""
        for name in (AFTER, BEFORE):
            asked = str(self.params.get(name) or "")
            if asked == paging.LAST and name == BEFORE:
                return name, None
            if asked.isascii() and asked.isdigit() and len(asked) < 19:
                return name, int(asked)
            if asked:
                self.problems.append(f"“{asked[:40]}” is no place in the list. Take “{name}” out of the address.")
        return None

    def get_ordering(self, request: HttpRequest, queryset: QuerySet) -> list[Any]:
        return list(self.sort.order())

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet:
        rows = super().get_queryset(request, exclude_parameters)
        _ = self.size, self.place
        return rows.none() if self.problems else rows

    # The page

    def get_results(self, request: HttpRequest) -> None:
        """Also says to each row what this person may do with it."""
        self.list_per_page = self.size
        self.paginator = lists.CappedPaginator(self.queryset, self.size)
        self.result_count = 0
        self.page = Page([], more_before=False, more_after=False) if self.problems else self._read()
        self.result_list = self.page.rows
        self.show_full_result_count, self.full_result_count = False, None
        self.show_admin_actions = bool(self.result_list)
        self.can_show_all, self.multi_page = False, True
        inline.allow(request, self.result_list)

    def _read(self) -> Page:
        """By key where a row is named; by number otherwise, and where that row leads to nothing."""
        found = self._by_key(*self.place) if self.place is not None else None
        if found is None or not found.rows:
            self.place = None
            self.result_count = self.paginator.count
            self.page_num = self.paginator.validate_number(self.page_num)
            return self._by_number(self.page_num)
        if not found.more_before and len(found.rows) < self.size and self.place != (BEFORE, None):
            found = self._by_number(1)  # the beginning was reached: a whole first page
        self.result_count = len(found.rows)
        return found

    def _by_number(self, number: int) -> Page:
        rows, shown = self.queryset, self.model_admin.shown
        return paging.by_number(rows, sort=self.sort, number=number, size=self.size, shown=shown)

    def _by_key(self, name: str, pk: int | None) -> Page | None:
        rows, shown = self.queryset, self.model_admin.shown
        if name == AFTER and pk is not None:
            return paging.after(rows, sort=self.sort, pk=pk, size=self.size, shown=shown)
        return paging.before(rows, sort=self.sort, pk=pk, size=self.size, shown=shown)

    @property
    def count_sentence(self) -> str:
        if self.place is None:
            return super().count_sentence
        shown = len(self.result_list)
        noun = self.opts.verbose_name if shown == 1 else self.opts.verbose_name_plural
        where = "from the middle" if self.page.more_before else "from the beginning"
        return f"{show.points_text(shown)} {noun} {where if self.page.more_after else 'at the end'}"

    @property
    def across(self) -> str:
        """What “all” would mean beyond this page; empty when this page is all there is."""
        if self.place is None and self.result_count == len(self.result_list):
            return ""
        known = self.place is None and not self.paginator.capped
        return f"all {show.points_text(self.result_count)}" if known else "all that match"

    @property
    def numbers(self) -> list[tuple[str, str]]:
        """Page numbers with their addresses; the present page and gaps without one."""
        if self.place is not None or self.paginator.num_pages < 2:
            return []
        drawn = []
        for number in self.paginator.get_elided_page_range(self.page_num):
            plain = isinstance(number, int) and number != self.page_num
            drawn.append((str(number), self.get_query_string({"p": number}) if plain else ""))
        return drawn

    @property
    def steps(self) -> dict[str, str]:
        """Addresses of the first, the previous, the next and the last page, as far as there are any."""
        rows = self.result_list
        if not rows:
            return {}
        drawn = {}
        if self.page.more_before:
            drawn["first"] = self.get_query_string()
            drawn["previous"] = self._beside(self.page_num - 1, BEFORE, rows[0].pk)
        if self.page.more_after:
            drawn["next"] = self._beside(self.page_num + 1, AFTER, rows[-1].pk)
            drawn["last"] = self.get_query_string({BEFORE: paging.LAST})
        return drawn

    def _beside(self, number: int, name: str, pk: int) -> str:
        if self.place is None and number <= self.paginator.num_pages:
            return self.get_query_string({"p": number})
        return self.get_query_string({name: pk})

    @property
    def sizes(self) -> list[tuple[int, str]]:
        """The sizes a page can have, with an address for those it has not."""
        return [(size, "" if size == self.size else self.get_query_string({SIZE: size})) for size in SIZES]

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """Of the same rows; a place in them is not carried over."""
        kept = dict.fromkeys((AFTER, BEFORE, "p")) | (new_params or {})
        return super().get_query_string(kept, remove)

    # The table

    @property
    def heads(self) -> Iterator[dict[str, Any]]:
        """The headings, each with the address that sorts by it."""
        for name in self.names:
            sorted_by = self.sort_name.lstrip("-") == name
            down = sorted_by and self.sort_name.startswith("-")
            yield {
                "name": name,
                "label": self.label(name),
                "sorted": ("descending" if down else "ascending") if sorted_by else "",
                "url": self.get_query_string({ORDER_VAR: name if down or not sorted_by else f"-{name}"})
                if name in self.model_admin.sorts
                else "",
            }

    def label(self, name: str) -> str:
        return str(getattr(self.model_admin, name).short_description)

    @property
    def names(self) -> list[str]:
        """The columns but for the boxes to tick."""
        return [str(name) for name in self.list_display if name != "action_checkbox"]

    @property
    def has_boxes(self) -> bool:
        return "action_checkbox" in self.list_display

    @property
    def lines(self) -> Iterator[SafeString]:
        """The rows. Written here, not by the stock tags: a page of them takes a fifth of the time."""
        names = self.names
        linked = [name in (self.list_display_links or ()) for name in names]
        cells = [getattr(self.model_admin, name) for name in names]
        pattern = self._pattern(names, linked)
        page_of, customer_of = self._addresses()
        for row in self.result_list:
            row.page_url, row.customer_url = page_of(row.pk), customer_of(row.customer_id)
            row.shop_url = registry.code_url(row.connection, remote_id=row.code.remote_id) if row.code else ""
            values: list[Any] = [row.pk, row.pk, row] if self.has_boxes else [row.pk]
            for cell, link in zip(cells, linked, strict=True):
                values += (row.page_url, cell(row)) if link else (cell(row),)
            yield format_html(pattern, *values)

    def _pattern(self, names: Sequence[str], linked: Sequence[bool]) -> str:
        """A row with gaps for its values. The first column with a link is its heading."""
        box = (
            f'<td class="action-checkbox"><input type="checkbox" name="{ACTION_CHECKBOX_NAME}" value="{{}}" '
            'class="action-select" aria-label="Select {} for an action"></td>'
        )
        parts = ['<tr data-row="{}">', box if self.has_boxes else ""]
        first = linked.index(True) if True in linked else -1
        for place, (name, link) in enumerate(zip(names, linked, strict=True)):
            tag, scope = ("th", ' scope="row"') if place == first else ("td", "")
            gap = '<a href="{}">{}</a>' if link else "{}"
            parts.append(f'<{tag} class="field-{name}" data-label="{self.label(name)}"{scope}>{gap}</{tag}>')
        return "".join([*parts, "</tr>"])

    def _addresses(self) -> tuple[Callable[[int], str], Callable[[int], str]]:
        """The page of a row, which leads back to this list as it is; and the page of a customer."""
        page = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=(0,))
        back: dict[str, Any] = {"preserved_filters": self.preserved_filters, "opts": self.opts}
        rows = add_preserved_filters(back, page).split("/0/", 1)
        customers = reverse("admin:customers_customer_change", args=(0,)).split("/0/", 1)
        return lambda pk: f"/{pk}/".join(rows), lambda pk: f"/{pk}/".join(customers)
