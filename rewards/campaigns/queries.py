"""Reading campaigns: where one is in a word, exactly how many of what, and what became of each customer."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Max, QuerySet, Sum
from django.db.models.functions import Coalesce

from loyalty.jobs import queries as job_queries
from loyalty.jobs.models import Job, JobOutcome, JobState, Step, Verdict
from rewards import queries
from rewards.models import Campaign, CampaignReward, RedeemedReward
from rewards.queries import Status

WORDS: dict[tuple[Step, JobState], str] = {
    (Step.CHECK, JobState.OPEN): "Checking",
    (Step.CHECK, JobState.PAUSED): "Paused",
    (Step.CHECK, JobState.CANCELLED): "Dropped",
    (Step.CHECK, JobState.DONE): "Ready",
    (Step.APPLY, JobState.OPEN): "Being given",
    (Step.APPLY, JobState.PAUSED): "Paused",
    (Step.APPLY, JobState.CANCELLED): "Stopped",
    (Step.APPLY, JobState.DONE): "Given",
    (Step.UNDO, JobState.OPEN): "Being reverted",
    (Step.UNDO, JobState.PAUSED): "Paused while reverting",
    (Step.UNDO, JobState.DONE): "Reverted",
}

# What is said of many, where the sentence of a row names one of them.
OF_MANY: dict[str, str] = {
    "unknown_customer": "Nobody is known by what the table says.",
    "ambiguous_customer": "Several customers are known by what the table says. Name them by customer id.",
    "no_customer": "The cell of the customer is empty.",
    "invalid_email": "What the table says is no e-mail address.",
    "invalid_phone": "What the table says is no phone number.",
    "invalid_id": "What the table says is no id.",
    "used": "It was used, and stays so.",
}
FORGOTTEN = "What was said of each was forgotten some time after."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why some do not get it, or keep it: how many, and a sentence that names nobody."""

    code: str
    sentence: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Exact counts. `now` says what the given ones are by now, by status; money is in the reward's currency."""

    rows: int  # customers that were named
    planned: int  # found fit
    left_out: tuple[Reason, ...]  # not found fit
    granted: int
    refused: tuple[Reason, ...]  # found fit, and refused when it was given
    taken_back: int  # canceled, or being so, by reverting
    kept: tuple[Reason, ...]  # not taken back by reverting
    now: dict[Status, int]
    tax_value: Decimal | None  # of all planned ones together; none where the reward has none
    worth: Decimal | None  # of all planned ones together, if all are used; none where the reward has no amount
    outstanding: Decimal  # what the given ones are worth that can still be used


def word(job: Job) -> str:
    """The one word people read."""
    return WORDS[Step(job.step), JobState(job.state)]


def figures(*, campaign: Campaign, now: datetime) -> Figures:
    """All of it in six queries; the job and the reward are read with the campaign."""
    job, reward = campaign.job, campaign.reward
    planned = job_queries.counted(job, Step.CHECK, Verdict.OK)
    statuses, outstanding = _present(campaign, now=now)
    return Figures(
        rows=job.rows_total,
        planned=planned,
        left_out=_reasons(job, Step.CHECK),
        granted=job_queries.counted(job, Step.APPLY, Verdict.OK),
        refused=_reasons(job, Step.APPLY),
        taken_back=job_queries.counted(job, Step.UNDO, Verdict.OK),
        kept=_reasons(job, Step.UNDO),
        now=statuses,
        tax_value=None if reward.tax_value is None else planned * reward.tax_value,
        worth=None if reward.amount is None else planned * reward.amount,
        outstanding=outstanding,
    )


def given(*, campaign: Campaign, now: datetime) -> QuerySet[Any]:
    """The redeemed rewards of a campaign with their `.status`, reissued ones not among them."""
    ids = CampaignReward.objects.filter(campaign=campaign).values("redeemed_reward_id")
    return queries.with_status(RedeemedReward.objects.filter(pk__in=ids), now)


def _present(campaign: Campaign, *, now: datetime) -> tuple[dict[Status, int], Decimal]:
    """How many are what by now, and what those are worth that can still be used."""
    worth = Coalesce("remaining", "amount", "tax_value")
    rows = given(campaign=campaign, now=now).order_by().values("status").annotate(count=Count("pk"), worth=Sum(worth))
    found = {Status(row["status"]): row for row in rows}
    alive = [found[status]["worth"] or Decimal(0) for status in (Status.PENDING, Status.ISSUED) if status in found]
    return {status: found[status]["count"] for status in Status if status in found}, sum(alive, Decimal(0))


def _reasons(job: Job, step: Step) -> tuple[Reason, ...]:
    """What was not simply done in a step, the most frequent first."""
    odd = JobOutcome.objects.filter(job=job, step=step).exclude(verdict=Verdict.OK).order_by()
    rows = odd.values("code").annotate(count=Count("pk"), text=Max("text")).order_by("-count", "code")
    return tuple(
        Reason(
            code=row["code"],
            sentence=OF_MANY.get(row["code"]) or row["text"] or f"{FORGOTTEN} ({row['code']})",
            count=row["count"],
        )
        for row in rows
    )
