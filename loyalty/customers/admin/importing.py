"""The page that begins an import of customers: a table is sent, kept as rows, and checked; its job's page shows the rest."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from loyalty.common import actors
from loyalty.common.adminkit import desk, show
from loyalty.common.errors import DomainError
from loyalty.customers import import_rows, imports
from loyalty.customers.imports import Known
from loyalty.jobs import sheets
from platforms.models import StoreConnection

RIGHTS = ("jobs.add_job", "customers.add_customer", "customers.change_customer")
URL_NAME = "customers_customer_import"
REST_OF_THE_FORM = 64 * 1024  # what a request may hold beside the file
WAYS = [
    (Known.KEEP.value, "Leave customers we know as they are"),
    (Known.CHANGE.value, "Change customers we know to what the table says; empty cells change nothing"),
]


class ImportForm(forms.Form):
    """A table and what it means. What is wrong inside the table, the domain says."""

    mode = forms.ChoiceField(
        label="Customers we know already", choices=WAYS, widget=forms.RadioSelect, initial=Known.KEEP.value
    )
    shop = forms.ModelChoiceField(
        label="Shop",
        queryset=StoreConnection.objects.order_by("name", "pk"),
        required=False,
        empty_label="No shop: ids of our own",
        help_text="Whose ids stand in the column “Id in the shop”, if there is one.",
    )
    file = forms.FileField(
        label="Table",
        allow_empty_file=True,
        help_text=f"CSV in UTF-8, or an Excel workbook (.xlsx), up to {sheets.MOST_BYTES // 1024 // 1024} MB and "
        f"{show.points_text(imports.MOST_ROWS)} rows. The first row names the columns.",
        widget=forms.FileInput(attrs={"accept": ".csv,.xlsx,.txt,.tsv"}),
    )


def may_import(request: HttpRequest) -> bool:
    return request.user.has_perms(RIGHTS)


def view_of(model_admin: desk.DeskAdmin) -> Callable[..., HttpResponse]:
    """The view, which looks at the size of a request before anything of it is read."""

    @csrf_exempt  # to check the token, the body would be read: `send` below is protected in its place
    def view(request: HttpRequest) -> HttpResponse:
        if not may_import(request):
            raise PermissionDenied
        length = str(request.META.get("CONTENT_LENGTH") or "0")
        size = int(length) if length.isascii() and length.isdigit() else 0
        if size > sheets.MOST_BYTES + REST_OF_THE_FORM:
            refusal = sheets.too_large(size)
            return page(request, model_admin=model_admin, form=ImportForm(), refusal=refusal, status=413)
        answer: HttpResponse = csrf_protect(send)(request, model_admin=model_admin)
        return answer

    return view


def send(request: HttpRequest, *, model_admin: desk.DeskAdmin) -> HttpResponse:
    """GET shows the form; POST keeps the rows and goes on to the job's page."""
    if request.method != "POST":
        return page(request, model_admin=model_admin, form=ImportForm())
    form = ImportForm(request.POST, request.FILES)
    if form.is_valid():
        job_id = begin(request, form)
        if job_id is not None:
            return HttpResponseRedirect(reverse("admin:jobs_job_change", args=(job_id,)))
    return page(request, model_admin=model_admin, form=form)


def begin(request: HttpRequest, form: ImportForm) -> int | None:
    """The job's id, or None and a sentence at the field."""
    upload, shop = form.cleaned_data["file"], form.cleaned_data["shop"]
    try:
        job = imports.begin(
            file=upload.file,
            file_name=str(upload.name),
            known=Known(form.cleaned_data["mode"]),
            connection_id=shop.pk if shop else None,
            actor=actors.staff(int(str(request.user.pk))),
            now=timezone.now(),
        )
    except DomainError as refusal:
        form.add_error("file", refusal.sentence)
        return None
    before = next((each for each in imports.previous(digest=job.digest) if each.pk != job.pk), None)
    if before is not None:
        when = show.instant_text(before.created_at)
        messages.warning(request, f"The very same file was imported before, by job {before.pk} on {when}.")
    return job.pk


def page(
    request: HttpRequest, *, model_admin: desk.DeskAdmin, form: ImportForm, refusal: str = "", status: int = 200
) -> HttpResponse:
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": "Import customers",
        "opts": model_admin.opts,
        "form": form,
        "refusal": refusal,
        "heads": list(import_rows.COLUMNS.values()),
        "back_url": reverse("admin:customers_customer_changelist"),
    }
    return TemplateResponse(request, "admin/customers/import.html", context, status=status)
