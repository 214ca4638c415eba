"""Mistakes that cost others money when two things met, each with a race named after what it protects.

`tests/rewards/test_peers_mistakes.py` says where every report is answered.
"""

import random
from contextlib import suppress
from decimal import Decimal
from io import BytesIO

import pytest
from django.conf import settings
from django.utils import timezone

from loyalty.celery import app
from loyalty.common import actors
from loyalty.common.errors import DomainError
from loyalty.common.racing import crew
from loyalty.hooks import inbox
from loyalty.hooks.models import InboundWebhook
from loyalty.jobs import lifecycle
from loyalty.jobs.models import Job, JobOutcome, Step
from loyalty.points import audit, imports, queries
from loyalty.points.import_rows import By, Mode
from loyalty.points.models import PointsTransaction, TransactionKind
from loyalty.program.models import Order
from rewards import bulk, cancellation, granting, limits, pool_making, redemption, usage
from rewards.models import Cancellation, IssueAttempt, RedeemedReward, RewardCode, RewardStock
from tests.concurrency.races import race, succeeded
from tests.factories.catalogue import GiftFactory, PointsProductFactory, RewardFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give
from tests.factories.shop import connect
from tests.fakes.sandbox import running_sandbox_shop

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

STAFF = actors.staff(1)
DELIVERIES = 6


@pytest.fixture(autouse=True)
def _ledger_stays_proved():
    yield
    assert list(audit.differences()) == []


@pytest.fixture(scope="session", autouse=True)
def _tasks_are_known():
    app.loader.import_default_modules()


@pytest.fixture(scope="session")
def shop_process(tmp_path_factory):
    with running_sandbox_shop(tmp_path_factory.mktemp("peers-shop")) as running:
        yield running


@pytest.fixture
def shop(shop_process):
    yield shop_process
    shop_process.clear_faults()


def member(points=100, *, now=NOW):
    customer = CustomerFactory()
    give(customer, points, now=now)
    return customer


def redeem(customer, product, *, now=NOW, **more):
    return lambda: redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=now, **more
    )


def balance(customer, *, now=NOW):
    return queries.balance(customer_id=customer.pk, now=now).balance


def failures(results):
    return [result for result in results if isinstance(result, BaseException)]


def pieces(reward):
    return sum(RewardStock.objects.filter(reward=reward).values_list("left", flat=True))


def test_b1_b3_who_comes_second_for_the_last_piece_is_told_so_and_loses_nothing():
    product = PointsProductFactory(reward=GiftFactory())
    limits.set_total(reward_id=product.reward_id, limit=1, now=NOW)
    customers = [member(), member()]

    results = race(*(redeem(customer, product) for customer in customers))

    (won,), (lost,) = succeeded(results), failures(results)
    assert (lost.code, lost.sentence) == ("reward_sold_out", "This reward is sold out.")
    (loser,) = [customer for customer in customers if customer.pk != won.customer_id]
    assert balance(loser) == 100
    assert not RedeemedReward.objects.filter(customer=loser).exists()
    assert not PointsTransaction.objects.filter(customer=loser, kind=TransactionKind.REDEMPTION).exists()
    assert pieces(product.reward) == 0


def test_b2_ones_own_redemption_under_way_neither_counts_against_it_nor_is_it_undone(shop):
    product = PointsProductFactory(reward=RewardFactory(connection=connect(shop), limit_per_customer=1))
    limits.set_total(reward_id=product.reward_id, limit=1, now=NOW)
    customer = member()
    shop.fault("create", "slow", seconds=1)

    results = race(*[redeem(customer, product, idempotency_key="mine", deadline=10)] * 3)

    assert failures(results) == []
    (only,) = {redeemed.pk for redeemed in results}
    assert RedeemedReward.objects.get(pk=only).fulfillment_status == "issued"
    assert (balance(customer), pieces(product.reward)) == (0, 0)
    assert IssueAttempt.objects.filter(call="create").count() == 1


