"""Rewards made and changed by other systems: judged as the staff's form is, and what was redeemed stays."""

import pytest
from django.utils import timezone

from loyalty.api.keys import Scope
from loyalty.common.actors import SYSTEM
from loyalty.events.models import Event
from rewards import catalogue, redemption
from rewards.models import PointsProduct, Reward, RewardText
from tests.api.conftest import refusal
from tests.factories.catalogue import PointsProductFactory
from tests.factories.people import ConnectionFactory

MUG = {
    "name": "A mug",
    "type": "gift",
    "description": "Blue.",
    "points_price": 100,
    "enabled": True,
    "tax_value": "2.50",
}


def told(answer, status=200):
    assert answer.status_code == status, answer.json()
    return answer.json()["reward"]


def test_is_made_with_its_price_and_its_words_and_can_be_redeemed(api, customer):
    made = told(api.post("/rewards", MUG, key="mug"), 201)
    assert told(api.post("/rewards", MUG, key="mug"), 201) == made
    assert (made["name"], made["description"], made["type"], made["enabled"]) == ("A mug", "Blue.", "gift", True)

    offers = catalogue.offers(customer_id=customer.pk, now=timezone.now(), language="en")

    assert [(offer.name, offer.cost_in_points, offer.available) for offer in offers] == [("A mug", 100, True)]
    assert Reward.objects.count() == 1
    assert Event.objects.get(kind="catalogue.reward_created").subject_id == made["id"]


def test_begins_switched_off_and_in_the_currency_of_its_shop(api):
    shop = ConnectionFactory(currency="EUR")

    made = told(
        api.post("/rewards", {"name": "5 off", "type": "discount_code", "amount": "5.00", "connection_id": shop.pk}),
        201,
    )

    reward = Reward.objects.get(pk=made["id"])
    assert (reward.enabled, reward.currency, reward.connection) == (False, "EUR", shop)
    assert made["points_product_id"] is None


def test_is_changed_where_something_is_said_and_redeemed_rewards_stay(api, customer):
    made = told(api.post("/rewards", MUG), 201)
    product = PointsProduct.objects.get()
    redeemed = redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=SYSTEM, now=timezone.now()
    )
    RewardText.objects.create(reward_id=made["id"], language="de", name="Ein Becher")

    changed = told(api.post(f"/rewards/{made['id']}", {"reward": {"name": "A cup", "points_price": 120}}))

    assert (changed["name"], changed["description"], changed["enabled"]) == ("A cup", "Blue.", True)
    assert changed["points_product_id"] == product.pk
    product.refresh_from_db()
    redeemed.refresh_from_db()
    assert product.points_price == 120
    assert (redeemed.name, redeemed.cost_in_points) == ("A mug", 100)
    assert RewardText.objects.get(language="de").name == "Ein Becher"


def test_is_no_longer_sold_without_a_price(api):
    made = told(api.post("/rewards", MUG), 201)

    assert told(api.post(f"/rewards/{made['id']}", {"points_price": None}))["points_product_id"] is None
    assert PointsProduct.objects.count() == 0


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"type": "percentage_discount"}, "/percent"),
        ({"type": "gift", "percent": "10"}, "/percent"),
        ({"type": "percentage_discount", "percent": "0"}, "/percent"),
        ({"type": "gift", "points_price": 0}, "/points_price"),
        ({"type": "gift", "points_price": 2**40}, "/points_price"),
        ({"type": "gift", "limit_per_customer": -1}, "/limit_per_customer"),
        ({"type": "custom", "action_url": "nowhere"}, "/action_url"),
        ({"type": "discount_code", "amount": "5", "connection_id": 999_999}, "/connection_id"),
    ],
)
def test_is_refused_at_its_field_and_nothing_is_kept(api, wrong, pointer):
    answer = api.post("/rewards", {"name": "X", **wrong})

    assert refusal(answer) == (422, "reward_refused")
    assert answer.json()["error"]["pointer"] == pointer
    assert Reward.objects.count() == 0


def test_keeps_what_it_was_when_a_change_is_refused(api):
    product = PointsProductFactory()

    answer = api.post(f"/rewards/{product.reward_id}", {"name": "Y", "amount": None})

    assert refusal(answer) == (422, "reward_refused")
    assert Reward.objects.get().name == "5 off"
    assert refusal(api.post("/rewards/999999", {"name": "Y"})) == (404, "not_found")


def test_needs_a_scope_of_its_own(integrator):
    assert refusal(integrator(Scope.REWARD_READ).post("/rewards", MUG)) == (403, "missing_scope")
