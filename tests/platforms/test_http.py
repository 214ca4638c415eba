"""What platforms.http makes of a shop that behaves, and of one that does not."""

import gzip
import json
import logging
import socket
import threading
import time
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime

import pytest

from platforms import http
from platforms.adapter import Access, Outcome, Refusal
from platforms.http import HttpAnswer
from tests.fakes.misbehaving import misbehaving_server, reply, unused_port

SECRET = "token-of-the-shop-4711"


def access(url: str, *, timeout: float = 5.0) -> Access:
    return Access(
        base_url=url,
        credentials={"token": SECRET},
        webhook_secrets=(),
        currency="USD",
        allow_private_addresses=True,
        timeout=timeout,
    )


def ask(*script: bytes | float, method: str = "GET", timeout: float = 5.0) -> HttpAnswer:
    with misbehaving_server(*script) as server:
        return http.call(access(server.url, timeout=timeout), method, "/thing")


def test_reads_json_with_exact_decimals() -> None:
    answer = ask(reply("200 OK", b'{"price": 0.10}', "X-Request-Id: abc-1"))

    assert (answer.outcome, answer.status, answer.request_id) == (Outcome.OK, 200, "abc-1")
    assert answer.data == {"price": Decimal("0.10")}
    assert answer.reason == ""


def test_takes_an_empty_body_for_ok() -> None:
    answer = ask(reply("204 No Content"))

    assert (answer.outcome, answer.data) == (Outcome.OK, None)


def test_sends_what_it_was_given() -> None:
    with misbehaving_server(reply("200 OK", b"{}")) as server:
        http.call(
            access(server.url + "/base/"),
            "POST",
            "/codes",
            headers={"x-token": SECRET},
            params={"q": "a b&c"},
            body={"code": "ÄÖ"},
        )

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] in {"POST /base/codes?q=a+b%26c HTTP/1.1", "POST /base/codes?q=a%20b%26c HTTP/1.1"}
    assert f"host: 127.0.0.1:{server.port}" in [line.lower() for line in lines]
    assert "user-agent: loyaltydesk/0.1" in [line.lower() for line in lines]
    assert json.loads(body) == {"code": "ÄÖ"}


@pytest.mark.parametrize(
    ("status", "outcome", "refusal"),
    [
        ("400 Bad Request", Outcome.REJECTED, Refusal.INVALID),
        ("401 Unauthorized", Outcome.REJECTED, Refusal.UNAUTHORIZED),
        ("403 Forbidden", Outcome.REJECTED, Refusal.UNAUTHORIZED),
        ("404 Not Found", Outcome.REJECTED, Refusal.NOT_FOUND),
        ("409 Conflict", Outcome.REJECTED, Refusal.OTHER),
        ("422 Unprocessable Content", Outcome.REJECTED, Refusal.INVALID),
        ("408 Request Timeout", Outcome.UNKNOWN, None),
        ("429 Too Many Requests", Outcome.THROTTLED, None),
        ("500 Internal Server Error", Outcome.UNKNOWN, None),
        ("502 Bad Gateway", Outcome.UNKNOWN, None),
        ("503 Service Unavailable", Outcome.UNKNOWN, None),
    ],
)
def test_names_the_outcome_of_each_status(status: str, outcome: Outcome, refusal: Refusal | None) -> None:
    answer = ask(reply(status, b'{"message": "no"}'), method="POST")

    failure = answer.failure()
    assert (failure.outcome, failure.refusal) == (outcome, refusal)
    assert failure.reason.endswith(".")
    assert failure.observed.status == int(status[:3])


def test_asks_once_and_never_again() -> None:
    with misbehaving_server(reply("503 Service Unavailable")) as server:
        http.call(access(server.url), "POST", "/codes", body={})

    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("999999999", 86_400.0),
        ("soon", None),
        ("-3", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
    ],
)
def test_reads_how_many_seconds_to_wait(text: str, seconds: float | None) -> None:
    answer = ask(reply("429 Too Many Requests", b"", f"Retry-After: {text}"))

    assert (answer.outcome, answer.retry_after) == (Outcome.THROTTLED, seconds)


