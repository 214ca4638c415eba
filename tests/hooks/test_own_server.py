"""The server for webhooks alone: the same door with the same answers, and those that come together kept in one commit."""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import pytest
from django.db import OperationalError

from loyalty.hooks import door, grouping, inbox, own_server
from loyalty.hooks.door import Delivery, Reply
from loyalty.hooks.models import InboundWebhook
from platforms import credentials
from tests.factories.people import ConnectionFactory, PayoutAccountFactory
from tests.hooks.test_webhook_door import SECRET, order_body, signed


def run(coroutine):
    """Its outcome, from a thread of its own: browser tests of the same process keep an event loop in this one."""
    with ThreadPoolExecutor(max_workers=1) as aside:
        return aside.submit(asyncio.run, coroutine).result()


@pytest.fixture
def shop():
    return ConnectionFactory(credentials=credentials.seal({"token": "t", "webhook_secret": SECRET}))


def delivery(shop, event, **changes):
    body = order_body(event)
    headers = {name.lower(): value for name, value in signed(body).items()}
    return Delivery(**{"is_payouts": False, "key": str(shop.webhook_key), "headers": headers, "body": body} | changes)


def group_of(*deliveries):
    return [door.knock(each) for each in deliveries]


def kept() -> list[str]:
    return sorted(InboundWebhook.objects.values_list("event_id", flat=True))


@pytest.mark.django_db
def test_a_group_is_kept_in_one_statement_and_each_has_its_own_answer(shop, django_assert_num_queries):
    account = PayoutAccountFactory(
        provider="sandbox", base_url="http://127.0.0.1:9", credentials=credentials.seal({"webhook_secret": SECRET})
    )
    group = group_of(
        delivery(shop, "b"),
        delivery(shop, "unsigned", headers={}),
        delivery(shop, "a"),
        delivery(shop, "nowhere", key=str(uuid4())),
        delivery(shop, "b"),
        delivery(account, "no callback", is_payouts=True),
        delivery(shop, "no key", key="abc"),
    )

    with django_assert_num_queries(4) as queries:  # whose three addresses they are, and the rows
        replies = door.receive_all(group)

    assert [reply.status for reply in replies] == [200, 401, 200, 404, 200, 400, 404]
    assert [query["sql"].split()[0] for query in queries] == ["SELECT", "SELECT", "SELECT", "INSERT"]
    by_name = InboundWebhook.objects.order_by("pk").values_list("event_id", flat=True)
    assert list(by_name) == ["a", "b"]  # whoever keeps the same ones waits in turn, never crosswise


@pytest.mark.django_db
def test_a_database_that_does_not_answer_asks_all_to_come_again(shop, monkeypatch):
    def gone(letters, *, now):
        raise OperationalError

    monkeypatch.setattr(inbox, "store", gone)

    replies = door.receive_all(group_of(delivery(shop, "a"), delivery(shop, "b")))

    assert [reply.status for reply in replies] == [503, 503]


@contextmanager
def serving():
    """The application; its thread's session is ended as the thread would end."""
    application = own_server.Application()
    try:
        yield application
    finally:
        application._groups._writer.submit(grouping.end_session).result()


async def ask(application, path, body=b"", *, parts=1, hangs_up=False, **changes):
    headers = {"host": "testserver", "content-length": str(len(body))} | changes.pop("headers", {})
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "scheme": "http", "headers": raw} | changes
    size = len(body) // parts + 1
    told = [
        {"type": "http.request", "body": body[place * size : (place + 1) * size], "more_body": place < parts - 1}
        for place in range(parts)
    ]
    if hangs_up:
        told[-1] = {"type": "http.disconnect"}
    said, left = [], iter(told)

    async def receive():
        return next(left)

    async def send(message):
        said.append(message)

    await application(scope, receive, send)
    return (said[0]["status"], json.loads(said[1]["body"])) if said else None


@pytest.mark.django_db(transaction=True)
def test_what_comes_while_one_commits_is_the_next_group(shop, monkeypatch):
    sizes, receive_all = [], door.receive_all

    def slowly(knocks):
        sizes.append(len(knocks))
        time.sleep(0.3)
        return receive_all(knocks)

    async def one_and_then_seven(application):
        path = f"/hooks/{shop.webhook_key}/"
        bodies = [order_body(f"event-{number}") for number in range(8)]
        asked = [ask(application, path, body, parts=3, headers=signed(body)) for body in bodies]
        first = asyncio.create_task(asked[0])
        await asyncio.sleep(0.1)
        return [*await asyncio.gather(*asked[1:]), await first]

    monkeypatch.setattr(door, "receive_all", slowly)
    with serving() as application:
        answers = run(one_and_then_seven(application))

    assert answers == [(200, {"received": True})] * 8
    assert sizes == [1, 7]
    assert kept() == [f"event-{number}" for number in range(8)]


@pytest.mark.django_db
def test_one_that_breaks_the_door_takes_no_other_with_it(shop, monkeypatch):
    receive_all = door.receive_all

    def breaks(knocks):
        if any(each.delivery.body == b"poison" for each in knocks):
            raise ZeroDivisionError
        return receive_all(knocks)

    monkeypatch.setattr(door, "receive_all", breaks)
    group = group_of(delivery(shop, "a"), delivery(shop, "x", body=b"poison"), delivery(shop, "b"))

    assert [reply.status for reply in grouping._received(group)] == [200, 500, 200]
    assert kept() == ["a", "b"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"path": "/admin/"}, 404),
        ({"path": "/hooks/"}, 404),
        ({"method": "GET"}, 405),
        ({"headers": {"host": "elsewhere.example"}}, 400),
        ({"headers": {"content-length": "-5"}}, 400),
        ({"headers": {"content-length": "5000000"}}, 413),
        ({"headers": {"content-length": "3"}}, 400),  # broke off
        ({"headers": {"content-length": "1"}}, 400),  # and more than it said
        ({"path": "/health/live", "method": "GET"}, 200),
    ],
)
def test_whatever_is_no_plain_delivery_is_answered_without_the_database(changes, status, settings):
    settings.ALLOWED_HOSTS = ["testserver"]

    answer = run(ask(own_server.Application(), changes.pop("path", "/hooks/a-key/"), b"{}", **changes))

    assert answer[0] == status


def test_what_came_without_tls_is_refused(settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    plain, safe = {"x-forwarded-proto": "http"}, {"x-forwarded-proto": "https", "content-length": "x"}

    answers = [run(ask(own_server.Application(), "/hooks/a/", headers=each)) for each in ({}, plain, safe)]

    assert [answer[1]["error"]["code"] for answer in answers] == ["wrong_address", "wrong_address", "malformed"]


def test_nobody_is_answered_who_hung_up_or_takes_too_long(monkeypatch):
    assert run(ask(own_server.Application(), "/hooks/a/", b"{}", parts=2, hangs_up=True)) is None

    async def never():
        await asyncio.sleep(60)

    monkeypatch.setattr(own_server, "READ_SECONDS", 0.01)
    monkeypatch.setattr(own_server, "_read", lambda receive, most: never())
    assert run(ask(own_server.Application(), "/hooks/a/", b"{}"))[0] == 408


def test_more_than_memory_should_hold_is_asked_to_come_again(monkeypatch):
    monkeypatch.setattr(grouping, "MOST_WAITING_BYTES", 10)
    large = Delivery(is_payouts=False, key="k", headers={}, body=b"x" * 11)

    assert run(grouping.Groups().take(large)) == Reply(503, {"error": {"code": "unavailable"}})
