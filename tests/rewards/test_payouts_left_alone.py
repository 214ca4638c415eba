"""Cashback while its provider does not answer: nobody loses points, no try is used up, and staff read what it waits for."""

from datetime import timedelta

import pytest
from django.utils import timezone

from loyalty.common import actors
from loyalty.points import queries as points
from platforms import breaker
from platforms.models import PayoutHealth
from rewards import cashback, granting, obstacles
from rewards.admin import why
from rewards.models import FulfillmentStatus, Payout, PayoutEvidence
from rewards.redemption import RedemptionFailed, redeem
from tests.factories.catalogue import CashbackFactory, PointsProductFactory
from tests.factories.people import CustomerFactory, PayoutAccountFactory
from tests.factories.points import give

pytestmark = pytest.mark.django_db

SAID = "The payout account “Vouchers” has not answered since"


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def silent(now):
    """An account that is left alone, as after calls without an answer."""
    account = PayoutAccountFactory(name="Vouchers", provider="sandbox", base_url="http://127.0.0.1:9")
    until = now + timedelta(minutes=4)
    PayoutHealth.objects.create(account=account, failures=5, failing_since=now, opened_at=now, ask_at=until, pauses=1)
    breaker._known.clear()
    return account


def test_a_grant_waits_until_the_provider_is_asked_again(silent, now):
    customer = CustomerFactory()
    reward = CashbackFactory(payout_account=silent)
    granted = granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=actors.staff(1), now=now)

    cashback.work(claim=cashback.take(redeemed_reward_id=granted.pk, now=now), now=now, patience=1.0)

    payout = Payout.objects.get()
    assert (payout.state, payout.attempts, payout.unknown_since) == ("init", 0, None)
    assert payout.next_attempt_at > now + timedelta(minutes=4)
    assert not PayoutEvidence.objects.exists()  # nothing was said
    granted.refresh_from_db()
    assert why.shop_trouble(granted, FulfillmentStatus.PENDING, now=now).startswith(SAID)
    (waiting,) = obstacles.of(customer_id=customer.pk, now=now).waiting
    assert waiting.shop_trouble.startswith(SAID)


def test_a_customer_is_told_at_once_and_keeps_the_points(silent, now):
    customer = CustomerFactory()
    give(customer, 250)
    price = PointsProductFactory(reward=CashbackFactory(payout_account=silent))

    with pytest.raises(RedemptionFailed):
        redeem(
            customer_id=customer.pk, points_product_id=price.pk, actor=actors.customer(customer.pk), now=now,
            deadline=2.0,
        )  # fmt: skip

    assert points.balance(customer_id=customer.pk, now=timezone.now()).balance == 250
    assert Payout.objects.get().redeemed_reward.failure_reason.startswith(SAID)
