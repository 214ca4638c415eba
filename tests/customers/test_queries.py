"""How customers are found."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loyalty.accounts.models import User
from loyalty.customers import queries
from loyalty.customers.models import Customer

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna() -> Customer:
    return Customer.objects.create(
        email="Anna.Nowak@Example.com", phone="+48501234567", first_name="Anna", last_name="Nowak"
    )


@pytest.fixture
def other() -> Customer:
    return Customer.objects.create(email="anna.kowalska@example.org", first_name="Anna", last_name="Kowalska")


@pytest.mark.parametrize(
    "text",
    ["nowak", "Nowak Anna", "anna.nowak@", "ANNA.NOWAK@EXAMPLE.COM", "+48 501 234 567", "(501) 234-567", "234567"],
)
def test_finds_by_part_of_name_address_or_phone(anna, other, text):
    assert list(queries.search(text)) == [anna]


def test_wants_every_word(anna, other):
    assert list(queries.search("anna kowal org")) == [other]
    assert list(queries.search("nowak kowalska")) == []


@pytest.mark.parametrize("text", ["%", "_", "\\", "nowak\x00%"])
def test_takes_wildcards_literally(anna, other, text):
    assert list(queries.search(text)) == []


def test_finds_everybody_without_a_text(anna, other):
    assert set(queries.search("  ")) == {anna, other}


def test_finds_an_address_in_any_case(anna, other):
    assert queries.by_email(" anna.NOWAK@example.COM ") == anna
    assert queries.by_email("nobody@example.com") is None
    assert queries.by_email("") is None


def test_finds_an_address_by_its_index(anna):
    Customer.objects.bulk_create(Customer(email=f"customer{number}@example.com") for number in range(3000))

    with connection.cursor() as cursor, CaptureQueriesContext(connection) as captured:
        queries.by_email("anna.nowak@example.com")
        cursor.execute("ANALYZE customers_customer")
        cursor.execute(f"EXPLAIN {captured[0]['sql']}")
        plan = " ".join(row[0] for row in cursor.fetchall())

    assert "customer_email_unique_ignoring_case" in plan


def test_finds_the_customer_a_user_signs_in_as(anna, other):
    user = User.objects.create_user("anna.nowak@example.com")
    anna.user = user
    anna.save()

    assert queries.for_user(user) == anna
    assert queries.for_user(User.objects.create_user("staff@example.com")) is None
