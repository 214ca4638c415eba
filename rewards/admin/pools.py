"""Code pools for staff: how many codes are left, where they came from, and the pages that bring more."""

import csv
from collections.abc import Iterator
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.csrf import csrf_exempt

from loyalty.common import actors
from loyalty.common.adminkit import desk, show
from loyalty.common.errors import DomainError
from loyalty.common.spreadsheets import BYTE_ORDER_MARK, defused
from loyalty.jobs import queries as jobs
from loyalty.jobs.models import Job
from rewards import pool_imports, pool_making, pools
from rewards.admin import code_check, pool_adding
from rewards.models import CodePool, Reward

CHANGE = "rewards.change_codepool"
COUNTED = 10_000  # free codes; more are "10 000+"
JOBS_SHOWN = 10


class SettingsForm(forms.Form):
    """Whether the reward takes its codes from here, and when staff are warned."""

    in_use = forms.BooleanField(
        label="Use this pool",
        required=False,
        help_text="The reward takes its codes from here. Switched off, they stay, and new ones are made one by one.",
    )
    warn_below = forms.IntegerField(
        label="Warn below",
        min_value=0,
        max_value=pools.MOST_TO_WARN,
        help_text="Free codes. The warning stands in the catalogue and, once each time, among the events. 0: no warning.",
    )


