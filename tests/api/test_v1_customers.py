import re
from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from loyalty.customers.models import Customer, CustomerState, Tier
from loyalty.events.models import Event
from tests.api.conftest import refusal
from tests.factories.people import CustomerFactory
from tests.factories.points import give

pytestmark = pytest.mark.django_db

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def emails(answer):
    return [row["email"] for row in answer.json()["customers"]]


def test_shows_a_customer_as_smile_does_with_our_fields_beside(api):
    customer = CustomerFactory(
        email="Anna@Example.com",
        phone="+48501234567",
        date_of_birth=date(1004, 2, 29),
        tier=Tier.objects.create(name="Gold", rank=1),
    )
    give(customer, 120, now=timezone.now())
    give(customer, 30, now=timezone.now(), available_at=timezone.now() + timedelta(days=3))

    answer = api.get(f"/customers/{customer.pk}")

    assert answer.status_code == 200
    shown = answer.json()["customer"]
    assert INSTANT.fullmatch(shown.pop("created_at"))
    assert INSTANT.fullmatch(shown.pop("updated_at"))
    assert shown == {
        "id": customer.pk,
        "first_name": "Anna",
        "last_name": "Nowak",
        "email": "Anna@Example.com",
        "state": "member",
        "date_of_birth": "1004-02-29",
        "points_balance": 120,
        "referral_url": "",
        "vip_tier_id": customer.tier_id,
        "phone": "+48501234567",
        "merged_into_customer_id": None,
        "points_pending": 30,
        "points_held": 0,
    }


def test_what_is_not_known_is_null(api):
    customer = CustomerFactory(email=None, first_name="", last_name="")

    shown = api.get(f"/customers/{customer.pk}/").json()["customer"]

    absent = ("email", "first_name", "last_name", "date_of_birth", "vip_tier_id", "phone")
    assert [shown[name] for name in absent] == [None] * 6
    assert shown["points_balance"] == 0


def test_instants_have_milliseconds_and_a_z_whatever_the_microseconds(api):
    customer = CustomerFactory()
    Customer.objects.filter(pk=customer.pk).update(
        created_at=datetime(2024, 12, 7, 20, 15, 27, 893_999, tzinfo=UTC), updated_at=datetime(2024, 12, 7, tzinfo=UTC)
    )

    shown = api.get(f"/customers/{customer.pk}").json()["customer"]

    assert shown["created_at"] == "2024-12-07T20:15:27.893Z"
    assert shown["updated_at"] == "2024-12-07T00:00:00.000Z"


def test_an_expired_point_is_not_in_the_balance_even_when_no_sweep_has_run(api):
    customer = CustomerFactory()
    give(customer, 50, now=timezone.now() - timedelta(days=9), expires_at=timezone.now() - timedelta(days=1))

    assert api.get(f"/customers/{customer.pk}").json()["customer"]["points_balance"] == 0


def test_an_unknown_customer_is_not_found(api):
    assert refusal(api.get("/customers/123456789")) == (404, "not_found")


@pytest.mark.parametrize("written", ["anna@example.com", "ANNA@EXAMPLE.COM", " Anna@example.com "])
def test_finds_by_email_ignoring_case_and_answers_a_list(api, written):
    CustomerFactory(email="Anna@Example.com")
    CustomerFactory(email="other.anna@example.com")

    assert emails(api.get("/customers", email=written, limit=1)) == ["Anna@Example.com"]


def test_finds_nobody_by_an_unknown_email(api):
    CustomerFactory()

    assert emails(api.get("/customers", email="nobody@example.com")) == []
    assert emails(api.get("/customers", email="%")) == []


@pytest.mark.parametrize("state", CustomerState.values)
def test_finds_by_state(api, state):
    for each in CustomerState.values:
        CustomerFactory(state=each, email=f"{each}@example.com")

    assert emails(api.get("/customers", state=state)) == [f"{state}@example.com"]


def test_finds_what_changed_at_or_after_an_instant(api):
    CustomerFactory(email="old@example.com")
    Customer.objects.update(updated_at=datetime(2024, 1, 1, 12, tzinfo=UTC))

    for early in (
        "2024-01-01T12:00:00.000Z",
        "2024-01-01T12:00:00Z",
        "2024-01-01T13:00:00+01:00",
        "2024-01-01",
        "0001-01-01T00:00:00Z",
    ):
        assert emails(api.get("/customers", updated_at_min=early)) == ["old@example.com"], early
    assert emails(api.get("/customers", updated_at_min="2024-01-01T12:00:00.001Z")) == []


