"""What a member of staff keeps of the grid: named views of it, and the columns it shows. Nobody sees another's."""

from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, QueryDict
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from loyalty.accounts.models import SavedView
from loyalty.common.adminkit import lists
from rewards import queries
from rewards.admin.grid_list import SIZE, SIZES
from rewards.filters import RedeemedRewardFilter

LIST = "redeemed_rewards"
MOST_VIEWS = 50
PREFIX = "rewards_redeemedreward_view"


class SaveForm(forms.Form):
    name = forms.CharField(max_length=60, strip=True, label="Name")
    query = forms.CharField(max_length=2000, required=False)


def person(request: HttpRequest) -> int:
    return int(str(request.user.pk))


def of(request: HttpRequest) -> list[SavedView]:
    """This person's views by name, the columns among them; one query a request."""
    kept: list[SavedView] | None = getattr(request, "saved_views", None)
    if kept is None:
        kept = list(SavedView.objects.filter(user_id=person(request), list_name=LIST).order_by("name", "pk"))
        request.saved_views = kept  # type: ignore[attr-defined]
    return kept


def columns(request: HttpRequest, *, every: Sequence[str], always: Sequence[str]) -> list[str]:
    """The columns this person sees, in the order of all there are."""
    chosen: list[str] = next((view.columns for view in of(request) if not view.name), [])
    return [name for name in every if not chosen or name in chosen or name in always]


def drawn(request: HttpRequest) -> list[dict[str, Any]]:
    """The named views as the page shows them."""
    present = lists_query(request.GET)
    grid = reverse("admin:rewards_redeemedreward_changelist")
    return [
        {"pk": view.pk, "name": view.name, "url": f"{grid}?{view.query}", "present": view.query == present}
        for view in of(request)
        if view.name
    ]


def lists_query(data: QueryDict) -> str:
    """The filters, order and page size of an address, in one spelling; a place in the list is left out."""
    kept = [(name, value) for name, values in data.lists() for value in values if value]
    return urlencoded([each for each in kept if each[0] not in {"p", "e", "after", "before", "_changelist_filters"}])


def urlencoded(pairs: Sequence[tuple[str, str]]) -> str:
    query = QueryDict(mutable=True)
    for name, value in sorted(pairs):
        query.appendlist(name, value)
    return query.urlencode()


def problem(query: str, *, sorts: Sequence[str], chips: Sequence[lists.Chip]) -> str:
    """Why this is no view of the grid; empty when it is one. The grid itself reads it in the same way."""
    data = QueryDict(query)
    filterset = RedeemedRewardFilter(data=data, queryset=queries.with_status(queries.visible(), timezone.now()))
    unknown = sorted(set(data) - lists.parameters(filterset.form) - {"o", SIZE})
    if unknown:
        return f"There is no filter “{unknown[0][:60]}” in this list."
    if data.get("o", sorts[0]).removeprefix("-") not in sorts:
        return f"There is no column “{data['o'][:40]}” to sort by."
    if data.get(SIZE, str(SIZES[0])) not in map(str, SIZES):
        return f"A page holds {', '.join(map(str, SIZES))} rows."
    return next(iter(lists.problems(filterset, chips)), "")


def urls(model_admin: Any) -> list[URLPattern]:
    """The addresses that keep and forget; each changes the person's own rows alone and goes back to the grid."""

    def view(change: Callable[..., str]) -> Callable[..., HttpResponse]:
        def changed(request: HttpRequest, **given: Any) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            if not model_admin.has_view_permission(request):
                raise PermissionDenied
            query = change(request, model_admin=model_admin, **given)
            grid = reverse("admin:rewards_redeemedreward_changelist")
            return HttpResponseRedirect(f"{grid}?{query}" if query else grid)

        wrapped: Callable[..., HttpResponse] = model_admin.admin_site.admin_view(changed)
        return wrapped

    return [
        path("views/save/", view(save), name=f"{PREFIX}_save"),
        path("views/<int:pk>/forget/", view(forget), name=f"{PREFIX}_forget"),
        path("views/columns/", view(choose), name=f"{PREFIX}_columns"),
    ]


def save(request: HttpRequest, *, model_admin: Any) -> str:
    """Keep the present filters and order under a name; the same name again replaces it. Gives the query to go back to."""
    form = SaveForm(request.POST)
    query = lists_query(QueryDict(str(request.POST.get("query", ""))[:2000]))
    if not form.is_valid():
        messages.error(request, "The view was not saved. Give it a name of at most 60 characters.")
        return query
    wrong = problem(query, sorts=list(model_admin.sorts), chips=model_admin.chips)
    if wrong or not query:
        messages.error(request, f"The view was not saved. {wrong or 'Filter or sort the list first.'}")
        return ""
    name = form.cleaned_data["name"]
    named = [view for view in of(request) if view.name]
    if len(named) >= MOST_VIEWS and name not in {view.name for view in named}:
        messages.error(request, f"The view was not saved. You have {MOST_VIEWS} already: remove one first.")
        return query
    SavedView.objects.update_or_create(
        user_id=person(request), list_name=LIST, name=name, defaults={"query": query, "columns": []}
    )
    messages.success(request, f"“{name}” is saved under Views.")
    return query


def forget(request: HttpRequest, *, model_admin: Any, pk: int) -> str:
    """Remove a view of one's own; somebody else's is not there."""
    removed, _ = SavedView.objects.filter(pk=pk, user_id=person(request), list_name=LIST).exclude(name="").delete()
    if removed:
        messages.success(request, "The view is removed.")
    else:
        messages.error(request, "You have no such view.")
    return lists_query(QueryDict(str(request.POST.get("query", ""))[:2000]))


def choose(request: HttpRequest, *, model_admin: Any) -> str:
    """Which columns this person sees from now on; all of them is the usual grid."""
    every = list(model_admin.list_display)
    asked = {*request.POST.getlist("columns"), *model_admin.always}
    chosen = [name for name in every if name in asked]
    SavedView.objects.update_or_create(
        user_id=person(request),
        list_name=LIST,
        name="",
        defaults={"query": "", "columns": [] if len(chosen) == len(every) else chosen},
    )
    return lists_query(QueryDict(str(request.POST.get("query", ""))[:2000]))
