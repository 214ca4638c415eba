from datetime import timedelta

import pytest
from django.utils import timezone

from loyalty.common import actors
from rewards import granting
from tests.api.conftest import refusal
from tests.factories.catalogue import RewardFactory
from tests.factories.people import CustomerFactory
from tests.factories.pools import fill

pytestmark = pytest.mark.django_db


def check(api, code, **more):
    return api.post("/code_checks", {"code_check": {"code": code}}, **more)


def test_tells_whose_a_code_is_and_whether_it_can_be_used(api):
    now, reward, customer = timezone.now(), RewardFactory(), CustomerFactory()
    fill(reward, "Till-1", created_at=now, starts_at=now - timedelta(days=1), ends_at=now + timedelta(days=1))
    redeemed = granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=actors.SYSTEM, now=now)

    answer = check(api, " till-1")

    assert answer.status_code == 200
    (match,) = answer.json()["code_check"]["matches"]
    assert match.pop("since").endswith("Z")
    assert match.pop("starts_at") < match.pop("expires_at")
    assert match == {
        "code": "Till-1",
        "connection_id": None,
        "state": "issued",
        "usable": True,
        "message": "The customer has it and can use it. It was not used on a completed order yet.",
        "reward_id": reward.pk,
        "reward_name": "5 off",
        "reward_fulfillment_id": redeemed.pk,
        "customer_id": customer.pk,
        "currency": None,
        "remaining": None,
    }


@pytest.mark.parametrize("part", ["TILL", "TILL-%", "ill-1", "till-1x"])
def test_finds_nothing_by_a_part_of_a_code(api, part):
    fill(RewardFactory(), "TILL-1")

    answer = check(api, part)

    assert (answer.status_code, answer.json()) == (200, {"code_check": {"matches": []}})


def test_takes_the_fields_without_the_wrapping_too(api):
    fill(RewardFactory(), "FLAT")

    assert api.post("/code_checks", {"code": "flat"}).json()["code_check"]["matches"][0]["state"] == "in_pool"


@pytest.mark.parametrize("body", [{}, {"code": ""}, {"code": None}, {"code": "X" * 61}])
def test_refuses_what_cannot_be_a_code(api, body):
    assert refusal(api.post("/code_checks", {"code_check": body}))[0] in {400, 422}


def test_needs_a_scope_of_its_own(integrator):
    with_it, without = integrator("code:read"), integrator("reward_fulfillment:write")

    assert check(with_it, "X").status_code == 200
    assert refusal(check(without, "X"))[0] == 403
    assert refusal(with_it.get("/reward_fulfillments"))[0] == 403
