"""Who recommended whom: the list, one referral with what is to be done about it, and the rules."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import django_filters
from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Field, ForeignKey, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from loyalty.common import actors
from loyalty.common.actors import Actor
from loyalty.common.adminkit import acts as desk_acts
from loyalty.common.adminkit import desk, lists, moments, show
from loyalty.customers import queries as customers_queries
from loyalty.customers.models import Customer
from loyalty.events import log
from loyalty.program.models import Order, Referral, ReferralSettings
from loyalty.program.referrals import judging
from loyalty.program.referrals.models import BlockReason, CancelReason, ReferralState
from rewards.models import FulfillmentStatus, RedeemedReward, Reward, UsageStatus

TONES: dict[str, show.Tone] = {
    ReferralState.PENDING: "neutral",
    ReferralState.COMPLETED: "good",
    ReferralState.BLOCKED: "warn",
    ReferralState.CANCELLED: "quiet",
}
MEANINGS = {
    ReferralState.PENDING: "The friend came and has not bought yet.",
    ReferralState.COMPLETED: "The friend bought: both sides have what they were promised.",
    ReferralState.BLOCKED: "Something speaks against it, so nobody gets anything until somebody here has looked.",
    ReferralState.CANCELLED: "It is over. Rewards it gave were undone where they had not been used.",
}


class ReferralFilter(django_filters.FilterSet):
    search = django_filters.CharFilter(
        label="Customer", help_text="Either side: e-mail, phone or name", method="narrow", max_length=200
    )
    state = django_filters.MultipleChoiceFilter(
        label="State", choices=ReferralState.choices, widget=forms.CheckboxSelectMultiple
    )
    reason = django_filters.MultipleChoiceFilter(
        label="Why blocked", field_name="block_reason", choices=BlockReason.choices, widget=forms.CheckboxSelectMultiple
    )
    attention = django_filters.ChoiceFilter(
        label="Needs a person", choices=[("yes", "Yes")], method="narrow_to_trouble", widget=forms.RadioSelect
    )
    came_after = moments.MomentFilter(field_name="created_at", label="From", end=False)
    came_before = moments.MomentFilter(field_name="created_at", label="Until", end=True)

    class Meta:
        model = Referral
        fields: list[str] = []

    def narrow(self, queryset: QuerySet[Referral], name: str, value: str) -> QuerySet[Referral]:
        found = customers_queries.search(value).values("pk")
        return queryset.filter(Q(sender_id__in=found) | Q(friend_id__in=found))

    def narrow_to_trouble(self, queryset: QuerySet[Referral], name: str, value: str) -> QuerySet[Referral]:
        return queryset.exclude(trouble="")


class _OnReferral(desk_acts.Act):
    permission = "program.change_referral"

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> desk_acts.Preview:
        referral = Referral.objects.select_related("sender", "friend", "friend_reward", "sender_reward").get(pk=pk)
        title = f"{referral.friend}, recommended by {referral.sender}"
        if self.slug not in possible(referral):
            return desk_acts.Preview(
                title=title, refusal=f"It is {referral.get_state_display().lower()}: {self.refused}"
            )
        return desk_acts.Preview(title=title, effects=self.effects(referral))

    refused = "there is nothing to do."

    def effects(self, referral: Referral) -> list[str]:
        raise NotImplementedError


class Release(_OnReferral):
    slug, label, tone = "release", "Release", "primary"
    explain = "You looked, and believe it. It is not blocked a second time; whether the friend buys decides the rest."
    refused = "only a blocked one can be released."

    def effects(self, referral: Referral) -> list[str]:
        return [
            "The friend gets their reward.",
            "The customer who recommended gets theirs as soon as the friend has bought; at once if they have.",
        ]

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        referral = judging.release(referral_id=pk, actor=actor, now=now)
        return f"The referral of {referral.friend} was released and is {referral.get_state_display().lower()}."


class Cancel(_OnReferral):
    slug, label, tone = "cancel", "Cancel", "danger"
    explain = "This cannot be undone. The friend cannot be recommended again."
    refused = "it is over already."

    def effects(self, referral: Referral) -> list[str]:
        said = [_fate(side, getattr(referral, f"{side}_reward")) for side in ("friend", "sender")]
        return [sentence for sentence in said if sentence] or ["No reward was given yet, and none will be."]

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        referral = judging.cancel(referral_id=pk, actor=actor, now=now)
        return f"The referral of {referral.friend} was canceled. Its rewards are being undone."


class TryAgain(_OnReferral):
    slug, label = "try-again", "Try again"
    explain = "For what could not be given, or undone, before."

    def effects(self, referral: Referral) -> list[str]:
        return [f"A worker tries it in a moment. Last time: {referral.trouble}"]

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        referral = judging.try_again(referral_id=pk, actor=actor, now=now)
        return f"The referral of {referral.friend} is tried again in a moment."


def possible(referral: Referral) -> list[str]:
    """The acts that make sense in its state."""
    able = {
        ReferralState.PENDING: ["cancel"],
        ReferralState.COMPLETED: ["cancel"],
        ReferralState.BLOCKED: ["release", "cancel"],
        ReferralState.CANCELLED: [],
    }[ReferralState(referral.state)]
    return ["try-again", *able] if referral.trouble else able


def _fate(side: str, given: RedeemedReward | None) -> str:
    if given is None or given.fulfillment_status in (FulfillmentStatus.CANCELLED, FulfillmentStatus.FAILED):
        return ""
    whose = "The friend's" if side == "friend" else "The customer's"
    if given.usage_status == UsageStatus.USED:
        return f"{whose} “{given.name}” was used already: it stays."
    return f"{whose} “{given.name}” is canceled: its code is killed in the shop."


@admin.register(Referral)
class ReferralAdmin(desk.ReadOnlyAdmin):
    acts = (Release(), TryAgain(), Cancel())
    list_display = ("came", "sender_link", "friend_link", "state_badge", "why", "order_link", "attention")
    list_display_links = ("came",)
    sortable_by = ()
    ordering = ("-id",)
    filterset_class = ReferralFilter
    chips = (
        lists.Chip("State", "state"),
        lists.Chip("Why blocked", "reason"),
        lists.Chip("Needs a person", "attention"),
        lists.Chip("Came", "came_after", "came_before"),
    )
    list_intro = (
        "Friends whom customers recommended the shop to. The friend gets a reward on coming, the customer one once the friend has "
        "bought."
    )
    list_empty = "Nobody was recommended yet. Customers find their link in their account while referrals are on."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Referral]:
        rows: QuerySet[Referral] = super().get_queryset(request)
        return rows.select_related("sender", "friend", "order", "friend_reward", "sender_reward")

    def list_tools(self, request: HttpRequest) -> list[desk.Tool]:
        if not request.user.has_perm("program.view_referralsettings"):
            return []
        return [desk.Tool("Rules and rewards", reverse("admin:program_referralsettings_changelist"))]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One referral: where it stands, why, what each side got, what can be done."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        referral = self.get_object(request, object_id)
        if referral is None:
            raise Http404("There is no such referral.")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{referral.friend}, recommended by {referral.sender}",
            "state": self.state_badge(referral),
            "reason": _reason(referral),
            "meaning": MEANINGS[ReferralState(referral.state)],
            "trouble": referral.trouble,
            "facts": self.facts(referral),
            "acts": self.act_links(request, referral.pk, only=possible(referral)),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/program/referral.html", context)

    def facts(self, referral: Referral) -> list[tuple[str, SafeString]]:
        facts = [
            ("Recommended by", self.sender_link(referral)),
            ("Friend", self.friend_link(referral)),
            ("Came", show.instant(referral.created_at)),
            ("Friend’s reward", self.reward_link(referral.friend_reward)),
            ("Order", self.order_link(referral)),
            ("Completed", show.instant(referral.completed_at)),
            ("Customer’s reward", self.reward_link(referral.sender_reward)),
            ("Released", show.instant(referral.released_at)),
        ]
        return [(label, value) for label, value in facts if value != show.dash()]

    def reward_link(self, given: RedeemedReward | None) -> SafeString:
        return show.dash() if given is None else self.link_to(RedeemedReward, given.pk, given.name)

    @admin.display(description="Came")
    def came(self, referral: Referral) -> SafeString:
        return show.instant(referral.created_at)

    @admin.display(description="Recommended by")
    def sender_link(self, referral: Referral) -> SafeString:
        return self.link_to(Customer, referral.sender_id, str(referral.sender))

    @admin.display(description="Friend")
    def friend_link(self, referral: Referral) -> SafeString:
        return self.link_to(Customer, referral.friend_id, str(referral.friend))

    @admin.display(description="State")
    def state_badge(self, referral: Referral) -> SafeString:
        return show.badge(ReferralState(referral.state).label, tone=TONES[referral.state])

    @admin.display(description="Why")
    def why(self, referral: Referral) -> SafeString:
        return show.text(_reason(referral))

    @admin.display(description="Order")
    def order_link(self, referral: Referral) -> SafeString:
        if referral.order is None:
            return show.dash()
        return self.link_to(Order, referral.order.pk, str(referral.order))

    @admin.display(description="Needs a person")
    def attention(self, referral: Referral) -> SafeString:
        return show.clipped(referral.trouble) if referral.trouble else show.dash()


def _reason(referral: Referral) -> str:
    if referral.block_reason:
        return f"{BlockReason(referral.block_reason).label}."
    return f"{CancelReason(referral.cancel_reason).label}." if referral.cancel_reason else ""


@admin.register(ReferralSettings)
class ReferralSettingsAdmin(desk.DeskAdmin):
    """One row, so one form and no list."""

    fieldsets = (
        (None, {"fields": ("active", "friend_reward", "sender_reward")}),
        (
            "What is looked at before anybody gets anything",
            {
                "fields": (
                    "block_similar_emails",
                    "block_same_name",
                    "block_same_address",
                    "most_from_one_address",
                ),
                "description": "A referral that looks wrong is blocked and waits for somebody here. Whoever bought before "
                "is never a friend who was brought.",
            },
        ),
    )

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        """Rewards by name, without the stock page's pencils beside them."""
        if isinstance(db_field, ForeignKey):
            return db_field.formfield(empty_label="None", queryset=Reward.objects.order_by("name", "pk"))
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ReferralSettings | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """To the one form there is; the row is made when somebody first looks."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        ReferralSettings.objects.get_or_create(pk=1)
        return HttpResponseRedirect(reverse("admin:program_referralsettings_change", args=(1,)))

    def save_model(self, request: HttpRequest, obj: ReferralSettings, form: forms.ModelForm, change: bool) -> None:  # noqa: FBT001
        super().save_model(request, obj, form, change)
        log.record(
            kind="referral_settings.changed",
            subject_type="referral_settings",
            subject_id=obj.pk,
            actor=actors.staff(int(str(request.user.pk))),
            now=timezone.now(),
            fields=sorted(form.changed_data),
        )
