"""Webhooks of a Vendure shop: which are believed, and what they say."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from platforms.adapter import WebhookMessage, WebhookRejected
from platforms.vendure import webhook
from tests.fakes import vendure as fake

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
SECRET = "present"
BODY = json.dumps(
    {"id": "e-1", "type": "order.placed", "created": "2026-11-21T20:00:00.000Z", "order": {"id": 3, "code": "WK67"}}
).encode()


def parse(
    headers: dict[str, str], body: bytes, *, now: datetime = NOW, secrets: tuple[str, ...] = (SECRET,)
) -> WebhookMessage:
    return webhook.parse(headers=headers, body=body, secrets=secrets, now=now)


def signed(body: bytes, *, secret: str = SECRET, at: datetime = NOW) -> dict[str, str]:
    stamp = int(at.timestamp())
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"x-vendure-signature": f"t={stamp},v1={digest}"}


def test_reads_a_signed_webhook_as_a_hint_which_order_changed():
    message = parse(signed(BODY), BODY)

    assert (message.event_id, message.topic, message.occurred_at) == ("e-1", "order.placed", NOW)
    assert (message.order_external_id, message.order) == ("3", None)


def test_checks_the_signature_as_the_shop_makes_it():
    digest = "a1e6b1af5860d48e6f201a1aa3799eaa9abaa04168786890c6eac5c9cfc2fde2"
    body = b'{"id":"e-1","type":"order.placed","created":"2026-11-21T20:00:00.000Z","order":{"id":"3"}}'

    message = parse({"x-vendure-signature": f"t=1795291200,v1={digest}"}, body)

    assert message.order_external_id == "3"


def test_accepts_the_previous_secret_while_it_is_rotated():
    message = fake.adapter_for(webhook_secrets=(SECRET, "previous")).parse_webhook(
        headers=signed(BODY, secret="previous"), body=BODY, now=NOW
    )

    assert message.event_id == "e-1"


@pytest.mark.parametrize("seconds", [-300, 300])
def test_accepts_a_webhook_for_five_minutes(seconds: int):
    headers = signed(BODY, at=NOW + timedelta(seconds=seconds))

    assert parse(headers, BODY).event_id == "e-1"


@pytest.mark.parametrize("seconds", [-301, 301])
def test_refuses_an_old_or_early_webhook(seconds: int):
    headers = signed(BODY, at=NOW + timedelta(seconds=seconds))

    with pytest.raises(WebhookRejected) as refused:
        parse(headers, BODY)

    assert refused.value.code == "too_old"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-vendure-signature": ""},
        {"x-vendure-signature": "v1=00"},
        {"x-vendure-signature": f"t=1795291200,v1={'0' * 64}"},
        {"x-vendure-signature": f"t=1795291200,v1={'é' * 64}"},
        {"x-vendure-signature": f"t={'9' * 40},v1={'0' * 64}"},
        signed(BODY, secret="somebody else's"),
        signed(BODY + b" "),
        {"x-vendure-signature": signed(BODY)["x-vendure-signature"].replace("t=1", "t=2")},
    ],
)
def test_refuses_a_wrong_signature(headers: dict[str, str]):
    with pytest.raises(WebhookRejected) as refused:
        parse(headers, BODY)

    assert refused.value.code == "bad_signature"


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_refuses_every_webhook_without_a_secret_of_our_own(secrets: tuple[str, ...]):
    with pytest.raises(WebhookRejected) as refused:
        parse(signed(BODY, secret=""), BODY, secrets=secrets)

    assert refused.value.code == "bad_signature"
    assert refused.value.sentence.startswith("This shop has no webhook secret here.")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b'{"id":"e","type":"order.placed","created":"2026-11-21T20:00:00Z"}',
        b'{"id":"e","type":"order.placed","created":"2026-11-21T20:00:00Z","order":{}}',
        b'{"id":"e","type":"order.placed","created":"yesterday","order":{"id":"3"}}',
        b'{"id":"e","type":"order.placed","created":"2026-11-21T20:00:00","order":{"id":"3"}}',
        b'{"id":null,"type":"order.placed","created":"2026-11-21T20:00:00Z","order":{"id":"3"}}',
        b'{"id":"e","type":"order.placed","created":"2026-11-21T20:00:00Z","order":{"id":true}}',
        b'{"id":"e\\u0000","type":"order.placed","created":"2026-11-21T20:00:00Z","order":{"id":"3"}}',
        b'{"id":"e","type":"\\ud800","created":"2026-11-21T20:00:00Z","order":{"id":"3"}}',
        b'{"id":"' + b"e" * 101 + b'","type":"order.placed","created":"2026-11-21T20:00:00Z","order":{"id":"3"}}',
    ],
)
def test_refuses_a_malformed_webhook(body: bytes):
    with pytest.raises(WebhookRejected) as refused:
        parse(signed(body), body)

    assert refused.value.code == "malformed"
