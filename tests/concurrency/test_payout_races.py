"""Money under concurrency: never more than the day's limit, never sent twice, never given back twice."""

from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.utils import timezone

from loyalty.common import actors
from loyalty.events.models import Event
from loyalty.points import audit
from loyalty.points import queries as points
from loyalty.points.models import PointsTransaction
from platforms.payouts.provider import PayoutReport, PayoutStatus
from rewards import cancellation, cashback, granting, limits, payouts, payouts_by_hand
from rewards.models import Payout, PayoutEvidenceKind
from rewards.redemption import redeem
from tests.concurrency.races import kinds_of_failure, race, succeeded
from tests.factories.catalogue import CashbackFactory, PointsProductFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import give
from tests.factories.shop import pay_through
from tests.fakes.sandbox import running_sandbox_shop

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 8


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with running_sandbox_shop(tmp_path_factory.mktemp("racing-shop")) as running:
        yield running


def buy(customer, price):
    return redeem(
        customer_id=customer.pk,
        points_product_id=price.pk,
        actor=actors.customer(customer.pk),
        now=timezone.now(),
        deadline=10.0,
    )


def rich(count):
    people = CustomerFactory.create_batch(count)
    for person in people:
        give(person, 100)
    return people


def race_for_the_day():
    price = PointsProductFactory(reward=CashbackFactory(daily_limit=Decimal(15)))
    results = race(*(partial(buy, person, price) for person in rich(WORKERS)))
    paid = limits.paid_out_today(reward_ids=[price.reward_id], now=timezone.now())[price.reward_id]
    return results, paid


def test_many_at_once_get_no_more_than_the_limit_of_the_day():
    results, paid = race_for_the_day()

    assert (len(succeeded(results)), paid) == (3, Decimal(15))
    assert kinds_of_failure(results) == {"RewardNotAvailable"}
    assert list(audit.differences()) == []


def test_a_payout_that_many_workers_are_rung_for_is_sent_once(shop):
    reward = CashbackFactory(payout_account=pay_through(shop))
    granted = granting.grant(
        customer_id=CustomerFactory().pk, reward_id=reward.pk, actor=actors.staff(1), now=timezone.now()
    )

    def turn():
        claim = cashback.take(redeemed_reward_id=granted.pk, now=timezone.now())
        return cashback.work(claim=claim, now=timezone.now(), patience=5.0) if claim is not None else None

    results = race(*[turn] * WORKERS)

    assert [result for result in results if result] == ["issued"]
    assert (Payout.objects.get().state, Payout.objects.get().attempts) == ("paid", 1)


def test_callback_poll_and_staff_at_once_give_the_points_back_once():
    (customer,) = rich(1)
    price = PointsProductFactory(reward=CashbackFactory())
    redeemed = buy(customer, price)
    payout = Payout.objects.get()

    def told(kind):
        report = PayoutReport(reference=payout.reference, status=PayoutStatus.FAILED, code="R1", message="No account")
        payouts.record(redeemed_reward_id=redeemed.pk, report=report, kind=kind, now=timezone.now())

    def by_staff():
        payouts_by_hand.mark_refused(
            redeemed_reward_id=redeemed.pk, actor=actors.staff(1), now=timezone.now(), reason="No account"
        )

    ways = [partial(told, PayoutEvidenceKind.CALLBACK), partial(told, PayoutEvidenceKind.ASKED), by_staff]
    results = race(*(ways * 3))

    assert kinds_of_failure(results) == set()
    assert Payout.objects.get().state == "failed"
    assert PointsTransaction.objects.filter(customer=customer, kind="reversal").count() == 1
    assert points.balance(customer_id=customer.pk, now=timezone.now()).balance == 100
    assert Event.objects.filter(kind="payout.failed").count() == 1
    assert list(audit.differences()) == []


def test_handing_over_to_a_person_and_hearing_that_it_was_paid_at_once_end_in_paid(shop):
    reward = CashbackFactory(payout_account=pay_through(shop))
    (customer,) = rich(1)
    granted = granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=actors.staff(1), now=timezone.now())
    claim = cashback.take(redeemed_reward_id=granted.pk, now=timezone.now())
    Payout.objects.update(state="unknown", attempts=1, unknown_since=timezone.now())

    def hand_over():
        payouts.hand_over(claim=claim, reason="Nobody can say.", now=timezone.now())

    def hear():
        report = PayoutReport(reference=Payout.objects.get().reference, status=PayoutStatus.PAID)
        payouts.record(
            redeemed_reward_id=granted.pk, report=report, kind=PayoutEvidenceKind.CALLBACK, now=timezone.now()
        )

    results = race(*[hand_over, hear] * 4)

    assert kinds_of_failure(results) == set()
    assert (Payout.objects.get().state, Payout.objects.get().last_reason) == ("paid", "")
    assert Event.objects.filter(kind="payout.paid").count() == 1


def test_canceling_and_paying_at_once_do_one_of_both():
    (customer,) = rich(1)
    redeemed = buy(customer, PointsProductFactory(reward=CashbackFactory()))

    def cancel():
        return cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=actors.staff(1), now=timezone.now())

    def pay():
        return payouts_by_hand.mark_paid(redeemed_reward_id=redeemed.pk, actor=actors.staff(2), now=timezone.now())

    results = race(*[cancel, pay] * 3)

    state = Payout.objects.get().state
    left = points.balance(customer_id=customer.pk, now=timezone.now()).balance
    assert (state, left) in {("cancelled", 100), ("paid", 0)}
    assert kinds_of_failure(results) == {"PayoutRefused" if state == "cancelled" else "CancellationRefused"}


def test_canceling_and_sending_at_once_do_one_of_both(shop):
    reward = CashbackFactory(payout_account=pay_through(shop))
    granted = granting.grant(
        customer_id=CustomerFactory().pk, reward_id=reward.pk, actor=actors.staff(1), now=timezone.now()
    )

    def send():
        claim = cashback.take(redeemed_reward_id=granted.pk, now=timezone.now())
        return cashback.work(claim=claim, now=timezone.now(), patience=5.0) if claim is not None else None

    def cancel():  # when the worker's lease is over, as far as it knows
        later = timezone.now() + timedelta(minutes=5)
        return cancellation.cancel(redeemed_reward_id=granted.pk, actor=actors.staff(1), now=later)

    race(send, cancel)

    payout = Payout.objects.get()
    sent = shop.payouts(payout.reference)
    assert (payout.state, len(sent)) in {("cancelled", 0), ("paid", 1)}
