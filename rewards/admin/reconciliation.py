"""Reconciliations for staff: which runs there were, what differed, what that means, and the one safe repair."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

import django_filters
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from loyalty.common import actors, codes
from loyalty.common.actors import Actor
from loyalty.common.adminkit import acts, desk, lists, show
from loyalty.common.errors import DomainError
from platforms.models import StoreConnection
from rewards.admin import reconciliation_words as words
from rewards.models import (
    FindingKind,
    FindingState,
    ReconciliationFinding,
    ReconciliationRun,
    RedeemedReward,
    Repair,
    RunScope,
    RunState,
)
from rewards.reconciliation import findings, repairs, runs

REPAIR = "rewards.repair_finding"
BEGIN = "rewards.add_reconciliationrun"
FINDINGS = "admin:rewards_reconciliationfinding_changelist"
SECONDS_BETWEEN_LOOKS = 5  # the page of a run under way loads itself again


def staff_of(request: HttpRequest) -> Actor:
    return actors.staff(int(str(request.user.pk)))


class RepairAct(acts.Act):
    slug, label, permission, tone = "repair", "Repair", REPAIR, "primary"
    explain = (
        "The shop is asked once more before anything is done, and nothing is done where both sides agree by now. "
        "This cannot be undone."
    )

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        plan = repairs.plan(finding_id=pk, now=now)
        title = str(ReconciliationFinding.objects.get(pk=pk))
        return acts.Preview(title=title, effects=plan.effects, refusal=plan.refusal, token=plan.fingerprint)

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        row = repairs.repair(finding_id=pk, actor=actor, now=now, fingerprint=token)
        return f"{row.canonical}: {row.result}"


class NoteForm(forms.Form):
    note = forms.CharField(max_length=500, required=False, help_text="For staff: why it may stay so.")


class AcceptAct(acts.Act):
    slug, label, permission = "accept", "Accept as it is", REPAIR
    explain = "Both sides stay as they are. The same difference is not listed again until something of it changes."
    form_class = NoteForm

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        row = ReconciliationFinding.objects.get(pk=pk)
        refusal = "" if row.state == FindingState.OPEN else f"{row.canonical} is {row.get_state_display().lower()}."
        effects = () if refusal else ("Nothing changes, here or in the shop.", "It is not listed again as it is now.")
        return acts.Preview(title=str(row), effects=effects, refusal=refusal)

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        row = findings.accept(finding_id=pk, actor=actor, now=now, note=data.get("note") or "")
        return f"{row.canonical}: accepted as it is."


class FindingFilter(django_filters.FilterSet):
    search = django_filters.CharFilter(label="Code", method="narrow", max_length=60)
    kind = django_filters.MultipleChoiceFilter(
        label="Kind", choices=FindingKind.choices, widget=forms.CheckboxSelectMultiple
    )
    state = django_filters.MultipleChoiceFilter(
        label="State", choices=FindingState.choices, widget=forms.CheckboxSelectMultiple
    )
    repair = django_filters.MultipleChoiceFilter(
        label="Repair",
        choices=[(value or "none", label) for value, label in Repair.choices],
        method="with_repair",
        widget=forms.CheckboxSelectMultiple,
    )
    shop = django_filters.ModelMultipleChoiceFilter(
        label="Shop",
        field_name="connection",
        queryset=StoreConnection.objects.order_by("name", "pk"),
        widget=forms.CheckboxSelectMultiple,
    )
    run = django_filters.NumberFilter(label="Reconciliation", field_name="run_id", min_value=1, max_value=2**62)

    class Meta:
        model = ReconciliationFinding
        fields: list[str] = []

    def narrow(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        return queryset.filter(canonical__startswith=codes.canonical(value))

    def with_repair(self, queryset: QuerySet, name: str, value: list[str]) -> QuerySet:
        return queryset.filter(repair__in=["" if each == "none" else each for each in value])


@admin.register(ReconciliationFinding)
class FindingAdmin(desk.ReadOnlyAdmin):
    list_display = ("code_text", "kind_badge", "what", "shop", "repair_text", "state_badge", "found")
    list_display_links = ("code_text",)
    list_select_related = ("connection",)
    sortable_by = ()
    ordering = ("-found_at", "-id")
    filterset_class = FindingFilter
    chips = (
        lists.Chip("State", "state"),
        lists.Chip("Kind", "kind"),
        lists.Chip("Repair", "repair"),
        lists.Chip("Shop", "shop"),
        lists.Chip("Reconciliation", "run"),
    )
    list_intro = "Codes about which our records and a shop differ. Nothing is repaired by itself."
    list_empty = "Nothing differs, as far as anybody has looked."
    acts: ClassVar = (RepairAct(), AcceptAct())

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        wanted = int(object_id) if object_id.isdecimal() and len(object_id) < 19 else 0
        rows = ReconciliationFinding.objects.select_related("connection", "run", "redeemed_reward")
        row = rows.filter(pk=wanted).first()
        if row is None:
            raise Http404(f"There is no difference {object_id}.")
        plan = repairs.plan(finding_id=row.pk, now=timezone.now())
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{row.get_kind_display()}: {row.canonical}",
            "finding": row,
            "tone": words.TONES[row.kind],
            "means": words.MEANS[row.detail],
            "next": words.NEXT[row.repair] if row.repair else words.FOR_A_PERSON[row.detail],
            "sides": words.sides(row),
            "facts": self.facts(row),
            "effects": plan.effects,
            "acts": self.act_links(request, row.pk, only=possible(row)),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/rewards/reconciliationfinding/page.html", context)

    def facts(self, row: ReconciliationFinding) -> list[tuple[str, SafeString]]:
        redeemed = row.redeemed_reward
        told = [
            ("Code", show.copyable(row.canonical)),
            ("Shop", self.link_to(StoreConnection, row.connection_id, row.connection.name)),
            ("Found", show.instant(row.found_at)),
            ("Reconciliation", self.link_to(ReconciliationRun, row.run_id, f"No. {row.run_id}")),
        ]
        if redeemed is not None:
            told.append(("Reward", self.link_to(RedeemedReward, redeemed.pk, redeemed.name)))
        if row.order_at is not None:
            told += [("Order", show.copyable(row.order_id)), ("Ordered", show.instant(row.order_at))]
        if row.closed_at is not None:
            told.append(("Closed", show.instant(row.closed_at)))
        return told

    @admin.display(description="Code")
    def code_text(self, row: ReconciliationFinding) -> str:
        return row.canonical

    @admin.display(description="Kind")
    def kind_badge(self, row: ReconciliationFinding) -> SafeString:
        return show.badge(row.get_kind_display(), tone=words.TONES[row.kind])

    @admin.display(description="What differs")
    def what(self, row: ReconciliationFinding) -> str:
        return row.get_detail_display()

    @admin.display(description="Shop")
    def shop(self, row: ReconciliationFinding) -> str:
        return row.connection.name

    @admin.display(description="Repair")
    def repair_text(self, row: ReconciliationFinding) -> str:
        return row.get_repair_display()

    @admin.display(description="State")
    def state_badge(self, row: ReconciliationFinding) -> SafeString:
        return show.badge(row.get_state_display(), tone=words.STATE_TONES[row.state])

    @admin.display(description="Found")
    def found(self, row: ReconciliationFinding) -> SafeString:
        return show.instant(row.found_at)


def possible(row: ReconciliationFinding) -> list[str]:
    """The acts that make sense where the finding stands."""
    if row.state not in (FindingState.OPEN, FindingState.REPAIRING):
        return []
    return ([RepairAct.slug] if row.repair else []) + ([AcceptAct.slug] if row.state == FindingState.OPEN else [])


class BeginForm(forms.Form):
    shop = forms.ModelChoiceField(queryset=StoreConnection.objects.order_by("name", "pk"))
    scope = forms.ChoiceField(
        choices=RunScope.choices,
        initial=RunScope.ALL,
        help_text="What moved since the last one is quicker, and finds no codes that we do not know.",
    )


@admin.register(ReconciliationRun)
class RunAdmin(desk.ReadOnlyAdmin):
    list_display = ("began", "shop", "scope", "state_badge", "compared_text", "listed_text", *FindingKind.values)
    list_display_links = ("began",)
    list_select_related = ("connection",)
    sortable_by = ()
    ordering = ("-began_at", "-id")
    list_intro = "Our codes and a shop's, compared: each night what moved, each week all of them, and when you say so."
    list_empty = "Nothing was compared yet. The first time is tonight."
    acts: ClassVar = ()

    def list_tools(self, request: HttpRequest) -> list[desk.Tool]:
        if not request.user.has_perm(BEGIN):
            return []
        return [desk.Tool("Reconcile now", reverse("admin:rewards_reconciliationrun_begin"), primary=True)]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.begin_view)
        return [path("begin/", view, name="rewards_reconciliationrun_begin"), *super().get_urls()]

    def begin_view(self, request: HttpRequest) -> HttpResponse:
        """Choose a shop; it is compared in the background."""
        if not request.user.has_perm(BEGIN):
            raise PermissionDenied
        form = BeginForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            chosen = form.cleaned_data
            try:
                run = runs.begin(
                    connection_id=chosen["shop"].pk,
                    scope=RunScope(chosen["scope"]),
                    actor=staff_of(request),
                    now=timezone.now(),
                )
            except DomainError as refusal:
                messages.error(request, refusal.sentence)
            else:
                return HttpResponseRedirect(reverse("admin:rewards_reconciliationrun_change", args=(run.pk,)))
        return acts.form_page(
            request,
            model_admin=self,
            form=form,
            title="Reconcile a shop",
            button="Begin",
            back_url=reverse("admin:rewards_reconciliationrun_changelist"),
            explain="Nothing is changed, here or in the shop: what differs is listed, with what both sides say.",
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        wanted = int(object_id) if object_id.isdecimal() and len(object_id) < 19 else 0
        run = ReconciliationRun.objects.select_related("connection").filter(pk=wanted).first()
        if run is None:
            raise Http404(f"There is no reconciliation {object_id}.")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Reconciliation of {run.connection.name}",
            "run": run,
            "tone": words.RUN_TONES[run.state],
            "sentence": words.standing(run),
            "under_way": run.state == RunState.OPEN,
            "seconds": SECONDS_BETWEEN_LOOKS,
            "counts": [(FindingKind(kind).label, number, findings_url(run, kind)) for kind, number in counted(run)],
            "kinds": [(kind.label, words.KIND_MEANS[kind]) for kind in FindingKind],
            "facts": [
                ("Scope", run.get_scope_display()),
                ("Begun", show.instant(run.began_at)),
                ("Ended", show.instant(run.ended_at)),
                ("Codes the shop showed", show.points(run.listed)),
                ("Codes of ours compared", show.points(run.compared)),
                ("Accepted before", show.points(run.accepted)),
            ],
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/rewards/reconciliationrun/page.html", context)

    @admin.display(description="Begun")
    def began(self, run: ReconciliationRun) -> SafeString:
        return show.instant(run.began_at)

    @admin.display(description="Shop")
    def shop(self, run: ReconciliationRun) -> str:
        return run.connection.name

    @admin.display(description="State")
    def state_badge(self, run: ReconciliationRun) -> SafeString:
        return show.badge(run.get_state_display(), tone=words.RUN_TONES[run.state])

    @admin.display(description="Compared")
    def compared_text(self, run: ReconciliationRun) -> SafeString:
        return show.points(run.compared)

    @admin.display(description="Listed there")
    def listed_text(self, run: ReconciliationRun) -> SafeString:
        return show.points(run.listed)

    @admin.display(description="Ghosts")
    def ghost(self, run: ReconciliationRun) -> SafeString:
        return show.points(run.tally.get(FindingKind.GHOST))

    @admin.display(description="Orphans")
    def orphan(self, run: ReconciliationRun) -> SafeString:
        return show.points(run.tally.get(FindingKind.ORPHAN))

    @admin.display(description="Zombies")
    def zombie(self, run: ReconciliationRun) -> SafeString:
        return show.points(run.tally.get(FindingKind.ZOMBIE))

    @admin.display(description="Use differs")
    def use_drift(self, run: ReconciliationRun) -> SafeString:
        return show.points(run.tally.get(FindingKind.USE_DRIFT))

    @admin.display(description="Value differs")
    def value_drift(self, run: ReconciliationRun) -> SafeString:
        return show.points(run.tally.get(FindingKind.VALUE_DRIFT))


def counted(run: ReconciliationRun) -> list[tuple[str, int]]:
    return [(kind.value, run.tally[kind]) for kind in FindingKind if run.tally.get(kind)]


def findings_url(run: ReconciliationRun, kind: str) -> str:
    return f"{reverse(FINDINGS)}?{urlencode({'run': run.pk, 'kind': kind})}"
