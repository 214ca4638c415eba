"""The page that begins an import: a table is sent, kept as rows, and checked; its job's page shows the rest."""

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
from loyalty.jobs import sheets
from loyalty.points import import_rows, imports
from loyalty.points.import_rows import By, Mode
from platforms.models import StoreConnection

IMPORT = "jobs.add_job"
REST_OF_THE_FORM = 64 * 1024  # what a request may hold beside the file
MODES = [
    (Mode.ADD.value, "Add the points to what each customer has"),
    (Mode.REMOVE.value, "Remove the points, soonest expiring first"),
    (Mode.SET.value, "Set the active points to just so many"),
]
WAYS = [
    (By.EMAIL.value, "E-mail"),
    (By.PHONE.value, "Phone"),
    (By.ID.value, "Customer id"),
    (By.SHOP_ID.value, "Id in a shop"),
]


class ImportForm(forms.Form):
    """A table and what it means. What is wrong inside the table, the domain says."""

    mode = forms.ChoiceField(label="What to do", choices=MODES, widget=forms.RadioSelect, initial=Mode.ADD.value)
    by = forms.ChoiceField(label="Customers are named by", choices=WAYS, initial=By.EMAIL.value)
    shop = forms.ModelChoiceField(
        label="Shop",
        queryset=StoreConnection.objects.order_by("name", "pk"),
        required=False,
        empty_label="No shop: ids of our own",
        help_text="Whose ids are meant. Only for ids in a shop.",
    )
    file = forms.FileField(
        label="Table",
        allow_empty_file=True,
        help_text=f"CSV in UTF-8, or an Excel workbook (.xlsx), up to {sheets.MOST_BYTES // 1024 // 1024} MB and "
        f"{show.points_text(imports.MOST_ROWS)} rows. The first row names the columns.",
        widget=forms.FileInput(attrs={"accept": ".csv,.xlsx,.txt,.tsv"}),
    )


def tools(request: HttpRequest) -> list[desk.Tool]:
    """The button above the ledger, for those who may."""
    if not request.user.has_perm(IMPORT):
        return []
    return [desk.Tool("Import points", reverse("admin:points_pointstransaction_import"))]


def view_of(model_admin: desk.DeskAdmin) -> Callable[..., HttpResponse]:
    """The view, which looks at the size of a request before anything of it is read."""

    @csrf_exempt  # to check the token, the body would be read: `send` below is protected in its place
    def view(request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm(IMPORT):
            raise PermissionDenied
        length = str(request.META.get("CONTENT_LENGTH") or "0")
        size = int(length) if length.isascii() and length.isdigit() else 0
        if size > sheets.MOST_BYTES + REST_OF_THE_FORM:
            form = ImportForm()
            return page(request, model_admin=model_admin, form=form, refusal=sheets.too_large(size), status=413)
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
            mode=Mode(form.cleaned_data["mode"]),
            by=By(form.cleaned_data["by"]),
            connection_id=shop.pk if shop else None,
            actor=actors.staff(int(str(request.user.pk))),
            now=timezone.now(),
        )
    except imports.NoShop as refusal:
        form.add_error("shop", refusal.sentence)
        return None
    except DomainError as refusal:
        form.add_error("file", refusal.sentence)
        return None
    warn_of_the_same(request, job_id=job.pk, digest=job.digest)
    return job.pk


def warn_of_the_same(request: HttpRequest, *, job_id: int, digest: str) -> None:
    """Say when the very same file was applied before: it would be applied a second time."""
    before = next((each for each in imports.previous(digest=digest) if each.pk != job_id), None)
    if before is not None:
        messages.warning(
            request,
            f"The very same file was imported before, by job {before.pk} on {show.instant_text(before.created_at)}. "
            "Applying this one changes the points a second time.",
        )


def page(
    request: HttpRequest, *, model_admin: desk.DeskAdmin, form: ImportForm, refusal: str = "", status: int = 200
) -> HttpResponse:
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": "Import points",
        "opts": model_admin.opts,
        "form": form,
        "refusal": refusal,
        "heads": [import_rows.COLUMNS[name] for name in import_rows.COLUMNS],
        "back_url": reverse("admin:jobs_job_changelist"),
    }
    return TemplateResponse(request, "admin/points/import.html", context, status=status)
