"""Redeeming in a Shopify shop, whose answers get lost: one code each, and it is the customer's."""

import pytest

from loyalty.common import actors
from loyalty.points import queries as points
from platforms import credentials
from platforms.models import Platform
from rewards import offering, redemption
from rewards.models import IssueAttempt
from tests.factories.catalogue import FreeProductFactory, GiftCardFactory, PointsProductFactory, RewardFactory
from tests.factories.people import ConnectionFactory
from tests.factories.points import NOW
from tests.fakes.shopify import goods
from tests.fakes.shopify.server import running_shopify
from tests.fakes.shopify.shop import CLIENT_ID, CLIENT_SECRET

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]

REWARDS = {
    "discount": (RewardFactory, {}),
    "free product": (FreeProductFactory, {"product_reference": goods.MUG_PRODUCT}),
    "gift card": (GiftCardFactory, {}),
}


@pytest.fixture
def fake():
    with running_shopify() as running:
        yield running


@pytest.fixture
def shop(fake, db):
    sealed = credentials.seal({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET})
    return ConnectionFactory(platform=Platform.SHOPIFY, base_url=fake.url, credentials=sealed)


def redeem(customer, product):
    return redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=actors.SYSTEM, now=NOW, deadline=8.0
    )


@pytest.mark.parametrize("sort", REWARDS)
@pytest.mark.parametrize("fault", ["drop_after", "504_after", "internal_after", "malformed_after"])
def test_finds_the_one_code_again_when_the_answer_was_lost(fake, shop, customer, sort, fault):
    factory, values = REWARDS[sort]
    product = PointsProductFactory(reward=factory(connection=shop, **values))
    fake.shop.customer(customer.email)
    fake.fault("CreateBasic", fault)
    fake.fault("CreateGiftCard", fault)

    redeemed = redeem(customer, product)

    assert redeemed.fulfillment_status == "issued"
    made = [one.code for one in (*fake.shop.discounts.values(), *fake.shop.cards.values())]
    assert made == [redeemed.code.code]
    assert list(IssueAttempt.objects.order_by("id").values_list("call", "outcome")) == [
        ("create", "unknown"),
        ("find", "ok"),
    ]
    assert points.balance(customer_id=customer.pk, now=NOW).balance == 150
    bound = [one.customers for one in fake.shop.discounts.values()]
    assert bound in ([], [[fake.shop.customer(customer.email)]])


def test_gives_a_code_that_works_at_the_checkout_of_its_customer(fake, shop, customer):
    product = PointsProductFactory(reward=RewardFactory(connection=shop))

    redeemed = redeem(customer, product)

    assert fake.shop.checkout(customer.email, code=redeemed.code.code).discount == redeemed.amount


@pytest.mark.parametrize("sort", REWARDS)
def test_is_offered_for_each_sort_of_reward_the_shop_makes(shop, sort):
    factory, values = REWARDS[sort]
    reward = factory(connection=shop, **values)

    assert offering.problems(reward=reward) == {}
