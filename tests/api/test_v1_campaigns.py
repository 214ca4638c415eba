"""Campaigns over the wire: checked, given once, followed by exact counts, and taken back."""

import pytest
from django.utils import timezone

from loyalty.common.actors import SYSTEM
from loyalty.customers.models import CustomerState, Tier
from loyalty.events.models import Event
from loyalty.jobs.models import Job
from loyalty.segments import keeping
from loyalty.segments.models import Segment
from rewards import usage
from rewards.campaigns import steps
from rewards.models import Campaign, RedeemedReward
from tests.api.conftest import refusal
from tests.factories.catalogue import InvitationFactory, RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def reward():
    """One that needs no shop."""
    return InvitationFactory()


def wanted(reward, *customers, name="Spring", **more):
    audience = {"by": "customer_ids", "customer_ids": [getattr(each, "pk", each) for each in customers]}
    return {"campaign": {"name": name, "reward_id": reward.pk, "audience": audience, **more}}


def worked():
    """A worker gets each ring, until there is nothing to do."""
    job = Job.objects.get()
    while job.due_at is not None:
        steps.work_on(job_id=job.pk, now=timezone.now(), patience=60)
        job.refresh_from_db()


def read(api, pk):
    return api.get(f"/campaigns/{pk}").json()["campaign"]


def test_one_that_is_tried_first_gives_nothing_until_it_is_let_go(api, reward):
    one, other = CustomerFactory.create_batch(2)

    made = api.post("/campaigns", wanted(reward, one, other, 999_999, one, dry_run=True, internal_note="Thanks"))
    worked()
    checked = read(api, made.json()["campaign"]["id"])

    assert (made.status_code, made.json()["campaign"]["state"]) == (201, "checking")
    assert (checked["state"], checked["progress"]) == ("ready", {"done": 4, "total": 4})
    assert checked["counts"] == {
        "named": 4, "fit": 2, "left_out": 2, "granted": 0, "refused": 0, "taken_back": 0, "kept": 0,
    }  # fmt: skip
    assert {each["code"]: each["count"] for each in checked["reasons"]["left_out"]} == {
        "named_twice": 1, "unknown_customer": 1,
    }  # fmt: skip
    assert not RedeemedReward.objects.exists()

    let_go = api.post(f"/campaigns/{checked['id']}/give").json()["campaign"]
    worked()
    again = api.post(f"/campaigns/{checked['id']}/give").json()["campaign"]

    assert (let_go["state"], again["state"], again["counts"]["granted"]) == ("giving", "given", 2)
    assert set(RedeemedReward.objects.values_list("customer_id", flat=True)) == {one.pk, other.pk}


def test_without_a_dry_run_it_goes_on_by_itself_and_says_who_let_it_go(api, reward):
    CustomerFactory.create_batch(2)
    gold = CustomerFactory(tier=Tier.objects.create(name="Gold", rank=9))
    CustomerFactory(state=CustomerState.CANDIDATE, tier=gold.tier)
    audience = {"by": "all_who_fit", "states": ["member"], "vip_tier_ids": [gold.tier_id]}

    made = api.post("/campaigns", {"name": "Gold", "reward_id": reward.pk, "audience": audience}).json()["campaign"]
    worked()

    done = read(api, made["id"])
    assert (done["state"], done["audience"], done["counts"]["granted"]) == ("given", "Members in Gold", 1)
    assert RedeemedReward.objects.get().customer_id == gold.pk
    told = Event.objects.filter(subject_type="campaign").order_by("pk").values_list("kind", "actor_kind")
    assert list(told) == [("campaign.planned", "api_key"), ("campaign.given", "api_key")]


def test_a_repeated_call_and_a_known_name_give_nothing_twice(api, reward):
    body = wanted(reward, CustomerFactory())

    first = api.post("/campaigns", body, key="k-1")
    second = api.post("/campaigns", body, key="k-1")

    assert second.json() == first.json()
    assert refusal(api.post("/campaigns", body)) == (422, "campaign_exists")
    assert Campaign.objects.count() == 1


def test_reverting_takes_back_what_was_not_used_and_is_told_before(api, reward):
    kept, lost = CustomerFactory.create_batch(2)
    pk = api.post("/campaigns", wanted(reward, kept, lost)).json()["campaign"]["id"]
    too_soon = api.post(f"/campaigns/{pk}/revert", {"dry_run": True}).json()["plan"]
    worked()
    usage.mark_used(redeemed_reward_id=RedeemedReward.objects.get(customer=kept).pk, actor=SYSTEM, now=timezone.now())

    plan = api.post(f"/campaigns/{pk}/revert", {"dry_run": True}).json()["plan"]
    begun = api.post(f"/campaigns/{pk}/revert").json()["campaign"]
    worked()
    done = api.post(f"/campaigns/{pk}/revert").json()["campaign"]

    assert "cannot undo its rows now" in too_soon["refusal"]
    assert [each["sentence"] for each in plan["effects"]] == [
        "1 rewards are canceled, as far as they are not used by then.",
        "1 were used, and stay so.",
    ]
    assert (begun["state"], done["state"]) == ("reverting", "reverted")
    assert (done["counts"]["taken_back"], done["counts"]["kept"]) == (1, 1)
    assert {each["status"]: each["count"] for each in done["statuses"]} == {"used": 1, "cancelled": 1}
    assert [each["counts"]["taken_back"] for each in api.get("/campaigns").json()["campaigns"]] == [1]


