"""Customers who are merged while others merge, spend, order, recommend, change and forget."""

from decimal import Decimal

import pytest

from loyalty.common.actors import SYSTEM
from loyalty.customers import profile
from loyalty.customers.models import Customer
from loyalty.erasure import forgetting
from loyalty.erasure.models import Erasure
from loyalty.merchant import queries as merchant
from loyalty.merging import forwarding, joining, people, planning
from loyalty.merging.models import CustomerMerge
from loyalty.points import audit, queries
from loyalty.program import orders
from loyalty.program.models import Order, Referral, ReferralSettings
from loyalty.program.referrals import settling
from platforms.adapter import OrderStatus, ShopOrder
from rewards import redemption
from rewards.models import RedeemedReward
from tests.concurrency.races import in_the_midst, kinds_of_failure, race, succeeded
from tests.factories.catalogue import CustomFactory, PointsProductFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db(transaction=True)

ORDER = ShopOrder(
    external_id="1", number="#1", status=OrderStatus.COMPLETED, placed_at=NOW, updated_at=NOW, total=Decimal(10),
    currency="USD", customer_email="anna@example.com",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _programme(transactional_db):
    """It is there before anybody begins."""
    merchant.programme()


def merge(source, survivor):
    return joining.merge(source_id=source.pk, survivor_id=survivor.pk, actor=SYSTEM, now=NOW)


def total(people):
    return sum(figures.balance for figures in queries.balances(customer_ids=[p.pk for p in people], now=NOW).values())


def test_of_merges_in_all_directions_no_points_are_lost_and_nobody_goes_twice():
    people = [CustomerFactory() for _ in range(3)]
    for customer in people:
        give(customer, 100)
    first, second, third = people
    product = PointsProductFactory(reward=CustomFactory(), points_price=100)

    results = race(
        lambda: merge(first, second),
        lambda: merge(second, first),
        lambda: merge(second, third),
        lambda: merge(third, first),
        lambda: redemption.redeem(customer_id=first.pk, points_product_id=product.pk, actor=SYSTEM, now=NOW),
        lambda: redemption.redeem(customer_id=second.pk, points_product_id=product.pk, actor=SYSTEM, now=NOW),
    )
    while forwarding.sweep(now=NOW):
        pass

    refusals = {"MergeRefused", "InsufficientPoints", "RewardNotAvailable", "CustomerDisabled"}
    assert kinds_of_failure(results) <= refusals
    redeemed = RedeemedReward.objects.count()
    assert total(people) == 300 - 100 * redeemed
    gone = CustomerMerge.objects.values_list("source_id", flat=True)
    assert len(set(gone)) == len(gone) == Customer.objects.filter(merged_into__isnull=False).count() > 0
    left = Customer.objects.filter(merged_into=None)
    assert total(left) == total(people)
    assert not Customer.objects.filter(merged_into__merged_into__isnull=False).exists()
    assert len(succeeded(results)) == len(gone) + redeemed
    assert list(audit.differences()) == []


@pytest.fixture
def pair():
    """The customer who goes, with 100 points, and the one who stays."""
    source, survivor = CustomerFactory(email="anna@example.com"), CustomerFactory()
    give(source, 100)
    return source, survivor


def recommended(friend):
    """A referral whose friend is to get a reward."""
    ReferralSettings.objects.create(pk=1, active=True, friend_reward=CustomFactory())
    return Referral.objects.create(
        sender=CustomerFactory(), friend=friend, state="pending", due_at=NOW, created_at=NOW, updated_at=NOW
    )


def test_an_order_that_earns_while_its_buyer_is_merged_goes_over_with_its_points(pair, monkeypatch):
    source, survivor = pair
    shop = ConnectionFactory()
    merged = in_the_midst(monkeypatch, (orders.earning, "earn"), lambda: merge(source, survivor))

    orders.record(connection_id=shop.pk, order=ORDER, returns_use_on_cancel=True, actor=SYSTEM, now=NOW)

    assert succeeded([merged()])
    assert Order.objects.get().customer == survivor
    assert (total([source]), total([survivor])) == (0, 110)


def test_a_referral_that_gives_while_its_friend_is_merged_gives_once(pair, monkeypatch):
    source, survivor = pair
    referral = recommended(source)
    merged = in_the_midst(monkeypatch, (settling, "_lock_accounts"), lambda: merge(source, survivor))

    settling.settle(referral_id=referral.pk, now=NOW)

    assert succeeded([merged()])
    referral.refresh_from_db()
    assert (referral.friend, referral.friend_reward) == (survivor, RedeemedReward.objects.get())


def test_who_is_forgotten_while_they_are_merged_is_waited_for_and_nobody_waits_in_a_circle(pair, monkeypatch):
    source, survivor = pair
    recommended(source)
    forgotten = in_the_midst(
        monkeypatch,
        (people.locking, "lock"),
        lambda: forgetting.forget(customer_id=source.pk, actor=SYSTEM, now=NOW),
    )

    merge(source, survivor)

    assert kinds_of_failure([forgotten()]) == {"ErasureRefused"}
    assert not Erasure.objects.exists()


def test_what_is_changed_of_a_customer_while_somebody_is_merged_into_them_stays(pair, monkeypatch):
    source, survivor = pair
    changed = in_the_midst(
        monkeypatch,
        (planning, "plan"),
        lambda: profile.update(customer_id=survivor.pk, first_name="Eva", actor=SYSTEM, now=NOW),
    )

    merge(source, survivor)

    assert succeeded([changed()])
    survivor.refresh_from_db()
    assert survivor.first_name == "Eva"


def test_points_that_are_spent_while_they_go_over_are_spent_by_nobody_else(pair, monkeypatch):
    source, survivor = pair
    product = PointsProductFactory(reward=CustomFactory(), points_price=100)
    redeemed = in_the_midst(
        monkeypatch,
        (joining.transfers, "move_lots"),
        lambda: redemption.redeem(customer_id=source.pk, points_product_id=product.pk, actor=SYSTEM, now=NOW),
    )

    merge(source, survivor)

    assert len(succeeded([redeemed()])) == RedeemedReward.objects.count()
    assert total([source, survivor]) == 100 - 100 * RedeemedReward.objects.count()
    assert list(audit.differences()) == []


def test_two_sweeps_at_once_move_what_came_back_once(pair, monkeypatch):
    source, survivor = pair
    merge(source, survivor)
    give(source, 30)
    other = in_the_midst(monkeypatch, (joining, "move_points"), lambda: forwarding.sweep(now=NOW))

    assert forwarding.sweep(now=NOW) == 1

    assert other() == 0
    assert (total([source]), total([survivor])) == (0, 130)
