"""Cancellation by customers: their own, unused, in time, where the merchant allows it; and never twice."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from loyalty.common import actors
from loyalty.common.plans import PlanOutdated
from loyalty.merchant.models import Programme
from loyalty.points import queries as points
from loyalty.points.models import PointsTransaction
from rewards import granting, queries, redemption, self_cancellation, usage
from rewards.models import RedeemedReward
from rewards.self_cancellation import SelfCancellationRefused
from tests.factories.catalogue import GiftFactory, PointsProductFactory, RewardFactory
from tests.factories.people import CustomerFactory, UserFactory
from tests.factories.points import NOW

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]

MINUTE = timedelta(minutes=1)


def allow(minutes=30):
    Programme.objects.update_or_create(pk=1, defaults={"self_cancel_minutes": minutes})


@pytest.fixture
def redeemed(customer, product):
    return redeem(customer, product)


def redeem(customer, product):
    return redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=actors.customer(customer.pk), now=NOW, deadline=5.0
    )


def plan(redeemed, *, now=NOW + MINUTE, by=None):
    return self_cancellation.plan(redeemed_reward_id=redeemed.pk, customer_id=by or redeemed.customer_id, now=now)


def cancel(redeemed, *, fingerprint=None, now=NOW + MINUTE):
    return self_cancellation.cancel(
        redeemed_reward_id=redeemed.pk,
        customer_id=redeemed.customer_id,
        fingerprint=fingerprint or plan(redeemed, now=now).fingerprint,
        now=now,
    )


def balance(customer):
    return points.balance(customer_id=customer.pk, now=NOW + MINUTE).balance


def test_is_off_until_the_merchant_says_how_long(redeemed):
    with pytest.raises(SelfCancellationRefused):
        plan(redeemed)


def test_kills_the_code_and_returns_the_points(customer, redeemed, shop):
    allow()

    row = cancel(redeemed)

    assert (row.state, row.reason, row.actor_kind) == ("proved", "by_customer", "customer")
    assert shop.codes(redeemed.code.code)[0]["alive"] is False
    assert balance(customer) == 250


def test_twice_returns_the_points_once(customer, redeemed):
    allow()
    fingerprint = plan(redeemed).fingerprint

    first, second = cancel(redeemed, fingerprint=fingerprint), cancel(redeemed, fingerprint=fingerprint)

    assert (first.pk, balance(customer)) == (second.pk, 250)
    assert PointsTransaction.objects.filter(kind="reversal").count() == 1


def test_ends_with_the_last_minute(redeemed):
    allow(30)
    end = RedeemedReward.objects.get().issued_at + 30 * MINUTE

    assert plan(redeemed, now=end - timedelta(microseconds=1)).points_returned == 100
    with pytest.raises(SelfCancellationRefused):
        plan(redeemed, now=end)


def test_is_refused_for_somebody_elses(redeemed):
    allow()

    with pytest.raises(SelfCancellationRefused):
        plan(redeemed, by=CustomerFactory().pk)


def test_is_refused_after_use(redeemed):
    allow()
    usage.mark_used(redeemed_reward_id=redeemed.pk, actor=actors.staff(1), now=NOW)

    with pytest.raises(SelfCancellationRefused):
        plan(redeemed)


def test_is_refused_for_a_gift_that_was_ordered(customer):
    allow()
    gift = redeem(customer, PointsProductFactory(reward=GiftFactory()))
    assert plan(gift).refusal == ""
    RedeemedReward.objects.filter(pk=gift.pk).update(delivery_status="ordered")  # before it is marked used

    with pytest.raises(SelfCancellationRefused):
        plan(gift)


def test_is_refused_for_what_was_given(customer):
    allow()
    given = granting.grant(customer_id=customer.pk, reward_id=RewardFactory().pk, actor=actors.staff(1), now=NOW)

    with pytest.raises(SelfCancellationRefused):
        plan(given)


def test_is_refused_when_the_plan_is_another_by_now(redeemed):
    allow()

    with pytest.raises(PlanOutdated):
        cancel(redeemed, fingerprint="another")


def test_waits_for_a_shop_that_is_away_and_gives_nothing_back_before(customer, redeemed, shop):
    allow()
    fingerprint = plan(redeemed).fingerprint
    shop.stop()
    try:
        row = cancel(redeemed, fingerprint=fingerprint)
    finally:
        shop.start()

    assert (row.state, balance(customer)) == ("cancelling", 150)
    assert not queries.for_customer_page(customer_id=customer.pk, now=NOW).exists()


@pytest.mark.parametrize("minutes", [0, 100_000])
def test_minutes_are_kept_within_reason(minutes):
    with pytest.raises(IntegrityError, match="programme_self_cancel_in_range"), transaction.atomic():
        allow(minutes)


# The cockpit's page.


@pytest.fixture
def browser_of(client):
    def sign_in(customer):
        customer.user = UserFactory(email=customer.email)
        customer.save()
        client.force_login(customer.user)
        return client

    return sign_in


def test_page_asks_once_more_and_cancels(customer, product, browser_of):
    allow()
    redeemed = redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=actors.customer(customer.pk), now=timezone.now()
    )
    client = browser_of(customer)

    mine = client.get(f"/my-rewards/{redeemed.pk}/").content.decode()
    assert f'href="/my-rewards/{redeemed.pk}/cancel/"' in mine
    page = client.get(f"/my-rewards/{redeemed.pk}/cancel/")
    assert "Cancel this reward?" in page.content.decode()
    assert queries.visible().get().fulfillment_status == "issued"

    done = client.post(f"/my-rewards/{redeemed.pk}/cancel/", {"plan": page.context["plan"].fingerprint}, follow=True)

    assert "Canceled. Your points are back." in done.content.decode()
    assert queries.visible().get().fulfillment_status == "cancelled"


def test_page_shows_the_plan_anew_when_it_was_another(customer, product, browser_of):
    allow()
    redeemed = redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=actors.customer(customer.pk), now=timezone.now()
    )

    answer = browser_of(customer).post(f"/my-rewards/{redeemed.pk}/cancel/", {"plan": "another"})

    assert answer.status_code == 409
    assert queries.visible().get().fulfillment_status == "issued"


def test_page_and_its_link_are_not_there_when_it_is_off(customer, product, browser_of):
    redeemed = redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=actors.customer(customer.pk), now=timezone.now()
    )
    client = browser_of(customer)

    assert "/cancel/" not in client.get(f"/my-rewards/{redeemed.pk}/").content.decode()
    answer = client.post(f"/my-rewards/{redeemed.pk}/cancel/", {"plan": "any"}, follow=True)
    assert "This reward can no longer be canceled." in answer.content.decode()
    assert queries.visible().get().fulfillment_status == "issued"


def test_page_of_somebody_elses_reward_does_not_exist(customer, redeemed, browser_of):
    allow()

    assert browser_of(CustomerFactory()).get(f"/my-rewards/{redeemed.pk}/cancel/").status_code == 404
