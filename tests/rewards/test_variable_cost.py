"""A variable cost: steps of points buy steps of value, off-step is refused, and nothing is ever rounded."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from loyalty.common import actors
from loyalty.points import queries as points
from loyalty.points.errors import IdempotencyConflict
from rewards import catalogue, granting, pricing, redemption
from rewards.models import PointsProduct, RedeemedReward
from rewards.pricing import PointsNotAccepted, Steps
from rewards.types.base import RewardIncomplete
from tests.factories.catalogue import PointsProductFactory, RewardFactory, ValueCodeFactory, VariablePriceFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]
STAFF = actors.staff(1)


@pytest.fixture
def customer():
    member = CustomerFactory()
    give(member, 1000)
    return member


@pytest.fixture
def product():
    """100 points buy 2, from 200 to 800 points."""
    return VariablePriceFactory()


def redeem(customer, product, points_to_spend, **more):
    return redemption.redeem(
        customer_id=customer.pk,
        points_product_id=product.pk,
        points_to_spend=points_to_spend,
        actor=STAFF,
        now=NOW,
        **more,
    )


def balance(customer):
    return points.balance(customer_id=customer.pk, now=NOW).balance


def test_buys_what_its_steps_are_worth_and_the_copies_say_so(customer, product):
    redeemed = redeem(customer, product, 500)

    assert (redeemed.cost_in_points, redeemed.amount, redeemed.name) == (500, Decimal(10), "$10 off coupon")
    assert redeemed.debit.points_change == -500
    assert balance(customer) == 500


def test_the_shop_makes_the_value_that_was_bought(customer, connection, shop):
    product = VariablePriceFactory(reward__connection=connection)

    redeemed = redeem(customer, product, 300)

    assert shop.codes(redeemed.code.code)[0]["amount"] == "6.00"


@pytest.mark.parametrize("spent", [0, 1, 100, 199, 201, 250, 799, 900, -200])
def test_refuses_points_that_are_no_step_or_out_of_bounds(customer, product, spent):
    with pytest.raises(PointsNotAccepted, match="a multiple of 100, from 200 to 800"):
        redeem(customer, product, spent)

    assert balance(customer) == 1000
    assert not RedeemedReward.objects.exists()


def test_needs_to_be_told_how_many_points(customer, product):
    with pytest.raises(PointsNotAccepted, match="Say how many points"):
        redeem(customer, product, None)


def test_has_no_end_without_a_maximum(customer):
    product = VariablePriceFactory(variable_points_max=None)

    assert redeem(customer, product, 1000).amount == Decimal(20)


def test_spends_nothing_for_another_value_than_was_seen(customer, product):
    with pytest.raises(pricing.ValueChanged, match="500 points buy 10 by now, not 12"):
        redeem(customer, product, 500, expected_value=Decimal(12))

    assert balance(customer) == 1000
    assert redeem(customer, product, 500, expected_value=Decimal(10)).cost_in_points == 500


def test_the_same_key_with_other_points_is_refused(customer, product):
    first = redeem(customer, product, 200, idempotency_key="click")

    assert redeem(customer, product, 200, idempotency_key="click").pk == first.pk
    with pytest.raises(IdempotencyConflict):
        redeem(customer, product, 300, idempotency_key="click")


def test_changing_the_cost_never_touches_what_was_redeemed(customer, product):
    redeemed = redeem(customer, product, 400)

    PointsProduct.objects.filter(pk=product.pk).update(variable_points_step_reward_value=1)

    redeemed.refresh_from_db()
    assert (redeemed.cost_in_points, redeemed.amount) == (400, Decimal(8))
    assert redeem(customer, product, 400).amount == Decimal(4)


def test_a_value_code_starts_with_the_value_that_was_bought(customer):
    redeemed = redeem(customer, VariablePriceFactory(reward=ValueCodeFactory(amount=None)), 300)

    assert (redeemed.remaining, redeemed.name) == (Decimal(6), "$6 to spend")


def test_is_granted_with_its_own_amount_and_not_without(customer, product):
    with pytest.raises(RewardIncomplete, match="worth what its points buy"):
        granting.grant(customer_id=customer.pk, reward_id=product.reward_id, actor=STAFF, now=NOW)

    product.reward.amount = Decimal(3)
    product.reward.save()
    granted = granting.grant(customer_id=customer.pk, reward_id=product.reward_id, actor=STAFF, now=NOW)
    assert (granted.amount, granted.cost_in_points) == (Decimal(3), 0)


def test_a_fixed_reward_without_an_amount_is_not_redeemed(customer):
    product = PointsProductFactory(reward=RewardFactory(amount=None))

    with pytest.raises(RewardIncomplete):
        redeem(customer, product, None)

    assert balance(customer) == 1000


def test_an_offer_tells_its_steps_and_the_least_it_takes(customer, product):
    (offer,) = catalogue.offers(customer_id=customer.pk, now=NOW)

    assert offer.steps == Steps(step=100, value=2, least=200, most=800)
    assert (offer.cost_in_points, offer.missing_points) == (200, 0)


@pytest.mark.parametrize(("balance", "most"), [(0, 200), (199, 200), (250, 200), (799, 700), (5000, 800)])
def test_the_most_a_customer_can_choose_is_a_step_they_can_pay(balance, most):
    assert Steps(step=100, value=2, least=200, most=800).most_with(balance) == most


@pytest.mark.parametrize(
    "broken",
    [
        {"points_price": 100},
        {"variable_points_step": None},
        {"variable_points_step": 0},
        {"variable_points_step_reward_value": 0},
        {"variable_points_min": None},
        {"variable_points_min": 250},
        {"variable_points_max": 850},
        {"variable_points_max": 100},
        {"exchange_type": "fixed"},
        {"exchange_type": "fixed", "points_price": 100},
    ],
)
def test_the_database_refuses_a_cost_that_makes_no_sense(broken):
    with pytest.raises(IntegrityError), transaction.atomic():
        VariablePriceFactory(**broken)
