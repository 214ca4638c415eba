"""Where a connection may go, and that it goes to the very address that was checked."""

import socket

import pytest

from platforms import http, wire
from platforms.adapter import Access, Outcome
from tests.fakes.misbehaving import misbehaving_server, reply


def access(url: str, *, private: bool = True) -> Access:
    return Access(
        base_url=url,
        credentials={},
        webhook_secrets=(),
        currency="USD",
        allow_private_addresses=private,
        timeout=5,
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example.com",
        "ftp://shop.example.com",
        "https://",
        "https://u:p@shop.example.com",
        "https://[::1",
        "https://shop.example.com/?a=1",
        "https://shop.example.com:99999",
        "javascript:alert(1)",
    ],
)
def test_refuses_an_address_that_is_none(url: str) -> None:
    answer = http.call(access(url), "GET", "/thing")

    assert answer.outcome is Outcome.NOT_SENT
    assert answer.reason.startswith("The shop's address")


def test_refuses_plain_http_outside_a_private_network() -> None:
    answer = http.call(access("http://shop.example.com", private=False), "GET", "/thing")

    assert answer.outcome is Outcome.NOT_SENT
    assert "https://" in answer.reason


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254"]
)
def test_connects_to_no_private_address(host: str) -> None:
    with misbehaving_server(reply("200 OK", b"{}")) as server:
        answer = http.call(access(f"https://{host}:{server.port}", private=False), "GET", "/thing")

    assert answer.outcome is Outcome.NOT_SENT
    assert "not on the public internet" in answer.reason
    assert server.requests == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("10.0.0.1", False),
        ("172.16.5.5", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("239.1.1.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
    ],
)
def test_knows_public_addresses(address: str, public: bool) -> None:
    assert wire.is_public(address) is public


def test_connects_to_the_very_address_it_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that turns private between the check and the connection gains nothing."""
    resolved = iter([["93.184.216.34"], ["127.0.0.1"]])
    tried: list[str] = []

    def answer_name(host: str, port: int, **_: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(resolved)]

    def connect(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        tried.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", answer_name)
    monkeypatch.setattr(socket, "create_connection", connect)

    answer = http.call(access("https://shop.example.com", private=False), "GET", "/thing")

    assert (answer.outcome, tried) == (Outcome.NOT_SENT, ["93.184.216.34"])
