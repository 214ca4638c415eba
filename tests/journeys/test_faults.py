"""Faults: kill the worker, flush the broker, unplug the shop; nothing is lost and nothing happens twice."""

import pytest
import redis
from django.conf import settings
from django.utils import timezone

from loyalty.common import actors
from loyalty.hooks.models import InboundWebhook, InboxState
from loyalty.points import audit, queries
from rewards import cancellation, granting
from rewards.models import Cancellation, IssueAttempt, Payout, RedeemedReward
from rewards.redemption import redeem
from tests.factories.catalogue import CashbackFactory, PointsProductFactory, RewardFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import give
from tests.factories.shop import connect, pay_through
from tests.fakes.sandbox import running_sandbox_shop
from tests.journeys.worker import running_worker, wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults]


@pytest.fixture(scope="session")
def shop_process(tmp_path_factory):
    with running_sandbox_shop(tmp_path_factory.mktemp("faulty-shop")) as shop:
        yield shop


@pytest.fixture
def shop(shop_process):
    yield shop_process
    shop_process.clear_faults()


@pytest.fixture
def worker(tmp_path, process_environment):
    impatient = {"ISSUE_LEASE_SECONDS": "3", "ABSENCE_PROVED_AFTER_SECONDS": "2"}
    with running_worker(tmp_path, process_environment | impatient) as running:
        yield running


def flush_broker():
    redis.Redis.from_url(settings.CELERY_BROKER_URL).flushdb()


def grant(shop, customer=None):
    reward = RewardFactory(connection=connect(shop))
    return granting.grant(
        customer_id=(customer or CustomerFactory()).pk,
        reward_id=reward.pk,
        actor=actors.staff(1),
        now=timezone.now(),
    )


def is_issued(granted):
    granted.refresh_from_db()
    return granted.fulfillment_status == "issued"


def test_a_granted_reward_is_generated_in_the_background(shop, worker):
    granted = grant(shop)

    wait_for(lambda: is_issued(granted), what="the reward to be issued")

    assert len(shop.codes(granted.code.code)) == 1


def test_worker_killed_while_the_shop_works_and_broker_flushed_issues_once(shop, worker):
    shop.fault("create", "timeout_after_accepting")
    granted = grant(shop)
    wait_for(lambda: shop.codes(granted.code.code), what="the shop to have made the code")

    worker.kill()
    flush_broker()
    assert not is_issued(granted)
    worker.start()

    wait_for(lambda: is_issued(granted), seconds=40, what="the sweep to find the reward")
    assert len(shop.codes(granted.code.code)) == 1
    assert list(IssueAttempt.objects.order_by("id").values_list("call", "outcome"))[-1] == ("find", "ok")


def test_flushed_broker_loses_no_reward(shop, worker):
    worker.kill()
    granted = [grant(shop) for _ in range(5)]
    flush_broker()
    worker.start()

    wait_for(lambda: all(map(is_issued, granted)), seconds=40, what="all five to be issued")

    assert IssueAttempt.objects.filter(call="create").count() == 5


def test_webhook_stored_while_no_worker_runs_and_no_ring_is_left_takes_effect(shop, worker, live_server):
    worker.kill()
    customer, connection = CustomerFactory(), connect(shop)
    give(customer, 100, now=timezone.now())
    product = PointsProductFactory(reward=RewardFactory(connection=connection))
    redeemed = redeem(customer_id=customer.pk, points_product_id=product.pk, actor=actors.SYSTEM, now=timezone.now())
    shop.set_webhook(f"{live_server.url}/hooks/{connection.webhook_key}/")
    order = shop.checkout(customer.email, code=redeemed.code.code)
    wait_for(lambda: InboundWebhook.objects.count() == 2, what="the shop's webhooks")
    flush_broker()

    worker.start()

    done = InboundWebhook.objects.filter(state=InboxState.PROCESSED)
    wait_for(lambda: done.count() == 2, seconds=40, what="the sweep to find the webhooks")
    redeemed.refresh_from_db()
    assert (redeemed.usage_status, redeemed.used_order_id) == ("used", order["id"])
    shop.set_webhook("")


def test_unplugged_shop_delays_a_grant_and_a_cancellation_and_loses_neither(shop, worker):
    customer, product = CustomerFactory(), PointsProductFactory(reward=RewardFactory(connection=connect(shop)))
    give(customer, 100, now=timezone.now())
    redeemed = redeem(customer_id=customer.pk, points_product_id=product.pk, actor=actors.SYSTEM, now=timezone.now())
    shop.stop()
    granted = grant(shop)
    row = cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=actors.staff(1), now=timezone.now())
    assert row.state == "cancelling"
    wait_for(lambda: IssueAttempt.objects.filter(outcome="not_sent").exists(), what="a first try")

    shop.start()

    wait_for(lambda: is_issued(granted), seconds=60, what="the grant to be issued")
    wait_for(lambda: Cancellation.objects.get().state == "proved", seconds=60, what="the code to be proved dead")
    assert queries.balance(customer_id=customer.pk, now=timezone.now()).balance == 100
    assert RedeemedReward.objects.get(pk=redeemed.pk).fulfillment_status == "cancelled"
    assert list(audit.differences()) == []


def pay(shop):
    reward = CashbackFactory(payout_account=pay_through(shop))
    return granting.grant(
        customer_id=CustomerFactory().pk, reward_id=reward.pk, actor=actors.staff(1), now=timezone.now()
    )


def is_paid():
    return Payout.objects.get().state == "paid"


def test_a_worker_killed_while_the_provider_thinks_leaves_one_payment(worker, shop):
    shop.fault("payout", "timeout_after_accepting", seconds=30)
    granted = pay(shop)
    wait_for(lambda: Payout.objects.get().state == "unknown", what="the payment to be sent")
    wait_for(lambda: shop.payouts(Payout.objects.get().reference), what="the provider to take it on")

    worker.kill()
    worker.start()

    wait_for(is_paid, seconds=40, what="the provider to be asked")
    payout = Payout.objects.get()
    assert (payout.attempts, len(shop.payouts(payout.reference))) == (1, 1)
    assert is_issued(granted)


def test_a_flushed_broker_loses_no_payment(worker, shop):
    worker.kill()
    granted = pay(shop)
    flush_broker()

    worker.start()

    wait_for(is_paid, what="the sweep to find it")
    assert is_issued(granted)