def test_reads_until_when_to_wait() -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)

    answer = ask(reply("503 Service Unavailable", b"", f"Retry-After: {until}"))

    assert answer.outcome is Outcome.THROTTLED
    assert answer.retry_after == pytest.approx(90, abs=3)


def test_does_not_know_what_a_shop_did_that_broke_down_and_asks_to_wait() -> None:
    """Proxies say this when the shop behind them broke off, whatever it had done by then."""
    answer = ask(reply("503 Service Unavailable", b"", "Retry-After: 5"), method="POST")

    assert (answer.outcome, answer.retry_after) == (Outcome.UNKNOWN, 5.0)


@pytest.mark.parametrize(
    "body",
    [b"<html>", b'{"a": ', b'{"a": NaN}', b"\xff\xfe", b"[" * 100_000],
    ids=["html", "cut", "nan", "bytes", "deep"],
)
def test_does_not_know_what_an_unreadable_success_means(body: bytes) -> None:
    answer = ask(reply("200 OK", body))

    assert (answer.outcome, answer.status, answer.data) == (Outcome.UNKNOWN, 200, None)
    assert "was not JSON" in answer.reason


def test_believes_a_refusal_with_an_unreadable_body() -> None:
    assert ask(reply("422 Unprocessable Content", b"<html>")).outcome is Outcome.REJECTED


def test_does_not_follow_a_redirect() -> None:
    answer = ask(reply("302 Found", b"", "Location: https://elsewhere.example/login?secret=1"))

    assert answer.outcome is Outcome.REJECTED
    assert answer.reason == "The shop's address leads on to elsewhere.example. Enter the address of the shop itself."


def test_names_no_target_of_a_redirect_to_nowhere() -> None:
    answer = ask(reply("302 Found", b"", "Location: https://[::1"))

    assert (answer.outcome, answer.status) == (Outcome.REJECTED, 302)
    assert answer.reason.startswith("The shop's address leads on to another page.")


def test_says_not_sent_when_nothing_listens() -> None:
    answer = http.call(access(f"http://127.0.0.1:{unused_port()}"), "POST", "/codes", body={})

    assert answer.outcome is Outcome.NOT_SENT
    assert "nothing answers there" in answer.reason


def test_says_not_sent_when_no_host_has_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    answer = http.call(access("https://shop.example.com"), "POST", "/codes", body={})

    assert answer.outcome is Outcome.NOT_SENT
    assert answer.reason == "The shop at shop.example.com could not be asked: no host has that name. Check the address."


def test_says_not_sent_when_names_resolve_too_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    asleep = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [asleep.wait(5)][:0])
    started = time.monotonic()

    answer = http.call(access("https://shop.example.com", timeout=0.3), "POST", "/codes", body={})
    asleep.set()

    assert answer.outcome is Outcome.NOT_SENT
    assert time.monotonic() - started < 1.5


def test_says_not_sent_when_the_other_side_speaks_no_tls() -> None:
    with misbehaving_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        answer = http.call(access(f"https://127.0.0.1:{server.port}"), "POST", "/codes", body={})

    assert answer.outcome is Outcome.NOT_SENT


