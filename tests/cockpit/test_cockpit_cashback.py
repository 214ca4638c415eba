"""Customers and the money they have for points."""

import pytest
from django.urls import reverse
from django.utils import timezone

from platforms.payouts.provider import PayoutReport, PayoutStatus
from rewards import payouts
from rewards.models import Payout, PayoutEvidenceKind, RedeemedReward
from tests.factories.catalogue import CashbackFactory, PointsProductFactory, RewardTextFactory, VariablePriceFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def price():
    made = PointsProductFactory(reward=CashbackFactory())
    RewardTextFactory(reward=made.reward, name="Five back")
    return made


def redeem(visitor, price, **more):
    page = visitor.get(confirm_url(price))
    return visitor.post(confirm_url(price), {"key": page.context["key"], "price": "100"} | more, follow=True)


def confirm_url(price):
    return reverse("cockpit:confirm", args=[price.pk])


def told(status):
    payout = Payout.objects.get()
    report = PayoutReport(reference=payout.reference, status=status)
    payouts.record(
        redeemed_reward_id=payout.redeemed_reward_id,
        report=report,
        kind=PayoutEvidenceKind.CALLBACK,
        now=timezone.now(),
    )


def test_the_page_says_what_the_points_give_before_they_are_spent(visitor, price):
    shown = visitor.get(confirm_url(price)).content.decode()

    assert "You get" in shown
    assert "$5" in shown
    assert "the money is sent to you" in shown
    assert "get your code" not in shown


def test_a_chosen_number_of_points_is_simulated(visitor):
    price = VariablePriceFactory(reward=CashbackFactory(amount=None))

    shown = visitor.get(confirm_url(price), {"points": 400}).content.decode()

    assert "$8" in shown
    assert RedeemedReward.objects.count() == 0


def test_money_is_on_its_way_then_paid(visitor, price):
    shown = redeem(visitor, price).content.decode()
    assert "<strong>$5</strong> is on its way to you." in shown
    assert Payout.objects.get().reference in shown
    assert "Ready to use" not in shown

    listed = visitor.get("/my-rewards/").content.decode()
    assert "On its way" in listed

    told(PayoutStatus.PAID)
    redeemed = RedeemedReward.objects.get()
    assert "<strong>$5</strong> was paid on" in visitor.get(f"/my-rewards/{redeemed.pk}/").content.decode()
    assert "Paid out" in visitor.get("/my-rewards/").content.decode()


def test_a_failed_payout_is_not_seen_and_the_points_are_back(visitor, price, customer):
    redeem(visitor, price)

    told(PayoutStatus.FAILED)

    redeemed = RedeemedReward.objects.get()
    assert visitor.get(f"/my-rewards/{redeemed.pk}/").status_code == 404
    assert "Five back" not in visitor.get("/my-rewards/").content.decode()
    assert "1,000" in visitor.get("/").content.decode()
