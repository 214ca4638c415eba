"""Reading backfills: what a step comes to, and why the other orders got nothing."""

from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet, Sum

from loyalty.jobs.models import Job, JobOutcome, Step, Verdict
from loyalty.program.backfill import acts, grants

DONE = (Verdict.OK, Verdict.PART)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why orders got nothing, or lost nothing, and how many."""

    text: str
    orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one step comes to. `orders` are those that get or lose something; `points` are never negative."""

    orders: int
    customers: int
    points: int
    rewards: int
    reasons: tuple[Reason, ...]


def backfills() -> QuerySet[Job]:
    """All of them, newest first."""
    return Job.objects.filter(kind=acts.KIND).order_by("-created_at", "-pk")


def report(*, job: Job, step: Step) -> Report:
    """Counted from the outcomes of the step; while it is under way, of what is done so far."""
    outcomes = JobOutcome.objects.filter(job=job, step=step).order_by()
    sums = outcomes.filter(verdict__in=DONE).aggregate(
        orders=Count("pk"),
        customers=Count("subject_id", distinct=True),
        points=Sum("amount", default=0),
        rewards=Count("pk", filter=Q(code=grants.REWARD)),
    )
    others = outcomes.exclude(verdict__in=DONE).values_list("code", "text").annotate(count=Count("pk"))
    return Report(
        orders=sums["orders"],
        customers=sums["customers"],
        points=abs(sums["points"]),
        rewards=sums["rewards"],
        reasons=tuple(Reason(text=text, orders=count) for _, text, count in others.order_by("-count", "code", "text")),
    )
