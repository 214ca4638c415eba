"""Jobs: what was done in bulk, by whom, how far it is, and what became of each row."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

import django_filters
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from loyalty.common.actors import Actor, ActorKind
from loyalty.common.adminkit import acts, desk, lists, show
from loyalty.common.errors import DomainError
from loyalty.jobs import lifecycle, queries
from loyalty.jobs.models import Job, JobState, Step, Verdict

CHANGE = "jobs.change_job"
PAGE_ROWS = 50
SECONDS_BETWEEN_LOOKS = 5  # the page of a job under way loads itself again
# Named, not imported: the pages that begin jobs stand in layers above.
BEGINNINGS: dict[str, str] = {"Import points": "admin:points_pointstransaction_import"}

STATE_TONES: dict[JobState, show.Tone] = {
    JobState.OPEN: "info",
    JobState.PAUSED: "warn",
    JobState.CANCELLED: "quiet",
    JobState.DONE: "good",
}
VERDICT_TONES: dict[Verdict, show.Tone] = {
    Verdict.OK: "good",
    Verdict.PART: "warn",
    Verdict.UNCHANGED: "quiet",
    Verdict.REFUSED: "bad",
}


def load(pk: int) -> Job:
    return Job.objects.get(pk=pk)


def rows_text(count: int) -> str:
    return f"{show.points_text(count)} row{'' if count == 1 else 's'}"


class JobAct(acts.Act):
    """An act on one job: what would happen, or why it cannot."""

    permission = CHANGE
    bulk = False

    def require(self, job: Job) -> None:
        """Raises a refusal when the job is not where this can be done."""
        raise NotImplementedError

    def effects(self, job: Job) -> list[str]:
        raise NotImplementedError

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        job = load(pk)
        try:
            self.require(job)
        except DomainError as refusal:
            return acts.Preview(title=str(job), refusal=refusal.sentence)
        return acts.Preview(title=str(job), effects=self.effects(job))


class Apply(JobAct):
    slug, label, tone = "apply", "Apply", "primary"
    explain = "The changes are made in the background; this page need not stay open. They can be undone afterwards."

    def require(self, job: Job) -> None:
        lifecycle.require_begin(job, Step.APPLY)

    def effects(self, job: Job) -> list[str]:
        ready = queries.counted(job, Step.CHECK, Verdict.OK)
        left_out = queries.counted(job, Step.CHECK, Verdict.REFUSED)
        same = queries.counted(job, Step.CHECK, Verdict.UNCHANGED)
        return [
            job.summary,
            f"{rows_text(ready)} will be applied; each is judged once more, as things are then.",
            *([f"{rows_text(same)} would change nothing."] if same else []),
            *([f"{rows_text(left_out)} will be left out: they were refused."] if left_out else []),
        ]

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        lifecycle.begin(job_id=pk, step=Step.APPLY, actor=actor, now=now)
        return "The rows are being applied."


class Undo(JobAct):
    slug, label, tone = "undo", "Undo", "danger"
    explain = "Undoing is done once, and cannot be undone itself. What customers have spent meanwhile stays spent."

    def require(self, job: Job) -> None:
        lifecycle.require_begin(job, Step.UNDO)

    def effects(self, job: Job) -> list[str]:
        changed = rows_text(queries.counted(job, Step.APPLY, Verdict.OK))
        return [
            f"What {changed} changed is taken back, as far as it is still there.",
            "The rest is reported row by row.",
        ]

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        lifecycle.begin(job_id=pk, step=Step.UNDO, actor=actor, now=now)
        return "The rows are being undone."


class Pause(JobAct):
    slug, label = "pause", "Pause"
    explain = "The rows done so far stay done. It goes on with the next one when it is resumed."

    def require(self, job: Job) -> None:
        if job.state != JobState.OPEN:
            raise lifecycle.JobRefused(f"Job {job.pk} cannot be paused now: {lifecycle.where(job)}")

    def effects(self, job: Job) -> list[str]:
        return [f"It stops after the rows that are being done at this moment, about row {job.position} of the file."]

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        job = lifecycle.pause(job_id=pk)
        return f"Paused: {show.points_text(job.rows_done)} of {rows_text(job.rows_total)} are done."


class Resume(JobAct):
    slug, label, tone = "resume", "Resume", "primary"

    def require(self, job: Job) -> None:
        if job.state != JobState.PAUSED:
            raise lifecycle.JobRefused(f"Job {job.pk} cannot be resumed now: {lifecycle.where(job)}")

    def effects(self, job: Job) -> list[str]:
        return [f"It goes on after row {job.position} of the file."]

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        lifecycle.resume(job_id=pk, now=now)
        return "It goes on."


class Cancel(JobAct):
    slug, label, tone = "cancel", "Cancel", "danger"
    explain = "It stops for good. Rows that are applied already stay applied, and can be undone."

    def require(self, job: Job) -> None:
        lifecycle.require_cancel(job)

    def effects(self, job: Job) -> list[str]:
        done = job.rows_done if job.step == Step.APPLY else 0
        return [f"{rows_text(done)} were applied and stay so." if done else "Nothing was changed, and nothing will be."]

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        lifecycle.cancel(job_id=pk, now=now)
        return "Canceled."


class JobFilter(django_filters.FilterSet):
    step = django_filters.MultipleChoiceFilter(label="Step", choices=Step.choices)
    state = django_filters.MultipleChoiceFilter(label="State", choices=JobState.choices)

    class Meta:
        model = Job
        fields: list[str] = []


@admin.register(Job)
class JobAdmin(desk.ReadOnlyAdmin):
    list_display = ("title", "state_badge", "progress", "refused", "done_by", "created")
    list_display_links = ("title",)
    sortable_by = ()
    ordering = ("-created_at", "-id")
    filterset_class = JobFilter
    chips = (lists.Chip("Step", "step"), lists.Chip("State", "state"))
    list_intro = "Changes made in bulk. Each is checked first, applied when somebody says so, and can be undone."
    list_empty = "Nothing was done in bulk yet. Begin with “Import points”."
    acts: ClassVar = (Apply(), Resume(), Undo(), Pause(), Cancel())

    def list_tools(self, request: HttpRequest) -> list[desk.Tool]:
        return beginnings(request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.outcomes_view)
        return [path("<int:pk>/outcomes.csv", view, name="jobs_job_outcomes"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        job = self.seen_job(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": str(job),
            "opts": self.opts,
            **page(request, job=job, now=timezone.now()),
            "acts": [link for link in self.act_links(request, job.pk) if possible(job, link["url"])],
        }
        return TemplateResponse(request, "admin/jobs/job.html", context)

    def outcomes_view(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """What became of every row, as CSV."""
        job = self.seen_job(request, pk)
        response = StreamingHttpResponse(queries.csv_lines(job=job), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="job-{job.pk}-outcomes.csv"'
        return response

    def seen_job(self, request: HttpRequest, pk: int | str) -> Job:
        """A job this person may look at."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        job = self.get_object(request, str(pk))
        if not isinstance(job, Job):
            raise Http404(f"There is no job {pk}.")
        return job

    @admin.display(description="Where it is")
    def state_badge(self, job: Job) -> SafeString:
        return show.badge(queries.word(job), tone=STATE_TONES[JobState(job.state)])

    @admin.display(description="Rows done")
    def progress(self, job: Job) -> str:
        return f"{show.points_text(job.rows_done)} of {show.points_text(job.rows_total)}"

    @admin.display(description="Refused")
    def refused(self, job: Job) -> SafeString:
        return show.points(queries.counted(job, queries.last_step(job), Verdict.REFUSED))

    @admin.display(description="By")
    def done_by(self, job: Job) -> str:
        return f"{job.actor_kind.replace('_', ' ')} {job.actor_id or ''}".strip()

    @admin.display(description="Begun")
    def created(self, job: Job) -> SafeString:
        return show.instant(job.created_at)


