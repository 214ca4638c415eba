"""What becomes of rewards while their shop does not answer and is left alone by everybody."""

from datetime import timedelta

import pytest
from django.utils import timezone

from loyalty.common import actors
from loyalty.points import queries as points
from platforms import breaker, guarded
from platforms.models import ShopHealth, StoreConnection
from rewards import cancellation, extension, granting, issuing, obstacles, probing, redemption
from rewards.models import Cancellation, CodeExtension, FulfillmentStatus, IssueWork, RedeemedReward, RunScope
from rewards.reconciliation import runs, steps
from tests.factories.people import ConnectionFactory
from tests.fakes.misbehaving import misbehaving_server, reply
from tests.rewards.admin_rows import GRID, VIEW, row, staff, words

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]

STAFF = actors.staff(1)
SECOND = timedelta(seconds=1)
DEAD = reply("500 Internal Server Error", b"{}")
UNANSWERED = "has not answered since"


@pytest.fixture
def now(monkeypatch):
    began = timezone.now().replace(microsecond=0)
    monkeypatch.setattr(guarded, "_now", lambda: began)
    return began


def leave_alone(connection, *, now, pause=timedelta(minutes=4)):
    """As after calls without an answer."""
    ShopHealth.objects.update_or_create(
        connection=connection,
        defaults={"failures": 5, "failing_since": now, "opened_at": now, "ask_at": now + pause, "pauses": 1},
    )
    breaker._known.clear()


def work_off(*, now, most=1_000):
    """What the workers do with everything that is due, or with the first few of it."""
    due = IssueWork.objects.filter(due_at__lte=now).order_by("due_at", "pk").values_list("pk", flat=True)
    for pk in list(due[:most]):
        claim = issuing.take(redeemed_reward_id=pk, now=now)
        issuing.work(claim=claim, now=now, patience=0.01)


@pytest.mark.timeout(600)  # a busy machine works off hundreds of rewards slowly
def test_a_dead_shop_is_asked_a_few_times_while_200_rewards_wait_and_all_are_issued_once_it_is_back(
    customer, product, connection, shop, monkeypatch
):
    clock = timezone.now()
    monkeypatch.setattr(guarded, "_now", lambda: clock)
    for _ in range(200):
        granting.grant(customer_id=customer.pk, reward_id=product.reward_id, actor=STAFF, now=clock)
    with misbehaving_server(DEAD) as dead:
        StoreConnection.objects.update(base_url=dead.url)
        for most in (200, 20):
            work_off(now=clock, most=most)
            clock += timedelta(minutes=1)

        assert breaker.MOST_FAILURES < len(dead.requests) <= breaker.MOST_FAILURES + 1

    StoreConnection.objects.update(base_url=shop.url)
    for _ in range(3):
        work_off(now=clock)
        clock += timedelta(minutes=5)

    statuses = RedeemedReward.objects.values_list("fulfillment_status", flat=True)
    assert set(statuses) == {FulfillmentStatus.ISSUED}
    assert not IssueWork.objects.exists()


def test_a_customer_is_told_at_once_and_keeps_the_points(customer, product, connection, shop, now):
    leave_alone(connection, now=now)
    began = timezone.now()

    with pytest.raises(redemption.RedemptionFailed):
        redemption.redeem(customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=now, deadline=8.0)

    assert timezone.now() - began < 2 * SECOND
    failed = RedeemedReward.objects.get()
    assert failed.failure_code == "not_sent"
    assert UNANSWERED in failed.failure_reason
    assert points.balance(customer_id=customer.pk, now=now).balance == 250
    assert shop.codes(failed.code.code if failed.code else "NONE") == []


@pytest.fixture
def redeemed(customer, product, now):
    product.reward.days_valid = 30
    product.reward.save()
    return redemption.redeem(customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=now)


def test_a_cancellation_waits_until_the_shop_is_asked_again(redeemed, connection, now):
    leave_alone(connection, now=now)

    row = cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=STAFF, now=now)

    assert row.state == "cancelling"
    assert UNANSWERED in row.last_reason
    assert timedelta(minutes=4) < row.due_at - now < timedelta(minutes=5)


def test_more_time_is_not_given_up_by_tries_that_nobody_made(redeemed, connection, now):
    leave_alone(connection, now=now)
    extension.extend(redeemed_reward_id=redeemed.pk, days=90, actor=STAFF, now=now)

    asked = CodeExtension.objects.get()
    assert (asked.state, asked.attempts) == ("asking", 0)
    assert timedelta(minutes=4) < asked.due_at - now < timedelta(minutes=5)


def test_a_probe_of_a_canceled_code_is_still_to_come(redeemed, connection, now):
    done = cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=STAFF, now=now)
    assert done.state == "proved"
    Cancellation.objects.update(probe_due_at=now, probes=0)
    leave_alone(connection, now=now)

    probing.proceed(cancellation_id=done.pk, now=now)

    row = Cancellation.objects.get()
    assert row.probes == 0
    assert timedelta(minutes=4) < row.probe_due_at - now < timedelta(minutes=5)


def test_a_reconciliation_waits_and_goes_on(redeemed, connection, now):
    leave_alone(connection, now=now, pause=SECOND)
    run = runs.begin(connection_id=connection.pk, scope=RunScope.ALL, actor=STAFF, now=now)

    assert steps.work(claim=runs.take(run_id=run.pk, now=now), now=now, patience=0.1) is steps.Verdict.WAITING

    run.refresh_from_db()
    assert (run.state, run.troubles) == ("open", 1)
    assert run.due_at - now >= 5 * SECOND
    ShopHealth.objects.all().delete()
    breaker._known.clear()
    later = run.due_at
    # Patient: the shop has codes of the tests before, and each is looked at.
    assert steps.work(claim=runs.take(run_id=run.pk, now=later), now=later, patience=60) is steps.Verdict.DONE


def test_every_reward_that_waits_says_so_to_staff(now):
    shop = ConnectionFactory(name="Berlin")
    pending = row(connection=shop, fulfillment_status="pending", origin="staff")
    IssueWork.objects.create(redeemed_reward=pending, due_at=now)
    issued = row(connection=shop)
    leave_alone(shop, now=now)
    client = staff(VIEW)

    said = "The shop “Berlin” has not answered since"
    assert said in words(client.get(f"{GRID}{pending.pk}/change/"))
    assert said not in words(client.get(f"{GRID}{issued.pk}/change/"))
    (waiting,) = obstacles.of(customer_id=pending.customer_id, now=now).waiting
    assert waiting.shop_trouble.startswith(said)


def test_a_reward_of_a_shop_that_answers_says_nothing(now):
    pending = row(connection=ConnectionFactory(), fulfillment_status="pending", origin="staff")
    IssueWork.objects.create(redeemed_reward=pending, due_at=now)

    (waiting,) = obstacles.of(customer_id=pending.customer_id, now=now).waiting

    assert waiting.shop_trouble == ""
