"""Changing customers, and the ids under which other systems know them."""

import pytest

from loyalty.customers.models import Customer, CustomerIdentity
from loyalty.events.models import Event
from tests.api.conftest import refusal
from tests.concurrency.races import race
from tests.factories.people import CustomerFactory

pytestmark = pytest.mark.django_db
IDENTITIES = "/customer_identities/create_or_update"


def told(**changes):
    return {"customer_identity": {"email": "anna@example.com", "distinct_id": "crm-7"} | changes}


def test_changes_what_is_named_and_leaves_the_rest(api):
    customer = CustomerFactory(email="anna@example.com", first_name="Anna", last_name="Nowak", phone="+48501234567")

    answer = api.post(f"/customers/{customer.pk}", {"customer": {"first_name": "Ania", "phone": None}})

    shown = answer.json()["customer"]
    assert (answer.status_code, shown["first_name"], shown["last_name"], shown["phone"]) == (200, "Ania", "Nowak", None)
    assert shown["email"] == "anna@example.com"
    event = Event.objects.get(kind="customer.updated")
    assert (event.actor_kind, event.data["fields"]) == ("api_key", ["first_name", "phone"])


def test_excludes_a_customer_and_takes_them_back(api):
    customer = CustomerFactory()

    for state in ("disabled", "member"):
        assert api.post(f"/customers/{customer.pk}", {"state": state}).json()["customer"]["state"] == state
    assert refusal(api.post(f"/customers/{customer.pk}", {"state": "candidate"})) == (422, "state_refused")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"email": "taken@example.com"}, 422, "email_taken"),
        ({"email": None, "phone": " "}, 422, "unreachable"),
        ({"email": "no address"}, 422, "invalid_email"),
        ({"state": "king"}, 400, "invalid_parameter"),
        ({"state": None}, 400, "missing_parameter"),
    ],
)
def test_a_change_that_is_refused_changes_nothing(api, body, status, code):
    CustomerFactory(email="taken@example.com")
    customer = CustomerFactory(email="anna@example.com", phone=None)

    assert refusal(api.post(f"/customers/{customer.pk}", body | {"first_name": "X"})) == (status, code)
    customer.refresh_from_db()
    assert (customer.email, customer.first_name == "X") == ("anna@example.com", False)


def test_who_is_not_there_is_not_found_and_who_may_only_read_changes_nothing(api, integrator):
    assert refusal(api.post("/customers/999999999", {"first_name": "X"})) == (404, "not_found")
    customer = CustomerFactory()
    assert refusal(integrator("customer:read").post(f"/customers/{customer.pk}", {})) == (403, "missing_scope")


def test_an_unknown_id_makes_a_member_and_the_same_id_again_is_known(api):
    first = api.post(IDENTITIES, told(first_name="Anna", properties={"shoe_size": 38}))
    again = api.post(f"{IDENTITIES}/", told(email="anna.new@example.com", last_name="Nowak")["customer_identity"])

    assert (first.status_code, again.status_code) == (201, 200)
    customer = Customer.objects.get()
    assert first.json()["customer_identity"] == {
        "id": CustomerIdentity.objects.get().pk,
        "first_name": "Anna",
        "last_name": None,
        "email": "anna@example.com",
        "distinct_id": "crm-7",
        "properties": {},
        "customer_id": customer.pk,
    }
    assert (customer.state, customer.email, customer.full_name) == ("member", "anna.new@example.com", "Anna Nowak")


def test_an_address_that_a_customer_has_gives_them_the_id(api):
    customer = CustomerFactory(email="Anna@example.com")

    answer = api.post(IDENTITIES, told())

    assert (answer.status_code, answer.json()["customer_identity"]["customer_id"]) == (201, customer.pk)


def test_two_people_are_never_made_one(api):
    api.post(IDENTITIES, told())
    CustomerFactory(email="jan@example.com")

    assert refusal(api.post(IDENTITIES, told(email="jan@example.com"))) == (422, "email_taken")
    assert Customer.objects.filter(email="anna@example.com").exists()


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"email": "no address"}, 422, "invalid_email"),
        ({"distinct_id": " "}, 422, "unidentified_customer"),
        ({"distinct_id": None}, 400, "missing_parameter"),
        ({"distinct_id": "x" * 121}, 400, "invalid_parameter"),
        ({"properties": "blue"}, 400, "invalid_parameter"),
    ],
)
def test_refuses_an_identity_that_makes_no_sense(api, changes, status, code):
    assert refusal(api.post(IDENTITIES, told(**changes))) == (status, code)
    assert not Customer.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_one_id_told_many_times_at_once_is_one_customer(api):
    answers = race(*[lambda: api.post(IDENTITIES, told()).status_code] * 6)

    assert 201 in answers  # of several at the same moment, more than one may hear that it was new
    assert set(answers) <= {200, 201}
    assert (Customer.objects.count(), CustomerIdentity.objects.count()) == (1, 1)
