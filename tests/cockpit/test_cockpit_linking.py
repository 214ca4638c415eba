"""Whose points a user sees after signing in."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from loyalty.cockpit import linking
from loyalty.customers.models import Customer, CustomerState
from tests.factories.people import CustomerFactory

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def test_links_the_customer_with_the_proved_address_whatever_its_case(signed_up):
    known = CustomerFactory(email="Anna@Example.com")
    user = signed_up("anna@example.com")

    found = linking.customer_of(user=user, now=NOW)

    assert found.pk == known.pk
    known.refresh_from_db()
    assert known.user_id == user.pk


def test_makes_a_guest_a_member_when_they_sign_in(signed_up):
    CustomerFactory(email="anna@example.com", state=CustomerState.CANDIDATE)

    assert linking.customer_of(user=signed_up(), now=NOW).state == CustomerState.MEMBER


def test_leaves_an_excluded_customer_excluded(signed_up):
    CustomerFactory(email="anna@example.com", state=CustomerState.DISABLED)

    assert linking.customer_of(user=signed_up(), now=NOW).state == CustomerState.DISABLED


def test_enrolls_a_new_member_once(signed_up):
    user = signed_up("new@example.com")

    first = linking.customer_of(user=user, now=NOW)
    again = linking.customer_of(user=user, now=NOW)

    assert (first.pk, first.state, first.email) == (again.pk, CustomerState.MEMBER, "new@example.com")
    assert Customer.objects.count() == 1


def test_never_links_by_an_address_that_was_not_proved(signed_up):
    victim = CustomerFactory(email="anna@example.com")

    with pytest.raises(linking.NotACustomer) as refusal:
        linking.customer_of(user=signed_up(verified=False), now=NOW)

    assert refusal.value.code == "address_unproved"
    victim.refresh_from_db()
    assert victim.user_id is None


def test_never_takes_a_customer_from_another_user(signed_up):
    other = signed_up("other@example.com")
    known = CustomerFactory(email="anna@example.com", user=other)

    with pytest.raises(linking.NotACustomer) as refusal:
        linking.customer_of(user=signed_up("anna@example.com"), now=NOW)

    assert refusal.value.code == "address_taken"
    known.refresh_from_db()
    assert known.user_id == other.pk


def test_stays_with_the_linked_customer_when_the_address_changes(signed_up):
    user = signed_up()
    known = linking.customer_of(user=user, now=NOW)
    Customer.objects.filter(pk=known.pk).update(email="new@example.com")
    CustomerFactory(email="anna@example.com")

    assert linking.customer_of(user=user, now=NOW).pk == known.pk


def test_shows_staff_without_points_the_way_to_the_admin(client: Client, signed_up):
    client.force_login(signed_up("staff@example.com", is_staff=True))

    answer = client.get(reverse("cockpit:home"))

    assert answer.status_code == 403
    assert "This page is for customers" in answer.content.decode()
    assert f'href="{reverse("admin:index")}"' in answer.content.decode()
    assert Customer.objects.count() == 0


def test_shows_staff_their_points_when_they_are_customers_too(client: Client, signed_up):
    CustomerFactory(email="staff@example.com")
    client.force_login(signed_up("staff@example.com", is_staff=True))

    assert client.get(reverse("cockpit:home")).status_code == 200


def test_tells_a_user_without_a_proved_address_what_to_do(client: Client, signed_up):
    client.force_login(signed_up(verified=False))

    answer = client.get(reverse("cockpit:home"))

    assert answer.status_code == 403
    assert "Sign out, then sign in with a code" in answer.content.decode()
