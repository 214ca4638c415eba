"""Cancel after use and by force, and every act tried before it is done: the plan that staff see, and nothing changed."""

import pytest
from django.utils import timezone

from loyalty.api import keys
from loyalty.points import queries as points
from rewards import usage
from rewards.models import Cancellation, RedeemedReward
from tests.api.conftest import Integrator, refusal
from tests.concurrency.races import race
from tests.rewards.admin_rows import gift_row, row

pytestmark = pytest.mark.django_db

PATH = "/reward_fulfillments"


@pytest.fixture
def bought(api, product, customer):
    """A discount with a code in the shop, for 100 of 250 points."""
    answer = api.post(f"/points_products/{product.pk}/purchase", {"customer_id": customer.pk})
    return RedeemedReward.objects.get(pk=answer.json()["points_purchase"]["id"])


@pytest.fixture
def used(bought):
    from loyalty.common import actors

    return usage.mark_used(redeemed_reward_id=bought.pk, actor=actors.SYSTEM, now=timezone.now())


def cancel(api, redeemed, **body):
    key = body.pop("key", None)
    return api.post(f"{PATH}/{redeemed.pk}/cancel", {"reward_fulfillment": body}, key=key)


def balance(customer):
    return points.balance(customer_id=customer.pk, now=timezone.now()).balance


def kinds(answer):
    assert answer.status_code == 200, answer.json()
    return [effect["kind"] for effect in answer.json()["plan"]["effects"]]


def test_what_was_used_is_canceled_with_after_use_and_keeps_the_points(api, used, customer):
    assert refusal(cancel(api, used)) == (422, "cancellation_refused")

    answer = cancel(api, used, after_use=True, reason="abuse", internal_note="Ticket 7")

    assert (answer.status_code, answer.json()["reward_fulfillment"]["status"]) == (200, "cancelled")
    assert balance(customer) == 150
    stored = Cancellation.objects.get()
    assert (stored.after_use, stored.return_points, stored.reason, stored.internal_note) == (
        True,
        False,
        "abuse",
        "Ticket 7",
    )


@pytest.mark.parametrize("name", ["return_points", "refund_points"])
def test_points_of_what_was_used_go_back_when_it_is_said(api, used, customer, name):
    assert cancel(api, used, after_use=True, **{name: True}).status_code == 200

    assert balance(customer) == 250


def test_after_use_is_for_what_was_used_alone(api, bought):
    assert refusal(cancel(api, bought, after_use=True)) == (422, "cancellation_refused")


def test_points_stay_spent_when_it_is_said_by_either_name(api, bought, customer):
    contradiction = cancel(api, bought, return_points=True, refund_points=False)
    assert refusal(contradiction) == (422, "contradictory")

    assert cancel(api, bought, refund_points=False).status_code == 200
    assert balance(customer) == 150


def test_after_use_and_force_need_a_scope_of_their_own(integrator, used, customer):
    usual = integrator("reward_fulfillment:write")

    for wish in ({"after_use": True}, {"force": True}, {"after_use": True, "dry_run": True}):
        assert refusal(cancel(usual, used, **wish)) == (403, "missing_scope")
    assert not Cancellation.objects.exists()
    assert refusal(cancel(integrator("reward_cancellation:write"), used, after_use=True)) == (403, "missing_scope")
    both = integrator("reward_fulfillment:write", "reward_cancellation:write")
    assert cancel(both, used, after_use=True).status_code == 200


def test_a_shop_that_cannot_be_reached_is_passed_over_by_force(api, bought, customer, shop):
    shop.fault(operation="disable", kind="server_error", times=5)

    plan = cancel(api, bought, force=True, dry_run=True)
    assert plan.json()["plan"]["effects"][-1]["sentence"].endswith("the code may still work.")
    assert not Cancellation.objects.exists()
    waits = cancel(api, bought)
    assert (waits.status_code, balance(customer)) == (202, 150)
    forced = cancel(api, bought, force=True)

    assert (forced.status_code, forced.json()["reward_fulfillment"]["status"]) == (200, "cancelled")
    assert Cancellation.objects.get().state == "unproved"
    assert balance(customer) == 250


