"""Reading beyond Smile's addresses: the catalogue, purchases, and a redeemed reward by its code."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from rewards.models import RedeemedReward
from tests.api.conftest import refusal
from tests.factories.catalogue import RewardFactory, RewardTextFactory
from tests.rewards.admin_rows import row

pytestmark = pytest.mark.django_db


def ids(answer, name):
    return [each["id"] for each in answer.json()[name]]


def test_the_catalogue_shows_rewards_that_are_off_and_those_without_a_price(api, gift):
    granted = RewardFactory(enabled=False, type="percentage_discount", amount=None, percent=10)
    RewardTextFactory(reward=granted, name="Welcome", short_description="10 % off.")

    shown = api.get("/rewards").json()["rewards"]

    assert [(each["id"], each["enabled"], each["points_product_id"]) for each in shown] == [
        (granted.pk, False, None),
        (gift.reward_id, True, gift.pk),
    ]
    assert (shown[0]["name"], shown[0]["description"]) == ("Welcome", "10 % off.")
    assert ids(api.get("/rewards", enabled="true"), "rewards") == [gift.reward_id]
    assert ids(api.get("/rewards", type=granted.type), "rewards") == [granted.pk]
    assert ids(api.get("/rewards", kind="physical"), "rewards") == [gift.reward_id]


def test_one_reward_is_read_by_its_id_with_a_scope_of_its_own(api, integrator, gift):
    assert api.get(f"/rewards/{gift.reward_id}").json()["reward"]["id"] == gift.reward_id
    assert refusal(api.get("/rewards/999999999")) == (404, "not_found")
    assert refusal(integrator("points_product:read").get("/rewards")) == (403, "missing_scope")


def api_queries(api, **query):
    with CaptureQueriesContext(connection) as captured:
        assert api.get("/rewards", **query).status_code == 200
    return captured.captured_queries


def test_the_catalogue_takes_as_many_queries_for_many_as_for_one(api, gift):
    api_queries(api)  # notes the use of the key
    for _ in range(5):
        RewardTextFactory(reward=RewardFactory())

    one = len(api_queries(api, limit=1))

    assert len(api_queries(api, limit=50)) == one


def test_purchases_are_listed_and_read_and_grants_are_not_among_them(api, customer, gift):
    bought = api.post(f"/points_products/{gift.pk}/purchase", {"customer_id": customer.pk}).json()["points_purchase"]
    row(customer=customer)

    assert api.get("/points_purchases").json()["points_purchases"] == [bought]
    assert api.get(f"/points_purchases/{bought['id']}").json() == {"points_purchase": bought}
    assert ids(api.get("/points_purchases", customer_id=customer.pk + 1), "points_purchases") == []
    assert ids(api.get("/points_purchases", points_product_id=gift.pk), "points_purchases") == [bought["id"]]
    granted = RedeemedReward.objects.get(points_product=None)
    assert refusal(api.get(f"/points_purchases/{granted.pk}")) == (404, "not_found")


def test_who_may_only_purchase_may_read_purchases_too(integrator):
    assert integrator("points_purchase:write").get("/points_purchases").status_code == 200
    assert refusal(integrator("points_product:read").get("/points_purchases")) == (403, "missing_scope")


def test_a_redeemed_reward_is_found_by_its_code_in_any_case_and_not_before_it_is_issued(api):
    issued = row(code="SUMMER-7KQ2")
    row(code="WAITING-22", fulfillment_status="pending")

    assert ids(api.get("/reward_fulfillments", code=" summer-7kq2 "), "reward_fulfillments") == [issued.pk]
    assert ids(api.get("/reward_fulfillments", code="SUMMER-7KQ"), "reward_fulfillments") == []
    assert ids(api.get("/reward_fulfillments", code="WAITING-22"), "reward_fulfillments") == []
