"""Giving a rule for the past: which rule and days, the report of the check, then giving it and taking it back."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from loyalty.common import actors
from loyalty.common.adminkit import desk, show
from loyalty.common.errors import DomainError
from loyalty.jobs import lifecycle
from loyalty.jobs import queries as jobs
from loyalty.jobs.models import Job, JobState, Step
from loyalty.merchant import queries as merchant
from loyalty.program.backfill import acts, queries
from loyalty.program.earning.models import OF_ORDERS, EarningRule

LIST, PAGE = "program_earning_backfills", "program_earning_backfill"
MOST_SHOWN = 20
SECONDS_BETWEEN_LOOKS = 5  # the page of a step under way loads itself again
TONES: dict[JobState, show.Tone] = {
    JobState.OPEN: "info",
    JobState.PAUSED: "warn",
    JobState.CANCELLED: "quiet",
    JobState.DONE: "good",
}
WORDS = {  # where they differ from those of other jobs
    (Step.CHECK, JobState.DONE): "Ready to give",
    (Step.APPLY, JobState.OPEN): "Giving",
    (Step.APPLY, JobState.DONE): "Given",
    (Step.UNDO, JobState.OPEN): "Taking back",
    (Step.UNDO, JobState.DONE): "Taken back",
}
TITLES = {Step.CHECK: "It would give", Step.APPLY: "It gave", Step.UNDO: "Taken back"}


class BackfillForm(forms.Form):
    """A rule for orders and two days of the past. What is wrong with them, the domain says."""

    rule = forms.ModelChoiceField(
        EarningRule.objects.filter(kind__in=OF_ORDERS).order_by("name", "pk"),
        help_text="It may be switched off. As it stands now, with its limits for each customer.",
    )
    first = forms.DateField(label="First day", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    last = forms.DateField(
        label="Last day",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="Both days count. Orders since the rule was switched on are left out: they earned by it.",
    )


def tool(request: HttpRequest, *, rule_id: int | None = None) -> list[desk.Tool]:
    """The button that leads here, for those who may."""
    if not request.user.has_perm(acts.PERMISSION):
        return []
    return [desk.Tool("Give for the past", reverse(f"admin:{LIST}") + (f"?rule={rule_id}" if rule_id else ""))]


def list_view(request: HttpRequest, *, model_admin: desk.DeskAdmin) -> HttpResponse:
    """GET shows the form and what was given before; POST lets the check begin and goes on to its page."""
    _require(request)
    if request.method == "POST":
        form = BackfillForm(request.POST)
        job = _plan(request, form) if form.is_valid() else None
        if job is not None:
            return HttpResponseRedirect(reverse(f"admin:{PAGE}", args=(job.pk,)))
    else:
        today = timezone.now().astimezone(merchant.programme().zone).date()
        form = BackfillForm(initial={"rule": request.GET.get("rule"), "last": today})
    context = _context(request, model_admin, title="Give a rule for the past") | {
        "form": form,
        "has_rules": EarningRule.objects.filter(kind__in=OF_ORDERS).exists(),
        "rows": [_row(job) for job in queries.backfills()[:MOST_SHOWN]],
        "back_url": reverse("admin:program_earningrule_changelist"),
    }
    return TemplateResponse(request, "admin/program/earningrule/backfills.html", context)


def page_view(request: HttpRequest, pk: int, *, model_admin: desk.DeskAdmin) -> HttpResponse:
    """GET says where it is and what each step comes to; POST begins the step that is named."""
    _require(request)
    job = queries.backfills().filter(pk=pk).first()
    if job is None:
        raise Http404(f"There is no backfill {pk}.")
    if request.method == "POST":
        _begin(request, job)
        return HttpResponseRedirect(request.path)
    steps = [_told(job, step) for step in reversed(Step) if job.tally.get(step) or step == job.step]
    context = _context(request, model_admin, title=job.title) | {
        "job": job,
        "word": _word(job),
        "tone": TONES[JobState(job.state)],
        "under_way": job.state == JobState.OPEN,
        "nobody_works": jobs.waiting_since(job, now=timezone.now()),
        "seconds": SECONDS_BETWEEN_LOOKS,
        "steps": steps,
        "may_give": _possible(job, Step.APPLY),
        "gives_nothing": job.step == Step.CHECK and job.state == JobState.DONE and not steps[0]["report"].orders,
        "may_undo": _possible(job, Step.UNDO),
        "list_url": reverse(f"admin:{LIST}"),
        "job_url": reverse("admin:jobs_job_change", args=(job.pk,)) if request.user.has_perm("jobs.view_job") else "",
    }
    return TemplateResponse(request, "admin/program/earningrule/backfill.html", context)


def _require(request: HttpRequest) -> None:
    if not request.user.has_perm(acts.PERMISSION):
        raise PermissionDenied


def _context(request: HttpRequest, model_admin: desk.DeskAdmin, *, title: str) -> dict[str, Any]:
    request.current_app = model_admin.admin_site.name
    return {**model_admin.admin_site.each_context(request), "title": title, "opts": model_admin.opts}


def _plan(request: HttpRequest, form: BackfillForm) -> Job | None:
    given = form.cleaned_data
    try:
        return acts.plan(
            rule_id=given["rule"].pk,
            first=given["first"],
            last=given["last"],
            actor=actors.staff(request.user.pk or 0),
            now=timezone.now(),
        )
    except DomainError as refusal:
        form.add_error(None, refusal.sentence)
        return None


def _begin(request: HttpRequest, job: Job) -> None:
    step = {"give": Step.APPLY, "undo": Step.UNDO}.get(request.POST.get("act", ""))
    if step is None:
        raise PermissionDenied
    try:
        lifecycle.begin(job_id=job.pk, step=step, actor=actors.staff(request.user.pk or 0), now=timezone.now())
    except DomainError as refusal:
        messages.error(request, refusal.sentence)


def _possible(job: Job, step: Step) -> bool:
    try:
        lifecycle.require_begin(job, step)
    except DomainError:
        return False
    return jobs.counted(job, jobs.last_step(job)) > 0


def _told(job: Job, step: Step) -> dict[str, Any]:
    return {"title": TITLES[step], "report": queries.report(job=job, step=step), "grants": job.plan.get("grants")}


def _row(job: Job) -> dict[str, Any]:
    return {
        "job": job,
        "url": reverse(f"admin:{PAGE}", args=(job.pk,)),
        "badge": show.badge(_word(job), tone=TONES[JobState(job.state)]),
        "told": _told(job, jobs.last_step(job)),
    }


def _word(job: Job) -> str:
    return WORDS.get((Step(job.step), JobState(job.state))) or jobs.word(job)
