"""A balance with its ends, read at once."""

from datetime import timedelta

import pytest

from loyalty.points import queries
from loyalty.points.queries import Balance, Holdings
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db


def test_say_what_the_balance_and_the_list_of_ends_say(django_assert_num_queries):
    customer = CustomerFactory()
    give(customer, 50, now=NOW)
    give(customer, 20, now=NOW, expires_at=NOW + timedelta(days=9, microseconds=1234))
    give(customer, 7, now=NOW, expires_at=NOW + timedelta(days=3))
    give(customer, 5, now=NOW, expires_at=NOW + timedelta(days=9, microseconds=1234))
    give(customer, 3, now=NOW, available_at=NOW + timedelta(days=1), expires_at=NOW + timedelta(days=9))

    for now in (NOW, NOW + timedelta(days=1), NOW + timedelta(days=3), NOW + timedelta(days=30)):
        with django_assert_num_queries(1):
            found = queries.holdings(customer_id=customer.pk, now=now)
        assert found.balance == queries.balance(customer_id=customer.pk, now=now)
        assert list(found.expiring) == queries.expiring(customer_id=customer.pk, now=now)


def test_of_a_customer_nobody_credited_are_empty():
    assert queries.holdings(customer_id=CustomerFactory().pk, now=NOW) == Holdings(Balance())
