"""The breaker of a shop: left alone when it does not answer, asked by one when the pause is over, and told to everybody."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError
from django.db import connection as database

from platforms import breaker, credentials, guarded, registry
from platforms.adapter import Outcome
from platforms.models import ShopHealth, StoreConnection
from tests.concurrency.races import race
from tests.factories.people import ConnectionFactory
from tests.factories.shop import connect
from tests.fakes.misbehaving import misbehaving_server, reply, unused_port

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 5, 4, 14, 2, tzinfo=UTC)
DEAD = reply("500 Internal Server Error", b"{}")
SECOND = timedelta(seconds=1)


class Clock:
    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """The instant at which shops are asked."""
    clock = Clock()
    monkeypatch.setattr(guarded, "_now", clock)
    return clock


def at(url, **fields):
    secret = {"token": "t", "webhook_secret": "s"}
    return ConnectionFactory(name="Berlin", base_url=url, credentials=credentials.seal(secret), **fields)


def find(connection, times=1):
    """The last of so many answers to a question, each by an adapter of its own."""
    answers = [registry.adapter_for(connection, timeout=5).find_code("LOY-1") for _ in range(times)]
    return answers[-1]


def moved_to(connection, url):
    """The same shop, where it answers by now."""
    StoreConnection.objects.filter(pk=connection.pk).update(base_url=url)
    connection.refresh_from_db()
    return connection


def test_lets_calls_through_until_too_many_in_a_row_have_no_answer(clock):
    with misbehaving_server(DEAD) as server:
        connection = at(server.url)

        find(connection, breaker.MOST_FAILURES + 20)

        assert len(server.requests) == breaker.MOST_FAILURES


def test_answers_in_place_of_the_shop_with_a_sentence_and_a_time(clock):
    connection = at(f"http://127.0.0.1:{unused_port()}")
    find(connection, breaker.MOST_FAILURES)

    answer = find(connection)

    assert answer.outcome is Outcome.NOT_SENT
    assert answer.reason == ("The shop “Berlin” has not answered since 14:02 UTC. The desk asks again at 14:02.")
    assert 10 < answer.retry_after < 10 + 5


def test_says_the_day_when_it_is_not_today(clock):
    connection = at(f"http://127.0.0.1:{unused_port()}")
    find(connection, breaker.MOST_FAILURES)

    said = breaker.sentence(connection_id=connection.pk, now=NOON + timedelta(days=1))

    assert said == "The shop “Berlin” has not answered since 4 May 14:02 UTC. The desk is about to ask it again."


def test_asks_once_after_each_pause_and_the_pauses_grow_to_a_bound(clock):
    pauses = []
    with misbehaving_server(DEAD) as server:
        connection = at(server.url)
        find(connection, breaker.MOST_FAILURES)

        for _ in range(8):
            ask_at = ShopHealth.objects.get().ask_at
            pauses.append((ask_at - clock.now).total_seconds())
            clock.now = ask_at
            find(connection, 3)

        assert len(server.requests) == breaker.MOST_FAILURES + 8
    assert pauses == [10, 20, 40, 80, 160, 300, 300, 300]


def test_an_answer_closes_it(clock, shop):
    connection = at(f"http://127.0.0.1:{unused_port()}")
    find(connection, breaker.MOST_FAILURES)
    connection = moved_to(connection, shop.url)
    StoreConnection.objects.update(credentials=connect(shop).credentials)
    connection.refresh_from_db()

    assert find(connection).outcome is Outcome.NOT_SENT
    clock.now += 10 * SECOND
    assert find(connection).ok

    health = ShopHealth.objects.get(pk=connection.pk)
    assert (health.opened_at, health.failures, health.ok_at, health.closed_at) == (None, 0, clock.now, clock.now)
    assert breaker.sentence(connection_id=connection.pk, now=clock.now) == ""


def test_one_answer_in_between_begins_the_count_anew(clock, shop):
    connection = connect(shop)
    shop.fault("find", "server_error", times=breaker.MOST_FAILURES - 1)
    find(connection, breaker.MOST_FAILURES)
    shop.fault("find", "server_error", times=breaker.MOST_FAILURES - 1)

    find(connection, breaker.MOST_FAILURES)

    assert find(connection).ok
    assert ShopHealth.objects.get().closed_at is None


def test_a_shop_that_asks_us_to_wait_is_not_silent(clock, shop):
    connection = connect(shop)
    shop.fault("find", "throttle", times=breaker.MOST_FAILURES * 2, seconds=60)

    answer = find(connection, breaker.MOST_FAILURES * 2)

    assert answer.outcome is Outcome.THROTTLED
    health = ShopHealth.objects.get()
    assert (health.failures, health.opened_at, health.throttled_at) == (0, None, NOON)


def test_refused_credentials_are_told_apart_and_nothing_is_held_back(clock, shop):
    connection = at(shop.url)

    answer = find(connection, breaker.MOST_FAILURES * 2)

    assert answer.outcome is Outcome.REJECTED
    assert breaker.sentence(connection_id=connection.pk, now=NOON) == (
        "The shop “Berlin” has refused our credentials since 14:02 UTC. "
        "Enter them again under Shops and test the connection."
    )
    StoreConnection.objects.filter(pk=connection.pk).update(credentials=connect(shop).credentials)
    connection.refresh_from_db()
    assert find(connection).ok
    assert breaker.sentence(connection_id=connection.pk, now=NOON) == ""


def test_a_busy_shop_is_written_down_now_and_then(clock, shop, django_assert_num_queries):
    connection = connect(shop)
    find(connection)

    find(connection)
    clock.now += 9 * SECOND
    with django_assert_num_queries(0):
        find(connection)
    assert ShopHealth.objects.get().ok_at == NOON

    clock.now += 2 * SECOND
    find(connection)
    assert ShopHealth.objects.get().ok_at == clock.now


def test_of_many_that_ask_a_shop_of_which_nothing_is_known_one_looks_and_one_writes(clock, shop, monkeypatch):
    connection = connect(shop)
    rows, asked = breaker._rows, []

    def slowly(line):
        asked.append(line)
        time.sleep(0.1)  # so that all of them are there before the first has looked
        return rows(line)

    monkeypatch.setattr(breaker, "_rows", slowly)

    answers = race(*[lambda: find(connection).ok] * 8)

    assert answers == [True] * 8
    assert len(asked) == 2  # to look, and to write that it answers


def test_a_success_that_could_not_be_written_is_written_by_the_next(clock, shop, monkeypatch):
    connection = connect(shop)

    def fails(line, **changes):
        raise OperationalError("the connection was lost")

    with monkeypatch.context() as patch:
        patch.setattr(breaker, "_write", fails)
        with pytest.raises(OperationalError):
            find(connection)

    find(connection)

    assert ShopHealth.objects.get().ok_at == NOON


def test_threads_without_a_session_are_left_without_one(clock, shop):
    connection = connect(shop)

    def ask():
        return find(connection).ok, database.connection is None

    assert race(*[ask] * 4) == [(True, True)] * 4


def test_a_test_by_a_person_goes_out_all_the_same_and_may_close_it(clock, shop):
    connection = connect(shop)
    shop.fault("find", "server_error", times=breaker.MOST_FAILURES)
    find(connection, breaker.MOST_FAILURES + 1)

    assert registry.adapter_for(connection).test_connection().ok

    assert find(connection).ok


def test_a_shop_that_fails_again_soon_is_left_alone_for_longer(clock, shop):
    connection = connect(shop)
    for _ in range(2):
        shop.fault("find", "server_error", times=breaker.MOST_FAILURES)
        find(connection, breaker.MOST_FAILURES)
        first, clock.now = clock.now, ShopHealth.objects.get().ask_at
        assert find(connection).ok

    assert (clock.now - first).total_seconds() == 20


def test_whoever_died_with_the_probe_holds_it_up_only_for_a_while(clock):
    connection = at(f"http://127.0.0.1:{unused_port()}")
    find(connection, breaker.MOST_FAILURES)
    clock.now += 10 * SECOND
    assert isinstance(breaker.admit(connection=connection, now=clock.now), breaker.Pass)  # and is never heard of again

    waiting = breaker.admit(connection=connection, now=clock.now)
    assert waiting.retry_after < 10

    clock.now += breaker.PROBE_LEASE
    assert breaker.admit(connection=connection, now=clock.now).probe_until is not None


def test_exactly_one_of_many_asks_when_the_pause_is_over(clock):
    with misbehaving_server(0.3, DEAD) as server:
        connection = at(server.url)
        race(*[lambda: find(connection)] * breaker.MOST_FAILURES)
        assert ShopHealth.objects.get().failures == breaker.MOST_FAILURES
        before = len(server.requests)
        clock.now += 10 * SECOND

        answers = race(*[lambda: find(connection)] * 12)

        assert len(server.requests) == before + 1
    assert sorted(answer.outcome for answer in answers) == [Outcome.NOT_SENT] * 11 + [Outcome.UNKNOWN]