def test_reads_an_offset_whose_plus_was_not_encoded(api):
    CustomerFactory()

    assert (
        api.client.get("/api/v1/customers?updated_at_min=2024-01-01T13:00:00+01:00", headers=api.headers).status_code
        == 200
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("updated_at_min", "yesterday"),
        ("updated_at_min", "2024-13-01"),
        ("updated_at_min", "0001-01-01T00:00:00+10:00"),
        ("updated_at_min", "9999-12-31T23:59:59-10:00"),
        ("updated_at_min", ""),
        ("state", "Member"),
        ("state", ""),
        ("email", ""),
        ("email", "a\x00b"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused_and_never_ignored(api, name, value):
    answer = api.get("/customers", **{name: value})

    assert refusal(answer) == (400, "invalid_parameter")
    assert name in answer.json()["error"]["message"]


def test_unknown_parameters_and_includes_are_ignored(api):
    customer = CustomerFactory()
    include = "next_vip_tier.image_svg,vip_tier.image_svg"

    assert api.get(f"/customers/{customer.pk}", include=include).status_code == 200
    assert len(emails(api.get("/customers", include="vip_status", is_transient="false", format="xml"))) == 1


def test_creates_a_customer_wrapped_or_flat(api):
    wrapped = api.post(
        "/customers", {"customer": {"email": "a@example.com", "first_name": "Zoë", "phone": "+48 501 234 567"}}
    )
    flat = api.post("/customers/", {"email": "b@example.com", "state": "candidate", "date_of_birth": "1990-05-01"})

    assert [wrapped.status_code, flat.status_code] == [201, 201]
    assert wrapped.json()["customer"]["phone"] == "+48501234567"
    assert wrapped.json()["customer"]["state"] == "member"
    assert flat.json()["customer"]["state"] == "candidate"
    assert flat.json()["customer"]["date_of_birth"] == "1990-05-01"
    assert Event.objects.filter(kind="customer.enrolled", actor_kind="api_key").count() == 2


def test_refuses_an_address_that_somebody_has(api):
    CustomerFactory(email="anna@example.com")

    assert refusal(api.post("/customers", {"email": "ANNA@example.com"})) == (422, "email_taken")
    assert Customer.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "unreachable"),
        ({"email": None, "phone": " "}, 422, "unreachable"),
        ({"email": 5.5, "state": "king"}, 400, "invalid_parameter"),
        ({"email": ["a@example.com"]}, 400, "invalid_parameter"),
        ({"email": "a@example.com", "first_name": "x" * 81}, 400, "invalid_parameter"),
        ({"email": "a@example.com", "first_name": "a\x00b"}, 400, "invalid_parameter"),
        ({"email": "a@example.com", "first_name": "\ud800"}, 400, "invalid_parameter"),
        ({"email": "a@example.com", "date_of_birth": "01.05.1990"}, 400, "invalid_parameter"),
        ({"email": "no address"}, 422, "invalid_email"),
        ({"email": "a@example.com", "phone": "call me"}, 422, "invalid_phone"),
    ],
)
def test_refuses_a_customer_that_makes_no_sense(api, body, status, code):
    assert refusal(api.post("/customers", body)) == (status, code)
    assert not Customer.objects.exists()


def test_a_list_costs_the_same_few_queries_however_long(api, django_assert_num_queries):
    for many in (1, 30):
        for customer in CustomerFactory.create_batch(many):
            give(customer, 10, now=timezone.now())
        api.get("/customers")  # notes that the key was used
        with django_assert_num_queries(5):
            assert api.get("/customers").status_code == 200


def test_a_filter_that_is_given_twice_is_refused_and_none_of_its_values_ignored(api):
    answer = api.get("/customers", state=["member", "disabled"])

    assert refusal(answer) == (400, "invalid_parameter")
    assert answer.json()["error"]["message"] == "state is given 2 times. Give it once."


def test_a_null_character_in_a_filter_is_called_one(api):
    answer = api.get("/customers", email="anna@example.com\x00")

    assert refusal(answer) == (400, "invalid_parameter")
    assert answer.json()["error"]["message"] == "email contains a null character. Write it without."


def test_null_where_a_value_is_needed_is_not_called_missing(api):
    answer = api.post("/customers", {"email": "anna@example.com", "state": None})

    assert refusal(answer) == (400, "missing_parameter")
    assert answer.json()["error"]["message"] == "state is null. Give it a value."


@pytest.mark.parametrize("state", ["vip", "", ["member"], 1, True])
def test_an_unknown_state_is_answered_with_the_known_ones(api, state):
    answer = api.post("/customers", {"email": "anna@example.com", "state": state})

    assert refusal(answer) == (400, "invalid_parameter")
    assert (
        answer.json()["error"]["message"]
        == f"state: {str(state)!r} is unknown. Write one of candidate, member, disabled."
    )
    assert not Customer.objects.exists()
