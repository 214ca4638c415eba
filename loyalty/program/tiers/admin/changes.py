"""Who moved between tiers, and what came of what the tiers give."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import django_filters
from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loyalty.common.actors import Actor
from loyalty.common.adminkit import acts, desk, lists, show
from loyalty.customers import queries as customers_queries
from loyalty.customers.models import Customer, Tier
from loyalty.program.tiers import entries
from loyalty.program.tiers.admin.tiers import amount
from loyalty.program.tiers.models import EntryState, TierBasis, TierCause, TierEntry, VipTierChange

CAUSE_TONES: dict[str, show.Tone] = {
    TierCause.REACHED: "good",
    TierCause.LOST: "quiet",
    TierCause.STAFF: "info",
    TierCause.IMPORT: "neutral",
}
ENTRY_TONES: dict[str, show.Tone] = {EntryState.DUE: "info", EntryState.GIVEN: "good", EntryState.REFUSED: "bad"}


class ByCustomer(django_filters.FilterSet):
    """By what is known of the customer."""

    search = django_filters.CharFilter(
        label="Customer", help_text="Customer: e-mail, phone or name", method="narrow", max_length=200
    )

    def narrow(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        return queryset.filter(customer_id__in=customers_queries.search(value).values("pk"))


class ChangeFilter(ByCustomer):
    customer = django_filters.NumberFilter(
        label="Customer's number", field_name="customer_id", min_value=1, max_value=2**63 - 1
    )
    tier = django_filters.ModelMultipleChoiceFilter(
        label="Moved to",
        field_name="current_tier",
        queryset=Tier.objects.order_by("rank"),
        widget=forms.CheckboxSelectMultiple,
    )
    cause = django_filters.MultipleChoiceFilter(
        label="Why", choices=TierCause.choices, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = VipTierChange
        fields: list[str] = []


def customer_link(customer: Customer) -> SafeString:
    return show.link(str(customer), reverse("admin:customers_customer_change", args=(customer.pk,)))


@admin.register(VipTierChange)
class VipTierChangeAdmin(desk.ReadOnlyAdmin):
    list_display = ("changed", "person", "move", "cause_badge", "evidence", "gift", "reason")
    list_display_links = ("changed",)
    list_select_related = ("customer", "previous_tier", "current_tier", "note", "entry")
    sortable_by = ()
    ordering = ("-id",)
    filterset_class = ChangeFilter
    chips = (lists.Chip("Customer", "customer"), lists.Chip("Moved to", "tier"), lists.Chip("Why", "cause"))
    list_intro = "Every move of a customer between VIP tiers, newest first. Rows are only ever added."
    list_empty = "Nobody has moved yet."
    fields = ("changed", "person", "move", "cause_badge", "evidence", "window", "holds", "gift", "done_by", "reason")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[VipTierChange]:
        rows: QuerySet[VipTierChange] = super().get_queryset(request).select_related(*self.list_select_related)
        return rows

    @admin.display(description="When")
    def changed(self, change: VipTierChange) -> SafeString:
        return show.instant(change.changed_at)

    @admin.display(description="Customer")
    def person(self, change: VipTierChange) -> SafeString:
        return customer_link(change.customer)

    @admin.display(description="Move")
    def move(self, change: VipTierChange) -> SafeString:
        sign = "↑" if change.upward else "↓"
        word = "up" if change.upward else "down"
        return format_html(
            '<span><span title="{}">{}</span> {} → {}</span>',
            word,
            sign,
            change.previous_tier or "no tier",
            change.current_tier or "no tier",
        )

    @admin.display(description="Why")
    def cause_badge(self, change: VipTierChange) -> SafeString:
        return show.badge(TierCause(change.cause).label, tone=CAUSE_TONES[change.cause])

    @admin.display(description="Measured")
    def evidence(self, change: VipTierChange) -> SafeString:
        if change.measured is None:
            return show.dash()
        counted_in = "points" if change.basis == TierBasis.POINTS_EARNED else ""  # money: the programme's currency
        said = amount(change.measured, counted_in).strip()
        if change.threshold is None:
            return show.text(said)
        return show.text(f"{said}, milestone {amount(change.threshold, counted_in).strip()}")

    @admin.display(description="Counted")
    def window(self, change: VipTierChange) -> SafeString:
        start = show.instant_text(change.window_from) if change.window_from else "the beginning"
        return show.text(f"From {start} until {show.instant_text(change.window_until)}")

    @admin.display(description="Holds until")
    def holds(self, change: VipTierChange) -> SafeString:
        return show.instant(change.held_until)

    @admin.display(description="Given")
    def gift(self, change: VipTierChange) -> SafeString:
        entry = getattr(change, "entry", None)
        return show.dash() if entry is None else entry_badge(entry)

    @admin.display(description="Done by")
    def done_by(self, change: VipTierChange) -> str:
        return f"{change.actor_kind.replace('_', ' ')} {change.actor_id or ''}".strip()

    @admin.display(description="Reason")
    def reason(self, change: VipTierChange) -> SafeString:
        note = getattr(change, "note", None)
        return show.clipped(note.internal_note if note is not None else "")


def entry_badge(entry: TierEntry) -> SafeString:
    return show.badge(EntryState(entry.state).label, tone=ENTRY_TONES[entry.state])


class EntryFilter(ByCustomer):
    state = django_filters.MultipleChoiceFilter(
        label="State", choices=EntryState.choices, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = TierEntry
        fields: list[str] = []


class GiveAgain(acts.Act):
    slug, label, permission, tone = "give-again", "Give again", "program.give_tierentry", "primary"
    explain = "What could not be given is tried once more. What was given of it is not given twice."

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        entry = TierEntry.objects.select_related("customer", "tier").get(pk=pk)
        title = f"{entry.customer}, {entry.tier}"
        if entry.state != EntryState.REFUSED:
            return acts.Preview(title=title, refusal="Only what was refused is given again.")
        return acts.Preview(title=title, effects=[f"It was refused before: {entry.refusal}"])

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        entry = entries.give_again(entry_id=pk, actor=actor, now=now)
        if entry.state == EntryState.REFUSED:
            raise entries.EntryRefused(f"It was refused once more: {entry.refusal}")
        return f"{entry.customer} was given what entering {entry.tier} gives."


@admin.register(TierEntry)
class TierEntryAdmin(desk.ReadOnlyAdmin):
    list_display = ("created", "person", "tier_name", "gives", "state_badge", "why")
    list_display_links = ("created",)
    list_select_related = ("customer", "tier")
    sortable_by = ()
    ordering = ("-id",)
    filterset_class = EntryFilter
    chips = (lists.Chip("State", "state"),)
    acts = (GiveAgain(),)
    list_intro = "What customers are given for rising into a tier: once for each customer, tier and period."
    list_empty = "Nobody was given anything yet."
    fields = ("created", "person", "tier_name", "period", "gives", "state_badge", "why")
    readonly_fields = fields

    @admin.display(description="When")
    def created(self, entry: TierEntry) -> SafeString:
        return show.instant(entry.created_at)

    @admin.display(description="Customer")
    def person(self, entry: TierEntry) -> SafeString:
        return customer_link(entry.customer)

    @admin.display(description="Tier")
    def tier_name(self, entry: TierEntry) -> str:
        return str(entry.tier)

    @admin.display(description="Gives")
    def gives(self, entry: TierEntry) -> str:
        points = [f"{show.points_text(entry.points)} points"] if entry.points else []
        rewards = len(entry.reward_ids)
        return ", ".join([*points, *([f"{rewards} reward{'' if rewards == 1 else 's'}"] if rewards else [])])

    @admin.display(description="State")
    def state_badge(self, entry: TierEntry) -> SafeString:
        return entry_badge(entry)

    @admin.display(description="Why not")
    def why(self, entry: TierEntry) -> SafeString:
        return show.clipped(entry.refusal, wide=True)
