"""Cancellation after use: for few, stating what was consumed, with or without the points."""

from datetime import timedelta

import pytest

from loyalty.common import actors
from loyalty.points import queries as points
from rewards import cancellation, delivery, limits, queries, redemption, usage
from rewards.cancellation import CancellationRefused
from rewards.models import Cancellation, Delivery, RedeemedReward, RewardStock
from rewards.usage import OrderUse
from tests.factories.catalogue import GiftFactory, PointsProductFactory
from tests.factories.points import NOW
from tests.rewards.admin_rows import GRID, VIEW, row, staff, words

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]

STAFF = actors.staff(1)
DAY = timedelta(days=1)


def redeem(customer, product):
    return redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=actors.SYSTEM, now=NOW, deadline=5.0
    )


@pytest.fixture
def used(customer, product, connection, shop):
    """A code that was used on an order in the shop."""
    redeemed = redeem(customer, product)
    shop.checkout(redeemed.customer_email, code=redeemed.code.code)
    tell(redeemed)
    redeemed.refresh_from_db()
    return redeemed


def tell(redeemed, order_id="77"):
    return usage.record_order_use(
        use=OrderUse(connection_id=redeemed.connection_id, order_id=order_id, code=redeemed.code.code, used_at=NOW),
        actor=STAFF,
        now=NOW,
    )


@pytest.fixture
def gift(customer):
    """A mug that was ordered."""
    redeemed = redeem(customer, PointsProductFactory(reward=GiftFactory()))
    return usage.mark_used(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)


def cancel(redeemed, **more):
    more = {"after_use": True, **more}
    return cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW + DAY, **more)


def balance(customer):
    return points.balance(customer_id=customer.pk, now=NOW + DAY).balance


def effects(redeemed, **more):
    plan = cancellation.plan(redeemed_reward_id=redeemed.pk, now=NOW + DAY, after_use=True, **more)
    return [effect.sentence for effect in plan.effects]


def test_says_what_was_consumed_and_returns_the_points(customer, used, shop):
    assert "The discount was given on order 77 on 2026-11-21: the customer keeps it." in effects(used)

    row = cancel(used)

    assert (row.state, row.after_use, balance(customer)) == ("proved", True, 250)
    used.refresh_from_db()
    assert (used.fulfillment_status, used.usage_status, used.used_order_id) == ("cancelled", "used", "77")
    assert queries.status_of(redeemed=used, now=NOW + DAY) == "cancelled"


def test_can_keep_the_points(customer, used):
    cancel(used, return_points=False)

    assert balance(customer) == 150


def test_needs_to_be_meant(used):
    with pytest.raises(CancellationRefused, match="was used"):
        cancel(used, after_use=False)


def test_is_refused_where_nothing_was_used(customer, product):
    with pytest.raises(CancellationRefused, match="was not used"):
        cancel(redeem(customer, product))


def test_is_no_alarm_when_the_same_order_is_told_again(used):
    cancel(used)

    assert tell(used) == "known"
    assert tell(used, "78") == "used_after_cancel"


def test_is_not_taken_back_by_the_order_being_canceled_later(used):
    cancel(used)

    count = usage.record_use_returned(connection_id=used.connection_id, order_id="77", actor=STAFF, now=NOW + DAY)

    used.refresh_from_db()
    assert (count, used.usage_status, used.fulfillment_status) == (0, "used", "cancelled")


def test_of_a_gift_cancels_its_delivery(gift):
    assert "Its delivery is canceled: no parcel goes out." in effects(gift)

    cancel(gift)

    gift.refresh_from_db()
    assert (gift.fulfillment_status, gift.delivery_status) == ("cancelled", "cancelled")
    assert Delivery.objects.get().cancelled_at == NOW + DAY


def test_of_a_gift_on_its_way_says_that_the_parcel_is_not_called_back(gift):
    delivery.ship(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW)

    assert "The parcel is on its way, and is not called back." in effects(gift)
    cancel(gift)
    assert RedeemedReward.objects.get().delivery_status == "shipped"
    delivery.came_back(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW + 2 * DAY)
    assert RedeemedReward.objects.get().delivery_status == "cancelled"


def test_of_a_gift_whose_delivery_was_canceled_is_a_usual_one(customer, gift):
    delivery.cancel_delivery(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW)

    row = cancel(gift, after_use=False)

    assert (row.state, row.after_use, balance(customer)) == ("proved", False, 250)


def test_frees_its_place_once(customer):
    product = PointsProductFactory(reward=GiftFactory())
    limits.set_total(reward_id=product.reward_id, limit=1, now=NOW)
    redeemed = redeem(customer, product)
    usage.mark_used(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)

    cancel(redeemed)
    cancel(redeemed)

    assert RewardStock.objects.get().left == 1


def test_of_a_shared_code_leaves_it_to_the_others(customer, product, shop):
    first = redeem(customer, product)
    row(connection=first.connection, code=first.code)

    plan = cancellation.plan(redeemed_reward_id=first.pk, now=NOW)
    done = cancellation.cancel(redeemed_reward_id=first.pk, actor=STAFF, now=NOW)

    assert any("keeps working: other customers have the same one" in effect.sentence for effect in plan.effects)
    assert (done.state, balance(customer)) == ("shared", 250)
    assert shop.codes(first.code.code)[0]["alive"] is True


def test_needs_its_own_right(gift):
    page = f"{GRID}{gift.pk}/act/cancel-used/"

    assert staff(VIEW, "rewards.cancel_redeemedreward").get(page).status_code == 403
    shown = staff(VIEW, "rewards.cancel_used_redeemedreward").get(page)
    assert "The gift was ordered on 2026-11-21." in words(shown)
    assert "The 100 points are not returned." in words(shown)  # unless it is asked for


def test_writes_down_the_reason_that_was_picked(gift):
    client = staff(VIEW, "rewards.cancel_used_redeemedreward")
    url = f"{GRID}{gift.pk}/act/cancel-used/"
    token = client.get(url).context["rows"][0][2].token
    data = {"confirmed": "yes", "shown": "return_points=False", f"token_{gift.pk}": token}

    assert "This field is required." in words(client.post(url, data))
    client.post(url, {**data, "reason": "abuse"})

    assert Cancellation.objects.get().reason == "abuse"
    assert "Reason Abuse" in words(client.get(f"{GRID}{gift.pk}/change/"))
