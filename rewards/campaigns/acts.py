"""Plan a campaign, let it go, revert it. What is done row by row stands in `steps`; pausing and stopping is its job's."""

from datetime import datetime, timedelta

from django.db import IntegrityError, connection, transaction

from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.jobs import lifecycle
from loyalty.jobs.models import Step
from rewards import bulk_codes
from rewards.campaigns.audiences import MOST_CUSTOMERS, Audience
from rewards.models import Campaign, Reward

KIND = "rewards.campaign"
TASK = "rewards.work_on_campaign"
PERMISSION = "rewards.add_campaign"
LONGEST_NAME, LONGEST_NOTE = 120, 1000
SET_ASIDE_FOR = timedelta(hours=1)

# What nobody is asking the shop about is left alone while it is taken back. Rows that somebody holds are theirs.
SET_ASIDE = """
    UPDATE rewards_issuework SET due_at = %(until)s WHERE redeemed_reward_id IN (
        SELECT work.redeemed_reward_id FROM rewards_issuework work
        JOIN rewards_campaignreward given ON given.redeemed_reward_id = work.redeemed_reward_id
        WHERE given.campaign_id = %(campaign)s AND work.claim IS NULL
        ORDER BY work.redeemed_reward_id FOR UPDATE OF work SKIP LOCKED)
"""


class CampaignRefused(DomainError):
    """The campaign cannot be planned like that. The sentence says why."""

    code = "campaign_refused"


@transaction.atomic
def plan(
    *,
    name: str,
    reward_id: int,
    audience: Audience,
    actor: Actor,
    now: datetime,
    beyond_audience: bool = False,
    once: bool = True,
    internal_note: str = "",
    give_at_once: bool = False,
    bulk: bool = False,
) -> Campaign:
    """Keep whom it is for, and begin to check each; nobody gets anything before `give`.

    With `give_at_once` it is given as soon as all are checked, which is said here once for both.
    With `bulk` the codes of each batch share a discount in the shop, which is far quicker; see `bulk_codes`.
    Nobody gets two by the same campaign. With `once` those are left out, too, who have had the reward before, and with
    `beyond_audience` nobody is left out because a restricted reward is not for them.
    Raises CampaignRefused, NoRows, TooManyRows, and whatever reading a table raises; then nothing is kept.
    """
    name, note = name.strip(), internal_note.strip()
    reward = Reward.objects.select_related("connection").filter(pk=reward_id).first()
    if reward is None:
        raise CampaignRefused(f"There is no reward {reward_id}. Check the id.", code="unknown_reward")
    if bulk and (refusal := bulk_codes.refusal(reward=reward)):
        raise CampaignRefused(refusal, code="no_bulk_codes")
    if not 1 <= len(name) <= LONGEST_NAME or len(note) > LONGEST_NOTE:
        raise CampaignRefused(
            f"A campaign has a name of up to {LONGEST_NAME} characters and a note of up to {LONGEST_NOTE:,}. Shorten it."
        )
    _require_free(name)
    job = lifecycle.create(
        kind=KIND,
        task=TASK,
        title=f"Campaign: {name}",
        summary=f"Gives “{reward.name}” to: {audience.text}."[:500],
        plan={
            "by": audience.by.value,
            "connection_id": audience.connection_id,
            "permission": PERMISSION,
            "columns": [["customer", "Customer"]],
            **({lifecycle.GOES_ON: True} if give_at_once else {}),
        },
        rows=audience.rows,
        most_rows=MOST_CUSTOMERS,
        digest=audience.digest,
        actor=actor,
        now=now,
    )
    try:
        with transaction.atomic():
            campaign = Campaign.objects.create(
                name=name,
                reward=reward,
                job=job,
                audience=audience.kind,
                audience_text=audience.text,
                beyond_audience=beyond_audience,
                once=once,
                bulk_codes=bulk,
                internal_note=note,
                actor_kind=actor.kind,
                actor_id=actor.id,
                created_at=now,
            )
    except IntegrityError:  # somebody else has planned it at this very moment
        _require_free(name)
        raise
    _record(campaign, "campaign.planned", actor=actor, now=now)
    if give_at_once:
        _record(campaign, "campaign.given", actor=actor, now=now)
    return campaign


@transaction.atomic
def give(*, campaign_id: int, actor: Actor, now: datetime) -> Campaign:
    """Let it go: each customer who was found fit is judged once more, and gets one. Raises JobRefused."""
    campaign = Campaign.objects.get(pk=campaign_id)
    lifecycle.begin(job_id=campaign.job_id, step=Step.APPLY, actor=actor, now=now)
    _record(campaign, "campaign.given", actor=actor, now=now)
    return campaign


def revert(*, campaign_id: int, actor: Actor, now: datetime) -> Campaign:
    """Take it back: every reward of it that was not used is canceled, with the usual proof. Raises JobRefused.

    What the shop has not been asked for is not made any more. Not inside a transaction: that is seen at once.
    """
    campaign = Campaign.objects.get(pk=campaign_id)
    with transaction.atomic():
        lifecycle.begin(job_id=campaign.job_id, step=Step.UNDO, actor=actor, now=now)
        _record(campaign, "campaign.reverted", actor=actor, now=now)
    with connection.cursor() as cursor:
        cursor.execute(SET_ASIDE, {"campaign": campaign.pk, "until": now + SET_ASIDE_FOR})
    return campaign


def require_revert(*, campaign: Campaign) -> None:
    """Raises JobRefused unless it could be taken back now. The job is read with the campaign."""
    lifecycle.require_begin(campaign.job, Step.UNDO)


def _require_free(name: str) -> None:
    before = Campaign.objects.filter(name=name).first()
    if before is not None:
        raise CampaignRefused(
            f"There is a campaign “{name}” already, planned on {before.created_at:%Y-%m-%d}. Go on with that one, or "
            "choose another name.",
            code="campaign_exists",
        )


def _record(campaign: Campaign, kind: str, *, actor: Actor, now: datetime) -> None:
    log.record(
        kind=kind,
        subject_type="campaign",
        subject_id=campaign.pk,
        actor=actor,
        now=now,
        reward_id=campaign.reward_id,
        job_id=campaign.job_id,
    )