@pytest.mark.parametrize(
    "script",
    [
        (),
        (b"HTTP/1.1 200 OK\r\nContent-Le",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{}",),
        (b"nonsense\r\n\r\n",),
    ],
    ids=["before the answer", "in the head", "in the body", "no HTTP"],
)
def test_does_not_know_when_the_connection_breaks_after_sending(script: tuple[bytes, ...]) -> None:
    answer = ask(*script, method="POST")

    assert answer.outcome is Outcome.UNKNOWN
    assert "It may or may not have done it." in answer.reason


def test_does_not_know_when_the_answer_takes_too_long() -> None:
    started = time.monotonic()

    answer = ask(30.0, method="POST", timeout=0.5)

    assert answer.outcome is Outcome.UNKNOWN
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("slowly", ["head", "body"])
def test_holds_the_deadline_against_an_answer_that_drips(slowly: str) -> None:
    start = b"" if slowly == "head" else b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
    drops: list[bytes | float] = [start]
    for _ in range(100):
        drops += [b"x", 0.05]
    started = time.monotonic()

    answer = ask(*drops, timeout=0.6)

    assert answer.outcome is Outcome.UNKNOWN
    assert time.monotonic() - started < 1.6


def test_stops_reading_a_body_that_is_too_large() -> None:
    answer = ask(reply("200 OK", b'"' + b"x" * 6_000_000 + b'"'))

    assert answer.outcome is Outcome.UNKNOWN
    assert "larger than 5 MB" in answer.reason


def test_stops_unpacking_a_body_that_is_too_large() -> None:
    bomb = reply("200 OK", gzip.compress(b" " * 80_000_000), "Content-Encoding: gzip")
    tracemalloc.start()
    try:
        answer = ask(bomb)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert answer.outcome is Outcome.UNKNOWN
    assert "larger than 5 MB" in answer.reason
    assert most < 30_000_000


def test_unpacks_what_is_packed() -> None:
    answer = ask(reply("200 OK", gzip.compress(b'{"a": 1}'), "Content-Encoding: gzip"))

    assert answer.data == {"a": 1}


@pytest.mark.parametrize("token", ["two\r\nlines", "žluť"])
def test_says_not_sent_for_a_credential_that_no_header_can_hold(token: str) -> None:
    with misbehaving_server(reply("200 OK", b"{}")) as server:
        answer = http.call(access(server.url), "GET", "/thing", headers={"x-token": token})

    assert answer.outcome is Outcome.NOT_SENT
    assert "Enter them again" in answer.reason


def test_keeps_secrets_and_people_out_of_the_excerpt() -> None:
    body = {
        "error": f"token {SECRET} is wrong for jo@example.com",
        "customer": {"name": "Jo"},
        "billing_address": "1 Main St",
        "first_name": "Jo",
        "auth": "Bearer abc.def",
        "code": "SPRING-1",
    }

    excerpt = ask(reply("422 Unprocessable Content", json.dumps(body).encode())).excerpt

    assert "SPRING-1" in excerpt
    for private in (SECRET, "jo@example.com", "Main St", "Jo", "abc.def"):
        assert private not in excerpt


def test_repeats_a_message_without_secrets_people_and_what_no_row_keeps() -> None:
    answer = ask(reply("422 Unprocessable Content", b"{}"))

    message = f"Key {SECRET} of jo@example.com\n is wrong\x00\ud800"
    assert answer.said(message) == "Key [hidden] of [hidden] is wrong"
    assert answer.said({"a": 1}) == ""
    assert SECRET not in repr(answer)


def test_shows_no_secret_in_a_traceback() -> None:
    shown = repr(replace(access("https://shop.example.com"), webhook_secrets=("the-webhook-secret",)))

    assert SECRET not in shown
    assert "the-webhook-secret" not in shown


def test_keeps_the_excerpt_short() -> None:
    assert len(ask(reply("500 Internal Server Error", b"<p>sorry</p>\n" * 500)).excerpt) == 500


def test_logs_neither_secrets_nor_queries_nor_bodies(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), misbehaving_server(reply("200 OK", b'{"private": "body-4711"}')) as server:
        http.call(
            access(server.url),
            "POST",
            "/codes",
            headers={"authorization": f"Bearer {SECRET}"},
            params={"key": "query-4711"},
            body={"sent": "sent-4711"},
        )

    assert "POST 127.0.0.1/codes ok status=200" in caplog.text
    assert "4711" not in caplog.text
