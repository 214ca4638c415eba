"""Posting a message: however badly an endpoint behaves, what becomes of it is one sentence and a bounded excerpt."""

import time

import pytest

from loyalty.webhooks import posting
from tests.fakes.misbehaving import misbehaving_server, reply, unused_port


def post(url: str, *secrets: str) -> posting.Posted:
    return posting.post(url=url, body=b'{"a":1}', headers={"webhook-id": "msg_1"}, secrets=secrets)


def test_sends_the_very_bytes_with_their_headers():
    with misbehaving_server(reply("204 No Content")) as server:
        posted = post(server.url + "/hook?shop=7")

    assert (posted.taken, posted.status, posted.reason) == (True, 204, "")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == b'{"a":1}'
    assert head.startswith(b"POST /hook?shop=7 HTTP/1.1")
    assert b"webhook-id: msg_1" in head
    assert b"content-type: application/json" in head


@pytest.mark.parametrize(
    ("status", "sentence", "overwhelmed"),
    [
        ("400 Bad Request", "answered 400. Only 200 to 299", False),
        ("410 Gone", "it wants no more messages", False),
        ("429 Too Many Requests", "answered 429", True),
        ("500 Oops", "answered 500", True),
    ],
)
def test_takes_only_a_status_from_200_to_299_for_a_yes(status, sentence, overwhelmed):
    with misbehaving_server(reply(status)) as server:
        posted = post(server.url)

    assert not posted.taken
    assert sentence in posted.reason
    assert posted.overwhelmed is overwhelmed


def test_follows_no_redirect():
    with (
        misbehaving_server(reply("200 OK")) as elsewhere,
        misbehaving_server(reply("307 Temporary Redirect", b"", f"Location: {elsewhere.url}")) as server,
    ):
        posted = post(server.url)

    assert "we do not follow" in posted.reason
    assert elsewhere.requests == []


def test_reads_the_beginning_of_an_answer_and_no_more(monkeypatch):
    endless = [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"] + [b"x" * 65_536] * 400
    with misbehaving_server(*endless) as server:
        posted = post(server.url)

    assert posted.taken
    assert posted.excerpt == "x" * 500


def test_keeps_no_secret_and_no_address_of_what_is_answered():
    said = b'{"error": "no anna@example.com", "email": "anna@example.com", "got": "whsec_abcdefgh"}'
    with misbehaving_server(reply("422 No", said)) as server:
        posted = post(server.url, "whsec_abcdefgh")

    assert "anna" not in posted.excerpt
    assert "whsec_abcdefgh" not in posted.excerpt


def test_gives_up_at_its_deadline_however_slowly_it_is_answered(monkeypatch):
    monkeypatch.setattr(posting, "SECONDS", 0.5)
    dripping = [b"HTTP/1.1 200 OK\r\n"] + [step for number in range(20) for step in (0.2, b"x-%d: 1\r\n" % number)]
    with misbehaving_server(*dripping) as server:
        began = time.monotonic()
        posted = post(server.url)

    assert time.monotonic() - began < 2
    assert posted.status is None
    assert "no answer came" in posted.reason


def test_says_whether_anything_was_sent():
    posted = post(f"http://127.0.0.1:{unused_port()}/")
    with misbehaving_server() as server:
        broken = post(server.url)

    assert posted.reason.startswith("It was not sent: nothing answers there")
    assert broken.reason.startswith("It was sent, and no answer came")


def test_speaks_to_nobody_whose_certificate_it_cannot_verify(monkeypatch):
    """A server that speaks plain HTTP where TLS is asked for is the simplest of them."""
    with misbehaving_server(reply("200 OK")) as server:
        posted = post(server.url.replace("http://", "https://"))

    assert not posted.taken
    assert "not safely" in posted.reason
    assert all(b"webhook-id" not in request for request in server.requests)


def test_hears_how_long_it_is_asked_to_wait():
    with misbehaving_server(reply("503 Busy", b"", "Retry-After: 120")) as server:
        assert post(server.url).retry_after == 120