def test_b4_b49_two_hundred_uses_of_a_hundred_pieces_are_a_hundred_rows_and_no_piece_less_or_more():
    product = PointsProductFactory(reward=GiftFactory())
    limits.set_total(reward_id=product.reward_id, limit=100, now=NOW)
    customers = [member() for _ in range(20)]
    for customer in customers:
        give(customer, 900)

    def ten_times(customer):
        def act():
            codes = []
            for _ in range(10):
                try:
                    redeem(customer, product)()
                except limits.RewardNotAvailable as refusal:
                    codes.append(refusal.code)
            return codes

        return act

    with crew(len(customers)) as racers:
        results = racers.race([ten_times(customer) for customer in customers])

    assert failures(results) == []
    assert [code for codes in results for code in codes] == ["reward_sold_out"] * 100
    assert RedeemedReward.objects.filter(reward=product.reward, takes_place=True).count() == 100
    assert pieces(product.reward) == 0
    assert sum(balance(customer) for customer in customers) == 100 * 100


def test_b7_giving_pieces_back_and_taking_them_at_once_loses_none():
    product = PointsProductFactory(reward=GiftFactory())
    limits.set_total(reward_id=product.reward_id, limit=12, now=NOW)
    have = [redeem(member(), product)() for _ in range(8)]
    come = [member() for _ in range(8)]

    results = race(
        *(lambda pk=redeemed.pk: cancellation.cancel(redeemed_reward_id=pk, actor=STAFF, now=NOW) for redeemed in have),
        *(redeem(customer, product) for customer in come),
    )

    assert {failure.code for failure in failures(results)} <= {"reward_sold_out"}
    taken = RedeemedReward.objects.filter(reward=product.reward, takes_place=True).count()
    assert pieces(product.reward) + taken == 12
    assert RedeemedReward.objects.filter(fulfillment_status="cancelled").count() == 8


def random_acts(number, customers, products, *, times=125):
    """What one worker does, drawn in its own way."""
    dice = random.Random(number)

    def once():
        product, customer = dice.choice(products), dice.choice(customers)
        latest = RedeemedReward.objects.order_by("-pk").values_list("pk", flat=True)[:6]
        ids = {"redeemed_reward_id": dice.choice(list(latest)), "actor": STAFF, "now": NOW}
        gift = {"customer_id": customer.pk, "reward_id": product.reward_id, "actor": STAFF, "now": NOW}
        total = {"reward_id": product.reward_id, "limit": dice.choice([850, 900]), "now": NOW}
        choices = [
            redeem(customer, product),
            lambda: granting.grant(**gift),
            lambda: usage.mark_used(**ids),
            lambda: usage.mark_unused(**ids),
            lambda: cancellation.cancel(**ids),
            lambda: limits.set_total(**total),
        ]
        with suppress(DomainError):
            dice.choice(choices)()

    return lambda: [once() for _ in range(times)]


def test_b13_a_thousand_acts_on_the_same_customers_and_rewards_never_wait_in_a_circle():
    """Every lock of rewards: account, redeemed reward, the reward that limits value, stock. Each worker draws its own."""
    rewards = [GiftFactory(tax_value=Decimal(1), liability_limit=Decimal(500)) for _ in range(2)]
    products = [PointsProductFactory(reward=reward) for reward in rewards]
    for reward in rewards:
        limits.set_total(reward_id=reward.pk, limit=900, now=NOW)
    customers = [member(100_000) for _ in range(2)]
    for customer in customers:
        for product in products:
            redeem(customer, product)()

    acts = [random_acts(number, customers, products) for number in range(8)]
    with crew(8) as racers:
        results = racers.race(acts)

    assert failures(results) == []
    for reward in rewards:
        taken = RedeemedReward.objects.filter(reward=reward, takes_place=True).count()
        reward.refresh_from_db()
        assert pieces(reward) + taken == reward.limit_total


# B32: a broker gives the same message out again; each task is delivered six times, side by side.


def deliver(task, **ids):
    results = race(*[lambda: app.tasks[task](**ids)] * DELIVERIES)
    assert failures(results) == []
    app.tasks[task](**ids)  # and once more, late


@pytest.mark.parametrize("task", ["rewards.issue", "rewards.issue_waiting"])
def test_b30_b32_a_grant_delivered_six_times_is_one_code(shop, settings, task):
    settings.ISSUE_WORKERS_PER_SHOP = DELIVERIES
    now = timezone.now()
    reward = RewardFactory(connection=connect(shop))
    granted = granting.grant(customer_id=member(now=now).pk, reward_id=reward.pk, actor=STAFF, now=now)

    which = {"rewards.issue": {"redeemed_reward_id": granted.pk}}
    deliver(task, **which.get(task, {"connection_id": granted.connection_id}))

    granted.refresh_from_db()
    assert granted.fulfillment_status == "issued"
    assert IssueAttempt.objects.filter(call="create").count() == 1
    assert len(shop.codes(granted.code.code)) == 1


