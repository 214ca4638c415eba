"""The tiers: what they ask for and give, and how many customers stand in each."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from loyalty.common import actors
from loyalty.common.actors import Actor
from loyalty.common.adminkit import acts, desk, show
from loyalty.common.errors import DomainError
from loyalty.customers.models import Customer, Tier
from loyalty.merchant import queries as merchant
from loyalty.program.tiers import ladder, preview, setting
from loyalty.program.tiers.admin import foreseeing
from loyalty.program.tiers.admin.rules import GIVES, GIVES_HELP
from loyalty.program.tiers.models import (
    MOST_ENTRY_POINTS,
    MOST_PERKS,
    TierBasis,
    TierEntryReward,
    TierTerms,
    VipTierChange,
)
from rewards.models import Reward


class TierForm(forms.Form):
    """What a tier is called, asks for and gives."""

    name = forms.CharField(max_length=60)
    milestone = forms.DecimalField(max_digits=14, decimal_places=2, min_value=0)
    active = forms.BooleanField(
        label="Customers can reach it",
        required=False,
        initial=True,
        help_text="Unticked, those who are in it are judged anew and leave it.",
    )
    entry_points = forms.IntegerField(
        label="Points for entering", min_value=0, max_value=MOST_ENTRY_POINTS, initial=0, required=False
    )
    rewards = forms.ModelMultipleChoiceField(
        Reward.objects.none(),
        label="Rewards for entering",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Given when somebody rises into the tier: once for each customer in each period of the rules.",
    )
    perks = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=f"What else members enjoy, one a line, at most {MOST_PERKS}. Customers read it.",
    )
    image_url = forms.URLField(label="Address of a picture", required=False, max_length=500, assume_scheme="https")
    gives = forms.BooleanField(label=GIVES, required=False, help_text=GIVES_HELP)

    def __init__(self, *args: Any, tier: Tier | None = None, unit: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["milestone"].help_text = f"In {unit}. 0: everybody is in it."
        chosen = list(TierEntryReward.objects.filter(tier=tier).values_list("reward_id", flat=True)) if tier else []
        known = Reward.objects.filter(enabled=True) | Reward.objects.filter(pk__in=chosen)
        self.fields["rewards"].queryset = known.order_by("name", "pk")  # type: ignore[attr-defined]

    def clean_perks(self) -> list[str]:
        lines = [line.strip() for line in self.cleaned_data["perks"].splitlines() if line.strip()]
        if len(lines) > MOST_PERKS or any(len(line) > 200 for line in lines):
            raise forms.ValidationError(f"At most {MOST_PERKS} lines of 200 characters. Shorten it.")
        return lines

    def terms(self) -> setting.Terms:
        data = self.cleaned_data
        return setting.Terms(
            name=data["name"],
            milestone=data["milestone"],
            entry_points=data["entry_points"] or 0,
            reward_ids=[reward.pk for reward in data["rewards"]],
            perks=data["perks"],
            image_url=data["image_url"],
            active=data["active"],
        )


class Remove(acts.Act):
    slug, label, permission, tone = "remove", "Remove", "customers.delete_tier", "danger"
    explain = "Only a tier in which nobody ever was, and for which there is no reward. Switch off any other."
    bulk = False

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        tier = Tier.objects.get(pk=pk)
        used = VipTierChange.objects.filter(previous_tier=tier) | VipTierChange.objects.filter(current_tier=tier)
        if used.exists() or Customer.objects.filter(tier=tier).exists():
            return acts.Preview(title=str(tier), refusal="Somebody was in this tier. Switch it off instead.")
        return acts.Preview(title=str(tier), effects=["The tier is gone; there is no way back."])

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        name = str(Tier.objects.get(pk=pk))
        setting.remove_tier(tier_id=pk, actor=actor, now=now)
        return f"“{name}” was removed."


@admin.register(Tier)
class TierAdmin(desk.DeskAdmin):
    list_display = ("name", "milestone", "size", "gifts", "state")
    list_display_links = ("name",)
    list_select_related = ("terms",)
    sortable_by = ()
    ordering = ("rank", "id")
    acts = (Remove(),)
    list_empty = "No tiers yet. Add the first one, then switch the tiers on under “Rules”."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tier]:
        sizes = Customer.objects.filter(tier=OuterRef("pk")).order_by().values("tier").annotate(size=Count("pk"))
        rows: QuerySet[Tier] = super().get_queryset(request)
        return rows.annotate(size=Coalesce(Subquery(sizes.values("size"), output_field=IntegerField()), 0))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """What the tiers of the page give is read together."""
        shown = super().get_changelist_instance(request)
        shown.result_list = list(shown.result_list)
        given: dict[int, list[str]] = {}
        offered = TierEntryReward.objects.filter(tier__in=shown.result_list).select_related("reward").order_by("pk")
        for each in offered:
            given.setdefault(each.tier_id, []).append(each.reward.name)
        counted = unit()
        for tier in shown.result_list:
            tier.given, tier.unit = given.get(tier.pk, []), counted
        return shown

    def list_tools(self, request: HttpRequest) -> list[desk.Tool]:
        if not request.user.has_perm("program.view_tierrules"):
            return []
        return [desk.Tool("Rules", reverse("admin:program_tierrules_changelist"))]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        said = "Customers stand in the highest tier they reach."
        if not ladder.rules().enabled:
            said = "VIP tiers are switched off: nobody is judged. Switch them on under “Rules”."
        self.list_intro = said  # type: ignore[misc]
        return super().changelist_view(request, extra_context)

    @admin.display(description="Begins at")
    def milestone(self, tier: Any) -> SafeString:
        terms = terms_of(tier)
        return show.dash() if terms is None else show.text(amount(terms.milestone, tier.unit))

    @admin.display(description="Customers")
    def size(self, tier: Any) -> SafeString:
        address = f"{reverse('admin:customers_customer_changelist')}?tier={tier.pk}"
        return show.link(show.points_text(tier.size), address)

    @admin.display(description="For entering")
    def gifts(self, tier: Any) -> SafeString:
        terms = terms_of(tier)
        points = [f"{show.points_text(terms.entry_points)} points"] if terms and terms.entry_points else []
        return show.clipped(", ".join([*points, *tier.given]), wide=True)

    @admin.display(description="State")
    def state(self, tier: Tier) -> SafeString:
        terms = terms_of(tier)
        if terms is not None and terms.active:
            return show.badge("On", tone="good")
        return show.badge("Off", tone="quiet")

    def has_delete_permission(self, request: HttpRequest, obj: Tier | None = None) -> bool:
        return False

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self.form_view(request, tier=None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        tier = self.get_object(request, object_id)
        if not isinstance(tier, Tier):
            raise Http404("There is no such tier.")
        if not self.has_change_permission(request, tier):
            raise PermissionDenied
        return self.form_view(request, tier=tier)

    def form_view(self, request: HttpRequest, *, tier: Tier | None) -> HttpResponse:
        data = request.POST if request.method == "POST" else None
        form = TierForm(data, tier=tier, unit=unit(), initial=known(tier) if tier else None)
        extra: dict[str, Any] = {"acts": self.act_links(request, tier.pk) if tier else []}
        if request.method == "POST" and form.is_valid():
            try:
                if "preview" in request.POST:
                    extra |= foreseen(form, tier=tier)
                    return self.form_shown(request, form, tier=tier, extra=extra)
                saved = setting.save_tier(
                    tier_id=tier.pk if tier else None,
                    terms=form.terms(),
                    gives=form.cleaned_data["gives"],
                    actor=actors.staff(int(str(request.user.pk))),
                    now=timezone.now(),
                )
            except DomainError as refusal:
                form.add_error("milestone" if "milestone" in refusal.sentence else "name", refusal.sentence)
            else:
                messages.success(request, f"“{saved}” is saved. Who moves by that is found out within a minute.")
                return HttpResponseRedirect(reverse("admin:customers_tier_changelist"))
        return self.form_shown(request, form, tier=tier, extra=extra)

    def form_shown(
        self, request: HttpRequest, form: TierForm, *, tier: Tier | None, extra: dict[str, Any]
    ) -> HttpResponse:
        return acts.form_page(
            request,
            model_admin=self,
            form=form,
            title=f"VIP tier {tier}" if tier else "Add VIP tier",
            button="Save",
            back_url=reverse("admin:customers_tier_changelist"),
            extra=extra,
            template="admin/program/tiers/tier.html",
        )


def foreseen(form: TierForm, *, tier: Tier | None) -> dict[str, Any]:
    """Who would move if the form were saved. Raises TierRefused."""
    gives = form.cleaned_data["gives"]
    wanted = preview.with_tier(tier_id=tier.pk if tier else None, terms=form.terms(), gives=gives)
    return foreseeing.context(preview.of(wanted=wanted, now=timezone.now()), rules=wanted.rules, gives=gives)


def terms_of(tier: Tier) -> TierTerms | None:
    found: TierTerms | None = getattr(tier, "terms", None)
    return found


def known(tier: Tier) -> dict[str, Any]:
    """A tier as the form has it."""
    terms = terms_of(tier)
    rewards = list(TierEntryReward.objects.filter(tier=tier).values_list("reward_id", flat=True))
    if terms is None:
        return {"name": tier.name, "active": True, "rewards": rewards}
    return {
        "name": tier.name,
        "milestone": terms.milestone,
        "active": terms.active,
        "entry_points": terms.entry_points,
        "rewards": rewards,
        "perks": "\n".join(terms.perks),
        "image_url": terms.image_url,
    }


def unit() -> str:
    """What milestones are counted in: points, or the programme's currency."""
    return "points" if ladder.rules().basis == TierBasis.POINTS_EARNED else merchant.programme().currency


def amount(value: Decimal, counted_in: str) -> str:
    """An amount as people read it."""
    if counted_in == "points":
        return f"{show.points_text(int(value))} points"
    return show.money_text(value, counted_in)
