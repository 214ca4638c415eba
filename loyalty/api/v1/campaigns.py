"""Campaigns: one reward for many customers at once, checked first, given, followed by its counts, and taken back."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, documentation, errors, fields, pagination, parsing, query, views
from loyalty.api.keys import Scope
from loyalty.api.v1 import campaign_audiences, planning
from loyalty.common.errors import DomainError
from loyalty.jobs import lifecycle
from loyalty.jobs import queries as jobs
from loyalty.jobs.models import Job, JobState, Step, Verdict
from rewards.campaigns import acts, queries
from rewards.campaigns.queries import Reason
from rewards.models import Campaign
from rewards.queries import Status

NAME = "campaign"
WORDS: dict[tuple[Step, JobState], str] = {
    (Step.CHECK, JobState.OPEN): "checking",
    (Step.CHECK, JobState.PAUSED): "paused",
    (Step.CHECK, JobState.CANCELLED): "dropped",
    (Step.CHECK, JobState.DONE): "ready",
    (Step.APPLY, JobState.OPEN): "giving",
    (Step.APPLY, JobState.PAUSED): "paused",
    (Step.APPLY, JobState.CANCELLED): "stopped",
    (Step.APPLY, JobState.DONE): "given",
    (Step.UNDO, JobState.OPEN): "reverting",
    (Step.UNDO, JobState.PAUSED): "paused",
    (Step.UNDO, JobState.DONE): "reverted",
}


class ProgressSerializer(serializers.Serializer):
    done = serializers.IntegerField(help_text="Customers of the present step that are through.")
    total = serializers.IntegerField()


class CountsSerializer(serializers.Serializer):
    named = serializers.IntegerField(help_text="Customers that were named.")
    fit = serializers.IntegerField(help_text="Of these, who would get it when they were checked.")
    left_out = serializers.IntegerField(help_text="Of these, who would not.")
    granted = serializers.IntegerField(help_text="Who got it.")
    refused = serializers.IntegerField(help_text="Found fit, and refused when it was given.")
    taken_back = serializers.IntegerField(help_text="Canceled by reverting, or about to be.")
    kept = serializers.IntegerField(help_text="Not taken back by reverting.")


class ReasonSerializer(serializers.Serializer):
    code = serializers.CharField()
    sentence = serializers.CharField(help_text="For people; it names nobody.")
    count = serializers.IntegerField()


class ReasonsSerializer(serializers.Serializer):
    left_out = ReasonSerializer(many=True)
    refused = ReasonSerializer(many=True)
    kept = ReasonSerializer(many=True)


class StatusCountSerializer(serializers.Serializer):
    status = serializers.ChoiceField(choices=Status.choices)
    count = serializers.IntegerField()


class CampaignSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    reward_id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=sorted(set(WORDS.values())), help_text="Where it is.")
    audience = serializers.CharField(source="audience_text", help_text="Who is meant, in words.")
    once = serializers.BooleanField()
    beyond_audience = serializers.BooleanField()
    bulk_codes = serializers.BooleanField()
    internal_note = fields.OptionalTextField()
    progress = ProgressSerializer()
    counts = CountsSerializer()
    reasons = ReasonsSerializer(required=False, help_text="Of one campaign: why some do not get it, or keep it.")
    statuses = StatusCountSerializer(
        many=True, required=False, help_text="Of one campaign: what became of the rewards that were given."
    )
    created_at = fields.InstantField()
    step_began_at = fields.InstantField()
    step_ended_at = fields.InstantField(allow_null=True)


class NewCampaignSerializer(serializers.Serializer):
    name = fields.TrimmedTextField(max_length=acts.LONGEST_NAME, help_text="For staff. Each name is used once.")
    reward_id = fields.WholeNumberField()
    audience = campaign_audiences.AudienceSerializer()
    once = serializers.BooleanField(
        required=False, default=True, help_text="Leave out customers who have had this reward."
    )
    beyond_audience = serializers.BooleanField(
        required=False, default=False, help_text="Give it also to customers the reward is not offered to."
    )
    bulk_codes = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Let the shop make up to 250 codes in one call, under one discount: each is good once, for whoever has it.",
    )
    internal_note = fields.TextField(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=acts.LONGEST_NOTE,
        help_text="Why, for staff; it stands on each reward.",
    )
    dry_run = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Only check who would get it. Nobody gets anything until `give` is called.",
    )


class RevertCampaignSerializer(serializers.Serializer):
    dry_run = serializers.BooleanField(
        required=False, default=False, help_text="Change nothing; the answer holds the plan and the campaign as it is."
    )


class Campaigns(views.ApiView):
    scopes = {"GET": Scope.CAMPAIGN_READ, "POST": Scope.CAMPAIGN_WRITE}

    @documentation.listing("campaigns", CampaignSerializer, summary="List campaigns (extension)")
    def get(self, request: Request) -> Response:
        page = pagination.by_cursor(_readable(), request=request)
        return Response({"campaigns": [_brief(each) for each in page.rows], "metadata": page.metadata})

    @documentation.write(
        NAME,
        CampaignSerializer,
        accepts=NewCampaignSerializer,
        summary="Give a reward to many customers (extension)",
        description=(
            "Every customer is checked, then each who fits gets one; both are done in the background, and a killed worker "
            "gives nobody a second one. Follow it by its id. With `dry_run` it stops after the check, and `give` lets it go. "
            "A name that is known is refused, so that nothing is given twice by a repeated call."
        ),
        refusals="an unknown reward or segment, a name that is known, nobody or too many among those who were chosen, "
        "bulk codes where the shop has none",
    )
    @views.once(atomic=True)
    def post(self, request: Request) -> Response:
        serializer = NewCampaignSerializer(data=parsing.body_of(request, name=NAME))
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        campaign = acts.plan(
            name=given["name"],
            reward_id=given["reward_id"],
            audience=campaign_audiences.chosen(given["audience"], reward_id=given["reward_id"], request=request),
            actor=authentication.actor_of(request),
            now=timezone.now(),
            beyond_audience=given["beyond_audience"],
            once=given["once"],
            bulk=given["bulk_codes"],
            internal_note=given.get("internal_note") or "",
            give_at_once=not given["dry_run"],
        )
        return Response({NAME: _whole(campaign.pk)}, status=201)


class OneCampaign(views.ApiView):
    scopes = {"GET": Scope.CAMPAIGN_READ}

    @documentation.single(NAME, CampaignSerializer, summary="Get one of them, with its progress and counts (extension)")
    def get(self, request: Request, pk: str) -> Response:
        return Response({NAME: _whole(_existing(pk).pk)})


class GiveCampaign(views.ApiView):
    scopes = {"POST": Scope.CAMPAIGN_WRITE}

    @documentation.write(
        NAME,
        CampaignSerializer,
        accepts=None,
        status=200,
        missing=True,
        operation="give_campaign",
        summary="Let a campaign go that was only checked (extension)",
        description="Everyone is judged once more, as things are then. Asked again it answers how far it is.",
        refusals="its check is under way, was paused or dropped",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        campaign = _existing(pk)
        if campaign.job.step == Step.CHECK:
            acts.give(campaign_id=campaign.pk, actor=authentication.actor_of(request), now=timezone.now())
        return Response({NAME: _whole(campaign.pk)})


class StopCampaign(views.ApiView):
    scopes = {"POST": Scope.CAMPAIGN_WRITE}

    @documentation.write(
        NAME,
        CampaignSerializer,
        accepts=None,
        status=200,
        missing=True,
        operation="stop_campaign",
        summary="Stop a campaign for good (extension)",
        description="Who has the reward keeps it until it is reverted; nobody else gets it.",
        refusals="it is over, or being reverted",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        campaign = _existing(pk)
        lifecycle.cancel(job_id=campaign.job_id, now=timezone.now())
        return Response({NAME: _whole(campaign.pk)})


class RevertCampaign(views.ApiView):
    scopes = {"POST": Scope.CAMPAIGN_WRITE}

    @documentation.write(
        NAME,
        CampaignSerializer,
        accepts=RevertCampaignSerializer,
        status=200,
        missing=True,
        plan=True,
        operation="revert_campaign",
        summary="Take a campaign back (extension)",
        description=(
            "Every reward of it that was not used is canceled in the background, and its code killed in the shop, which is "
            "proved. Asked again it answers how far it is."
        ),
        refusals="nothing of it was given yet, or it is being given: stop it first",
    )
    @views.once(atomic=False)
    def post(self, request: Request, pk: str) -> Response:
        serializer = RevertCampaignSerializer(data=parsing.body_of(request, name=NAME))
        serializer.is_valid(raise_exception=True)
        campaign = _existing(pk)
        if serializer.validated_data["dry_run"]:
            return Response({NAME: _whole(campaign.pk), "plan": _plan(campaign)})
        if campaign.job.step != Step.UNDO:
            acts.revert(campaign_id=campaign.pk, actor=authentication.actor_of(request), now=timezone.now())
        return Response({NAME: _whole(campaign.pk)})


def _plan(campaign: Campaign) -> Any:
    """What taking it back would do now, or why it cannot be done."""
    try:
        acts.require_revert(campaign=campaign)
    except DomainError as refusal:
        return planning.plan([], refusal=refusal.sentence)
    told = queries.figures(campaign=campaign, now=timezone.now())
    alive = sum(told.now.get(each, 0) for each in (Status.PENDING, Status.ISSUED, Status.EXPIRED))
    effects = [("status", f"{alive:,} rewards are canceled, as far as they are not used by then.")]
    if used := told.now.get(Status.USED, 0):
        effects.append(("use", f"{used:,} were used, and stay so."))
    return planning.plan(effects, refusal="")


def _readable() -> QuerySet[Campaign]:
    return Campaign.objects.select_related("job", "reward")


def _existing(pk: str) -> Campaign:
    """Raises NotFound."""
    campaign = _readable().filter(pk=query.path_id(pk)).first()
    if campaign is None:
        raise errors.NotFound(f"There is no campaign {pk}.")
    return campaign


def _brief(campaign: Campaign) -> dict[str, Any]:
    """As a list has it: counted from the job's own tally."""
    return CampaignSerializer(_shape(campaign)).data


