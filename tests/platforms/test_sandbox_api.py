"""The sandbox shop's API is strict: what it does not understand it refuses, in one shape, and stays up."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.sandbox import ROOT, SandboxShop

GOOD: dict[str, Any] = {"code": "STRICT-1", "kind": "percentage", "percent": "10"}


def error_of(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    status, headers, body = answer
    data = json.loads(body)
    assert headers["content-type"] == "application/json"
    assert set(data) == {"error"}
    assert set(data["error"]) == {"code", "message"}
    assert data["error"]["message"].endswith((".", "…"))
    return status, data["error"]["code"]


@pytest.mark.parametrize("token", [None, "", "wrong", "sandbox-token-for-test", "žluť"])
def test_refuses_a_wrong_token(shop: SandboxShop, token: str | None) -> None:
    for path in ("/api/shop", "/api/faults", "/api/orders", "/api/nothing"):
        try:
            answer = shop.raw("GET", path, token=token)
        except UnicodeEncodeError:
            return  # no client can send it
        assert error_of(answer) == (401, "unauthorized")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"surprise": 1}, "surprise"),
        ({"code": ""}, "code"),
        ({"code": 7}, "code"),
        ({"code": "a b"}, "code"),
        ({"code": "ÄÖÜ"}, "code"),
        ({"code": "X" * 41}, "code"),
        ({"kind": "everything"}, "kind"),
        ({"kind": ["percentage"]}, "kind"),
        ({"percent": 10}, "percent"),
        ({"percent": "0"}, "percent"),
        ({"percent": "100.01"}, "percent"),
        ({"percent": "1e1"}, "percent"),
        ({"percent": "-5"}, "percent"),
        ({"percent": None}, "percent"),
        ({"amount": "5.00"}, "amount"),
        ({"minimum_order": "5.001"}, "minimum_order"),
        ({"minimum_order": "99999999999"}, "minimum_order"),
        ({"minimum_order": 5}, "minimum_order"),
        ({"usage_limit": 0}, "usage_limit"),
        ({"usage_limit": True}, "usage_limit"),
        ({"usage_limit": 10**30}, "usage_limit"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2031-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at"),
        ({"starts_at": "2031-01-02T00:00:00Z", "expires_at": "2031-01-01T00:00:00Z"}, "expires_at"),
        ({"title": "x" * 201}, "title"),
        ({"title": "\x00"}, "title"),
        ({"title": "\ud800"}, "title"),
        ({"currency": "EUR"}, "USD"),
    ],
)
def test_names_the_field_it_refuses(shop: SandboxShop, change: dict[str, Any], field: str) -> None:
    answer = shop.raw("POST", "/api/codes", json.dumps(GOOD | change).encode())

    status, _ = error_of(answer)
    assert status == 422
    assert field in json.loads(answer[2])["error"]["message"]
    assert shop.codes("STRICT-1") == []


@pytest.mark.parametrize(
    "body", [b"nonsense", b"[]", b"7", b'"text"', b'{"a": NaN}', b"\xff\xfe", b"[" * 100_000, b'{"code": "A', b"null"]
)
def test_refuses_what_is_no_json_object(shop: SandboxShop, body: bytes) -> None:
    assert error_of(shop.raw("POST", "/api/codes", body)) == (400, "invalid_json")


def test_refuses_a_body_that_is_too_large(shop: SandboxShop) -> None:
    assert error_of(shop.raw("POST", "/api/codes", b"x" * 5_000_000)) == (413, "too_large")
    assert shop.call("GET", "/api/shop")["platform"] == "sandbox"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/api/orders/unknown", 404),
        ("POST", "/api/codes/unknown/disable", 404),
        ("POST", "/api/codes/unknown/extend", 422),
        ("POST", "/api/orders/unknown/cancel", 404),
        ("DELETE", "/api/codes", 405),
        ("PATCH", "/api/shop", 405),
        ("GET", "/api/codes", 422),
        ("GET", "/api/orders?limit=0", 422),
        ("GET", "/api/code-list?limit=251", 422),
        ("POST", "/api/code-list", 405),
        ("GET", "/api/orders?limit=251", 422),
        ("GET", "/api/orders?updated_after=yesterday", 422),
    ],
)
def test_answers_every_wrong_address_in_the_same_shape(shop: SandboxShop, method: str, path: str, status: int) -> None:
    assert error_of(shop.raw(method, path))[0] == status


@pytest.mark.parametrize(
    "change",
    [
        {"email": "nobody"},
        {"email": ""},
        {"email": "a@b.c>"},
        {"items": []},
        {"items": [{"product": "mug", "quantity": 0}]},
        {"items": [{"product": "mug", "quantity": 100}]},
        {"items": [{"product": "mug", "quantity": 60}, {"product": "mug", "quantity": 60}]},
        {"items": [{"product": "yacht"}]},
        {"items": [{"product": "mug", "price": "0.01"}]},
        {"items": {"product": "mug"}},
        {"pay": "yes"},
    ],
)
def test_sells_nothing_on_a_wrong_order(shop: SandboxShop, change: dict[str, Any]) -> None:
    before = len(shop.orders())
    body = {"email": "jo@example.com", "items": [{"product": "mug", "quantity": 1}]} | change

    status, _ = error_of(shop.raw("POST", "/api/carts/checkout", json.dumps(body).encode()))

    assert status in {404, 422}
    assert len(shop.orders()) == before


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/codes HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/codes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET http://[::1/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET //// HTTP/1.1\r\nHost: a\r\nCookie: =;;=\xff\r\nConnection: close\r\n\r\n",
    ],
)
def test_stays_up_when_nonsense_comes(shop: SandboxShop, request_bytes: bytes) -> None:
    with socket.create_connection(("127.0.0.1", shop.port), timeout=5) as connection:
        connection.sendall(request_bytes)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(65_536)

    assert shop.call("GET", "/api/shop")["platform"] == "sandbox"
    assert shop.call("GET", "/health") == {"status": "ok"}


@pytest.mark.parametrize(
    ("secrets", "options", "named"),
    [
        ({}, [], "SANDBOX_ADMIN_TOKEN"),
        ({"SANDBOX_ADMIN_TOKEN": "a-long-enough-token"}, [], "SANDBOX_WEBHOOK_SECRET"),
        ({"SANDBOX_ADMIN_TOKEN": "short", "SANDBOX_WEBHOOK_SECRET": "x" * 20}, [], "SANDBOX_ADMIN_TOKEN"),
        ({}, ["--insecure-defaults", "--currency", "dollars"], "USD"),
    ],
)
def test_does_not_start_without_what_it_needs(
    tmp_path: Path, secrets: dict[str, str], options: list[str], named: str
) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")}

    done = subprocess.run(
        [sys.executable, "-m", "platforms.sandbox.shop", "--port", "0", "--data", str(tmp_path), *options],
        cwd=ROOT,
        env=clean | secrets,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_refuses_data_in_another_currency(own_shop: SandboxShop) -> None:
    own_shop.stop()
    own_shop.currency = "EUR"

    with pytest.raises(AssertionError, match="this shop's data is in USD"):
        own_shop.start()
