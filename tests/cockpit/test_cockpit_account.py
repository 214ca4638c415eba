"""What customers tell us about themselves."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from loyalty.customers.models import Customer, ShippingAddress
from loyalty.events.models import Event
from tests.factories.people import CustomerFactory

pytestmark = pytest.mark.django_db

ACCOUNT = "/account/"
ADDRESS = "/account/address/"
NEW = "another password for tests"
HOUSE = {
    "recipient": "Anna Nowak",
    "line_1": "ul. Prosta 1",
    "line_2": "m. 3",
    "postal_code": "00-001",
    "city": "Warszawa",
    "region": "",
    "country": "PL",
}


def test_shows_what_is_known(visitor, customer):
    page = visitor.get(ACCOUNT).content.decode()

    assert "anna@example.com" in page
    assert 'value="Nowak"' in page
    assert 'name="email"' not in page


def test_changes_names_phone_and_language(visitor, customer):
    fields = {"first_name": " Zoë ", "last_name": "Żółć", "phone": "0048 501 234 567", "language": "pl"}

    assert visitor.post(ACCOUNT, fields).url == ACCOUNT

    customer.refresh_from_db()
    assert (customer.first_name, customer.last_name, customer.phone, customer.language) == (
        "Zoë",
        "Żółć",
        "+48501234567",
        "pl",
    )
    event = Event.objects.filter(kind="customer.updated").get()
    assert (event.actor_kind, event.actor_id) == ("customer", customer.pk)
    assert "Saved." in visitor.get(ACCOUNT).content.decode()


def test_changes_neither_address_nor_state_nor_points_of_the_sign_in(visitor, customer):
    fields = {"first_name": "A", "last_name": "B", "phone": "", "language": ""}

    visitor.post(ACCOUNT, fields | {"email": "other@example.com", "state": "candidate", "user": "1", "tier": "1"})

    customer.refresh_from_db()
    assert (customer.email, customer.state, customer.tier_id) == ("anna@example.com", "member", None)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("phone", "call me", "is not a phone number"),
        ("language", "xx", "xx is not one of the available choices"),
        ("first_name", "x" * 81, "at most 80 characters"),
    ],
)
def test_refuses_what_cannot_be_and_keeps_what_was_written(visitor, customer, field, value, sentence):
    fields = {"first_name": "Changed", "last_name": "B", "phone": "", "language": ""} | {field: value}

    answer = visitor.post(ACCOUNT, fields)

    page = answer.content.decode()
    assert answer.status_code == 422
    assert sentence in page
    assert f'aria-describedby="id_{field}' in page
    assert 'aria-invalid="true"' in page
    customer.refresh_from_db()
    assert customer.first_name == "Anna"


def test_keeps_the_address_for_gifts(visitor, customer):
    assert visitor.post(ADDRESS, HOUSE).url == ACCOUNT

    assert ShippingAddress.objects.get(customer=customer).as_snapshot() == HOUSE
    assert 'value="Warszawa"' in visitor.get(ACCOUNT).content.decode()


@pytest.mark.parametrize("missing", ["recipient", "line_1", "city", "country"])
def test_refuses_an_address_nobody_could_deliver_to(visitor, missing):
    assert visitor.post(ADDRESS, HOUSE | {missing: ""}).status_code == 422
    assert ShippingAddress.objects.count() == 0


@pytest.mark.parametrize(("path", "wrong", "field"), [(ACCOUNT, "phone", "phone"), (ADDRESS, "city", "city")])
def test_leads_to_the_first_wrong_field_however_far_down_it_is(visitor, path, wrong, field):
    fields = HOUSE | {"phone": "", "language": "", wrong: "" if wrong == "city" else "call me"}

    page = visitor.post(path, fields).content.decode()

    focused = re.findall(r"<(?:input|select)[^>]* autofocus[^>]*>", page)
    assert len(focused) == 1
    assert f'name="{field}"' in focused[0]
    assert " autofocus" not in visitor.get(ACCOUNT).content.decode()


@pytest.mark.parametrize(("path", "back"), [(ACCOUNT, ACCOUNT), (ADDRESS, ACCOUNT)])
def test_tells_somebody_signed_out_meanwhile_that_nothing_was_done(client, path, back):
    answer = client.post(path, HOUSE, follow=True)

    assert answer.redirect_chain[0][0] == f"{reverse('account_request_login_code')}?next={back}"
    assert "You were signed out meanwhile, so nothing was done." in answer.content.decode()


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("account_set_password", {"password1": NEW, "password2": NEW}),
        ("account_change_password", {"oldpassword": "a password for tests", "password1": NEW, "password2": NEW}),
    ],
)
def test_leads_to_the_password_and_back(visitor, customer, name, fields):
    if name == "account_set_password":
        customer.user.set_unusable_password()
        customer.user.save()
        visitor.force_login(customer.user)
    link = f"{reverse(name)}?next={ACCOUNT}"
    assert f'href="{link}"' in visitor.get(ACCOUNT).content.decode()
    kept = re.search(r'<input type="hidden" name="next" value="([^"]+)">', visitor.get(link).content.decode())

    answer = visitor.post(reverse(name), fields | {"next": kept[1]})

    assert answer.url == ACCOUNT


def test_returns_to_the_page_of_ours_that_asked_for_the_address(visitor):
    assert visitor.post(ADDRESS, HOUSE | {"next": "/rewards/7/"}).url == "/rewards/7/"


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"]
)
def test_leads_to_no_other_site(visitor, elsewhere):
    assert visitor.post(ADDRESS, HOUSE | {"next": elsewhere}).url == ACCOUNT
    assert f'value="{elsewhere}"' not in visitor.get(ACCOUNT, {"next": elsewhere}).content.decode()


@pytest.mark.parametrize("path", [ACCOUNT, ADDRESS])
def test_takes_no_post_without_a_token(customer, path):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(customer.user)

    assert strict.post(path, HOUSE).status_code == 403


def test_signs_out_by_a_form(visitor):
    page = visitor.get(ACCOUNT).content.decode()

    assert f'<form method="post" action="{reverse("account_logout")}">' in page


def test_changes_nobody_else(visitor, customer):
    other = CustomerFactory(first_name="Other")

    visitor.post(ACCOUNT, {"first_name": "Mine", "last_name": "", "phone": "", "language": "", "id": other.pk})

    assert Customer.objects.get(pk=other.pk).first_name == "Other"
