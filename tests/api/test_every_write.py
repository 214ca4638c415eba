"""Every write of the API, taken from its list of addresses: repeated and raced under one key, each has one effect."""

from functools import cache
from typing import Any

import pytest
from django.db import connection

from loyalty.api.v1 import urls
from loyalty.merchant import queries
from tests.api import writes
from tests.concurrency.races import race

TAKING_A_POST = [name for _, view, name in urls.ADDRESSES if hasattr(view, "post")]
REFUSABLE = [name for name, (_, refused) in writes.ALL.items() if refused is not None]
OF_THE_DOOR = {"api_apikey", "api_idempotencyrecord"}  # when a key was last used, and the answers that are kept


def rows() -> dict[str, int]:
    """How many rows each table has."""
    with connection.cursor() as cursor:
        cursor.execute(counting())
        return dict(cursor.fetchall())


@cache
def counting() -> str:
    tables = sorted(set(connection.introspection.django_table_names(only_existing=True)) - OF_THE_DOOR)
    return " UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in tables)


def added(before: dict[str, int]) -> dict[str, int]:
    """How many rows came to each table that has more or less of them since."""
    return {table: found - before[table] for table, found in rows().items() if found != before[table]}


def written() -> set[tuple[str, int, int, int]]:
    """What this transaction has inserted, changed and deleted so far, of each table; also what it changed to the same."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_xact_user_tables")
        return {found for found in cursor.fetchall() if found[0] != "api_apikey"}


def kept(answer: Any) -> Any:
    """What a repetition answers: no stored answer holds the secret of a webhook."""
    return {name: {**said, "secret": None} if "secret" in said else said for name, said in answer.json().items()}


def test_none_is_left_out_of_the_table():
    assert sorted(writes.ALL) == sorted(TAKING_A_POST)


@pytest.mark.django_db
@pytest.mark.parametrize("name", writes.ALL)
def test_carried_out_and_repeated_it_answers_the_same_and_writes_nothing_more(api, name):
    asked = writes.ALL[name][0](api)
    first = asked.by(api, key="one")
    before = written()

    again = asked.by(api, key="one")

    assert first.status_code in {200, 201, 202}, first.json()
    assert first.get("Idempotent-Replayed") is None
    assert (again.status_code, again["Idempotent-Replayed"]) == (first.status_code, "true")
    assert again.json() == kept(first)
    assert written() == before


@pytest.mark.django_db
@pytest.mark.parametrize("name", REFUSABLE)
def test_refused_and_repeated_it_answers_the_same_and_is_not_judged_again(api, name):
    asked = writes.ALL[name][1](api)
    there = rows()
    first = asked.by(api, key="one")
    before = written()

    again = asked.by(api, key="one")

    assert first.status_code == 422, first.json()
    assert (again.status_code, again["Idempotent-Replayed"]) == (422, "true")
    assert again.json() == first.json()
    assert written() == before
    assert added(there) == {}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", writes.ALL)
def test_raced_it_has_the_effect_of_one(api, name):
    queries.programme()  # whoever asks first makes it
    alone = writes.ALL[name][0](api)
    before = rows()
    assert alone.by(api, key="alone").status_code < 300
    of_one = added(before)
    raced = writes.ALL[name][0](api)
    before = rows()

    answers = race(*[lambda: raced.by(api, key="raced")] * 2)

    done = [answer for answer in answers if answer.status_code < 300]
    late = [answer for answer in answers if answer.status_code == 409]
    assert len(done) + len(late) == 2, [answer.json() for answer in answers]
    assert done
    assert [kept(answer) for answer in done[1:]] == [kept(done[0])] * (len(done) - 1)
    assert [answer["Retry-After"] for answer in late] == ["1"] * len(late)
    assert added(before) == of_one
