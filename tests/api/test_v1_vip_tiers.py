"""VIP tiers over the wire."""

import pytest
from django.utils import timezone

from loyalty.api.v1 import webhook_bodies
from loyalty.common.actors import SYSTEM
from loyalty.program.tiers import setting
from loyalty.program.tiers.models import VipTierChange
from loyalty.webhooks.models import BodyStyle
from tests.api.conftest import refusal
from tests.factories.catalogue import InvitationFactory, RewardTextFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import give
from tests.factories.tiers import judge, switch_on, tier

pytestmark = pytest.mark.django_db(transaction=True)  # events are read once they are committed


@pytest.fixture
def tiers():
    now = timezone.now()
    reward = InvitationFactory()
    RewardTextFactory(reward=reward, name="Garden evening")
    silver = tier("Silver", "100.50", now=now, perks=["Free coffee"])
    gold = tier("Gold", 500, now=now, rewards=(reward.pk,), entry_points=50, image_url="https://shop.example/gold.png")
    switch_on(now=now, zone="UTC")
    return silver, gold


@pytest.fixture
def golden(tiers):
    customer = CustomerFactory()
    give(customer, 620, now=timezone.now())
    judge(customer, now=timezone.now())
    return customer


def test_lists_the_tiers_in_smiles_shape_and_more_where_it_is_asked_for(api, tiers):
    plain = api.get("/vip_tiers").json()
    more = api.get("/vip_tiers/", include="perks,entry_rewards,unknown").json()

    silver, gold = tiers
    assert plain == {
        "vip_tiers": [
            {"id": silver.pk, "name": "Silver", "image_url": "", "milestone": 100.5, "entry_points": 0},
            {
                "id": gold.pk,
                "name": "Gold",
                "image_url": "https://shop.example/gold.png",
                "milestone": 500,
                "entry_points": 50,
            },
        ]
    }
    assert [each["perks"] for each in more["vip_tiers"]] == [[{"name": "Free coffee"}], []]
    assert [[reward["name"] for reward in each["entry_rewards"]] for each in more["vip_tiers"]] == [
        [],
        ["Garden evening"],
    ]


def test_lists_changes_newest_first_and_of_one_customer(api, golden, tiers):
    other = CustomerFactory()
    give(other, 120, now=timezone.now())
    judge(other, now=timezone.now())

    everybody = api.get("/vip_tier_changes").json()["vip_tier_changes"]
    (change,) = api.get("/vip_tier_changes", customer_id=golden.pk).json()["vip_tier_changes"]

    assert [each["customer_id"] for each in everybody] == [other.pk, golden.pk]
    stored = VipTierChange.objects.get(customer=golden)
    assert change == api.get(f"/vip_tier_changes/{stored.pk}").json()["vip_tier_change"]
    assert change.pop("created_at").endswith("Z")
    assert change == {
        "id": stored.pk,
        "previous_vip_tier": None,
        "current_vip_tier": {"id": tiers[1].pk, "name": "Gold", "image_url": "https://shop.example/gold.png"},
        "description": "From no tier to Gold: the milestone was reached.",
        "customer_id": golden.pk,
        "cause": "reached",
        "progress_value": 620,
        "milestone": 500,
    }
    assert refusal(api.get("/vip_tier_changes/999999")) == (404, "not_found")


def test_a_customer_comes_with_the_status_that_is_asked_for(api, golden, tiers):
    plain = api.get(f"/customers/{golden.pk}").json()["customer"]
    path = f"/customers/{golden.pk}"
    status = api.get(path, include="vip_status.vip_tier,vip_status.next_vip_tier").json()["customer"]["vip_status"]
    year = timezone.now().year

    assert "vip_status" not in plain
    assert (plain["vip_tier_id"], status.pop("vip_tier")["name"], status.pop("next_vip_tier")) == (
        tiers[1].pk,
        "Gold",
        None,
    )
    assert status == {
        "vip_tier_id": tiers[1].pk,
        "vip_tier_expires_at": f"{year + 2}-01-01T00:00:00.000Z",
        "progress_value": 620,
        "current_vip_period_end": f"{year + 1}-01-01T00:00:00.000Z",
        "delta_to_retain_vip_tier": 0,
        "next_vip_tier_id": None,
        "delta_to_next_vip_tier": None,
    }


def test_many_customers_with_their_status_need_as_many_queries_as_one(api, golden, django_assert_max_num_queries):
    with django_assert_max_num_queries(40) as few:
        api.get("/customers", include="vip_status.next_vip_tier")
    for _ in range(5):
        CustomerFactory()

    with django_assert_max_num_queries(len(few)):
        found = api.get("/customers", include="vip_status.next_vip_tier").json()["customers"]

    assert [each["vip_status"]["progress_value"] for each in found] == [0, 0, 0, 0, 0, 620]


def test_without_tiers_there_is_no_status_to_tell(api):
    customer = CustomerFactory()

    assert api.get("/vip_tiers").json() == {"vip_tiers": []}
    status = api.get(f"/customers/{customer.pk}", include="vip_status").json()["customer"]["vip_status"]
    assert set(status.values()) == {None}


def test_a_webhook_of_a_change_says_what_the_api_says(golden, api):
    change = VipTierChange.objects.get(customer=golden)

    told = webhook_bodies.data("vip_tier_change/created", change.pk, BodyStyle.FULL, timezone.now())

    assert told["vip_tier_change"] == api.get(f"/vip_tier_changes/{change.pk}").json()["vip_tier_change"]


def test_a_tier_that_is_off_is_not_listed(api, tiers):
    off = setting.Terms(name="Silver", milestone=100, active=False)
    setting.save_tier(tier_id=tiers[0].pk, terms=off, gives=False, actor=SYSTEM, now=timezone.now())

    assert [each["name"] for each in api.get("/vip_tiers").json()["vip_tiers"]] == ["Gold"]
