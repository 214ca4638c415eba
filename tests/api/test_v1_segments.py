"""Segments over the wire: which there are, how many are in each now, and the customers and their file by one."""

import pytest
from django.utils import timezone

from loyalty.common.actors import SYSTEM
from loyalty.customers.models import CustomerState
from loyalty.segments import keeping
from loyalty.segments.models import Segment
from tests.api.conftest import refusal
from tests.factories.people import CustomerFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def guest():
    CustomerFactory()
    return CustomerFactory(state=CustomerState.CANDIDATE)


@pytest.fixture
def guests(guest):
    return keeping.save(
        segment_id=None,
        name="Guests",
        parameters={"state": ["candidate"], "created_days": ["30"]},
        actor=SYSTEM,
        now=timezone.now(),
    )


def test_are_listed_and_read_with_how_many_are_in_each_now(api, guests):
    told = api.get("/segments").json()["segments"]

    assert [{name: each for name, each in told[0].items() if not name.endswith("_at")}] == [
        {
            "id": guests.pk,
            "name": "Guests",
            "criteria": {"state": ["candidate"], "created_days": ["30"]},
            "description": "Guest · joined in the last 30 days",
            "customers_count": 1,
            "customers_count_exact": True,
            "trouble": None,
        }
    ]
    CustomerFactory(state=CustomerState.CANDIDATE)
    assert api.get(f"/segments/{guests.pk}").json()["segment"]["customers_count"] == 2
    assert refusal(api.get("/segments/999999")) == (404, "not_found")


def test_one_that_cannot_be_read_any_more_says_why_and_is_not_counted(api, guests):
    Segment.objects.update(criteria={"tier": ["4711"]})

    told = api.get(f"/segments/{guests.pk}").json()["segment"]
    listed = api.get("/customers", segment_id=guests.pk)

    assert (told["customers_count"], told["description"]) == (None, None)
    assert "none of them, or none any more" in told["trouble"]
    assert refusal(listed) == (400, "invalid_parameter")
    assert "the segment cannot be read" in listed.json()["error"]["message"]


def test_narrow_the_list_of_customers_and_its_file(api, guests, guest):
    listed = api.get("/customers", segment_id=guests.pk).json()["customers"]
    file = api.client.get("/api/v1/exports/customers", {"segment_id": guests.pk}, headers=api.headers)
    rows = b"".join(file.streaming_content).decode().splitlines()[1:]

    assert [each["id"] for each in listed] == [guest.pk]
    assert [row.split(",")[0] for row in rows] == [str(guest.pk)]
    assert api.get("/customers", segment_id=guests.pk, state="member").json()["customers"] == []
    assert api.get("/customers", segment_id=999_999).json()["customers"] == []


def test_tell_what_is_known_of_customers_only_to_a_key_that_may_see_segments(integrator, guests):
    system = integrator("customer:read")

    assert refusal(system.get("/segments")) == (403, "missing_scope")
    assert refusal(system.get("/customers", segment_id=guests.pk)) == (403, "missing_scope")
    assert system.get("/customers").status_code == 200
