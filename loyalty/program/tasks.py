"""The programme's work for the workers. Each task may run twice, late, or beside itself."""

from celery import shared_task
from django.utils import timezone

from loyalty.common.actors import SYSTEM
from loyalty.program.backfill import steps as backfill
from loyalty.program.earning import activities, awarding, days
from loyalty.program.referrals import settling

PATIENCE = 45.0  # seconds one task works on a backfill before it hands the rest on
MOST_PORTIONS = 100  # of events that one task reads; the next beat goes on


@shared_task(name="program.evaluate_activity")
def evaluate_activity(*, activity_id: int) -> None:
    activities.evaluate(activity_id=activity_id, now=timezone.now())


@shared_task(name="program.sweep_activities")
def sweep_activities() -> None:
    activities.sweep(now=timezone.now())


@shared_task(name="program.give_due_rewards")
def give_due_rewards() -> None:
    awarding.give_due(actor=SYSTEM, now=timezone.now())


@shared_task(name="program.give_of_days")
def give_of_days() -> None:
    days.give_of_days(now=timezone.now())


@shared_task(name="program.give_to_members")
def give_to_members() -> None:
    for _ in range(MOST_PORTIONS):
        if not days.give_to_members(now=timezone.now()):
            return


@shared_task(name="program.settle_referral")
def settle_referral(*, referral_id: int) -> None:
    settling.settle(referral_id=referral_id, now=timezone.now())


@shared_task(name="program.sweep_referrals")
def sweep_referrals() -> None:
    settling.sweep(now=timezone.now())


@shared_task(name="program.work_on_backfill")
def work_on_backfill(*, job_id: int) -> None:
    backfill.work_on(job_id=job_id, now=timezone.now(), patience=PATIENCE)
