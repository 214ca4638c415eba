"""Merging customers over the wire: a plan first, then done once, and taken back."""

import pytest
from django.utils import timezone

from loyalty.merging.models import CustomerMerge
from tests.api.conftest import refusal
from tests.factories.people import CustomerFactory
from tests.factories.points import give

pytestmark = pytest.mark.django_db


def test_a_plan_changes_nothing_a_merge_is_told_of_the_customer_and_taken_back(api):
    old, new = CustomerFactory(), CustomerFactory()
    give(old, 40, now=timezone.now())
    body = {"into_customer_id": new.pk}

    planned = api.post(f"/customers/{old.pk}/merge", {**body, "dry_run": True}).json()
    assert planned["customer_merge"]["id"] is None
    assert [effect["kind"] for effect in planned["plan"]["effects"]][:2] == ["customer", "points"]
    assert not CustomerMerge.objects.exists()

    assert api.post(f"/customers/{old.pk}/merge", {**body, "fingerprint": "another"}).status_code == 409
    told = {**body, "fingerprint": planned["plan"]["fingerprint"]}
    made = api.post(f"/customers/{old.pk}/merge", told).json()["customer_merge"]
    gone = api.get(f"/customers/{old.pk}").json()["customer"]
    assert (gone["state"], gone["merged_into_customer_id"], gone["points_balance"]) == ("disabled", new.pk, 0)
    assert api.get(f"/customers/{new.pk}").json()["customer"]["points_balance"] == 40
    assert refusal(api.post(f"/customers/{old.pk}", {"first_name": "X"})) == (422, "customer_merged")

    path = f"/customer_merges/{made['id']}/undo"
    assert "40 points go back" in str(api.post(path, {"dry_run": True}).json()["plan"])
    undone = api.post(path).json()["customer_merge"]
    assert (undone["left"], bool(undone["undone_at"])) == ([], True)
    assert api.get(f"/customers/{old.pk}").json()["customer"]["points_balance"] == 40
    assert refusal(api.post(path, {"dry_run": False})) == (422, "merge_not_undone")


def test_nobody_is_not_found_and_a_refusal_is_a_sentence(api, integrator):
    customer = CustomerFactory()

    assert api.post("/customers/999/merge", {"into_customer_id": customer.pk}).status_code == 404
    assert api.post("/customer_merges/999/undo").status_code == 404
    assert refusal(api.post(f"/customers/{customer.pk}/merge", {"into_customer_id": 999})) == (422, "unknown_customer")
    same = api.post(f"/customers/{customer.pk}/merge", {"into_customer_id": customer.pk})
    assert refusal(same) == (422, "merge_refused")
    without = integrator("customer:write").post(f"/customers/{customer.pk}/merge", {"into_customer_id": 1})
    assert without.status_code == 403
