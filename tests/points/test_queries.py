"""Reading points: right at any instant, and as cheap for many lots as for one."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loyalty.points import queries
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def rows_fetched(act):
    """How many rows the queries of an act give back, and how many queries there are."""
    with CaptureQueriesContext(connection) as asked:
        act()
    with connection.cursor() as cursor:
        counts = []
        for query in asked:
            cursor.execute(f"SELECT count(*) FROM ({query['sql']}) AS answer")
            counts.append(cursor.fetchone()[0])
    return sum(counts), len(counts)


def test_the_next_expiry_sums_the_active_lots_that_end_first(customer):
    give(customer, 1)
    give(customer, 2, expires_at=NOW + DAY)
    give(customer, 3, expires_at=NOW + 2 * DAY)
    give(customer, 4, expires_at=NOW + 2 * DAY)
    give(customer, 5, expires_at=NOW + 9 * DAY)
    give(customer, 6, available_at=NOW + DAY, expires_at=NOW + 2 * DAY)

    now, tomorrow, later, last = (
        queries.balance(customer_id=customer.pk, now=NOW + days * DAY) for days in (0, 1, 2, 9)
    )

    assert now == queries.Balance(15, 6, 0, 0, NOW + DAY, 2)
    assert tomorrow == queries.Balance(19, 0, 0, 0, NOW + 2 * DAY, 13)
    assert later == queries.Balance(6, 0, 0, 0, NOW + 9 * DAY, 5)
    assert last == queries.Balance(1, 0, 0, 0, None, 0)


def test_reading_balances_fetches_one_row_a_customer_and_query_however_many_lots_there_are():
    few, many, none = CustomerFactory.create_batch(3)
    give(few, 5, expires_at=NOW + DAY)
    for day in range(1, 60):
        give(many, 5, expires_at=NOW + day * DAY)

    def read(*customers):
        return rows_fetched(lambda: queries.balances(customer_ids=[customer.pk for customer in customers], now=NOW))

    assert read(few) == read(many) == (2, 2)
    assert read(few, many, none) == (4, 2)


def test_a_customer_nobody_credited_yet_has_nothing(customer):
    assert queries.balance(customer_id=customer.pk, now=NOW) == queries.Balance()
