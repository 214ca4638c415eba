"""Acts: changes that a person confirms after seeing what they would do, one row or many, reported row by row."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from loyalty.common import actors
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError

if TYPE_CHECKING:
    from loyalty.common.adminkit.desk import DeskAdmin

MOST_ROWS = 500  # of one request; beyond it an act that can becomes a job
MOST_SECONDS = 20.0  # what one request may take; a slow shop must not hold the page for ever
CONFIRMED = "confirmed"


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What an act would do to one row, in sentences; or why it is refused."""

    title: str
    effects: Sequence[str] = ()
    refusal: str = ""
    token: str = ""  # comes back to `apply`: the fingerprint of the plan that was shown
    tally: Mapping[str, int] = field(default_factory=dict)  # numbers that are summed over the rows: {"points": 500}


class Act:
    """One act. Subclasses set the class variables and say what it would do and how it is done."""

    slug: ClassVar[str]
    label: ClassVar[str]
    permission: ClassVar[str]
    explain: ClassVar[str] = ""  # what it means, and whether it can be undone
    tone: ClassVar[str] = ""  # "primary" or "danger"
    form_class: ClassVar[type[forms.Form] | None] = None
    form_of_several: ClassVar[type[forms.Form] | None] = None  # where many rows cannot be asked the same
    bulk: ClassVar[bool] = True
    preview_fields: ClassVar[Sequence[str]] = ()  # form fields that change what the preview says

    @property
    def action_name(self) -> str:
        return self.slug.replace("-", "_")

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> Preview:
        """What would happen. `data` are the form's cleaned values, or its initial ones before it is sent."""
        raise NotImplementedError

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        """Do it, and return the sentence of what was done. Raises DomainError when refused."""
        raise NotImplementedError

    def begin(self, request: HttpRequest, *, rows: QuerySet) -> str:
        """Do it as a job with these rows, too many for one request. Gives the address of the job; empty: it cannot."""
        return ""

    def totals(self, tally: Mapping[str, int]) -> str:
        """A sentence from the sums of the previews' tallies."""
        return ""


@dataclass
class Report:
    """What came of an act, row by row."""

    done: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def clock_reads() -> datetime:
    """The admin is a door: it reads the clock and passes it on."""
    return timezone.now()  # noqa: TID251


def across(request: HttpRequest) -> bool:
    """Whether all rows of the filtered list are meant, not the ticked ones alone."""
    return bool(forms.BooleanField(required=False).to_python(request.POST.get("select_across")))


def require_numbers(request: HttpRequest) -> None:
    """Raises BadRequest for a tick that no page of ours has."""
    if not all(value.isascii() and value.isdecimal() for value in request.POST.getlist(ACTION_CHECKBOX_NAME)):
        raise BadRequest("A chosen row is not a number.")


def bulk_view(request: HttpRequest, *, model_admin: "DeskAdmin", act: Act, queryset: QuerySet) -> HttpResponse | None:
    """The confirmation page for chosen rows, and then the act itself."""
    pks = list(queryset.order_by("pk").values_list("pk", flat=True)[: MOST_ROWS + 1])
    if len(pks) > MOST_ROWS:
        address = act.begin(request, rows=queryset)
        if address:
            return HttpResponseRedirect(address)
        model_admin.message_user(
            request,
            f"More than {MOST_ROWS} rows are selected, and “{act.label}” takes at most {MOST_ROWS} at a time. "
            "Nothing was changed. Select fewer rows, or narrow the filters.",
            messages.ERROR,
        )
        return None
    if not pks:
        model_admin.message_user(request, "None of the chosen rows exists. Nothing was changed.", messages.ERROR)
        return None
    several = act.form_of_several if len(pks) > 1 else None
    form, data = bound_form(several or act.form_class, request, confirmed=CONFIRMED in request.POST)
    if CONFIRMED in request.POST and ready(request, act=act, form=form, data=data):
        tell(request, act=act, report=run(request, act=act, pks=pks, data=data))
        return HttpResponseRedirect(request.get_full_path())
    return confirmation(request, model_admin=model_admin, act=act, pks=pks, form=form, data=data, single=False)


def single_view(request: HttpRequest, *, model_admin: "DeskAdmin", act: Act, row: Model) -> HttpResponse:
    """The page of an act on one row: GET previews, POST does it and returns to the row."""
    form, data = bound_form(act.form_class, request, confirmed=request.method == "POST")
    if request.method == "POST" and ready(request, act=act, form=form, data=data):
        tell(request, act=act, report=run(request, act=act, pks=[row.pk], data=data))
        return HttpResponseRedirect(page_of(model_admin, row.pk) + preserved(model_admin, request))
    return confirmation(request, model_admin=model_admin, act=act, pks=[row.pk], form=form, data=data, single=True)


