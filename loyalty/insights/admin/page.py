"""Why a customer's balance is what it is, now or at any past instant: for staff, from the rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from loyalty.common.adminkit import moments, show
from loyalty.common.causes import Cause, CauseType
from loyalty.customers.models import Customer
from loyalty.insights import asking, explain
from loyalty.insights.as_of import Axis, LotAsOf, LotState
from loyalty.insights.explain import CreditStory, Entry, WhyBalance

PERMISSIONS = ("customers.view_customer", "points.view_pointstransaction")
CREDITS_PER_PAGE = 10
MOST_LOTS = 40
MOST_ENTRIES = 20

STATE_TONES: dict[LotState, show.Tone] = {
    LotState.ACTIVE: "good",
    LotState.PENDING: "warn",
    LotState.LAPSED: "quiet",
}
STATE_WORDS = {LotState.ACTIVE: "Active", LotState.PENDING: "Pending", LotState.LAPSED: "Past its end"}
PAGES_OF_CAUSES: dict[CauseType, str] = {
    CauseType.REDEEMED_REWARD: "admin:rewards_redeemedreward_change",
    CauseType.ORDER: "admin:program_order_change",
    CauseType.ACTIVITY: "admin:program_activity_change",
    CauseType.EARNING_RULE: "admin:program_earningrule_change",
}


class AsOfForm(forms.Form):
    """Which instant, and by which of its instants a change counts."""

    at = forms.CharField(label="As of", required=False, max_length=40, widget=moments.MomentInput)
    by = forms.ChoiceField(
        label="Counting",
        required=False,
        choices=[(Axis.RECORDED, "what was written down by then"), (Axis.EFFECTIVE, "what took effect by then")],
    )

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now

    def clean_at(self) -> datetime | None:
        text = self.cleaned_data["at"]
        if not text:
            return None
        try:
            return asking.past_instant(text, zone=moments.current_zone(), now=self.now)
        except asking.UnclearInstant as refusal:
            raise ValidationError(refusal.sentence, code=refusal.code) from refusal


@dataclass(frozen=True)
class EntryRow:
    """One transaction, with the page of what caused it."""

    entry: Entry
    cause_url: str
    change: SafeString


@dataclass(frozen=True)
class UseRow:
    """What one debit took from a credit."""

    row: EntryRow
    taken: SafeString
    returned: int


@dataclass(frozen=True)
class Segment:
    """A part of the bar that shows where a credit went, in thousandths of its width."""

    name: str
    start: int
    width: int


@dataclass(frozen=True)
class CreditRow:
    """One credit and where it went."""

    story: CreditStory
    head: EntryRow
    uses: list[UseRow]
    lots: list["LotRow"]
    segments: list[Segment]


@dataclass(frozen=True)
class LotRow:
    """What is left of a lot."""

    story: CreditStory
    lot: LotAsOf
    state: SafeString


def view(request: HttpRequest, pk: int) -> HttpResponse:
    """The page. GET parameters: `at` (or `at_date`, `at_time`), `by`, `credit` for one credit alone, `page`."""
    if not request.user.has_perms(PERMISSIONS):
        raise PermissionDenied
    customer = Customer.objects.filter(pk=pk).first()
    if customer is None:
        raise Http404(f"There is no customer {pk}.")
    now = timezone.now()
    form = AsOfForm(request.GET if asked(request) else None, now=now)
    at, axis = now, Axis.RECORDED
    if form.is_valid():
        at = form.cleaned_data["at"] or now
        axis = Axis(form.cleaned_data["by"] or Axis.RECORDED)
    why = explain.balance(customer_id=pk, at=at, axis=axis)
    context = {
        **admin.site.each_context(request),
        "title": f"Points of {customer}",
        "customer": customer,
        "customer_url": reverse("admin:customers_customer_change", args=(pk,)),
        "form": form,
        "past": at != now,
        "zone": show.zone_name(),
        "why": why,
        **tables(request, why),
    }
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/insights/points.html", context)


def asked(request: HttpRequest) -> bool:
    return any(name in request.GET for name in ("at", "at_date", "at_time", "by"))


def tables(request: HttpRequest, why: WhyBalance) -> dict[str, Any]:
    """The page's rows: of long lists the first ones, and how much the rest is, so that what is shown adds up."""
    only = request.GET.get("credit", "")
    stories = [story for story in why.credits if not only or str(story.entry.transaction_id) == only]
    shown = Paginator(stories, CREDITS_PER_PAGE).get_page(request.GET.get("page"))
    story_of = {lot.lot_id: story for story in why.credits for lot in story.lots}
    lots = [lot_row(story_of[lot.lot_id], lot) for lot in why.as_of.lots]
    kept = request.GET.copy()
    kept.pop("page", None)
    kept.pop("credit", None)
    return {
        "lots": lots[:MOST_LOTS],
        "more_lots": len(lots) - MOST_LOTS,
        "more_lots_points": sum(row.lot.remaining for row in lots[MOST_LOTS:]),
        "lots_points": sum(row.lot.remaining for row in lots),
        "shown": shown,
        "credits": [credit_row(story) for story in shown],
        "only": bool(only),
        "kept": kept.urlencode(),
        "entries": [entry_row(entry) for entry in why.history[:MOST_ENTRIES]],
        "more_entries": len(why.history) - MOST_ENTRIES,
    }


def credit_row(story: CreditStory) -> CreditRow:
    return CreditRow(
        story=story,
        head=entry_row(story.entry),
        uses=[
            UseRow(row=entry_row(use.entry), taken=show.signed_points(-use.taken), returned=use.returned)
            for use in story.uses
        ],
        lots=[lot_row(story, lot) for lot in story.lots],
        segments=segments(story),
    )


def segments(story: CreditStory) -> list[Segment]:
    """The bar: what is left, what is held, what was used."""
    found, start = [], 0
    for name, points in (("left", story.left), ("held", story.on_hold), ("used", story.used)):
        width = 1000 * points // story.entry.points
        if width:
            found.append(Segment(name, start, width))
        start += width
    return found


def lot_row(story: CreditStory, lot: LotAsOf) -> LotRow:
    return LotRow(story=story, lot=lot, state=show.badge(STATE_WORDS[lot.state], tone=STATE_TONES[lot.state]))


def entry_row(entry: Entry) -> EntryRow:
    return EntryRow(entry=entry, cause_url=cause_url(entry.cause), change=show.signed_points(entry.points))


def cause_url(cause: Cause) -> str:
    """The page of what caused it, where it has one."""
    page = PAGES_OF_CAUSES.get(cause.type)
    return reverse(page, args=(cause.id,)) if page and cause.id else ""
