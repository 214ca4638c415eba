"""The base classes of the admin's pages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from loyalty.common.adminkit import acts as desk_acts
from loyalty.common.adminkit import lists, show


@dataclass(frozen=True)
class Tool:
    """A button above a list or a page."""

    label: str
    url: str
    primary: bool = False


class DeskAdmin(admin.ModelAdmin):
    """An admin whose list has chips, a capped count and acts. See the package's docstring."""

    filterset_class: ClassVar[type | None] = None
    chips: ClassVar[Sequence[lists.Chip]] = ()
    acts: ClassVar[Sequence[desk_acts.Act]] = ()
    tie_breaks: ClassVar[dict[str, tuple[str, ...]]] = {}  # sort column → further columns of its index
    list_noun: ClassVar[str] = ""  # "failed redemptions", where the list is not the whole table
    list_intro: ClassVar[str] = ""  # a sentence above the list
    list_empty: ClassVar[str] = "Nothing here yet."

    paginator = lists.CappedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    actions_on_top = True  # the stock page writes an inline style without it
    actions_selection_counter = True
    change_list_template = "admin/desk/change_list.html"
    change_form_template = "admin/desk/change_form.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return lists.DeskChangeList

    def get_list_queryset(self, request: HttpRequest) -> QuerySet:
        """The rows of the list, before filters. The change view takes `get_queryset`."""
        return self.get_queryset(request)

    def list_tools(self, request: HttpRequest) -> list[Tool]:
        """Buttons above the list, beside "Add"."""
        return []

    def menu_links(self, request: HttpRequest) -> list[Tool]:
        """Further pages under this model in the menu, such as a second list of the same table."""
        return []

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST":
            self.require_permitted(request)
        extra = {"tools": self.list_tools(request), "title": self.list_title(request), **(extra_context or {})}
        return super().changelist_view(request, extra)

    def list_title(self, request: HttpRequest) -> str:
        name = str(self.list_noun or self.opts.verbose_name_plural)
        return name[:1].upper() + name[1:]

    def link_to(self, model: type[Model], pk: int, text: str) -> SafeString:
        """The text as a link to that row's page, when the site has one."""
        if not self.admin_site.is_registered(model):
            return show.text(text)
        opts = model._meta  # noqa: SLF001 (Django names it so)
        return show.link(text, reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=(pk,)))

    # Acts

    def permitted_acts(self, request: HttpRequest) -> list[desk_acts.Act]:
        return [act for act in self.acts if request.user.has_perm(act.permission)]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """The bulk form of every act this person may do; nothing else, above all no stock deletion."""
        stock = {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}
        own = {
            act.action_name: (bulk_action(act), act.action_name, act.label)
            for act in self.permitted_acts(request)
            if act.bulk
        }
        return stock | own

    def require_permitted(self, request: HttpRequest) -> None:
        """A button this person does not have is refused aloud, not passed over. Raises PermissionDenied."""
        actions = self.get_actions(request)
        if not actions or not set(request.POST.getlist("action")) <= {"", *actions}:
            raise PermissionDenied

    def response_action(self, request: HttpRequest, queryset: QuerySet, *args: Any, **kwargs: Any) -> Any:
        """The rows that were ticked, also those the filters no longer show: what happened meanwhile is reported."""
        if not desk_acts.across(request):
            desk_acts.require_numbers(request)
            queryset = self.get_list_queryset(request)
        return super().response_action(request, queryset, *args, **kwargs)

    def act_links(self, request: HttpRequest, pk: int, *, only: Sequence[str] | None = None) -> list[dict[str, str]]:
        """The acts this person may do with one row, as links for `admin/desk/act_buttons.html`. They lead back here."""
        back = desk_acts.preserved(self, request)
        return [
            {"label": act.label, "tone": act.tone, "url": self.act_url(act.slug, pk) + back}
            for act in self.permitted_acts(request)
            if only is None or act.slug in only
        ]

    def act_url(self, slug: str, pk: int) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_act", args=(pk, slug))

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_act"
        view = self.admin_site.admin_view(self.act_view)
        return [path("<int:pk>/act/<slug:slug>/", view, name=name), *super().get_urls()]

    def act_view(self, request: HttpRequest, pk: int, slug: str) -> HttpResponse:
        """The plain page of one act on one row."""
        act = next((act for act in self.acts if act.slug == slug), None)
        if act is None:
            raise Http404(f"There is no act {slug!r}.")
        if not request.user.has_perm(act.permission) or not self.has_view_or_change_permission(request):
            raise PermissionDenied
        row = self.get_object(request, str(pk))
        if row is None:
            raise Http404(f"There is no {self.opts.verbose_name} {pk}.")
        return desk_acts.single_view(request, model_admin=self, act=act, row=row)


class ReadOnlyAdmin(DeskAdmin):
    """For tables the domain guards: whoever may view sees them, nobody edits them here. Changes are acts."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def bulk_action(act: desk_acts.Act) -> Callable[[DeskAdmin, HttpRequest, QuerySet], HttpResponse | None]:
    def run(model_admin: DeskAdmin, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        return desk_acts.bulk_view(request, model_admin=model_admin, act=act, queryset=queryset)

    return run
