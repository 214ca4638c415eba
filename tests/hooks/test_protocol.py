"""A connection to the server for webhooks, in bytes: what is HTTP is answered in turn, and nothing else is believed."""

import inspect
import socket
import threading
from contextlib import suppress
from uuid import uuid4

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from loyalty.hooks import grouping, protocol
from platforms import credentials
from tests.factories.people import ConnectionFactory
from tests.hooks.serving import HEALTH, Running, request
from tests.hooks.test_own_server import kept
from tests.hooks.test_webhook_door import SECRET, order_body, signed

POST = b"POST /hooks/a-key/ HTTP/1.1\r\nhost: testserver\r\n"


@pytest.fixture(scope="module")
def running():
    with Running() as server:
        yield server


@pytest.fixture
def caller(running):
    return running.caller()


@pytest.fixture
def shop():
    return ConnectionFactory(credentials=credentials.seal({"token": "t", "webhook_secret": SECRET}))


def webhook(shop, event):
    body = order_body(event)
    return request(f"/hooks/{shop.webhook_key}/", body, signed(body))


def statuses(answers):
    return [answer.status for answer in answers]


def test_uvicorn_still_has_what_ours_hangs_on():
    """A bound that uvicorn no longer asks for would be none, without a word."""
    ours = {name for name, value in vars(protocol.StrictProtocol).items() if inspect.isfunction(value)}
    source = inspect.getsource(inspect.getmodule(HttpToolsProtocol))

    assert {name for name in ours if not name.startswith("_")} <= set(dir(HttpToolsProtocol))
    assert "self.send_400_response(" in source
    for name in ("url", "headers", "parser", "pipeline", "cycle", "transport", "loop"):
        assert f"self.{name} = " in source or f"self.{name}: " in source


def test_a_connection_is_kept_from_answer_to_answer(caller):
    answers = [caller.ask(HEALTH) for _ in range(3)]

    assert statuses(answers) == [200, 200, 200]
    assert set(answers[0].headers) == {"date", "content-type", "content-length", "x-content-type-options"}


@pytest.mark.django_db(transaction=True)
def test_what_was_sent_ahead_is_answered_in_turn(shop, caller):
    sent = [webhook(shop, "a"), HEALTH, request("/elsewhere"), webhook(shop, "b"), HEALTH, b"nonsense\r\n\r\n"]

    answers = caller.send(b"".join(sent)).hear_all()

    assert statuses(answers) == [200, 200, 404, 200, 200]
    assert [answer.headers.get("connection") for answer in answers] == [None] * 4 + ["close"]
    assert kept() == ["a", "b"]


@pytest.mark.django_db(transaction=True)
def test_a_delivery_may_come_byte_by_byte(shop, caller):
    for byte in webhook(shop, "a"):
        caller.send(bytes([byte]))

    assert caller.hear().status == 200
    assert kept() == ["a"]


@pytest.mark.django_db(transaction=True)
def test_whoever_hangs_up_in_a_body_has_said_nothing(shop, caller):
    caller.send(webhook(shop, "a")[:-1]).line.shutdown(socket.SHUT_WR)

    assert caller.hear() is None
    assert kept() == []


@pytest.mark.django_db(transaction=True)
def test_a_refusal_says_what_the_web_server_says(shop, caller):
    caller.ask(webhook(shop, "event-1"))  # from here on the shop is known
    unsigned = caller.ask(request(f"/hooks/{shop.webhook_key}/", order_body("event-2")))
    nowhere = caller.ask(request(f"/hooks/{uuid4()}/", order_body("event-3")))
    after = caller.ask(webhook(shop, "event-4"))

    assert (unsigned.status, unsigned.code) == (401, "bad_signature")
    assert (nowhere.status, nowhere.code) == (404, "not_found")
    assert after.status == 200
    assert kept() == ["event-1", "event-4"]


