"""Rewards made and changed by other systems: judged as the staff's form is, and what was redeemed stays."""

import pytest
from django.utils import timezone

from loyalty.api.keys import Scope
from loyalty.api.v1.reward_settings import TEXT_NAMES, ChangedRewardSerializer, TextSerializer
from loyalty.common.actors import SYSTEM
from loyalty.customers.models import Tier
from loyalty.events.models import Event
from rewards import catalogue, redemption
from rewards.admin.catalogue_form import RewardForm, TextForm
from rewards.models import PointsProduct, Reward, RewardStock, RewardText
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


EVERYTHING = {
    "type": "discount_code",
    "texts": [
        {"language": "de", "name": "Rabatt", "description": "Auf alles.", "terms_and_conditions": "Einmal."},
        {
            "language": "en",
            "name": "Discount",
            "usage_instructions": "Type it in.",
            "brand": "Lilies",
            "action_text": "Shop",
        },
    ],
    "featured": True,
    "variable_points_step": 100,
    "variable_points_step_reward_value": 2,
    "variable_points_min": 200,
    "variable_points_max": 800,
    "tax_value": "1.50",
    "currency": "EUR",
    "minimum_order": "20.00",
    "collections": [{"reference": "kitchen", "name": "Kitchen and table"}],
    "combines_with": ["shipping"],
    "prefix": "SPRING",
    "days_inactive": 1,
    "days_valid": 30,
    "active_from": "2026-11-01T00:00:00.000Z",
    "active_until": "2027-11-01T00:00:00.000Z",
    "visible_from": "2026-10-01T00:00:00.000Z",
    "visible_until": "2027-12-01T00:00:00.000Z",
    "restricted": True,
    "limit_total": 50,
    "limit_per_customer": 5,
    "limit_per_period": 2,
    "period": "month",
    "liability_limit": "500.00",
    "categories": ["For the kitchen"],
    "labels": ["spring"],
    "action_url": "https://shop.example/",
}
ONLY_READ = {"name", "points_price", "connection_id", "payout_account_id", "percent", "amount", "product_reference",
             "carries_code", "daily_limit", "vip_tier_ids", "customers_listed"}  # fmt: skip


def settings(api, made):
    return told(api.get(f"/rewards/{made['id']}"))["settings"]


def test_takes_all_that_the_form_of_staff_takes_and_tells_it_again(api, customer):
    gold = Tier.objects.create(name="Gold", rank=1)
    body = {**EVERYTHING, "name": "Spring", "vip_tier_ids": [gold.pk], "customer_ids": [customer.pk]}

    made = told(api.post("/rewards", body), 201)
    read = settings(api, made)

    assert {name: read[name] for name in EVERYTHING.keys() - {"type", "texts"}} == {
        name: value for name, value in EVERYTHING.items() if name not in {"type", "texts"}
    }
    assert [
        {name: text[name] for name in given} for given, text in zip(EVERYTHING["texts"], read["texts"], strict=True)
    ] == (EVERYTHING["texts"])
    assert (read["vip_tier_ids"], read["customers_listed"], read["amount"]) == ([gold.pk], 1, None)
    assert RewardStock.objects.get(reward_id=made["id"]).left == 50
    assert EVERYTHING.keys() | ONLY_READ == read.keys() | {"type"}


def test_has_a_field_for_each_of_the_form():
    form = {
        "audience": "customer_ids", "tiers": "vip_tier_ids", "shelves": "categories", "connection": "connection_id",
        "payout_account": "payout_account_id", "cost": "variable_points_step",
    }  # fmt: skip

    fields = {form.get(name, name) for name in RewardForm().fields}
    words = {TEXT_NAMES.get(name, name) for name in TextSerializer().fields}

    assert fields - {"shared_code"} <= set(ChangedRewardSerializer().fields)
    assert words == set(TextForm().fields)


