"""Usage: used, unused, and what an order did to a code."""

from datetime import timedelta

import pytest

from loyalty.common import actors
from loyalty.events.models import Event
from loyalty.points import audit
from rewards import delivery, granting, queries, usage
from rewards.delivery import DeliveryRefused
from rewards.models import Delivery, RedeemedReward, UsageStatus
from rewards.usage import OrderUse, UsageRefused
from tests.factories.catalogue import GiftFactory, RewardFactory
from tests.factories.people import ConnectionFactory
from tests.factories.points import NOW

pytestmark = pytest.mark.django_db

STAFF = actors.staff(1)
HOUR = timedelta(hours=1)


def issued(customer, reward):
    """A reward the customer has, as if the shop had made it."""
    from rewards import issuing
    from rewards.models import IssueWork

    granted = granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=STAFF, now=NOW)
    if granted.fulfillment_status == "pending":
        IssueWork.objects.all().delete()
        issuing.record_issued(redeemed=granted, now=NOW)
    return granted


@pytest.fixture
def shop_code(customer):
    return issued(customer, RewardFactory(connection=ConnectionFactory()))


@pytest.fixture
def gift(customer):
    return issued(customer, GiftFactory())


def status(redeemed, *, now=NOW):
    return queries.status_of(redeemed=RedeemedReward.objects.get(pk=redeemed.pk), now=now)


def order(redeemed, order_id="77", *, at=NOW + HOUR):
    return usage.record_order_use(
        use=OrderUse(connection_id=redeemed.connection_id, order_id=order_id, code=redeemed.code.code, used_at=at),
        actor=actors.shop(redeemed.connection_id),
        now=at,
    )


def test_mark_unused_is_refused_where_it_would_pass_the_value_outstanding(customer):
    reward = RewardFactory(amount=5, liability_limit=5)
    first = issued(customer, reward)
    usage.mark_used(redeemed_reward_id=first.pk, actor=STAFF, now=NOW)
    second = issued(customer, reward)

    with pytest.raises(UsageRefused, match="limit of value outstanding"):
        usage.mark_unused(redeemed_reward_id=first.pk, actor=STAFF, now=NOW)
    assert status(first) == "used"

    usage.mark_used(redeemed_reward_id=second.pk, actor=STAFF, now=NOW)
    assert usage.mark_unused(redeemed_reward_id=first.pk, actor=STAFF, now=NOW).usage_status == "unused"


def test_mark_used_says_when_and_orders_it(gift):
    used = usage.mark_used(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW + HOUR)

    assert (used.usage_status, used.used_at, used.delivery_status) == ("used", NOW + HOUR, "ordered")
    assert Delivery.objects.get(pk=gift.pk).ordered_at == NOW + HOUR
    assert status(gift) == "used"


def test_mark_used_twice_changes_nothing_more(gift):
    usage.mark_used(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW)
    again = usage.mark_used(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW + HOUR)

    assert again.used_at == NOW
    assert Event.objects.filter(kind="reward.used").count() == 1


def test_mark_unused_clears_the_time_and_the_order(gift):
    usage.mark_used(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW)

    unused = usage.mark_unused(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW)

    assert (unused.usage_status, unused.used_at, unused.delivery_status) == ("unused", None, "")
    assert status(gift) == "issued"


def test_mark_unused_is_refused_once_the_parcel_is_under_way(gift):
    usage.mark_used(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW)
    delivery.ship(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW, carrier="DHL", tracking_number="JD1")

    with pytest.raises(UsageRefused, match="shipped already"):
        usage.mark_unused(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW)

    assert status(gift) == "used"


@pytest.mark.parametrize("act", [usage.mark_used, usage.mark_unused])
def test_an_expired_reward_cannot_be_marked(customer, act):
    reward = GiftFactory(days_valid=1)
    redeemed = issued(customer, reward)
    if act is usage.mark_unused:
        usage.mark_used(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)

    with pytest.raises(UsageRefused, match="expired"):
        act(redeemed_reward_id=redeemed.pk, actor=STAFF, now=redeemed.expires_at)


