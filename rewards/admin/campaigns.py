"""Campaigns for staff: plan one, look at who would get it, let it go, follow it, take it back."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.csrf import csrf_exempt

from loyalty.common.actors import Actor
from loyalty.common.adminkit import acts, desk, show
from loyalty.common.errors import DomainError
from loyalty.jobs import lifecycle
from loyalty.jobs import queries as jobs
from loyalty.jobs.models import Job, JobState, Step, Verdict
from rewards import bulk_codes
from rewards.admin import campaign_form, campaign_rows
from rewards.campaigns import acts as campaigns
from rewards.campaigns import queries
from rewards.campaigns.queries import Figures, Reason
from rewards.models import Campaign, Reward
from rewards.queries import Status

GRID = "admin:rewards_redeemedreward_changelist"
SECONDS_BETWEEN_LOOKS = 5  # the page of a campaign under way loads itself again
MOST_REASONS = 8
MANY = 500  # customers; the codes of fewer are soon made one by one
STATE_TONES: dict[JobState, show.Tone] = {
    JobState.OPEN: "info",
    JobState.PAUSED: "warn",
    JobState.CANCELLED: "quiet",
    JobState.DONE: "good",
}


def load(pk: int) -> Campaign:
    return Campaign.objects.select_related("job", "reward__connection").get(pk=pk)


def customers_text(count: int) -> str:
    return f"{show.points_text(count)} customer{'' if count == 1 else 's'}"


def reasons_text(reasons: Sequence[Reason]) -> list[str]:
    """How many, and why; the rarest together."""
    lines = [f"{customers_text(each.count)}: {each.sentence}" for each in reasons[:MOST_REASONS]]
    rest = sum(each.count for each in reasons[MOST_REASONS:])
    return [*lines, f"{customers_text(rest)}: for other reasons, see the rows."] if rest else lines


class CampaignAct(acts.Act):
    """An act on one campaign: what would happen, or why it cannot."""

    permission = campaigns.PERMISSION
    bulk = False

    def require(self, job: Job) -> None:
        """Raises a refusal when the campaign is not where this can be done."""
        raise NotImplementedError

    def effects(self, campaign: Campaign, told: Figures) -> list[str]:
        raise NotImplementedError

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        campaign = load(pk)
        try:
            self.require(campaign.job)
        except DomainError as refusal:
            return acts.Preview(title=str(campaign), refusal=refusal.sentence)
        told = queries.figures(campaign=campaign, now=now)
        return acts.Preview(title=str(campaign), effects=self.effects(campaign, told))


class Give(CampaignAct):
    slug, label, tone = "give", "Give it", "primary"
    explain = (
        "It is done in the background; this page need not stay open. It can be paused, stopped, and taken back as far as "
        "it was not used."
    )

    def require(self, job: Job) -> None:
        lifecycle.require_begin(job, Step.APPLY)
        if not jobs.counted(job, Step.CHECK, Verdict.OK):
            raise lifecycle.JobRefused("Nobody would get it: every customer is left out. The page says why.")

    def effects(self, campaign: Campaign, told: Figures) -> list[str]:
        what = f"{customers_text(told.planned)} get “{campaign.reward.name}”, one each. "
        return [
            what + "Everyone is judged once more, as things are then.",
            *money_text(campaign, told),
            *codes_text(campaign, told),
            *(f"Left out: {line}" for line in reasons_text(told.left_out)),
        ]

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        campaigns.give(campaign_id=pk, actor=actor, now=now)
        return "The rewards are being given."


class Pause(CampaignAct):
    slug, label = "pause", "Pause"
    explain = "Who has it keeps it, and the shop goes on making those. It goes on with the next one when it is resumed."

    def require(self, job: Job) -> None:
        if job.state != JobState.OPEN:
            raise lifecycle.JobRefused(f"“{job.title}” cannot be paused now: {lifecycle.where(job)}")

    def effects(self, campaign: Campaign, told: Figures) -> list[str]:
        return ["It stops after the customers that are being done at this moment."]

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        lifecycle.pause(job_id=load(pk).job_id)
        return "Paused."


class Resume(CampaignAct):
    slug, label, tone = "resume", "Resume", "primary"

    def require(self, job: Job) -> None:
        if job.state != JobState.PAUSED:
            raise lifecycle.JobRefused(f"“{job.title}” cannot be resumed now: {lifecycle.where(job)}")

    def effects(self, campaign: Campaign, told: Figures) -> list[str]:
        return ["It goes on with the next customer. Nobody gets a second one."]

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        lifecycle.resume(job_id=load(pk).job_id, now=now)
        return "It goes on."


class Stop(CampaignAct):
    slug, label, tone = "stop", "Stop", "danger"
    explain = "It ends for good. Who has the reward keeps it, until you revert the campaign."

    def require(self, job: Job) -> None:
        lifecycle.require_cancel(job)

    def effects(self, campaign: Campaign, told: Figures) -> list[str]:
        if not told.granted:
            return ["Nobody has got anything, and nobody will."]
        return [f"{customers_text(told.granted)} have it, and keep it. Nobody else gets it."]

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        lifecycle.cancel(job_id=load(pk).job_id, now=now)
        return "Stopped."


class Revert(CampaignAct):
    slug, label, tone = "revert", "Revert", "danger"
    explain = (
        "Every reward of this campaign that was not used is canceled, and its code killed in the shop, which is proved. "
        "This cannot be undone."
    )

    def require(self, job: Job) -> None:
        lifecycle.require_begin(job, Step.UNDO)

    def effects(self, campaign: Campaign, told: Figures) -> list[str]:
        alive = sum(told.now.get(each, 0) for each in (Status.PENDING, Status.ISSUED, Status.EXPIRED))
        used = told.now.get(Status.USED, 0)
        return [
            f"{customers_text(alive)} lose the reward, as far as it is not used by then.",
            *([f"{customers_text(used)} have used it, and keep it. They are listed."] if used else []),
        ]

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        campaigns.revert(campaign_id=pk, actor=actor, now=now)
        return "The rewards are being canceled."


@admin.register(Campaign)
class CampaignAdmin(desk.ReadOnlyAdmin):
    list_display = ("name", "reward_name", "state_badge", "planned", "granted", "whom", "created")
    list_display_links = ("name",)
    list_select_related = ("job", "reward")
    sortable_by = ()
    ordering = ("-created_at", "-id")
    list_intro = "One reward for many customers at once. Each campaign is checked first, given when you say so, and can be reverted."
    list_empty = "No campaign yet. Plan one: nobody gets anything before you have seen who would."
    acts: ClassVar = (Give(), Resume(), Revert(), Pause(), Stop())

    def list_tools(self, request: HttpRequest) -> list[desk.Tool]:
        if not request.user.has_perm(campaigns.PERMISSION):
            return []
        return [desk.Tool("Plan a campaign", reverse("admin:rewards_campaign_plan"), primary=True)]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(lambda request: campaign_form.view(request, model_admin=self))
        return [path("plan/", csrf_exempt(view), name="rewards_campaign_plan"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("job", "reward__connection")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        campaign = self.get_object(request, object_id)
        if not isinstance(campaign, Campaign):
            raise Http404(f"There is no campaign {object_id}.")
        now, job = timezone.now(), campaign.job
        told = queries.figures(campaign=campaign, now=now)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(campaign),
            "campaign": campaign,
            "job": job,
            "word": queries.word(job),
            "tone": STATE_TONES[JobState(job.state)],
            "sentence": sentence(campaign, told),
            "under_way": job.state == JobState.OPEN,
            "nobody_works": jobs.waiting_since(job, now=now),
            "seconds": SECONDS_BETWEEN_LOOKS,
            "counts": counts(told),
            "money": money_text(campaign, told),
            "left_out": reasons_text(told.left_out),
            "refused": reasons_text(told.refused),
            "kept": reasons_text(told.kept),
            "facts": self.facts(campaign),
            "acts": self.act_links(request, campaign.pk, only=[act.slug for act in self.acts if possible(act, job)]),
            **campaign_rows.page(request, model_admin=self, campaign=campaign, now=now),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/rewards/campaign/page.html", context)

    def facts(self, campaign: Campaign) -> list[tuple[str, SafeString | str]]:
        return [
            ("Reward", self.link_to(Reward, campaign.reward_id, campaign.reward.name)),
            ("Redeemed rewards", show.link("Those it gave", f"{reverse(GRID)}?campaign={campaign.pk}")),
            ("For", campaign.audience_text),
            ("Reason", campaign.internal_note or "–"),
            ("Those who have had it", "left out" if campaign.once else "get another one"),
            *([("Offered to", "also those the reward is not for")] if campaign.beyond_audience else []),
            *([("Codes", "made in batches, each under one discount of the shop")] if campaign.bulk_codes else []),
            ("Planned", show.instant(campaign.created_at)),
            ("Step begun", show.instant(campaign.job.step_began_at)),
            ("Step ended", show.instant(campaign.job.step_ended_at)),
            ("Job", self.link_to(Job, campaign.job_id, f"No. {campaign.job_id}")),
        ]

    @admin.display(description="Reward")
    def reward_name(self, campaign: Campaign) -> str:
        return campaign.reward.name

    @admin.display(description="Where it is")
    def state_badge(self, campaign: Campaign) -> SafeString:
        return show.badge(queries.word(campaign.job), tone=STATE_TONES[JobState(campaign.job.state)])

    @admin.display(description="Would get it")
    def planned(self, campaign: Campaign) -> SafeString:
        return show.points(jobs.counted(campaign.job, Step.CHECK, Verdict.OK))

    @admin.display(description="Got it")
    def granted(self, campaign: Campaign) -> SafeString:
        return show.points(jobs.counted(campaign.job, Step.APPLY, Verdict.OK))

    @admin.display(description="For")
    def whom(self, campaign: Campaign) -> SafeString:
        return show.clipped(campaign.audience_text)

    @admin.display(description="Planned")
    def created(self, campaign: Campaign) -> SafeString:
        return show.instant(campaign.created_at)


def possible(act: CampaignAct, job: Job) -> bool:
    """Whether the act can be done where the campaign is now."""
    try:
        act.require(job)
    except DomainError:
        return False
    return True


def sentence(campaign: Campaign, told: Figures) -> str:
    """Where it is, and what comes next."""
    job, reward = campaign.job, f"“{campaign.reward.name}”"
    if job.step == Step.UNDO:
        return f"Every reward of it that was not used is taken back: {customers_text(told.taken_back)} so far."
    if job.step == Step.APPLY:
        return f"{show.points_text(told.granted)} of {customers_text(told.planned)} have got {reward}."
    if job.state == JobState.DONE:
        return f"{customers_text(told.planned)} of {show.points_text(told.rows)} would get {reward}. Nobody has got it yet."
    return f"Each customer is checked: who would get {reward}, and who would not and why. Nobody gets it yet."


def counts(told: Figures) -> list[tuple[str, str]]:
    """The exact numbers, in the order in which things happen."""
    numbers = [("Named", told.rows), ("Would get it", told.planned), ("Left out", total(told.left_out))]
    if told.granted or told.refused:
        numbers += [("Got it", told.granted)]
        numbers += [(f"of those {status.label.lower()}", count) for status, count in told.now.items()]
        numbers += [("Refused meanwhile", total(told.refused))] if told.refused else []
    if told.taken_back or told.kept:
        numbers += [("Taken back", told.taken_back), ("Not taken back", total(told.kept))]
    return [(label, show.points_text(number)) for label, number in numbers]


def total(reasons: Sequence[Reason]) -> int:
    return sum(each.count for each in reasons)


def codes_text(campaign: Campaign, told: Figures) -> list[str]:
    """How the shop makes their codes, where there is anything to say of it."""
    refusal = bulk_codes.refusal(reward=campaign.reward)
    shop = campaign.reward.connection
    if campaign.bulk_codes and refusal:
        return [f"Each code is made by itself, although batches were asked for. {refusal}"]
    if refusal or shop is None:
        return []
    if campaign.bulk_codes:
        return [f"{shop.name} makes their codes in batches, each under one discount: good once, for whoever has it."]
    if told.planned < MANY:
        return []
    return [f"{shop.name} makes their codes one by one. A campaign with codes in batches would be through far sooner."]


def money_text(campaign: Campaign, told: Figures) -> list[str]:
    """What it may cost, as far as the reward says."""
    currency = campaign.reward.currency
    lines = []
    if told.worth is not None:
        lines.append(f"Worth {show.money_text(told.worth, currency)} together, if all of them are used.")
    if told.tax_value is not None:
        lines.append(f"Tax value {show.money_text(told.tax_value, currency)} together.")
    if told.granted:
        lines.append(f"{show.money_text(told.outstanding, currency)} of it can still be used.")
    return lines