def test_costs_what_customers_choose_and_then_so_many_points_and_then_nothing(api):
    made = told(api.post("/rewards", {**EVERYTHING, "name": "Spring", "restricted": False}), 201)
    path = f"/rewards/{made['id']}"
    price = {name: EVERYTHING[name] for name in EVERYTHING if name.startswith("variable_")}

    longer = told(api.post(path, {"variable_points_max": None}))["settings"]
    fixed = told(api.post(path, {"points_price": 300, "amount": "5.00"}))["settings"]
    steps = told(api.post(path, price))["settings"]
    granted = told(api.post(path, {"points_price": None}))

    assert (longer["variable_points_step"], longer["variable_points_max"]) == (100, None)
    assert (fixed["points_price"], fixed["variable_points_step"]) == (300, None)
    assert {name: steps[name] for name in price} == price
    assert (granted["points_product_id"], granted["settings"]["variable_points_min"]) == (None, None)


def test_lists_stand_in_place_of_what_there_was_and_what_is_left_out_stays(api, customer):
    made = told(
        api.post("/rewards", {**MUG, "restricted": True, "customer_ids": [customer.pk], "categories": ["A", "B"]}), 201
    )
    path = f"/rewards/{made['id']}"

    kept = told(api.post(path, {"featured": True}))["settings"]
    other = told(api.post(path, {"restricted": False, "customer_ids": [], "categories": ["B"]}))["settings"]

    assert (kept["customers_listed"], kept["categories"]) == (1, ["A", "B"])
    assert (other["customers_listed"], other["categories"]) == (0, ["B"])


def test_fewer_than_are_taken_already_are_refused(api, customer):
    made = told(api.post("/rewards", {**MUG, "limit_total": 3}), 201)
    redemption.redeem(
        customer_id=customer.pk, points_product_id=made["points_product_id"], actor=SYSTEM, now=timezone.now()
    )

    answer = api.post(f"/rewards/{made['id']}", {"limit_total": 0, "name": "None"})
    told(api.post(f"/rewards/{made['id']}", {"limit_total": 2}))

    assert (refusal(answer), answer.json()["error"]["pointer"]) == ((422, "reward_refused"), "/limit_total")
    assert Reward.objects.get().name == "A mug"
    assert RewardStock.objects.get().left == 1


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"restricted": True}, "/customer_ids"),
        ({"vip_tier_ids": [999_999]}, "/vip_tier_ids"),
        ({"customer_ids": [999_999]}, "/customer_ids"),
        ({"variable_points_step": 100}, "/variable_points_step"),
        ({"currency": "EU"}, "/currency"),
        ({"prefix": "spring"}, "/prefix"),
        ({"active_from": "2026-11-02T00:00:00Z", "active_until": "2026-11-01T00:00:00Z"}, "/active_until"),
        ({"limit_per_period": 2}, "/period"),
        ({"period": "day"}, "/limit_per_period"),
        ({"limit_total": 2**40}, "/limit_total"),
        ({"payout_account_id": 999_999}, "/payout_account_id"),
        ({"collections": [{"reference": "a", "name": "A"}] * 2}, "/collections"),
        ({"texts": []}, "/texts"),
        ({"texts": [{"language": "en", "name": "A"}, {"language": "en", "name": "B"}]}, "/texts"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_at_its_field(api, wrong, pointer):
    made = told(api.post("/rewards", {"name": "A mug", "type": "gift"}), 201)

    for path, body in ((f"/rewards/{made['id']}", wrong), ("/rewards", {"name": "X", "type": "gift", **wrong})):
        answer = api.post(path, body)
        assert (refusal(answer), answer.json()["error"]["pointer"]) == ((422, "reward_refused"), pointer)
    assert Reward.objects.get().name == "A mug"


def test_words_of_one_language_are_pointed_at_one_by_one(api):
    wrong = {"texts": [{"language": "en", "name": "A"}, {"language": "de", "name": ""}]}

    answer = api.post("/rewards", {"name": "X", "type": "gift", **wrong})
    both = api.post("/rewards", {"name": "X", "type": "gift", "description": "B", "texts": wrong["texts"][:1]})

    assert (refusal(answer), answer.json()["error"]["pointer"]) == ((400, "invalid_parameter"), "/texts/1/name")
    assert refusal(both) == (422, "contradictory")
    assert Reward.objects.count() == 0
