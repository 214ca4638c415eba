"""How what is known of a customer changes."""

from datetime import UTC, datetime
from itertools import product

import pytest

from loyalty.common import actors
from loyalty.customers import contacts, profile
from loyalty.customers.models import Customer, CustomerState, ShippingAddress
from loyalty.events.models import Event

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALLOWED = {
    ("candidate", "member"),
    ("candidate", "disabled"),
    ("member", "disabled"),
    ("disabled", "member"),
    ("disabled", "candidate"),
}


@pytest.fixture
def anna() -> Customer:
    return Customer.objects.create(email="anna@example.com", first_name="Anna", state="member")


def update(customer: Customer, **changes) -> Customer:
    return profile.update(customer_id=customer.pk, now=NOW, actor=actors.staff(5), **changes)


def test_changes_what_is_named_and_says_which_fields(anna):
    update(anna, phone="+48 501 234 567", last_name=" Nowak ")

    anna.refresh_from_db()
    assert (anna.phone, anna.last_name, anna.first_name) == ("+48501234567", "Nowak", "Anna")
    event = Event.objects.get()
    assert (event.kind, event.actor_kind, event.actor_id) == ("customer.updated", "staff", 5)
    assert event.data == {"fields": ["last_name", "phone"]}


def test_records_nothing_when_nothing_changes(anna):
    update(anna, email=" anna@example.com ", first_name="Anna")

    assert not Event.objects.exists()


def test_lets_a_customer_change_the_case_of_their_address(anna):
    assert update(anna, email="Anna@Example.com").email == "Anna@Example.com"


def test_refuses_another_customers_address(anna):
    ben = Customer.objects.create(email="ben@example.com")

    with pytest.raises(profile.EmailTaken) as refusal:
        update(ben, email="ANNA@example.com", first_name="Ben")

    assert refusal.value.customer_id == anna.pk
    ben.refresh_from_db()
    assert (ben.email, ben.first_name) == ("ben@example.com", "")
    assert not Event.objects.exists()


def test_forgets_an_address_and_a_phone(anna):
    update(anna, email="", phone="")

    anna.refresh_from_db()
    assert (anna.email, anna.phone) == (None, None)


def test_refuses_a_wrong_phone(anna):
    with pytest.raises(contacts.InvalidPhone):
        update(anna, phone="call me")


def test_refuses_an_unknown_customer():
    with pytest.raises(profile.UnknownCustomer):
        profile.update(customer_id=404, now=NOW, actor=actors.SYSTEM, first_name="Nobody")


@pytest.mark.parametrize(("before", "after"), list(product(CustomerState.values, repeat=2)))
def test_follows_the_table_of_states(before, after):
    customer = Customer.objects.create(email="anna@example.com", state=before)

    if before == after or (before, after) in ALLOWED:
        assert update(customer, state=after).state == after
    else:
        with pytest.raises(profile.StateRefused):
            update(customer, state=after)
        customer.refresh_from_db()
        assert customer.state == before


def test_records_a_change_of_state_as_its_own_event(anna):
    update(anna, state="disabled", first_name="Ann")

    assert [(event.kind, event.data) for event in Event.objects.order_by("pk")] == [
        ("customer.state_changed", {"before": "member", "after": "disabled"}),
        ("customer.updated", {"fields": ["first_name"]}),
    ]


def test_keeps_replaces_and_forgets_the_address(anna):
    home = profile.Address(line_1="Prosta 1", city="Warszawa", country="PL")

    for address in (home, home, profile.Address(line_1="Prosta 2", city="Warszawa", country="PL")):
        profile.set_address(customer_id=anna.pk, address=address, now=NOW, actor=actors.SYSTEM)
    assert ShippingAddress.objects.get().line_1 == "Prosta 2"
    assert Event.objects.count() == 2

    profile.set_address(customer_id=anna.pk, address=None, now=NOW, actor=actors.SYSTEM)
    assert not ShippingAddress.objects.exists()