def test_what_has_not_begun_cannot_be_marked_used(gift):
    RedeemedReward.objects.filter(pk=gift.pk).update(starts_at=NOW + HOUR)

    with pytest.raises(UsageRefused, match="not valid before"):
        usage.mark_used(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW)

    assert usage.mark_used(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW + HOUR).usage_status == "used"


def test_a_pending_reward_cannot_be_marked(customer):
    granted = granting.grant(
        customer_id=customer.pk, reward_id=RewardFactory(connection=ConnectionFactory()).pk, actor=STAFF, now=NOW
    )

    with pytest.raises(UsageRefused, match="pending"):
        usage.mark_used(redeemed_reward_id=granted.pk, actor=STAFF, now=NOW)


def test_an_untracked_reward_is_never_marked(gift):
    RedeemedReward.objects.filter(pk=gift.pk).update(usage_status=UsageStatus.UNTRACKED)

    with pytest.raises(UsageRefused, match="not tracked"):
        usage.mark_used(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW)


def test_a_completed_order_makes_it_used(shop_code):
    assert order(shop_code) == "used"

    shop_code.refresh_from_db()
    assert (shop_code.used_at, shop_code.used_order_id, shop_code.delivery_status) == (NOW + HOUR, "77", "ordered")


def test_the_same_order_again_changes_nothing(shop_code):
    order(shop_code)

    assert order(shop_code) == "known"
    assert Event.objects.filter(kind="reward.used").count() == 1


def test_an_order_with_another_spelling_of_the_code_is_the_same(shop_code):
    shop_code.code.code = f"  {shop_code.code.code.lower()} "

    assert order(shop_code) == "used"


def test_a_second_order_is_an_alert(shop_code):
    order(shop_code)

    assert order(shop_code, "78") == "other_order"
    assert order(shop_code, "78") == "other_order"
    assert Event.objects.filter(kind="reward.used_twice").count() == 1
    shop_code.refresh_from_db()
    assert shop_code.used_order_id == "77"


def test_an_order_with_an_unknown_code_is_foreign(shop_code):
    shop_code.code.code = "SOMEBODY-ELSES"

    assert order(shop_code) == "foreign"


def test_an_order_completes_a_mark_made_by_hand(shop_code):
    usage.mark_used(redeemed_reward_id=shop_code.pk, actor=STAFF, now=NOW)

    assert order(shop_code) == "known"
    shop_code.refresh_from_db()
    assert shop_code.used_order_id == "77"


def test_a_cancelled_order_gives_the_use_back(shop_code):
    order(shop_code)

    count = usage.record_use_returned(
        connection_id=shop_code.connection_id, order_id="77", actor=STAFF, now=NOW + 2 * HOUR
    )

    assert (count, status(shop_code)) == (1, "issued")
    assert order(shop_code, "79") == "used"


def test_an_order_the_shop_took_after_our_clock_said_expired_counts(customer):
    redeemed = issued(customer, RewardFactory(connection=ConnectionFactory(), days_valid=1))

    assert order(redeemed, at=redeemed.expires_at + HOUR) == "used"


def test_a_parcel_goes_from_ordered_to_shipped_to_delivered(gift):
    usage.mark_used(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW)

    delivery.ship(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW, carrier="DHL", tracking_number="JD1")
    done = delivery.deliver(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW + HOUR)

    assert done.delivery_status == "delivered"
    parcel = Delivery.objects.get(pk=gift.pk)
    assert (parcel.carrier, parcel.shipped_at, parcel.delivered_at) == ("DHL", NOW, NOW + HOUR)


def test_a_parcel_that_was_not_ordered_cannot_be_shipped(gift):
    with pytest.raises(DeliveryRefused, match="not ordered yet"):
        delivery.ship(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW)


def test_only_gifts_are_delivered(shop_code):
    order(shop_code)

    with pytest.raises(DeliveryRefused, match="only gifts"):
        delivery.ship(redeemed_reward_id=shop_code.pk, actor=STAFF, now=NOW)


def test_a_canceled_delivery_leaves_the_reward_and_its_points(gift):
    usage.mark_used(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW)

    delivery.cancel_delivery(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW, comment="Lost")

    assert status(gift) == "used"
    assert list(audit.differences()) == []
