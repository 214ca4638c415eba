"""Reading events: in order, each once, and none missed however late it commits."""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import psycopg
import pytest
from django.db import connection, transaction

from loyalty.common.actors import SYSTEM
from loyalty.events import horizon, log, reading
from loyalty.events.models import Event, EventReader
from tests.concurrency.races import race
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW as THEN
from tests.factories.points import give
from tests.fakes.events import settle

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
KINDS = {"reward.issued"}


@pytest.fixture(autouse=True)
def _nothing_was_read(transactional_db) -> None:
    EventReader.objects.all().delete()


def session(database: str = "") -> psycopg.Connection:
    """Another session, of the same database unless another is named, with transactions of its own."""
    settings = connection.settings_dict
    return psycopg.connect(
        host=settings["HOST"], port=settings["PORT"], user=settings["USER"], password=settings["PASSWORD"],
        dbname=database or settings["NAME"],
    )  # fmt: skip


@pytest.fixture
def elsewhere() -> Iterator[psycopg.Connection]:
    with session() as opened:
        yield opened


@pytest.fixture
def a_third() -> Iterator[psycopg.Connection]:
    with session() as opened:
        yield opened


@pytest.fixture
def of_another_database() -> Iterator[psycopg.Connection]:
    """A session with a transaction that has an id, as one that writes, and stays open."""
    with session("postgres") as opened:
        opened.execute("SELECT pg_current_xact_id()")
        yield opened


def happens(number: int, kind: str = "reward.issued") -> Event:
    return log.record(kind=kind, subject_type="redeemed_reward", subject_id=number, actor=SYSTEM, now=NOW)


def happens_in(session: psycopg.Connection, number: int) -> None:
    session.execute(
        "INSERT INTO events_event (kind, occurred_at, actor_kind, subject_type, subject_id, data) "
        "VALUES ('reward.issued', now(), 'system', 'redeemed_reward', %s, '{}')",
        [number],
    )


def taken(reader: str = "mails", limit: int = 100) -> list[int]:
    """What is read, once nobody is in the way of what was committed."""
    settle()
    return taken_now(reader, limit)


def taken_now(reader: str = "mails", limit: int = 100) -> list[int]:
    events, _ = reading.take(reader=reader, kinds=KINDS, limit=limit)
    return [event.subject_id for event in events]


def test_gives_each_event_once_in_order():
    for number in (1, 2, 3):
        happens(number)

    assert taken(limit=2) == [1, 2]
    assert taken(limit=2) == [3]
    assert taken(limit=2) == []


def test_passes_over_other_kinds_and_says_when_there_may_be_more():
    happens(1, kind="reward.used")
    happens(2)
    settle()

    assert reading.take(reader="mails", kinds=KINDS, limit=1) == ([], True)
    events, more = reading.take(reader="mails", kinds=KINDS, limit=2)

    assert ([event.subject_id for event in events], more) == ([2], False)


def test_does_not_skip_what_commits_after_a_later_one(elsewhere):
    happens_in(elsewhere, 1)  # has the lower id, and is not committed
    happens(2)
    while_it_is_open = taken_now()

    elsewhere.commit()

    assert while_it_is_open == []
    assert taken() == [1, 2]
    assert taken() == []


def test_does_not_skip_an_older_transaction_that_writes_last(elsewhere):
    elsewhere.execute("SELECT pg_current_xact_id()")
    happens(1)
    happens_in(elsewhere, 2)  # the higher id, of the lower transaction
    elsewhere.commit()

    assert sorted(taken()) == [1, 2]


def test_waits_for_no_transaction_of_another_database(of_another_database):
    happens(1)

    reading.wait(seconds=5)  # what the database does for itself, such as analysing a table, is over in a moment

    assert taken_now() == [1]


def test_misses_nothing_that_begins_or_ends_between_its_statements(elsewhere, a_third, monkeypatch):
    asked = horizon.oldest_under_way

    def then_others_write() -> int:
        oldest = asked()
        happens_in(elsewhere, 1)
        happens_in(a_third, 2)
        a_third.commit()
        return oldest

    def then_they_end() -> int:
        oldest = asked()
        elsewhere.commit()
        return oldest

    monkeypatch.setattr(horizon, "oldest_under_way", then_others_write)
    assert reading.after(place=EventReader()) == ([], False)
    monkeypatch.setattr(horizon, "oldest_under_way", then_they_end)
    assert taken_now() == []
    monkeypatch.undo()

    assert taken() == [1, 2]


def test_looks_at_the_sessions_anew_each_time_in_one_transaction(elsewhere, a_third):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
        )  # shown again throughout the transaction, unless forgotten
        happens_in(elsewhere, 1)
        happens_in(a_third, 2)
        a_third.commit()

        assert taken_now() == []

    elsewhere.commit()
    assert taken() == [1, 2]


