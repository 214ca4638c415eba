"""Work for what the programme gives."""

from celery import shared_task
from django.utils import timezone

from loyalty.program.referrals import settling


@shared_task(name="program.settle_referral")
def settle_referral(*, referral_id: int) -> None:
    settling.settle(referral_id=referral_id, now=timezone.now())


@shared_task(name="program.sweep_referrals")
def sweep_referrals() -> None:
    settling.sweep(now=timezone.now())
