"""Cashback in the catalogue: what it needs, what it may pay out in a day, and what points would give."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from loyalty.common import actors, money
from loyalty.merchant.models import Programme
from rewards import cancellation, catalogue, limits, offering, payouts_by_hand, redemption, simulation
from rewards.catalogue import UnknownReward
from rewards.limits import RewardNotAvailable
from rewards.models import Payout, Reward, RewardKind
from rewards.types import registry
from tests.factories.catalogue import CashbackFactory, PointsProductFactory, RewardFactory, VariablePriceFactory
from tests.factories.people import CustomerFactory, PayoutAccountFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db(transaction=True)


def price(**fields):
    return PointsProductFactory(reward=CashbackFactory(**fields))


@pytest.fixture
def customer():
    member = CustomerFactory()
    give(member, 1000, now=NOW - timedelta(days=90))
    return member


def redeem(customer, product, now=NOW, **more):
    return redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=actors.staff(1), now=now, **more
    )


def test_is_of_a_kind_of_its_own_by_its_class():
    assert registry.OF_KIND[RewardKind.CASHBACK] == ["cashback"]


def test_shows_the_fields_it_has():
    assert offering.fields_of("cashback") == ["amount", "daily_limit", "payout_account"]


@pytest.mark.parametrize(
    ("fields", "name", "sentence"),
    [
        ({"payout_account": None}, "payout_account", "it says who sends the money"),
        ({"amount": None}, "amount", "Say how much it is worth"),
        ({"days_valid": 30}, "days_valid", "has no code, no end and no order"),
        ({"days_inactive": 1}, "days_inactive", "has no code, no end and no order"),
        ({"prefix": "CASH"}, "prefix", "has no code, no end and no order"),
        ({"liability_limit": Decimal(10)}, "liability_limit", "Use the limit of money a day"),
        ({"currency": "EUR"}, "currency", "pays in USD: it could not send EUR"),
        ({"currency": "JPY", "amount": Decimal("5.50")}, "amount", "JPY has fewer decimals than this"),
    ],
)
def test_says_what_is_wrong_beside_the_field(fields, name, sentence):
    reward = CashbackFactory.build(payout_account=PayoutAccountFactory())
    for field, value in fields.items():
        setattr(reward, field, value)

    assert sentence in offering.problems(reward=reward)[name]


def test_an_account_is_for_cashback_alone():
    reward = RewardFactory.build(payout_account=PayoutAccountFactory())

    assert "has none" in offering.problems(reward=reward)["payout_account"]
    with pytest.raises(IntegrityError), transaction.atomic():
        reward.save()


def test_a_cashback_without_an_account_is_refused_by_the_database():
    with pytest.raises(IntegrityError), transaction.atomic():
        Reward.objects.create(name="Money", type="cashback", amount=5)


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [("5", "USD", "5.00"), ("500", "JPY", "500"), ("5.5", "KWD", "5.500"), ("12.30", "EUR", "12.30")],
)
def test_amounts_are_sent_with_the_decimals_of_their_currency(amount, currency, written):
    assert money.written(Decimal(amount), currency) == written


def test_amounts_are_never_rounded_to_fit():
    assert not money.fits(Decimal("0.5"), "JPY")
    with pytest.raises(ValueError, match="more decimals"):
        money.written(Decimal("5.001"), "USD")


def test_no_more_than_the_limit_is_paid_out_in_a_day(customer):
    product = price(daily_limit=Decimal(12))
    redeem(customer, product)
    redeem(customer, product)

    with pytest.raises(RewardNotAvailable) as refused:
        redeem(customer, product)

    assert refused.value.code == "daily_limit_reached"
    assert Payout.objects.count() == 2


def test_the_day_is_the_programmes(customer):
    Programme.objects.update_or_create(pk=1, defaults={"time_zone": "Pacific/Auckland"})
    product = price(daily_limit=Decimal(5))
    before_midnight_there = datetime(2026, 11, 21, 10, 59, tzinfo=UTC)
    redeem(customer, product, now=before_midnight_there)

    with pytest.raises(RewardNotAvailable):
        redeem(customer, product, now=before_midnight_there)
    redeem(customer, product, now=before_midnight_there + timedelta(minutes=1))

    assert Payout.objects.count() == 2


@pytest.mark.parametrize("how", ["canceled", "failed"])
def test_what_was_not_paid_frees_its_place_in_the_day(customer, how):
    product = price(daily_limit=Decimal(5))
    redeemed = redeem(customer, product)
    if how == "canceled":
        cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=actors.staff(1), now=NOW)
    else:
        payouts_by_hand.mark_refused(
            redeemed_reward_id=redeemed.pk, actor=actors.staff(1), now=NOW, reason="No account"
        )

    redeem(customer, product)

    assert limits.paid_out_today(reward_ids=[product.reward_id], now=NOW) == {product.reward_id: Decimal("5.00")}


def test_the_catalogue_says_that_enough_was_paid_today(customer):
    product = price(daily_limit=Decimal(7))
    redeem(customer, product)

    (offer,) = catalogue.offers(customer_id=customer.pk, now=NOW)

    assert (offer.value, offer.pays_out, offer.reason_code) == (Decimal("5.00"), True, "daily_limit_reached")


def test_points_are_simulated_without_spending_any(customer):
    product = VariablePriceFactory(reward=CashbackFactory(amount=None))

    found = simulation.simulate(points_product_id=product.pk, points_to_spend=300, now=NOW)

    assert (found.value, found.currency, found.available) == (Decimal(6), "USD", True)
    assert Payout.objects.count() == 0


@pytest.mark.parametrize(
    ("points", "code"), [(250, "points_not_accepted"), (900, "points_not_accepted"), (700, "daily_limit_reached")]
)
def test_a_simulation_says_why_so_many_cannot_be_spent(points, code):
    product = VariablePriceFactory(reward=CashbackFactory(amount=None, daily_limit=Decimal(10)))

    found = simulation.simulate(points_product_id=product.pk, points_to_spend=points, now=NOW)

    assert (found.available, found.reason_code) == (False, code)
    assert found.reason.endswith(".")


def test_a_simulation_of_a_fixed_price_needs_no_points():
    product = price()

    assert simulation.simulate(points_product_id=product.pk, now=NOW).value == Decimal("5.00")
    assert simulation.simulate(points_product_id=product.pk, points_to_spend=99, now=NOW).reason_code == "price_changed"


def test_what_is_not_on_offer_is_not_simulated():
    with pytest.raises(UnknownReward):
        simulation.simulate(points_product_id=987654, now=NOW)