def test_b11_b32_a_cancellation_delivered_six_times_is_one_refund(shop):
    now = timezone.now()
    customer = member(now=now)
    product = PointsProductFactory(reward=RewardFactory(connection=connect(shop)))
    redeemed = redeem(customer, product, now=now)()
    row = cancellation.begin(redeemed_reward_id=redeemed.pk, actor=STAFF, now=now)

    deliver("rewards.cancel", cancellation_id=row.pk)

    row.refresh_from_db()
    assert (row.state, row.attempts, balance(customer, now=now)) == ("proved", 1, 100)
    assert PointsTransaction.objects.filter(kind=TransactionKind.REVERSAL).count() == 1


def test_b32_b33_an_order_delivered_six_times_is_used_and_paid_for_once(shop):
    now = timezone.now()
    customer, connection = member(now=now), connect(shop)
    redeemed = redeem(customer, PointsProductFactory(reward=RewardFactory(connection=connection)), now=now)()
    order = shop.checkout(customer.email, code=redeemed.code.code)
    inbox.store_polled(
        connection_id=connection.pk, order_id=order["id"], version="1", reason="", now=now - 10 * inbox.AGAIN_AFTER
    )

    deliver("hooks.process", webhook_id=InboundWebhook.objects.get().pk)
    deliver("hooks.poll", connection_id=connection.pk)

    redeemed.refresh_from_db()
    assert (redeemed.usage_status, redeemed.used_order_id) == ("used", order["id"])
    assert InboundWebhook.objects.get().attempts == 1
    stored = Order.objects.get(external_id=order["id"])
    earned = PointsTransaction.objects.filter(cause_type="order", cause_id=stored.pk).exclude(points_change=100)
    assert list(earned.values_list("points_change", flat=True)) == [int(stored.total)]


def job_of(kind, now):
    match kind:
        case "bulk":
            rewards = [redeem(member(now=now), PointsProductFactory(reward=GiftFactory()), now=now)() for _ in range(4)]
            return bulk.begin(act=bulk.BulkAct.CANCEL, ids=[row.pk for row in rewards], actor=actors.SYSTEM, now=now)
        case "import":
            rows = "".join(f"{CustomerFactory().pk},25\n" for _ in range(4))
            file = BytesIO(f"customer_id,points\n{rows}".encode())
            return imports.begin(file=file, file_name="six.csv", mode=Mode.ADD, by=By.ID, actor=actors.SYSTEM, now=now)
        case _:
            reward = RewardFactory(prefix="SIX")
            return pool_making.begin(reward_id=reward.pk, count=40, actor=actors.SYSTEM, now=now)


@pytest.mark.parametrize("kind", ["bulk", "import", "pool"])
def test_b32_b39_b52_a_job_delivered_six_times_does_each_row_once(kind):
    now = timezone.now()
    job = job_of(kind, now)
    deliver(job.task, job_id=job.pk)

    lifecycle.begin(job_id=job.pk, step=Step.APPLY, actor=actors.SYSTEM, now=timezone.now())
    deliver(job.task, job_id=job.pk)

    job = Job.objects.get(pk=job.pk)
    assert (job.step, job.state, job.rows_done) == ("apply", "done", job.rows_total)
    numbers = list(JobOutcome.objects.filter(job=job, step=Step.APPLY).values_list("number", flat=True))
    assert len(numbers) == len(set(numbers))
    done = {
        "bulk": (Cancellation.objects.filter(state="proved").count(), 4),
        "import": (PointsTransaction.objects.filter(points_change=25).count(), 4),
        "pool": (RewardCode.objects.filter(pool__isnull=False).count(), 40),
    }
    assert done[kind][0] == done[kind][1]


def test_b32_b55_every_task_of_the_beat_may_run_six_times_side_by_side(shop):
    now = timezone.now()
    customer = member(now=now)
    give(customer, 30, now=now - 2 * inbox.AGAIN_AFTER, expires_at=now - inbox.AGAIN_AFTER)
    reward = RewardFactory(connection=connect(shop))
    granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=STAFF, now=now)

    for task in sorted({entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}):
        deliver(task)

    assert PointsTransaction.objects.filter(kind=TransactionKind.EXPIRY).count() == 1
    assert balance(customer, now=now) == 100
    assert RedeemedReward.objects.get().fulfillment_status == "pending"  # a sweep rings, and does not do the work