def bound_form(
    form_class: type[forms.Form] | None, request: HttpRequest, *, confirmed: bool
) -> tuple[forms.Form | None, Mapping[str, Any]]:
    if form_class is None:
        return None, {}
    if not confirmed:
        form = form_class()
        return form, {name: form.get_initial_for_field(each, name) for name, each in form.fields.items()}
    form = form_class(request.POST)
    return form, form.cleaned_data if form.is_valid() else {}


def ready(request: HttpRequest, *, act: Act, form: forms.Form | None, data: Mapping[str, Any]) -> bool:
    """Whether what was confirmed is what was shown: a choice that changes the preview is previewed first."""
    if form is not None and not form.is_valid():
        return False
    if str(request.POST.get("shown", "")) == shown(act, data):
        return True
    messages.info(request, "Your choice changes what will happen. Look at the new preview and confirm again.")
    return False


def shown(act: Act, data: Mapping[str, Any]) -> str:
    return "|".join(f"{name}={data.get(name)!r}" for name in act.preview_fields)


def run(request: HttpRequest, *, act: Act, pks: Sequence[int], data: Mapping[str, Any]) -> Report:
    """Row by row, in primary-key order: one refusal never stops the others, and no slow shop holds the page for ever."""
    report = Report()
    ends = time.monotonic() + MOST_SECONDS
    actor = actors.staff(int(str(request.user.pk)))
    for place, pk in enumerate(pks):
        if place and time.monotonic() > ends:
            rest = len(pks) - place
            report.refused.append(f"{rest} more were not begun, because this took too long. Select them again.")
            break
        token = str(request.POST.get(f"token_{pk}", ""))
        try:
            report.done.append(act.apply(pk=pk, actor=actor, now=clock_reads(), token=token, data=data))
        except DomainError as refusal:
            title = act.preview(pk=pk, now=clock_reads(), data=data).title
            report.refused.append(f"{title}: {refusal.sentence}")
    return report


def tell(request: HttpRequest, *, act: Act, report: Report) -> None:
    """Say what was done and what was not, each row with its reason."""
    if report.done:
        messages.success(request, listed(f"{act.label}: {len(report.done)} done.", report.done))
    if report.refused:
        messages.error(request, listed(f"{act.label}: {len(report.refused)} refused.", report.refused))


def listed(heading: str, lines: Sequence[str]) -> str:
    if len(lines) == 1:
        return format_html("{}", lines[0])
    return format_html(
        '<details class="desk-report" open><summary>{}</summary><ul>{}</ul></details>',
        heading,
        format_html_join("", "<li>{}</li>", ((line,) for line in lines)),
    )


def confirmation(
    request: HttpRequest,
    *,
    model_admin: "DeskAdmin",
    act: Act,
    pks: Sequence[int],
    form: forms.Form | None,
    data: Mapping[str, Any],
    single: bool,
) -> TemplateResponse:
    now = clock_reads()
    rows = [(pk, page_of(model_admin, pk), act.preview(pk=pk, now=now, data=data)) for pk in pks]
    rows.sort(key=lambda row: bool(row[2].refusal))  # what is refused stands last
    willing = [preview for _, _, preview in rows if not preview.refusal]
    tally: dict[str, int] = {}
    for preview in willing:
        for name, number in preview.tally.items():
            tally[name] = tally.get(name, 0) + number
    noun = model_admin.opts.verbose_name if len(rows) == 1 else model_admin.opts.verbose_name_plural
    subject = rows[0][2].title if single and rows else f"{len(rows)} {noun}"
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"{act.label}: {subject}",
        "opts": model_admin.opts,
        "preserved_filters": model_admin.get_preserved_filters(request),
        "act": act,
        "rows": rows,
        "form": form,
        "shown": shown(act, data),
        "single": single,
        "willing": len(willing),
        "refused": len(rows) - len(willing),
        "totals": act.totals(tally) if willing else "",
        "action_name": act.action_name,
        "checkbox_name": ACTION_CHECKBOX_NAME,
        "confirmed_name": CONFIRMED,
        "back_url": page_of(model_admin, pks[0]) + preserved(model_admin, request)
        if single
        else request.get_full_path(),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/desk/confirm.html", context)


def form_page(
    request: HttpRequest,
    *,
    model_admin: "DeskAdmin",
    form: forms.Form,
    title: str,
    button: str,
    back_url: str,
    explain: str = "",
    extra: Mapping[str, Any] | None = None,
    template: str = "admin/desk/form_page.html",
) -> TemplateResponse:
    """A form on a page of its own; posted back to the same address. `template` extends the usual one."""
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": model_admin.opts,
        "form": form,
        "button": button,
        "explain": explain,
        "back_url": back_url,
        **(extra or {}),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, template, context)


def preserved(model_admin: "DeskAdmin", request: HttpRequest) -> str:
    """The filters of the list this page was reached from, as a query string; they come along until the way back."""
    filters = model_admin.get_preserved_filters(request)
    return f"?{filters}" if filters else ""


def page_of(model_admin: "DeskAdmin", pk: int) -> str:
    return reverse(f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}_change", args=(pk,))