SMUGGLED = {
    "two ways to tell the length": POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"content-length: 0\r\ncontent-length: 5\r\n\r\n",
    "the same length twice": POST + b"content-length: 5\r\ncontent-length: 5\r\n\r\nhello",
    "lengths in a list": POST + b"content-length: 5, 5\r\n\r\nhello",
    "a length with a sign": POST + b"content-length: +5\r\n\r\nhello",
    "a negative length": POST + b"content-length: -5\r\n\r\nhello",
    "a length in hexadecimal": POST + b"content-length: 0x5\r\n\r\nhello",
    "an endless length": POST + b"content-length: 99999999999999999999999999\r\n\r\n",
    "a coding of its own": POST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a coding that is not the last": POST + b"transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunks": POST + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunks without a size": POST + b"transfer-encoding: chunked\r\n\r\nnone\r\n\r\n",
    "a space before the colon": POST + b"content-length : 5\r\n\r\nhello",
    "a space before the name": POST + b" content-length: 5\r\n\r\nhello",
    "a folded field": POST + b"x-a: b\r\n c\r\ncontent-length: 0\r\n\r\n",
    "no name": POST + b": nothing\r\n\r\n",
    "no colon": POST + b"nothing\r\n\r\n",
    "a NUL": POST + b"x-a: b\x00c\r\n\r\n",
    "a bare carriage return": POST + b"x-a: b\rcontent-length: 5\r\n\r\nhello",
    "a bare line feed": b"POST /hooks/a-key/ HTTP/1.1\nhost: testserver\n\n",
    "an unknown method": b"STEAL /hooks/a-key/ HTTP/1.1\r\nhost: testserver\r\n\r\n",
    "a tunnel": b"CONNECT testserver:80 HTTP/1.1\r\nhost: testserver\r\n\r\n",
    "another protocol over the same line": POST
    + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 5\r\n\r\nhello",
    "no version": b"POST /hooks/a-key/\r\n\r\n",
    "a version to come": b"POST /hooks/a-key/ HTTP/3.0\r\nhost: testserver\r\n\r\n",
    "a version of another form": b"POST /hooks/a-key/ HTTP/2.0\r\nhost: testserver\r\n\r\n",
    "another protocol": b"POST /hooks/a-key/ HTTQ/1.1\r\nhost: testserver\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a space in the address": b"POST /hooks/a key/ HTTP/1.1\r\nhost: testserver\r\n\r\n",
}


@pytest.mark.parametrize("raw", SMUGGLED.values(), ids=SMUGGLED)
def test_what_two_servers_could_read_differently_is_refused_and_ends_the_connection(raw, running):
    at_once, piecemeal = running.caller(), running.caller()
    assert at_once.ask(HEALTH).status == piecemeal.ask(HEALTH).status == 200
    at_once.send(raw + HEALTH)
    piecemeal.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(ConnectionError):  # it may have heard enough already
        for byte in raw:
            piecemeal.send(bytes([byte]))

    answers = [at_once.hear_all(), piecemeal.hear_all()]

    assert statuses(answers[0]) == [400]
    assert statuses(answers[1]) in ([400], [])  # what is sent after the answer may take it away
    assert answers[0][0].headers["connection"] == "close"


def test_an_empty_field_is_a_field_of_its_own(running, settings):
    settings.ALLOWED_HOSTS = ["testserver"]

    raw = b"POST /hooks/a-key/ HTTP/1.1\r\nx-empty:\r\nhost:%b\r\nx-too:  \r\nx-host: testserver\r\ncontent-length: 5000000\r\n\r\n"
    codes = [running.caller().ask(raw % host).code for host in (b"testserver", b" testserver", b"", b"  ")]

    assert codes == ["body_too_large", "body_too_large", "wrong_address", "wrong_address"]


def test_a_second_host_is_no_host_of_ours(caller, settings):
    settings.ALLOWED_HOSTS = ["testserver"]

    answer = caller.ask(request("/hooks/a-key/").replace(b"\r\n\r\n", b"\r\nhost: testserver\r\n\r\n"))

    assert answer.code == "wrong_address"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /health/live?" + b"a" * 32_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", 200),
        (b"GET /health/live?" + b"a" * 33_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (b"GET /health/live HTTP/1.1\r\nx-a: " + b"a" * 32_000 + b"\r\n\r\n", 200),
        (b"GET /health/live HTTP/1.1\r\nx-a: " + b"a" * 33_000 + b"\r\n\r\n", 400),
        (b"GET /health/live HTTP/1.1\r\n" + (b"x-a: " + b"a" * 3_000 + b"\r\n") * 12 + b"\r\n", 400),
        (b"GET /health/live HTTP/1.1\r\nx-endless: " + b"a" * 40_000, 400),
        (b"\r\n" * 20_000, 400),
    ],
)
def test_a_head_has_its_bounds(raw, status, running):
    fresh, used = running.caller(), running.caller()
    assert used.ask(HEALTH).status == 200
    for caller in (fresh, used):
        assert caller.ask(raw).status == status
        assert status == 200 or caller.hear() is None