def beginnings(request: HttpRequest) -> list[desk.Tool]:
    """The pages that begin a job, for those who may."""
    if not request.user.has_perm("jobs.add_job"):
        return []
    return [desk.Tool(label, reverse(name), primary=True) for label, name in BEGINNINGS.items()]


def possible(job: Job, url: str) -> bool:
    """Whether the act behind a link can be done where the job is now."""
    act = next(act for act in JobAdmin.acts if f"/act/{act.slug}/" in url)
    try:
        act.require(job)
    except DomainError:
        return False
    return True


def page(request: HttpRequest, *, job: Job, now: datetime) -> dict[str, Any]:
    """What the page of a job says."""
    step = queries.last_step(job)
    odd_only = request.GET.get("rows") != "all"
    after = request.GET.get("after", "")
    number = int(after) if after.isascii() and after.isdigit() and len(after) < 10 else 0
    found = queries.page(job=job, step=step, after=number, odd_only=odd_only, size=PAGE_ROWS + 1)
    shown = found[:PAGE_ROWS]
    odd = queries.counted(job, step) - queries.counted(job, step, Verdict.OK)
    return {
        "job": job,
        "word": queries.word(job),
        "tone": STATE_TONES[JobState(job.state)],
        "under_way": job.state == JobState.OPEN,
        "nobody_works": queries.waiting_since(job, now=now),
        "seconds": SECONDS_BETWEEN_LOOKS,
        "who": who(job),
        "steps": steps(job),
        "columns": queries.columns(job).values(),
        "rows": [drawn(each, job=job, step=step) for each in shown],
        "odd_only": odd_only,
        "odd": odd,
        "begun": number > 0,
        "next_after": shown[-1].row.number if len(found) > PAGE_ROWS else None,
        "outcomes_url": reverse("admin:jobs_job_outcomes", args=(job.pk,)),
        "list_url": reverse("admin:jobs_job_changelist"),
    }


def steps(job: Job) -> list[dict[str, Any]]:
    """The numbers of each step that was begun."""
    told = []
    for step in Step:
        tally: dict[str, int] = job.tally.get(step, {})
        if tally or step == job.step:
            counts = [(queries.verdict(step, each), tally[each]) for each in Verdict if tally.get(each)]
            told.append({"label": step.label, "counts": counts, "present": step == job.step})
    return told


def drawn(each: queries.Reported, *, job: Job, step: Step) -> dict[str, Any]:
    """A row as the table shows it: its cells and the last word on it."""
    outcome = each.outcomes.get(step)
    columns = queries.columns(job)
    cells = [show.clipped(str(each.row.data.get(name, ""))) for name in columns]
    badge = (
        show.badge(queries.verdict(step, Verdict(outcome.verdict)), tone=VERDICT_TONES[Verdict(outcome.verdict)])
        if outcome
        else show.dash()
    )
    return {
        "number": each.row.number,
        "cells": list(zip(columns.values(), cells, strict=True)),
        "badge": badge,
        "text": outcome.text if outcome else "",
    }


def who(job: Job) -> str:
    """Who began the present step."""
    if job.actor_kind != ActorKind.STAFF:
        return job.actor_kind.replace("_", " ")
    user = get_user_model().objects.filter(pk=job.actor_id or 0).first()
    return str(user) if user else f"staff {job.actor_id}"
