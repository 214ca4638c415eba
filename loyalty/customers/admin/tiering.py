"""Moving customers to another VIP tier, and what their page says of the one they are in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import reverse

from loyalty.common import plans
from loyalty.common.actors import Actor
from loyalty.common.adminkit import acts, show
from loyalty.customers.models import Customer
from loyalty.program.tiers import ladder, moving, progress
from loyalty.program.tiers.models import VipTierChange
from loyalty.program.tiers.moving import Wish
from loyalty.program.tiers.progress import Progress

MOVE, SEE_CHANGES = "program.move_customer", "program.view_viptierchange"
NO_TIER = "none"
CHOOSE = "Choose a tier below. Nothing happens before this page has said what would."


class MoveForm(forms.Form):
    tier = forms.ChoiceField(label="Move to")
    until = forms.DateField(
        label="Last day on which that holds",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Empty: until they are judged again, at midnight at the latest.",
    )
    gives = forms.BooleanField(
        label="Give what the tier gives for entering", required=False, initial=True, help_text="For a move upward."
    )
    reason = forms.CharField(
        label="Why", max_length=moving.LONGEST_REASON, help_text="For colleagues. Customers do not read it."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tiers = [(str(rung.tier_id), rung.name) for rung in reversed(ladder.load().rungs)]
        self.fields["tier"].choices = [("", "Choose"), *tiers, (NO_TIER, "No tier")]  # type: ignore[attr-defined]


class MoveToTier(acts.Act):
    slug, label, permission, tone = "move-to-tier", "Change tier", MOVE, "primary"
    explain = "Up or down, by hand. The change is written down with its reason; another change corrects it."
    form_class = MoveForm
    preview_fields = ("tier", "until", "gives")

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        customer = Customer.objects.get(pk=pk)
        if not data.get("tier"):
            return acts.Preview(title=str(customer), effects=[CHOOSE])
        found = moving.plan(customer_id=pk, wish=wish_of(data), now=now)
        return acts.Preview(title=str(customer), effects=found.effects, refusal=found.refusal, token=found.fingerprint)

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        customer = Customer.objects.get(pk=pk)
        if not token:
            raise plans.PlanOutdated("What would happen was not shown yet. Look at the preview and confirm again.")
        moving.move(customer_id=pk, wish=wish_of(data), actor=actor, now=now, fingerprint=token)
        rung = ladder.load().rung(wish_of(data).tier_id)
        return f"{customer} is in {rung.name} now." if rung else f"{customer} is in no tier now."


def wish_of(data: Mapping[str, Any]) -> Wish:
    chosen = str(data["tier"])
    return Wish(
        tier_id=None if chosen == NO_TIER else int(chosen),
        reason=data.get("reason") or "-",
        until=data.get("until") or None,
        gives=bool(data.get("gives")),
    )


@dataclass(frozen=True)
class TierCard:
    """The card of the customer page."""

    tier: str
    progress: Progress | None
    done: str  # "120 of 500 points"
    missing: str
    to_keep: str
    changes_url: str
    move_url: str


def card(request: HttpRequest, *, customer: Customer, now: datetime) -> TierCard | None:
    """None where there are no tiers, or they are off and the customer is in none."""
    found = progress.of(customer=customer, now=now)
    if found is None and customer.tier is None:
        return None
    may_see = request.user.has_perm(SEE_CHANGES) and VipTierChange.objects.filter(customer=customer).exists()
    changes = f"{reverse('admin:program_viptierchange_changelist')}?customer={customer.pk}"
    move = reverse("admin:customers_customer_act", args=(customer.pk, MoveToTier.slug))
    return TierCard(
        tier=str(customer.tier or ""),
        progress=found,
        done=_done(found),
        missing=_amount(found.missing, found) if found and found.missing is not None else "",
        to_keep=_amount(found.to_keep, found) if found and found.to_keep else "",
        changes_url=changes if may_see else "",
        move_url=move if request.user.has_perm(MOVE) else "",
    )


def _done(found: Progress | None) -> str:
    if found is None:
        return ""
    if found.next is None:
        return _amount(found.value, found)
    return f"{_number(found.value, found)} of {_amount(found.next.milestone, found)}"


def _amount(value: Decimal, found: Progress) -> str:
    return f"{_number(value, found)} {'points' if found.in_points else found.currency}"


def _number(value: Decimal, found: Progress) -> str:
    return show.points_text(int(value)) if found.in_points else show.money_text(value, "").strip()
