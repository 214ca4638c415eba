"""The two pages that bring codes into a pool: a table that is sent, and a number of new ones. Each begins a job."""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_protect

from loyalty.common import actors
from loyalty.common.adminkit import desk, show
from loyalty.common.errors import DomainError
from loyalty.jobs import sheets
from loyalty.jobs.models import Job
from rewards import pool_imports, pool_making, pools
from rewards.models import Reward, RewardType
from rewards.types import registry

CHANGE, JOB = "rewards.change_codepool", "jobs.add_job"
REST_OF_THE_FORM = 64 * 1024  # what a request may hold beside the file
WITH_CODES = [each for each in RewardType if registry.type_of(each).has_code]


class RewardChoice(forms.Form):
    reward = forms.ModelChoiceField(
        queryset=Reward.objects.filter(type__in=WITH_CODES).order_by("name", "pk"),
        help_text="As soon as its pool holds codes, the reward takes them from there.",
    )


class ImportForm(RewardChoice):
    file = forms.FileField(
        label="Table",
        allow_empty_file=True,
        help_text=f"CSV in UTF-8, or an Excel workbook (.xlsx), up to {sheets.MOST_BYTES // 1024 // 1024} MB and "
        f"{show.points_text(pool_imports.MOST_ROWS)} rows. The first row names the columns.",
        widget=forms.FileInput(attrs={"accept": ".csv,.xlsx,.txt,.tsv"}),
    )


class MakeForm(RewardChoice):
    count = forms.IntegerField(
        label="How many",
        min_value=1,
        max_value=pool_making.MOST_CODES,
        help_text="They begin with the reward's prefix. Afterwards the pool's page gives them as a table.",
    )


def import_view(request: HttpRequest, *, model_admin: desk.DeskAdmin) -> HttpResponse:
    """Looks at the size of a request before anything of it is read; only then at its token."""
    require_permitted(request)
    length = str(request.META.get("CONTENT_LENGTH") or "0")
    size = int(length) if length.isascii() and length.isdigit() else 0
    if size > sheets.MOST_BYTES + REST_OF_THE_FORM:
        return page(request, model_admin=model_admin, form=ImportForm(), refusal=sheets.too_large(size), status=413)
    answer: HttpResponse = csrf_protect(send)(request, model_admin=model_admin)
    return answer


def send(request: HttpRequest, *, model_admin: desk.DeskAdmin) -> HttpResponse:
    form = ImportForm(request.POST or None, request.FILES or None, initial=chosen(request))
    if request.method == "POST" and form.is_valid():
        upload = form.cleaned_data["file"]
        try:
            job = pool_imports.begin(
                reward_id=form.cleaned_data["reward"].pk,
                file=upload.file,
                file_name=str(upload.name),
                actor=actors.staff(int(str(request.user.pk))),
                now=timezone.now(),
            )
        except DomainError as refusal:
            form.add_error("reward" if isinstance(refusal, pools.NoPool) else "file", refusal.sentence)
        else:
            return to_job(job)
    return page(request, model_admin=model_admin, form=form)


def make_view(request: HttpRequest, *, model_admin: desk.DeskAdmin) -> HttpResponse:
    require_permitted(request)
    form = MakeForm(request.POST or None, initial=chosen(request))
    if request.method == "POST" and form.is_valid():
        try:
            job = pool_making.begin(
                reward_id=form.cleaned_data["reward"].pk,
                count=form.cleaned_data["count"],
                actor=actors.staff(int(str(request.user.pk))),
                now=timezone.now(),
            )
        except DomainError as refusal:
            form.add_error("reward", refusal.sentence)
        else:
            return to_job(job)
    return page(request, model_admin=model_admin, form=form)


def require_permitted(request: HttpRequest) -> None:
    if not (request.user.has_perm(CHANGE) and request.user.has_perm(JOB)):
        raise PermissionDenied


def chosen(request: HttpRequest) -> dict[str, str]:
    """The reward whose page one comes from."""
    wanted = request.GET.get("reward", "")
    return {"reward": wanted} if wanted.isascii() and wanted.isdecimal() and len(wanted) < 19 else {}


def to_job(job: Job) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:jobs_job_change", args=(job.pk,)))


def page(
    request: HttpRequest, *, model_admin: desk.DeskAdmin, form: forms.Form, refusal: str = "", status: int = 200
) -> TemplateResponse:
    is_import = isinstance(form, ImportForm)
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": "Import codes" if is_import else "Make codes ahead",
        "opts": model_admin.opts,
        "form": form,
        "is_import": is_import,
        "refusal": refusal,
        "zone": show.zone_name(),
        "back_url": reverse("admin:rewards_codepool_changelist"),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/rewards/codepool/add.html", context, status=status)
