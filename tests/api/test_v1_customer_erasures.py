"""Forgetting a customer over the wire: a plan first, then done once, with what the search found."""

import pytest
from django.utils import timezone

from loyalty.customers.models import Customer
from loyalty.erasure import forgetting
from loyalty.erasure.models import Erasure
from tests.factories.people import CustomerFactory

pytestmark = pytest.mark.django_db


def test_a_plan_changes_nothing_and_its_fingerprint_is_taken_once_it_still_holds(api):
    customer = CustomerFactory(email="anna.nowak@example.com")
    path = f"/customers/{customer.pk}/anonymise"
    planned = api.post(path, {"dry_run": True}).json()
    assert planned["customer_erasure"]["forgotten_at"] is None
    assert Customer.objects.get().email == "anna.nowak@example.com"

    assert api.post(path, {"fingerprint": "another"}).status_code == 409
    done = api.post(path, {"fingerprint": planned["plan"]["fingerprint"]}).json()["customer_erasure"]
    assert (done["customer_id"], done["searched_at"]) == (customer.pk, None)
    assert Customer.objects.get().email is None

    forgetting.finish(erasure_id=Erasure.objects.get().pk, now=timezone.now())
    again = api.post(path).json()["customer_erasure"]
    assert (again["forgotten_at"], again["traces_left"]) == (done["forgotten_at"], {})
    assert again["searched_at"]


def test_nobody_is_not_found(api):
    assert api.post("/customers/999/anonymise").status_code == 404
