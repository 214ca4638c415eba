"""A campaign for hundreds in bulk, made by a real worker that is killed on the way: each gets one, and the shop has no more."""

import pytest
import redis
from django.conf import settings
from django.utils import timezone

from loyalty.common.actors import SYSTEM
from rewards.campaigns import acts, audiences, steps
from rewards.models import IssueWork, RedeemedReward
from tests.factories.catalogue import RewardFactory
from tests.factories.people import CustomerFactory
from tests.journeys.worker import running_worker, wait_for
from tests.rewards.bulk_shops import SHOPS, codes_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults]
MANY = 300  # two batches


def given(connection):
    """Hundreds of customers were given one each; the shop was not asked yet."""
    campaign = acts.plan(
        name="Spring",
        reward_id=RewardFactory(connection=connection, prefix="SPRING").pk,
        audience=audiences.of_ids(customer_ids=[each.pk for each in CustomerFactory.create_batch(MANY)]),
        actor=SYSTEM,
        now=timezone.now(),
        give_at_once=True,
        bulk=True,
    )
    for _ in ("check", "apply"):
        steps.work_on(job_id=campaign.job_id, now=timezone.now(), patience=60)


@pytest.mark.parametrize("platform", ["shopify", pytest.param("bigcommerce", marks=pytest.mark.nightly)])
def test_each_of_hundreds_gets_one_although_the_worker_is_killed_and_the_broker_flushed(
    platform, tmp_path, process_environment
):
    impatient = {"ISSUE_LEASE_SECONDS": "3", "ABSENCE_PROVED_AFTER_SECONDS": "2"}
    with SHOPS[platform](tmp_path) as shop:
        connection = shop.connected()
        given(connection)
        issued = RedeemedReward.objects.filter(connection=connection, fulfillment_status="issued")
        claimed = IssueWork.objects.filter(connection=connection, claim__isnull=False)

        with running_worker(tmp_path, process_environment | impatient) as worker:
            wait_for(claimed.exists, seconds=60, what="the shop to be asked for codes")
            worker.kill()
            redis.Redis.from_url(settings.CELERY_BROKER_URL).flushdb()
            before = issued.count()
            worker.start()
            wait_for(lambda: issued.count() == MANY, seconds=90, what="all to have one")

        texts = [row.code.canonical for row in issued.select_related("code")]
        there = codes_of(connection)
    assert before < MANY
    assert len(set(texts)) == MANY
    assert {text for text, code in there.items() if code.alive} == set(texts)
