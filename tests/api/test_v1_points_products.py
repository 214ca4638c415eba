from datetime import timedelta

import pytest
from django.utils import timezone

from tests.api.conftest import refusal
from tests.factories.catalogue import (
    CashbackFactory,
    GiftFactory,
    InvitationFactory,
    PointsProductFactory,
    RewardTextFactory,
    VariablePriceFactory,
)

pytestmark = pytest.mark.django_db


def ids(answer):
    return [row["id"] for row in answer.json()["points_products"]]


def test_shows_a_product_as_smile_does_with_our_fields_beside(api, gift):
    answer = api.get(f"/points_products/{gift.pk}")

    assert answer.status_code == 200
    shown = answer.json()["points_product"]
    for instants in (shown, shown["reward"]):
        assert instants.pop("created_at").endswith("Z")
        assert instants.pop("updated_at").endswith("Z")
    assert shown == {
        "id": gift.pk,
        "exchange_type": "fixed",
        "exchange_description": "100 points = A mug",
        "points_price": 100,
        "variable_points_step": None,
        "variable_points_step_reward_value": None,
        "variable_points_min": None,
        "variable_points_max": None,
        "reward": {
            "id": gift.reward_id,
            "name": "A mug",
            "description": "Blue.",
            "image_url": "",
            "type": "gift",
            "brand": None,
            "usage_instructions": None,
            "terms_and_conditions": None,
        },
    }


def test_lists_without_metadata_by_page_number(api):
    made = [PointsProductFactory(reward=GiftFactory()).pk for _ in range(3)]

    first = api.get("/points_products/", page=1, page_size=2)

    assert first.json().keys() == {"points_products"}
    assert [ids(first), ids(api.get("/points_products", page=2, page_size=2))] == [made[:2], made[2:]]
    assert ids(api.get("/points_products", page=3, page_size=2)) == []


def test_finds_by_exchange_type(api, gift):
    assert ids(api.get("/points_products", exchange_type="fixed")) == [gift.pk]
    assert ids(api.get("/points_products", exchange_type="variable")) == []
    assert refusal(api.get("/points_products", exchange_type="free")) == (400, "invalid_parameter")


@pytest.mark.parametrize("size", ["0", "251", "x"])
def test_refuses_a_page_size_outside_1_to_250(api, size):
    assert refusal(api.get("/points_products", page_size=size)) == (400, "invalid_parameter")


def test_shows_only_what_is_on_offer_now(api):
    now = timezone.now()
    hour = timedelta(hours=1)
    for hidden in ({"enabled": False}, {"active_from": now + hour}, {"active_until": now - hour}):
        product = PointsProductFactory(reward=GiftFactory(**hidden))
        assert refusal(api.get(f"/points_products/{product.pk}")) == (404, "not_found"), hidden
    shown = PointsProductFactory(reward=GiftFactory(active_from=now - hour, active_until=now + hour))

    assert ids(api.get("/points_products")) == [shown.pk]


def test_a_list_costs_the_same_few_queries_however_long(api, django_assert_num_queries):
    for many in (1, 30):
        for _ in range(many):
            RewardTextFactory(reward=PointsProductFactory(reward=GiftFactory()).reward)
        api.get("/points_products")
        with django_assert_num_queries(5):
            assert api.get("/points_products").status_code == 200


def test_shows_the_steps_of_a_variable_cost_as_smile_does(api):
    product = VariablePriceFactory()

    shown = api.get(f"/points_products/{product.pk}").json()["points_product"]

    assert {name: shown[name] for name in shown if name.startswith(("exchange", "points", "variable"))} == {
        "exchange_type": "variable",
        "exchange_description": "100 points = $2 off coupon",
        "points_price": None,
        "variable_points_step": 100,
        "variable_points_step_reward_value": 2,
        "variable_points_min": 200,
        "variable_points_max": 800,
    }
    assert ids(api.get("/points_products", exchange_type="variable")) == [product.pk]


def test_finds_by_type_and_by_kind(api, gift):
    invitation = PointsProductFactory(reward=InvitationFactory())

    assert ids(api.get("/points_products", type="event_invitation")) == [invitation.pk]
    assert ids(api.get("/points_products", kind="physical")) == [gift.pk]
    assert ids(api.get("/points_products", kind="virtual")) == [invitation.pk]
    assert refusal(api.get("/points_products", kind="solid")) == (400, "invalid_parameter")


def test_says_what_so_many_points_would_give(api):
    product = VariablePriceFactory(reward=CashbackFactory(amount=None))

    answer = api.get(f"/points_products/{product.pk}/simulation", points_to_spend=400)

    assert answer.json() == {
        "simulation": {
            "points_product_id": product.pk,
            "points_to_spend": 400,
            "value": "8.00",
            "currency": "USD",
            "available": True,
            "reason_code": None,
            "reason": None,
        }
    }


def test_a_simulation_between_two_steps_says_what_would_be_accepted(api):
    product = VariablePriceFactory(reward=CashbackFactory(amount=None))

    found = api.get(f"/points_products/{product.pk}/simulation", points_to_spend=250).json()["simulation"]

    assert (found["value"], found["available"], found["reason_code"]) == (None, False, "points_not_accepted")
    assert "a multiple of 100, from 200 to 800" in found["reason"]


@pytest.mark.parametrize("points", ["many", "0", "-5", "1.5"])
def test_a_simulation_refuses_what_is_no_number_of_points(api, gift, points):
    answer = api.get(f"/points_products/{gift.pk}/simulation", points_to_spend=points)

    assert refusal(answer)[0] == 400


def test_nothing_that_is_off_is_simulated(api, gift):
    gift.reward.enabled = False
    gift.reward.save()

    assert refusal(api.get(f"/points_products/{gift.pk}/simulation"))[0] == 404


def test_a_simulation_needs_the_scope_of_products(integrator, gift):
    stranger = integrator("customer:read")

    assert refusal(stranger.get(f"/points_products/{gift.pk}/simulation"))[0] == 403
