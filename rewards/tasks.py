"""Rewards work for the workers. Each task may run twice, late, or beside itself."""

from celery import shared_task
from django.utils import timezone

from platforms.payouts import silent
from rewards import (
    bulk,
    cancellation,
    cashback,
    expiry,
    extension,
    issuing,
    pool_imports,
    pool_making,
    pools,
    probing,
    shop_watch,
)
from rewards.campaigns import steps as campaigns
from rewards.reconciliation import repairs, runs, steps

PATIENCE = 20.0  # seconds one task asks a shop before it leaves the rest to the sweep
JOB_PATIENCE = 45.0  # seconds one task works on a job before it hands the rest on
CAMPAIGN_PATIENCE = 5.0  # the same for a campaign: others, and the issuing of what it gave, have their turn in between


@shared_task(name="rewards.issue")
def issue(*, redeemed_reward_id: int) -> None:
    claim = issuing.take(redeemed_reward_id=redeemed_reward_id, now=timezone.now())
    if claim is not None:
        issuing.work(claim=claim, now=timezone.now(), patience=PATIENCE)


@shared_task(name="rewards.issue_waiting")
def issue_waiting(*, connection_id: int) -> None:
    issuing.work_for(connection_id=connection_id, now=timezone.now(), patience=PATIENCE)


@shared_task(name="rewards.sweep_issuing")
def sweep_issuing() -> None:
    issuing.sweep(now=timezone.now())


@shared_task(name="rewards.pay")
def pay(*, redeemed_reward_id: int) -> None:
    claim = cashback.take(redeemed_reward_id=redeemed_reward_id, now=timezone.now())
    if claim is not None:
        cashback.work(claim=claim, now=timezone.now(), patience=PATIENCE)


@shared_task(name="rewards.sweep_payouts")
def sweep_payouts() -> None:
    cashback.sweep(now=timezone.now())


@shared_task(name="rewards.cancel")
def cancel(*, cancellation_id: int) -> None:
    cancellation.proceed(cancellation_id=cancellation_id, now=timezone.now())


@shared_task(name="rewards.sweep_cancellations")
def sweep_cancellations() -> None:
    cancellation.sweep(now=timezone.now())


@shared_task(name="rewards.work_on_bulk")
def work_on_bulk(*, job_id: int) -> None:
    bulk.work_on(job_id=job_id, now=timezone.now(), patience=JOB_PATIENCE)


@shared_task(name="rewards.work_on_campaign")
def work_on_campaign(*, job_id: int) -> None:
    campaigns.work_on(job_id=job_id, now=timezone.now(), patience=CAMPAIGN_PATIENCE)


@shared_task(name="rewards.probe")
def probe(*, cancellation_id: int) -> None:
    probing.proceed(cancellation_id=cancellation_id, now=timezone.now())


@shared_task(name="rewards.sweep_probes")
def sweep_probes() -> None:
    probing.sweep(now=timezone.now())


@shared_task(name="rewards.work_on_pool_import")
def work_on_pool_import(*, job_id: int) -> None:
    pool_imports.work_on(job_id=job_id, now=timezone.now(), patience=JOB_PATIENCE)


@shared_task(name="rewards.work_on_pool_making")
def work_on_pool_making(*, job_id: int) -> None:
    pool_making.work_on(job_id=job_id, now=timezone.now(), patience=JOB_PATIENCE)


@shared_task(name="rewards.watch_pools")
def watch_pools() -> None:
    pools.watch(now=timezone.now())


@shared_task(name="rewards.ask_silent_payout_accounts")
def ask_silent_payout_accounts() -> None:
    silent.ask(now=timezone.now())


@shared_task(name="rewards.watch_shops")
def watch_shops() -> None:
    shop_watch.watch(now=timezone.now())


@shared_task(name="rewards.sweep_expiry")
def sweep_expiry() -> None:
    expiry.sweep(now=timezone.now())


@shared_task(name="rewards.extend")
def extend(*, extension_id: int) -> None:
    extension.proceed(extension_id=extension_id, now=timezone.now())


@shared_task(name="rewards.reconcile")
def reconcile(*, run_id: int) -> None:
    claim = runs.take(run_id=run_id, now=timezone.now())
    if claim is not None:
        steps.work(claim=claim, now=timezone.now(), patience=PATIENCE)


@shared_task(name="rewards.repair_finding")
def repair_finding(*, finding_id: int) -> None:
    repairs.proceed(finding_id=finding_id, now=timezone.now())


@shared_task(name="rewards.sweep_reconciliations")
def sweep_reconciliations() -> None:
    runs.begin_due(now=timezone.now())
    runs.sweep(now=timezone.now())
    repairs.sweep(now=timezone.now())


@shared_task(name="rewards.sweep_extensions")
def sweep_extensions() -> None:
    extension.sweep(now=timezone.now())
