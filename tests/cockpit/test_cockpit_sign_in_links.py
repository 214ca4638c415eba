"""A link from the shop signs its customer in: once, within minutes, and never somebody else."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from loyalty.accounts.models import User
from loyalty.common.actors import SYSTEM
from loyalty.customers import sign_in_links
from loyalty.customers.models import Customer, SignInLink
from loyalty.erasure import forgetting
from loyalty.events.models import Event
from loyalty.merging import joining
from tests.factories.people import CustomerFactory, StaffFactory

pytestmark = pytest.mark.django_db

USED = "This link was used already, or it is too old."


def link_of(customer: Customer) -> str:
    link = sign_in_links.make(customer_id=customer.pk, now=timezone.now(), actor=SYSTEM)
    return reverse("cockpit:sign_in_link", args=[link.token])


def signed_in_as(browser: Client) -> str | None:
    return browser.session.get("_auth_user_id")


def test_a_click_on_its_button_signs_a_customer_in_who_never_signed_in_before(client):
    anna = CustomerFactory(email="anna@example.com")
    link = link_of(anna)

    assert "Open my rewards" in client.get(link).content.decode()
    assert signed_in_as(client) is None  # programs that open links use nothing up
    answer = client.post(link, {"next": "/points/"})

    assert (answer.status_code, answer.url) == (302, "/points/")
    anna.refresh_from_db()
    assert signed_in_as(client) == str(anna.user_id)
    assert client.get("/").status_code == 200


def test_it_works_once(client, customer):
    link = link_of(customer)
    client.post(link)

    thief = Client()

    for answer in (thief.get(link), thief.post(link)):
        assert answer.status_code == 403
        assert USED in answer.content.decode()
    assert signed_in_as(thief) is None


def test_it_is_too_old_after_five_minutes_and_gone_with_the_next_one(client, customer):
    link = link_of(customer)

    with time_machine.travel(timezone.now() + timedelta(minutes=5)):
        answer = client.post(link)
        assert answer.status_code == 403
        assert signed_in_as(client) is None
        link_of(customer)

    assert SignInLink.objects.count() == 1


def test_a_made_up_link_signs_nobody_in(client, customer):
    assert client.post(reverse("cockpit:sign_in_link", args=["made-up"])).status_code == 403


def test_the_link_itself_is_kept_nowhere(customer):
    token = sign_in_links.make(customer_id=customer.pk, now=timezone.now(), actor=SYSTEM).token

    assert token not in str(list(SignInLink.objects.values()))
    event = Event.objects.get(kind="customer.sign_in_link_made")
    assert (event.customer_id, event.data) == (customer.pk, {})


def test_it_never_signs_staff_in(client):
    StaffFactory(email="boss@example.com")
    link = link_of(CustomerFactory(email="boss@example.com"))

    answer = client.post(link)

    assert answer.status_code == 403
    assert "Staff cannot sign in with a link." in answer.content.decode()
    assert signed_in_as(client) is None


def test_it_signs_nobody_in_who_was_switched_off(client, customer):
    User.objects.filter(pk=customer.user_id).update(is_active=False)

    assert client.post(link_of(customer)).status_code == 403
    assert signed_in_as(client) is None


def test_it_takes_the_place_of_somebody_else_who_signed_in_here_before(visitor, customer):
    other = CustomerFactory(email="other@example.com", first_name="Otto")

    visitor.post(link_of(other))

    assert "Hello, Otto" in visitor.get("/").content.decode()


def test_it_leads_to_no_other_site(client, customer):
    assert client.post(link_of(customer), {"next": "https://evil.example/"}).url == "/"


def test_it_is_not_made_for_a_customer_without_an_address():
    with pytest.raises(sign_in_links.NoAddress):
        sign_in_links.make(customer_id=CustomerFactory(email=None).pk, now=timezone.now(), actor=SYSTEM)


def test_one_made_before_a_merge_lets_in_who_they_are_now(client):
    old, new = CustomerFactory(email="old@example.com"), CustomerFactory(email="new@example.com")
    link = sign_in_links.make(customer_id=old.pk, now=timezone.now(), actor=SYSTEM)
    joining.merge(source_id=old.pk, survivor_id=new.pk, actor=SYSTEM, now=timezone.now())

    client.post(reverse("cockpit:sign_in_link", args=[link.token]))

    assert client.get(reverse("cockpit:home")).context["customer"] == new
    assert User.objects.get().email == "new@example.com"


def test_one_made_before_somebody_was_forgotten_looks_like_one_that_never_was(client):
    customer = CustomerFactory(email="gone@example.com")
    link = sign_in_links.make(customer_id=customer.pk, now=timezone.now(), actor=SYSTEM)
    forgetting.forget(customer_id=customer.pk, actor=SYSTEM, now=timezone.now())

    gone, never = (client.post(reverse("cockpit:sign_in_link", args=[token])) for token in (link.token, "never-was"))

    assert (gone.status_code, never.status_code) == (403, 403)
    assert str(gone.context["refusal"].sentence) == str(never.context["refusal"].sentence)
    assert User.objects.count() == 0