def test_force_is_not_needed_where_the_shop_answers(api, bought, customer):
    assert cancel(api, bought, force=True).status_code == 200

    assert Cancellation.objects.get().state == "proved"


def test_the_plan_of_a_cancellation_is_told_and_nothing_happens(api, bought, customer):
    answer = cancel(api, bought, dry_run=True)

    assert kinds(answer) == ["code", "points", "limit", "customer"]
    plan = answer.json()["plan"]
    assert (plan["refusal"], plan["points_returned"]) == (None, 100)
    assert plan["fingerprint"]
    assert answer.json()["reward_fulfillment"]["status"] == "issued"
    assert balance(customer) == 150
    assert not Cancellation.objects.exists()


def test_the_plan_says_why_it_would_be_refused(api, used):
    plan = cancel(api, used, dry_run=True).json()["plan"]

    assert (plan["effects"], plan["points_returned"]) == ([], 0)
    assert plan["refusal"] == "“$5 off” was used: mark it unused first if that was a mistake."


def test_a_plan_that_is_out_of_date_is_refused_each_time(api, bought, customer):
    shown = cancel(api, bought, dry_run=True, return_points=False).json()["plan"]["fingerprint"]

    first = cancel(api, bought, fingerprint=shown, key="k")
    again = cancel(api, bought, fingerprint=shown, key="k")

    assert refusal(first) == refusal(again) == (409, "plan_outdated")
    assert "Retry-After" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert not Cancellation.objects.exists()
    shown = cancel(api, bought, dry_run=True).json()["plan"]["fingerprint"]
    assert cancel(api, bought, fingerprint=shown).status_code == 200


def test_marking_is_tried_before_it_is_done(api):
    mug = gift_row()

    tried = api.post(f"{PATH}/{mug.pk}/mark_used", {"dry_run": True})
    assert [each["sentence"] for each in tried.json()["plan"]["effects"]] == [
        "Usage: Unused → Used",
        "Delivery: – → Ordered",
    ]
    mug.refresh_from_db()
    assert (mug.usage_status, mug.delivery_status) == ("unused", "")

    assert api.post(f"{PATH}/{mug.pk}/mark_used").status_code == 200
    back = api.post(f"{PATH}/{mug.pk}/mark_unused", {"dry_run": True}).json()["plan"]
    assert back["effects"][0]["sentence"] == "Usage: Used → Unused"
    assert RedeemedReward.objects.get().usage_status == "used"


def test_marking_that_would_be_refused_says_why(api):
    card = row(usage_status="untracked")

    plan = api.post(f"{PATH}/{card.pk}/mark_used", {"dry_run": True}).json()["plan"]

    assert "is not tracked" in plan["refusal"]


def test_reissuing_is_tried_before_it_is_done(api):
    failed = row(fulfillment_status="failed", failure_code="invalid", failure_reason="No.")

    tried = api.post(f"{PATH}/{failed.pk}/reissue", {"dry_run": True})
    assert (
        tried.json()["plan"]["effects"][0]["sentence"]
        == "The customer gets “5 off” anew, with the value and terms of then."
    )
    assert tried.json()["reward_fulfillment"]["id"] == failed.pk
    assert RedeemedReward.objects.count() == 1

    shown = tried.json()["plan"]["fingerprint"]
    made = api.post(f"{PATH}/{failed.pk}/reissue", {"fingerprint": shown, "internal_note": "Sorry"})
    assert made.status_code == 201
    assert RedeemedReward.objects.get(reissue_of=failed).internal_note == "Sorry"


@pytest.mark.django_db(transaction=True)
def test_cancelling_after_use_from_many_sides_returns_the_points_once(used, customer):
    scopes = ["reward_fulfillment:write", "reward_cancellation:write"]
    _, secret = keys.create(name="Desk", scopes=scopes, created_by_id=None, now=timezone.now())

    race(*[lambda: cancel(Integrator(secret), used, after_use=True, return_points=True)] * 8)

    assert balance(customer) == 250
    assert Cancellation.objects.count() == 1