def _whole(campaign_id: int) -> dict[str, Any]:
    """As it is now, with reasons and with what became of each reward."""
    campaign = _readable().get(pk=campaign_id)
    told = queries.figures(campaign=campaign, now=timezone.now())
    shape = _shape(campaign) | {
        "reasons": {"left_out": _told(told.left_out), "refused": _told(told.refused), "kept": _told(told.kept)},
        "statuses": [{"status": status, "count": count} for status, count in told.now.items()],
    }
    return CampaignSerializer(shape).data


def _shape(campaign: Campaign) -> dict[str, Any]:
    job = campaign.job
    return {
        "id": campaign.pk,
        "name": campaign.name,
        "reward_id": campaign.reward_id,
        "state": WORDS[Step(job.step), JobState(job.state)],
        "audience_text": campaign.audience_text,
        "once": campaign.once,
        "beyond_audience": campaign.beyond_audience,
        "bulk_codes": campaign.bulk_codes,
        "internal_note": campaign.internal_note,
        "progress": {"done": job.rows_done, "total": job.rows_total},
        "counts": {
            "named": job.rows_total,
            **_counted(job, Step.CHECK, "fit", "left_out"),
            **_counted(job, Step.APPLY, "granted", "refused"),
            **_counted(job, Step.UNDO, "taken_back", "kept"),
        },
        "created_at": campaign.created_at,
        "step_began_at": job.step_began_at,
        "step_ended_at": job.step_ended_at,
    }


def _counted(job: Job, step: Step, done: str, others: str) -> dict[str, int]:
    ok = jobs.counted(job, step, Verdict.OK)
    return {done: ok, others: jobs.counted(job, step) - ok}


def _told(reasons: tuple[Reason, ...]) -> list[dict[str, Any]]:
    return [{"code": each.code, "sentence": each.sentence, "count": each.count} for each in reasons]