@admin.register(CodePool)
class CodePoolAdmin(desk.ReadOnlyAdmin):
    list_display = ("reward_name", "left", "state", "warning", "opened")
    list_display_links = ("reward_name",)
    list_select_related = ("reward",)
    sortable_by = ()
    ordering = ("reward__name", "pk")
    list_intro = "Codes that lie ready for a reward. Each is handed out once, those that end soonest first."
    list_empty = "No reward has a pool. Its codes are made one by one, until you add some."
    acts: ClassVar = ()

    def get_list_queryset(self, request: HttpRequest) -> QuerySet:
        return with_free(super().get_list_queryset(request), CodePool.objects.values_list("pk", flat=True))

    def list_tools(self, request: HttpRequest) -> list[desk.Tool]:
        return adding_tools(request)

    def menu_links(self, request: HttpRequest) -> list[desk.Tool]:
        return code_check.menu_links(request)

    def get_urls(self) -> list[URLPattern]:
        def page(view: Any) -> Any:
            return self.admin_site.admin_view(lambda request, **kwargs: view(request, model_admin=self, **kwargs))

        return [
            path("check/", page(code_check.view), name=code_check.URL_NAME),
            path("import/", csrf_exempt(page(pool_adding.import_view)), name="rewards_codepool_import"),
            path("make/", page(pool_adding.make_view), name="rewards_codepool_make"),
            path("<int:pk>/codes.csv", self.admin_site.admin_view(self.codes_view), name="rewards_codepool_codes"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """GET tells all of one pool; POST changes its two settings."""
        pool = self.seen(request, object_id)
        may_change = request.user.has_perm(CHANGE)
        form = SettingsForm({"in_use": pool.in_use, "warn_below": pool.warn_below})
        if request.method == "POST":
            if not may_change:
                raise PermissionDenied
            form = SettingsForm(request.POST)
            if form.is_valid() and configured(request, pool, form.cleaned_data):
                return HttpResponseRedirect(request.path)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Codes of {pool.reward.name}",
            "form": form,
            "may_change": may_change,
            **page_of(request, pool),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/rewards/codepool/page.html", {**context, **(extra_context or {})})

    def codes_view(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """The codes that wait, as a table for a printer or a shop. A code is worth something: not for everybody."""
        if not request.user.has_perm(CHANGE):
            raise PermissionDenied
        pool = self.seen(request, str(pk))
        response = StreamingHttpResponse(csv_lines(pool), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="codes-of-reward-{pool.pk}.csv"'
        return response

    def seen(self, request: HttpRequest, object_id: str) -> CodePool:
        if not self.has_view_permission(request):
            raise PermissionDenied
        wanted = int(object_id) if object_id.isdecimal() and len(object_id) < 19 else 0
        pool = CodePool.objects.select_related("reward", "connection").filter(pk=wanted).first()
        if pool is None:
            raise Http404(f"There is no pool {object_id}.")
        return pool

    @admin.display(description="Reward")
    def reward_name(self, pool: CodePool) -> str:
        return pool.reward.name

    @admin.display(description="Can be handed out now")
    def left(self, pool: Any) -> SafeString:
        return show.text(counted(pool.free)) if pool.in_use else show.dash()

    @admin.display(description="State")
    def state(self, pool: Any) -> SafeString:
        return badge(pool, pool.free)

    @admin.display(description="Warn below")
    def warning(self, pool: CodePool) -> SafeString:
        return show.points(pool.warn_below or None)

    @admin.display(description="Since")
    def opened(self, pool: CodePool) -> SafeString:
        return show.instant(pool.created_at)


def with_free(rows: QuerySet, reward_ids: Any) -> QuerySet:
    """Rows whose key is a reward's, with `.free`: how many codes its pool could hand out; None without a pool in use."""
    free = pools.free(reward_ids=reward_ids, now=timezone.now(), cap=COUNTED + 1)
    cases = [When(pk=pk, then=Value(count)) for pk, count in free.items()]
    counted_rows: QuerySet = rows.annotate(free=Case(*cases, default=Value(None), output_field=IntegerField()))
    return counted_rows


def counted(free: int | None) -> str:
    if free is None:
        return ""
    return f"{show.points_text(COUNTED)}+" if free > COUNTED else show.points_text(free)


def badge(pool: CodePool, free: int | None) -> SafeString:
    """The state of a pool in a word."""
    if not pool.in_use or free is None:
        return show.badge("Not in use", tone="quiet")
    if not free:
        return show.badge("Empty", tone="bad")
    if free < pool.warn_below:
        return show.badge("Low", tone="warn")
    return show.badge("Filled", tone="good")


def catalogue_cell(reward: Any) -> SafeString | None:
    """How many codes are left, in the catalogue, with a word where somebody should look; None without a pool in use."""
    pool = getattr(reward, "pool", None)
    if pool is None or not pool.in_use:
        return None
    if not reward.free:
        return show.badge("No code left", tone="bad")
    words = f"{counted(reward.free)} code{'' if reward.free == 1 else 's'}"
    return show.badge(f"Low: {words}", tone="warn") if reward.free < pool.warn_below else show.text(words)


def adding_tools(request: HttpRequest, reward_id: int | None = None) -> list[desk.Tool]:
    """The buttons that bring codes, for those who may."""
    if not (request.user.has_perm(CHANGE) and request.user.has_perm(pool_adding.JOB)):
        return []
    query = f"?reward={reward_id}" if reward_id else ""
    return [
        desk.Tool("Import codes", reverse("admin:rewards_codepool_import") + query, primary=True),
        desk.Tool("Make codes ahead", reverse("admin:rewards_codepool_make") + query),
    ]


def configured(request: HttpRequest, pool: CodePool, data: dict[str, Any]) -> bool:
    try:
        pools.configure(
            reward_id=pool.pk,
            in_use=data["in_use"],
            warn_below=data["warn_below"],
            actor=actors.staff(int(str(request.user.pk))),
            now=timezone.now(),
        )
    except DomainError as refusal:
        messages.error(request, refusal.sentence)
        return False
    messages.success(request, "Saved.")
    return True


def page_of(request: HttpRequest, pool: CodePool) -> dict[str, Any]:
    """What the page of a pool says."""
    figures = pools.figures(reward_id=pool.pk, now=timezone.now())
    fits = pool.connection_id == pool.reward.connection_id
    free = figures.free if pool.in_use and fits else 0
    kinds = [pool_imports.KIND, pool_making.KIND]
    came = Job.objects.filter(kind__in=kinds, plan__reward_id=pool.pk).order_by("-pk")[:JOBS_SHOWN]
    return {
        "badge": badge(pool, free if pool.in_use else None),
        "fits": fits,
        "figures": [
            ("Can be handed out now", show.points(figures.free)),
            ("Start later", show.points(figures.later)),
            ("Ended, and are never handed out", show.points(figures.expired)),
            ("Left the pool", show.points(figures.taken)),
            ("Shop", pool.connection.name if pool.connection is not None else "None: no shop knows them"),
            ("Low since", show.instant(pool.low_since)),
        ],
        "jobs": [(job, jobs.word(job), reverse("admin:jobs_job_change", args=(job.pk,))) for job in came],
        "may_see_jobs": request.user.has_perm("jobs.view_job"),
        "reward_url": reverse(f"admin:{Reward._meta.label_lower.replace('.', '_')}_change", args=(pool.pk,)),  # noqa: SLF001
        "codes_url": reverse("admin:rewards_codepool_codes", args=(pool.pk,)),
        "tools": adding_tools(request, pool.pk),
        "zone": show.zone_name(),
    }


def csv_lines(pool: CodePool) -> Iterator[str]:
    """The codes that nobody has got, in constant memory, in the shape in which they can be imported."""
    writer: Any = csv.writer(Echo())
    yield BYTE_ORDER_MARK + writer.writerow(["code", "start", "end"])
    for code, start, end in pools.waiting(reward_id=pool.pk):
        yield writer.writerow(
            [defused(code), *(each.isoformat(timespec="seconds") if each else "" for each in (start, end))]
        )


class Echo:
    """What the csv module writes to: hands each line straight back."""

    def write(self, line: str) -> str:
        return line
