from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client

from loyalty.customers.models import SignInLink
from tests.api.conftest import refusal
from tests.factories.people import CustomerFactory

pytestmark = pytest.mark.django_db


def test_leads_a_customer_in_once(api):
    customer = CustomerFactory(email="anna@example.com", first_name="Anna")

    answer = api.post(f"/customers/{customer.pk}/sign_in_links")

    assert answer.status_code == 201
    url = answer.json()["sign_in_link"]["url"]
    assert url.startswith(f"{settings.PUBLIC_URL}/sign-in/")
    browser = Client()
    assert browser.post(urlsplit(url).path).status_code == 302
    assert "Hello, Anna" in browser.get("/").content.decode()
    assert Client().post(urlsplit(url).path).status_code == 403


def test_repeats_its_answer_and_makes_no_second_link(api):
    path = f"/customers/{CustomerFactory().pk}/sign_in_links"

    first, again = (api.post(path, key="once").json() for _ in range(2))

    assert first == again
    assert SignInLink.objects.count() == 1


def test_is_refused_without_its_own_right_an_address_or_a_customer(api, integrator):
    path = f"/customers/{CustomerFactory().pk}/sign_in_links"

    assert refusal(integrator("customer:write").post(path))[0] == 403
    assert refusal(api.post(f"/customers/{CustomerFactory(email=None).pk}/sign_in_links")) == (422, "no_email")
    assert api.post("/customers/999999/sign_in_links").status_code == 404
    assert not SignInLink.objects.exists()
