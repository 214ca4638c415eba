"""Staff give a customer one reward or several: planned, all or none, once however often it is sent."""

import pytest

from loyalty.common import actors
from loyalty.common.plans import PlanOutdated
from loyalty.points import queries as points
from loyalty.points.errors import IdempotencyConflict, InsufficientPoints
from rewards import issuing, staff_redemption
from rewards.models import Origin, RedeemedReward, RewardStock
from rewards.staff_redemption import Wish
from tests.factories.catalogue import GiftFactory, PointsProductFactory, RewardFactory, VariablePriceFactory
from tests.factories.points import NOW, give

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]

STAFF = actors.staff(1)


def wish(product, quantity=1, **more):
    return Wish(reward_id=product.reward_id, quantity=quantity, with_points=True, **more)


def plan(customer, wanted):
    return staff_redemption.plan(customer_id=customer.pk, wish=wanted, now=NOW)


def done(customer, wanted, *, key="once", fingerprint=None):
    return staff_redemption.give(
        customer_id=customer.pk, wish=wanted, actor=STAFF, now=NOW, fingerprint=fingerprint, idempotency_key=key
    )


def balance(customer):
    return points.balance(customer_id=customer.pk, now=NOW)


@pytest.fixture
def gift():
    return PointsProductFactory(reward=GiftFactory())


def test_spends_the_points_of_the_plan_lot_by_lot(customer, gift):
    give(customer, 50, expires_at=NOW.replace(year=2027))

    shown = plan(customer, wish(gift, 2))
    given = done(customer, wish(gift, 2), fingerprint=shown.fingerprint)

    assert (shown.points, balance(customer).balance, len(given.made)) == (200, 100, 2)
    assert shown.effects[0] == "The customer gets “A mug”, 2 times, for 200 points in all, 100 points each."
    assert [sentence.split(" from lot")[0] for sentence in shown.effects[1:3]] == ["50 points", "150 points"]
    assert {(row.origin, row.actor_id) for row in given.made} == {(Origin.REDEMPTION, 1)}


def test_planning_leaves_nothing_behind(customer, gift):
    plan(customer, wish(gift, 2))

    assert (RedeemedReward.objects.count(), balance(customer).held) == (0, 0)


def test_gives_all_or_none(customer, gift):
    shown = plan(customer, wish(gift, 3))

    assert shown.effects == ()
    with pytest.raises(InsufficientPoints) as refusal:
        done(customer, wish(gift, 3))
    assert (refusal.value.sentence, "250 active points, 50 too few" in shown.refusal) == (shown.refusal, True)
    assert (RedeemedReward.objects.count(), balance(customer).balance) == (0, 250)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [({"limit_per_customer": 1}, "once per customer"), ({"enabled": False}, "switched off")],
)
def test_keeps_the_limits_for_each_of_them(customer, gift, fields, sentence):
    type(gift.reward).objects.update(**fields)

    assert sentence in plan(customer, wish(gift, 2)).refusal


def test_takes_no_more_pieces_than_there_are(customer, gift):
    type(gift.reward).objects.update(limit_total=1)
    RewardStock.objects.create(reward=gift.reward, left=1)

    assert plan(customer, wish(gift, 2)).refusal == "This reward is sold out."
    assert RewardStock.objects.get().left == 1


def test_twice_with_one_key_is_once_even_when_the_plan_has_moved(customer, gift):
    shown = plan(customer, wish(gift, 2))
    first = done(customer, wish(gift, 2), fingerprint=shown.fingerprint)
    again = done(customer, wish(gift, 2), fingerprint=shown.fingerprint)

    assert [row.pk for row in again.made] == [row.pk for row in first.made]
    assert balance(customer).balance == 50


@pytest.mark.parametrize("change", [{"quantity": 1}, {"quantity": 2, "with_points": False}])
def test_the_key_for_something_else_is_refused(customer, gift, change):
    done(customer, wish(gift, 2))

    with pytest.raises(IdempotencyConflict):
        done(customer, Wish(**{"reward_id": gift.reward_id, "with_points": True} | change))
    assert RedeemedReward.objects.count() == 2


def test_a_plan_that_has_moved_is_refused(customer, gift):
    shown = plan(customer, wish(gift))
    give(customer, 5)

    with pytest.raises(PlanOutdated):
        done(customer, wish(gift), fingerprint=shown.fingerprint)
    assert not RedeemedReward.objects.exists()


@pytest.mark.parametrize("quantity", [0, 21])
def test_so_many_are_not_given_at_once(customer, gift, quantity):
    assert "choose from 1 to 20" in plan(customer, wish(gift, quantity)).refusal


def test_without_points_they_are_grants(customer):
    wanted = Wish(reward_id=RewardFactory().pk, quantity=2, with_points=False, internal_note=" Sorry ")

    given = done(customer, wanted)

    assert {(row.origin, row.cost_in_points, row.internal_note) for row in given.made} == {("staff", 0, "Sorry")}
    assert plan(customer, wanted).effects[0] == "The customer gets “5 off”, 2 times, without points."


def test_what_has_no_price_is_not_redeemed(customer):
    wanted = Wish(reward_id=RewardFactory().pk, quantity=1, with_points=True)

    assert "has no price in points. Give it without points" in plan(customer, wanted).refusal


def test_a_variable_cost_buys_what_its_points_buy(customer):
    product = VariablePriceFactory()

    (made,) = done(customer, wish(product, points_each=200)).made

    assert (made.cost_in_points, made.amount) == (200, 4)


def test_the_shop_makes_each_of_them(customer, product):
    given = done(customer, wish(product, 2))

    assert len({row.code.code for row in given.made}) == 2
    assert balance(customer).balance == 50


def test_what_the_shop_does_not_make_costs_nothing(customer, product, shop):
    shop.fault("create", "refuse", times=1)

    given = done(customer, wish(product, 2))

    assert (len(given.made), len(given.failed), balance(customer).balance, balance(customer).held) == (1, 1, 150, 0)


def test_what_a_worker_has_begun_is_left_to_it(customer, product, monkeypatch):
    monkeypatch.setattr(issuing, "take", lambda **which: None)  # a worker is faster with each of them

    given = done(customer, wish(product, 2))

    assert (len(given.made), len(given.waiting)) == (0, 2)
    assert (balance(customer).balance, balance(customer).held) == (50, 200)