def test_a_long_body_does_not_count_as_the_head_of_the_next_request(caller, monkeypatch):
    monkeypatch.setattr(grouping, "MOST_WAITING_BYTES", 10)

    answers = [caller.ask(request("/hooks/a-key/", b"x" * 300_000)), caller.ask(HEALTH)]

    assert statuses(answers) == [503, 200]


def test_a_body_that_is_too_long_is_refused_before_it_comes_and_the_refusal_can_be_read(running):
    head = request("/hooks/a-key/", headers={"content-length": "1000001"})
    early, late = running.caller(), running.caller()

    answers = [early.send(head).hear(), late.send(head + b"x" * 1_000_001).hear()]
    early.send(b"x" * 500_000)

    assert [(answer.status, answer.code) for answer in answers] == [(413, "body_too_large")] * 2
    assert [answer.headers["connection"] for answer in answers] == ["close"] * 2
    assert late.send(HEALTH).hear() is None


@pytest.mark.parametrize("how", ["http/1.0", "http/1.0 kept", "close"])
def test_a_connection_that_is_not_to_be_kept_is_closed_after_its_answer(how, caller):
    raw = {
        "http/1.0": HEALTH.replace(b"1.1", b"1.0"),
        "http/1.0 kept": HEALTH.replace(b"1.1\r\n", b"1.0\r\nconnection: keep-alive\r\n"),
        "close": HEALTH.replace(b"1.1\r\n", b"1.1\r\nconnection: close\r\n"),
    }[how]

    answers = caller.send(raw + HEALTH).hear_all()

    assert statuses(answers) == [200]
    assert answers[0].headers["connection"] == "close"


def test_a_head_is_answered_without_a_body(caller):
    answer = caller.send(HEALTH.replace(b"GET", b"HEAD")).hear(has_body=False)

    assert (answer.status, answer.headers["content-length"]) == (200, "16")
    assert caller.ask(HEALTH).told == {"status": "ok"}


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (request("/admin/"), 404),
        (request("/hooks/"), 404),
        (request("*", method="OPTIONS"), 404),
        (request("/hooks/a-key/", method="GET"), 405),
        (request("/hooks/a-key/", headers={"host": "elsewhere.example"}), 400),
        (request("http://testserver/hooks/a-key/?a=b", method="PUT"), 405),
        (request("/%68ooks/a-key/", method="PUT"), 405),
        (request("/health/live?now", method="GET"), 200),
    ],
)
def test_whatever_is_no_plain_delivery_is_answered_on_a_connection_that_stays(raw, status, caller, settings):
    settings.ALLOWED_HOSTS = ["testserver"]

    assert caller.ask(raw).status == status
    assert caller.ask(HEALTH).told == {"status": "ok"}


@pytest.mark.django_db(transaction=True)
def test_whoever_waits_to_be_told_to_go_on_is_told_unless_refused(shop, running):
    raw = webhook(shop, "a").replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n", 1)
    head, _, body = raw.partition(b"\r\n\r\n")
    welcome, unwelcome = running.caller(), running.caller()

    told = welcome.send(head + b"\r\n\r\n").hear(has_body=False)
    answer = welcome.ask(body)
    refused = unwelcome.ask(request("/hooks/a/", headers={"expect": "100-continue", "content-length": "5000000"}))

    assert [told.status, answer.status, refused.status] == [100, 200, 413]


@pytest.mark.timeout(30)
def test_whoever_asks_on_and_on_ahead_is_answered_a_few_and_hung_up_on(caller):
    asked = threading.Thread(target=flood, args=[caller, HEALTH * 100_000])
    asked.start()

    heard = caller.hear_to_the_end()  # the last answer may have broken off
    asked.join()

    assert heard.count(b"HTTP/1.1 ") <= protocol.MOST_AHEAD + 1


def flood(caller, raw):
    with suppress(ConnectionError):
        caller.send(raw)


def test_whoever_reads_no_answer_is_hung_up_on(running, caller):
    assert caller.ask(HEALTH).status == 200

    running.say_to_all("pause_writing")  # as the event loop says it when answers pile up

    assert caller.hear() is None
