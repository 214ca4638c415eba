"""The customers of a campaign on its page: who was left out and why, who got it, what came of taking it back."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString

from loyalty.common.adminkit import desk, show
from loyalty.customers.models import Customer
from loyalty.jobs import queries as jobs
from loyalty.jobs.models import Job, JobOutcome, Step, Verdict
from rewards import queries
from rewards.admin import words
from rewards.models import Campaign, RedeemedReward

ROWS = 50
# The tabs: their name in the address, what they are called, and which outcomes they show.
TABS: tuple[tuple[str, str, Step, bool], ...] = (
    ("planned", "Would get it", Step.CHECK, True),
    ("left-out", "Left out", Step.CHECK, False),
    ("got", "Got it", Step.APPLY, True),
    ("refused", "Refused meanwhile", Step.APPLY, False),
    ("taken-back", "Taken back", Step.UNDO, True),
    ("kept", "Not taken back", Step.UNDO, False),
)


def page(request: HttpRequest, *, model_admin: desk.DeskAdmin, campaign: Campaign, now: datetime) -> dict[str, Any]:
    """The chosen tab's rows, in the order of the audience, a page at a time by the number of the row before."""
    job = campaign.job
    counted = {name: number(job, step, good=good) for name, _, step, good in TABS}
    shown = [tab for tab in TABS if counted[tab[0]] and not (tab[0] == "planned" and counted["got"])]
    wanted = next((tab for tab in shown if tab[0] == request.GET.get("rows")), shown[-1] if shown else None)
    found = outcomes(request, job, wanted) if wanted else []
    rows = found[:ROWS]
    return {
        "tabs": [(name, label, counted[name], tab is wanted) for tab in shown for name, label in [tab[:2]]],
        "chosen": wanted[0] if wanted else "",
        "with_rewards": any(row.result_id for row in rows),
        "rows": drawn(rows, model_admin=model_admin, now=now),
        "next_after": rows[-1].number if len(found) > ROWS else None,
        "begun": bool(after(request)),
    }


def number(job: Job, step: Step, *, good: bool) -> int:
    fine = jobs.counted(job, step, Verdict.OK)
    return fine if good else jobs.counted(job, step) - fine


def outcomes(request: HttpRequest, job: Job, tab: tuple[str, str, Step, bool]) -> list[JobOutcome]:
    _, _, step, good = tab
    rows = JobOutcome.objects.filter(job=job, step=step, number__gt=after(request))
    rows = rows.filter(verdict=Verdict.OK) if good else rows.exclude(verdict=Verdict.OK)
    return list(rows.order_by("number")[: ROWS + 1])


def after(request: HttpRequest) -> int:
    text = request.GET.get("after", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def drawn(found: list[JobOutcome], *, model_admin: desk.DeskAdmin, now: datetime) -> list[dict[str, Any]]:
    """Each row with its customer, its reward as it is now, and why: two queries whatever their number."""
    customers = Customer.objects.in_bulk([row.subject_id for row in found if row.subject_id])
    made = RedeemedReward.objects.filter(pk__in=[row.result_id for row in found if row.result_id])
    rewards = {row.pk: row for row in queries.with_status(made, now)}
    return [
        {
            "number": row.number,
            "customer": of_customer(customers.get(row.subject_id or 0), model_admin),
            "reward": of_reward(rewards.get(row.result_id or 0), model_admin),
            "text": row.text,
        }
        for row in found
    ]


def of_customer(customer: Customer | None, model_admin: desk.DeskAdmin) -> SafeString:
    return show.dash() if customer is None else model_admin.link_to(Customer, customer.pk, str(customer))


def of_reward(redeemed: Any, model_admin: desk.DeskAdmin) -> tuple[SafeString, SafeString]:
    if redeemed is None:
        return show.dash(), show.dash()
    return model_admin.link_to(RedeemedReward, redeemed.pk, f"No. {redeemed.pk}"), words.status_badge(
        redeemed, redeemed.status
    )