def test_one_under_way_is_stopped_for_good_and_then_reverted(api, reward):
    pk = api.post("/campaigns", wanted(reward, *CustomerFactory.create_batch(2))).json()["campaign"]["id"]
    steps.work_on(job_id=Job.objects.get().pk, now=timezone.now(), patience=60)  # it is checked, and goes on

    under_way = refusal(api.post(f"/campaigns/{pk}/revert"))
    stopped = api.post(f"/campaigns/{pk}/stop").json()["campaign"]
    worked()

    assert (under_way, stopped["state"]) == ((422, "job_refused"), "stopped")
    assert refusal(api.post(f"/campaigns/{pk}/stop")) == (422, "job_refused")
    assert not RedeemedReward.objects.exists()
    assert api.post(f"/campaigns/{pk}/revert").json()["campaign"]["state"] == "reverting"


def test_its_job_is_none_of_those_that_are_asked_about_as_jobs(api, reward):
    api.post("/campaigns", wanted(reward, CustomerFactory()))

    assert api.get("/jobs").json()["jobs"] == []
    assert api.post(f"/jobs/{Job.objects.get().pk}/cancel").status_code == 404


@pytest.mark.parametrize(
    ("audience", "told"),
    [
        ({"by": "customer_ids"}, (422, "nobody_meant")),
        ({"by": "list_of_reward"}, (422, "nobody_meant")),
        ({"by": "customer_ids", "customer_ids": [1], "states": ["member"]}, (422, "contradictory")),
        ({"by": "everybody"}, (400, "invalid_parameter")),
        ({}, (400, "missing_parameter")),
    ],
)
def test_nobody_is_guessed(api, reward, audience, told):
    body = {"name": "Spring", "reward_id": reward.pk, "audience": audience}

    assert refusal(api.post("/campaigns", body)) == told
    assert not Campaign.objects.exists()


def test_an_unknown_reward_or_campaign_is_said(api, reward):
    body = {"name": "Spring", "reward_id": reward.pk + 1, "audience": {"by": "customer_ids", "customer_ids": [1]}}
    assert refusal(api.post("/campaigns", body)) == (422, "unknown_reward")
    assert api.get("/campaigns/7").status_code == 404
    assert api.post("/campaigns/7/revert").status_code == 404


def test_redeemed_rewards_are_listed_by_campaign(api, reward):
    customer = CustomerFactory()
    pk = api.post("/campaigns", wanted(reward, customer)).json()["campaign"]["id"]
    worked()

    found = api.get("/reward_fulfillments", campaign_id=pk).json()["reward_fulfillments"]

    assert [each["customer"]["id"] for each in found] == [customer.pk]
    assert api.get("/reward_fulfillments", campaign_id=pk + 1).json()["reward_fulfillments"] == []


@pytest.fixture
def guests():
    CustomerFactory(state=CustomerState.CANDIDATE)
    return keeping.save(
        segment_id=None, name="Guests", parameters={"state": ["candidate"]}, actor=SYSTEM, now=timezone.now()
    )


def for_segment(reward, segment_id, **more):
    audience = {"by": "segment", "segment_id": segment_id, **more}
    return {"campaign": {"name": "Spring", "reward_id": reward.pk, "audience": audience, "dry_run": True}}


def test_one_for_a_segment_is_for_who_was_in_it_when_it_was_planned(api, reward, guests):
    made = api.post("/campaigns", for_segment(reward, guests.pk)).json()["campaign"]
    late = CustomerFactory(state=CustomerState.CANDIDATE)
    Segment.objects.all().delete()
    worked()
    api.post(f"/campaigns/{made['id']}/give")
    worked()

    told = read(api, made["id"])
    assert told["audience"].startswith("Segment “Guests” as it was on ")
    assert told["audience"].endswith(": Guest")
    assert (told["counts"]["named"], told["counts"]["granted"]) == (1, 1)
    assert RedeemedReward.objects.exclude(customer=late).count() == 1


def test_one_for_a_segment_is_refused_without_the_segment_or_the_scope(api, integrator, reward, guests):
    body = for_segment(reward, guests.pk)

    assert refusal(api.post("/campaigns", for_segment(reward, 999_999))) == (422, "unknown_segment")
    assert refusal(api.post("/campaigns", for_segment(reward, None))) == (422, "contradictory")
    assert refusal(api.post("/campaigns", for_segment(reward, guests.pk, states=["member"]))) == (422, "contradictory")
    assert refusal(integrator("campaign:write").post("/campaigns", body)) == (403, "missing_scope")
    Segment.objects.update(criteria={"state": ["disabled"]})
    assert refusal(api.post("/campaigns", body)) == (422, "nobody_meant")
    assert not Campaign.objects.exists()


def test_bulk_codes_are_said_of_a_campaign_and_refused_where_the_shop_has_none(api, reward):
    in_shop = RewardFactory(connection=ConnectionFactory(platform="sandbox"))

    made = api.post("/campaigns", wanted(in_shop, CustomerFactory(), bulk_codes=True, dry_run=True))
    refused = api.post("/campaigns", wanted(reward, CustomerFactory(), name="Summer", bulk_codes=True))

    assert read(api, made.json()["campaign"]["id"])["bulk_codes"] is True
    assert refusal(refused)[:2] == (422, "no_bulk_codes")
    assert Campaign.objects.count() == 1
