"""Whole lists as CSV: what the lists say, as one file."""

import csv
import io

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from loyalty.api import exporting
from loyalty.api.keys import Scope
from loyalty.api.models import ApiKey
from loyalty.common.actors import SYSTEM
from loyalty.points import adjustments
from rewards import redemption
from tests.api.conftest import BASE, Integrator, refusal
from tests.factories.people import CustomerFactory
from tests.factories.points import give


def table(answer):
    """The rows of a file by their header."""
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


def export(system: Integrator, name: str, **query):
    return system.client.get(f"{BASE}/exports/{name}", query, headers=system.headers)


def as_text(row, names):
    """What a list says, as CSV has it: nothing for null."""
    return {name: "" if row[name] is None else str(row[name]) for name in names}


@pytest.fixture
def redeemed(gift):
    customer = CustomerFactory(first_name="=HYPERLINK(1)", phone="+493012345")
    give(customer, 300, now=timezone.now())
    adjustments.adjust(
        customer_id=customer.pk,
        points=-20,
        description="-20",
        internal_note="A, “b”\nc",
        actor=SYSTEM,
        now=timezone.now(),
    )
    for _ in range(2):
        redemption.redeem(customer_id=customer.pk, points_product_id=gift.pk, actor=SYSTEM, now=timezone.now())
    return customer


@pytest.mark.parametrize("name", ["customers", "points_transactions", "reward_fulfillments"])
def test_says_what_the_list_says(api, redeemed, customer, name):
    listed = api.get(f"/{name}").json()[name]

    exported = table(export(api, name))

    shared = [each for each in exported[0] if each in listed[0] and each not in {"first_name", "phone"}]
    shared = [each for each in shared if each != "internal_note"]
    assert len(shared) >= 7
    assert [{each: row[each] for each in shared} for row in exported] == [as_text(row, shared) for row in listed]


def test_keeps_words_of_people_from_becoming_formulas(api, redeemed):
    person = table(export(api, "customers", email=redeemed.email))
    noted = [row for row in table(export(api, "points_transactions")) if row["customer_note"]]

    assert [(row["first_name"], row["phone"]) for row in person] == [("'=HYPERLINK(1)", "'+493012345")]
    assert [(row["points_change"], row["customer_note"], row["internal_note"]) for row in noted] == [
        ("-20", "'-20", "A, “b”\nc")
    ]


def test_takes_the_filters_of_the_list(api, redeemed, customer):
    assert len(table(export(api, "reward_fulfillments", customer_id=customer.pk))) == 0
    assert len(table(export(api, "reward_fulfillments", customer_id=redeemed.pk, usage_status="unused"))) == 2
    assert refusal(export(api, "reward_fulfillments", usage_status="lost")) == (400, "invalid_parameter")


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("customers", Scope.CUSTOMER_READ),
        ("points_transactions", Scope.POINTS_TRANSACTION_READ),
        ("reward_fulfillments", Scope.REWARD_FULFILLMENT_READ),
    ],
)
def test_needs_the_scope_of_the_list(integrator, redeemed, name, scope):
    others = integrator(*(each for each in Scope.values if each.partition(":")[0] != scope.partition(":")[0]))

    assert refusal(export(others, name)) == (403, "missing_scope")
    assert table(export(integrator(scope), name))


def test_is_refused_while_another_of_the_same_system_is_read(api, redeemed):
    key = ApiKey.objects.get()
    database = connection.settings_dict
    elsewhere = psycopg.connect(
        host=database["HOST"],
        port=database["PORT"],
        user=database["USER"],
        password=database["PASSWORD"],
        dbname=database["NAME"],
    )
    with elsewhere:
        elsewhere.execute("SELECT pg_advisory_xact_lock(%s, %s)", [exporting.LOCK_SPACE, key.pk])
        assert refusal(export(api, "customers")) == (429, "export_under_way")

    assert len(table(export(api, "customers"))) == 1
