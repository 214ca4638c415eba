"""What happened since a cursor: all of it, in order, once, and nothing that is the desk's own."""

import psycopg
import pytest
from django.db import connection

from loyalty.common.actors import SYSTEM
from loyalty.events import log
from loyalty.events.models import Event
from tests.api.conftest import refusal
from tests.factories.points import NOW
from tests.fakes.events import settle

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _from_here(transactional_db):
    settle()


def happens(kind="reward.used", subject_id=1, customer_id=None):
    return log.record(
        kind=kind, subject_type="redeemed_reward", subject_id=subject_id, customer_id=customer_id, actor=SYSTEM, now=NOW
    )


def read(api, cursor, **query):
    settle()
    answer = api.get("/events", cursor=cursor, **query)
    assert answer.status_code == 200, answer.content
    body = answer.json()
    return [event["subject_id"] for event in body["events"]], body["metadata"]


def start(api):
    settle()
    return api.get("/events", cursor="now").json()["metadata"]["next_cursor"]


def test_who_begins_now_gets_what_comes_and_nothing_twice(api):
    happens(subject_id=1)
    cursor = start(api)
    happens(subject_id=2)
    happens(subject_id=3)

    found, metadata = read(api, cursor)
    again, _ = read(api, metadata["next_cursor"])

    assert (found, metadata["more"], again) == ([2, 3], False, [])


def test_without_a_cursor_it_begins_with_the_first_there_is(api):
    first = Event.objects.order_by("transaction_id", "pk").first() or happens(subject_id=7)
    settle()

    assert api.get("/events", limit=1).json()["metadata"]["next_cursor"]
    assert api.get("/events", limit=250).json()["events"][0]["subject_id"] == first.subject_id


def test_goes_page_by_page_and_the_same_cursor_gives_the_same_page(api):
    cursor = start(api)
    for number in range(5):
        happens(subject_id=number)

    first, metadata = read(api, cursor, limit=2)
    second, after = read(api, metadata["next_cursor"], limit=2)

    assert (first, metadata["more"], second, after["more"]) == ([0, 1], True, [2, 3], True)
    assert read(api, cursor, limit=2)[0] == [0, 1]
    assert read(api, after["next_cursor"], limit=2)[0] == [4]


def test_one_that_commits_late_is_not_missed(api):
    cursor = start(api)
    values = connection.settings_dict
    with psycopg.connect(
        host=values["HOST"],
        port=values["PORT"],
        user=values["USER"],
        password=values["PASSWORD"],
        dbname=values["NAME"],
    ) as slow:
        slow.execute(
            "INSERT INTO events_event (kind, occurred_at, actor_kind, subject_type, subject_id, data) "
            "VALUES ('reward.used', now(), 'system', 'redeemed_reward', 1, '{}')"
        )
        happens(subject_id=2)
        early = api.get("/events", cursor=cursor).json()
        slow.commit()

    late, _ = read(api, early["metadata"]["next_cursor"])

    assert [event["subject_id"] for event in early["events"]] + late == [1, 2]


def test_tells_the_kinds_and_the_customer_that_are_asked_for_and_nothing_of_the_desk_itself(api):
    cursor = start(api)
    happens("api_key.made", 1)
    happens("user.changed", 2)
    happens("reward.used", 3, customer_id=8)
    happens("points.adjusted", 4, customer_id=9)
    happens("delivery.shipped", 5, customer_id=8)

    assert read(api, cursor)[0] == [3, 4, 5]
    assert read(api, cursor, kind=["reward.used", "points.adjusted"])[0] == [3, 4]
    assert read(api, cursor, customer_id=8)[0] == [3, 5]
    assert (
        read(api, cursor, kind="delivery.shipped", limit=2)[1]["more"] is True
    )  # nothing on this page, more behind it


@pytest.mark.parametrize(
    "query", [{"cursor": "x"}, {"cursor": "djE6MQ=="}, {"kind": "api_key.made"}, {"kind": "reward"}, {"limit": 251}]
)
def test_refuses_what_it_does_not_understand(api, query):
    assert refusal(api.get("/events", **query)) == (400, "invalid_parameter")


def test_asks_for_a_scope_of_its_own(integrator):
    assert refusal(integrator("reward_fulfillment:write").get("/events")) == (403, "missing_scope")