def test_goes_by_the_one_snapshot_of_a_transaction_that_keeps_it(elsewhere):
    happens_in(elsewhere, 1)
    happens(2)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT 1")
        elsewhere.commit()

        assert reading.after(place=EventReader()) == ([], False)


def test_waits_for_the_whole_server_where_it_may_not_see_what_sessions_do(elsewhere, of_another_database):
    under_way = int(str(of_another_database.execute("SELECT pg_current_xact_id()").fetchone()[0]))
    happens(1)
    seen_by_all = horizon.oldest_under_way()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE ROLE reader_without_sight; SET LOCAL ROLE reader_without_sight")
        unseen = horizon.oldest_under_way()
        transaction.set_rollback(True)

    assert unseen <= under_way < seen_by_all


def test_misses_nothing_and_reads_nothing_twice_while_many_write():
    found: list[int] = []
    written = 60

    def writes(first: int) -> None:
        with session() as opened:
            for number in range(first, first + written):
                happens_in(opened, number)
                time.sleep(random.uniform(0, 0.004))
                opened.commit()

    def reads() -> None:
        until = time.monotonic() + 20
        while len(found) < 3 * written and time.monotonic() < until:
            found.extend(taken_now(limit=7))

    race(*[partial(writes, first) for first in (0, 100, 200)], reads)

    assert sorted(found) == [first + number for first in (0, 100, 200) for number in range(written)]


def test_forgets_what_was_rolled_back(elsewhere):
    happens_in(elsewhere, 1)
    happens(2)

    elsewhere.rollback()

    assert taken() == [2]


def test_gives_the_same_events_again_when_the_caller_rolls_back():
    happens(1)
    with transaction.atomic():
        assert taken() == [1]
        transaction.set_rollback(True)

    assert taken() == [1]


def test_lets_one_read_at_a_time():
    for number in range(20):
        happens(number)
    settle()

    results = race(*[lambda: taken_now(limit=5)] * 4)

    assert sorted(number for numbers in results for number in numbers) == list(range(20))


def test_each_reader_has_a_place_of_its_own():
    happens(1)

    assert taken("mails") == [1]
    assert taken("webhooks") == [1]


def test_may_begin_now():
    happens(1)
    settle()
    reading.begin_now(reader="mails")
    happens(2)

    assert taken() == [2]


def test_knows_the_events_that_are_written_by_plain_sql_and_by_copy():
    customer = CustomerFactory()
    give(customer, 10, now=THEN, expires_at=datetime(2026, 11, 25, tzinfo=UTC))
    fact = log.Fact(7, customer.pk, NOW, {})
    log.record_many(kind="points.imported", subject_type="points_transaction", actor=SYSTEM, facts=[fact])

    give(customer, 1, now=NOW)  # settles what is due by the ledger's own statement
    settle()

    events, _ = reading.take(reader="mails", kinds={"points.expired", "points.imported"}, limit=100)
    assert [event.kind for event in events] == ["points.imported", "points.expired"]
    assert all(event.transaction_id > 0 for event in events)


def test_goes_on_after_the_database_came_from_another_server():
    """The dump brings events of transactions that lie in this server's future; ours have lower numbers, higher ids."""
    for number in (1, 2):
        Event.objects.create(
            kind="reward.issued", occurred_at=NOW, actor_kind="system", subject_type="redeemed_reward",
            subject_id=number, transaction_id=10**15 + number,
        )  # fmt: skip
    happens(3)
    first = Event.objects.get(subject_id=1)
    EventReader.objects.create(name="mails", transaction_id=first.transaction_id, event_id=first.pk)

    assert [taken() for _ in range(4)] == [[2], [], [3], []]

    happens(4)
    assert [taken() for _ in range(2)] == [[4], []]
    assert taken("new") == [1, 2]
    assert [taken("new") for _ in range(2)] == [[], [3, 4]]


def test_takes_what_its_own_transaction_wrote_for_no_other_servers():
    happens(1)
    with transaction.atomic():
        happens(2)
        assert [taken_now(), taken_now()] == [[1], []]

    assert [taken(), taken()] == [[2], []]


def test_uses_its_index():
    happens(1)
    with transaction.atomic(), connection.cursor() as cursor:
        # In a table this small the planner would rather read all of it, or sort; in a large one it has no such choice.
        for choice in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
            cursor.execute(f"SET LOCAL {choice} = off")
        plan = reading._after(EventReader(name="x"), None)[:10].explain()

    assert "event_reading" in plan
    assert "Sort" not in plan
