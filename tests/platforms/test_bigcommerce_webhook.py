"""Webhooks of a BigCommerce store: which are believed, what they say, and how they are registered."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from platforms.adapter import Outcome, Refusal, WebhookMessage, WebhookRejected
from platforms.bigcommerce import hooks, webhook
from tests.fakes.bigcommerce import CLIENT_SECRET, HASH, WEBHOOK_SECRET, BigCommerceShop, running_store, signed

NOW = datetime(2026, 11, 21, 0, 0, tzinfo=UTC)
URL = "https://desk.example/hooks/1/"
VECTOR = (
    b'{"scope":"store/order/statusUpdated","store_id":"1025646","data":{"type":"order","id":250,"status":'
    b'{"previous_status_id":0,"new_status_id":11}},"hash":"7ee67cd1cf2ca60bc1aa9e5fe957d2de373be4ca",'
    b'"created_at":1561479335,"producer":"stores/abcde"}'
)
OWN = {webhook.OWN_HEADER: webhook.own_header(WEBHOOK_SECRET, store=HASH)}


@pytest.fixture
def shop() -> Iterator[BigCommerceShop]:
    with running_store() as running:
        yield running


def parse(
    headers: dict[str, str],
    body: bytes = VECTOR,
    *,
    now: datetime = NOW,
    secrets: tuple[str, ...] = (WEBHOOK_SECRET,),
    client_secret: str = CLIENT_SECRET,
) -> WebhookMessage:
    return webhook.parse(headers=headers, body=body, store=HASH, secrets=secrets, client_secret=client_secret, now=now)


def test_checks_the_signature_as_the_scheme_makes_it():
    headers = {
        "webhook-id": "msg_0001",
        "webhook-timestamp": "1795219200",
        "webhook-signature": "v1,mX+XRu/zSCT9kWhsem6ZxG0c4fFv9+mXqNV4BtL/Wk0=",
    }

    message = parse(headers, now=datetime.fromtimestamp(1795219200, UTC), client_secret="bc_client_secret")

    assert (message.order_external_id, message.topic, message.order) == ("250", "store/order/statusUpdated", None)
    assert message.occurred_at == datetime.fromtimestamp(1561479335, UTC)


def test_finds_the_right_one_among_several_signatures():
    headers = signed(VECTOR, at=NOW)
    headers["webhook-signature"] = f"v1,AAAA v2,xyz {headers['webhook-signature']}"

    assert parse(headers).order_external_id == "250"


@pytest.mark.parametrize("seconds", [-300, 300])
def test_accepts_a_signature_for_five_minutes(seconds: int):
    assert parse(signed(VECTOR, at=NOW + timedelta(seconds=seconds))).order_external_id == "250"


@pytest.mark.parametrize("seconds", [-301, 301])
def test_refuses_an_old_or_early_signature(seconds: int):
    with pytest.raises(WebhookRejected) as refused:
        parse(signed(VECTOR, at=NOW + timedelta(seconds=seconds)))

    assert refused.value.code == "too_old"


def test_believes_our_own_header_hours_later_when_the_shop_tries_again():
    assert parse(signed(VECTOR, at=NOW) | OWN, now=NOW + timedelta(hours=30)).order_external_id == "250"


def test_believes_a_header_made_from_the_previous_secret():
    old = {webhook.OWN_HEADER: webhook.own_header("previous", store=HASH)}

    assert parse(old, secrets=(WEBHOOK_SECRET, "previous")).order_external_id == "250"


def test_believes_a_signature_while_the_header_is_still_the_one_of_before():
    old = {webhook.OWN_HEADER: webhook.own_header("long gone", store=HASH)}

    assert parse(signed(VECTOR, at=NOW) | old).order_external_id == "250"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {webhook.OWN_HEADER: ""},
        {webhook.OWN_HEADER: WEBHOOK_SECRET},
        {webhook.OWN_HEADER: webhook.own_header(WEBHOOK_SECRET, store="other")},
        {webhook.OWN_HEADER: webhook.own_header("guessed", store=HASH)},
        {webhook.OWN_HEADER: "é" * 64},
        signed(VECTOR, at=NOW, secret="somebody else's"),
        signed(VECTOR, at=NOW, secret=""),
        signed(VECTOR.replace(b"250", b"251"), at=NOW),
        signed(VECTOR, at=NOW) | {"webhook-id": "msg_2"},
        signed(VECTOR, at=NOW) | {"webhook-timestamp": "1"},
        signed(VECTOR, at=NOW) | {"webhook-timestamp": "now"},
        signed(VECTOR, at=NOW) | {"webhook-signature": ""},
        signed(VECTOR, at=NOW) | {"webhook-signature": "v1,é"},
        {"webhook-id": "msg_1", "webhook-timestamp": "1795219200"},
    ],
)
def test_refuses_what_proves_nothing(headers: dict[str, str]):
    with pytest.raises(WebhookRejected) as refused:
        parse(headers)

    assert refused.value.code == "bad_signature"


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_refuses_every_webhook_when_it_has_no_secret_to_check_by(secrets: tuple[str, ...]):
    empty = {webhook.OWN_HEADER: webhook.own_header("", store=HASH)}

    with pytest.raises(WebhookRejected) as refused:
        parse(signed(VECTOR, at=NOW, secret="") | empty, secrets=secrets, client_secret="")

    assert refused.value.code == "bad_signature"
    assert refused.value.sentence.startswith("This shop has neither")


def test_does_not_check_by_a_client_secret_that_was_never_entered():
    with pytest.raises(WebhookRejected) as refused:
        parse(signed(VECTOR, at=NOW, secret=""), client_secret="")

    assert refused.value.code == "bad_signature"


def changed(**changes: Any) -> bytes:
    return json.dumps(json.loads(VECTOR) | changes).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xff\xfe", b"[]", b"[" * 100_000, b"{}", changed(data=None), changed(data={"type": "order"}),
        changed(data={"type": "order", "id": True}), changed(data={"type": "order", "id": "x" * 200}),
        changed(created_at="yesterday"), changed(created_at=None), changed(scope=""), changed(scope="a\x00b"),
        changed(hash=None), changed(hash="\ud800"), changed(producer="stores/other"), changed(producer=None),
    ],
)  # fmt: skip
def test_refuses_a_malformed_webhook(body: bytes):
    with pytest.raises(WebhookRejected) as refused:
        parse(OWN, body)

    assert refused.value.code == "malformed"


def test_names_an_event_once_however_often_it_comes():
    assert parse(OWN).event_id == parse(signed(VECTOR, at=NOW)).event_id


@pytest.mark.parametrize("change", [{"scope": "store/order/created"}, {"created_at": 1561479336}, {"hash": "0" * 40}])
def test_tells_two_events_of_one_order_apart(change: dict[str, Any]):
    assert parse(OWN, changed(**change)).event_id != parse(OWN).event_id


@pytest.mark.parametrize("data", [{"type": "customer", "id": 32}, {"type": "order", "id": "a/b"}])
def test_names_no_order_where_there_is_none(data: dict[str, Any]):
    assert parse(OWN, changed(data=data)).order_external_id == ""


def test_registers_one_webhook_for_each_sort_of_news(shop: BigCommerceShop):
    answer = shop.adapter().ensure_webhooks(URL)

    assert answer.ok
    assert sorted(hook["scope"] for hook in shop.store.hooks.values()) == sorted(hooks.SCOPES)
    assert {(hook["destination"], hook["is_active"]) for hook in shop.store.hooks.values()} == {(URL, True)}
    assert WEBHOOK_SECRET not in json.dumps(shop.bodies)


def test_believes_what_its_own_registration_brings(shop: BigCommerceShop):
    shop.adapter().ensure_webhooks(URL)
    order_id = shop.buy("jo@example.com")
    body = shop.news(order_id, at=NOW)

    headers = shop.headers_for(body, at=NOW, secret="not the client secret")
    message = shop.adapter().parse_webhook(headers=headers, body=body, now=NOW)

    assert message.order_external_id == order_id


def test_changes_nothing_that_is_registered_rightly(shop: BigCommerceShop):
    shop.adapter().ensure_webhooks(URL)
    shop.requests.clear()

    assert shop.adapter().ensure_webhooks(URL).ok
    assert [method for method, _, _ in shop.requests] == ["GET"]


def test_wakes_a_webhook_that_was_switched_off_and_brings_back_a_missing_one(shop: BigCommerceShop):
    shop.adapter().ensure_webhooks(URL)
    off, gone = list(shop.store.hooks)[:2]
    shop.store.hooks[off]["is_active"] = False
    del shop.store.hooks[gone]

    assert shop.adapter().ensure_webhooks(URL).ok

    assert len(shop.store.hooks) == len(hooks.SCOPES)
    assert all(hook["is_active"] for hook in shop.store.hooks.values())


def test_gives_every_webhook_the_new_header_when_the_secret_changed(shop: BigCommerceShop):
    shop.adapter().ensure_webhooks(URL)

    shop.adapter(webhook_secrets=("new", WEBHOOK_SECRET)).ensure_webhooks(URL)

    carried = {hook["headers"][webhook.OWN_HEADER] for hook in shop.store.hooks.values()}
    assert carried == {webhook.own_header("new", store=HASH)}
    assert len(shop.store.hooks) == len(hooks.SCOPES)


@pytest.mark.parametrize(
    ("url", "secrets", "said"),
    [
        ("http://desk.example/hooks/1/", ("s",), "port 443 alone"),
        ("https://desk.example:8443/hooks/1/", ("s",), "port 443 alone"),
        ("https://desk.example:x/", ("s",), "port 443 alone"),
        (URL, (), "Enter a webhook secret"),
        (URL, ("",), "Enter a webhook secret"),
    ],
)
def test_says_why_nothing_can_be_registered(shop: BigCommerceShop, url: str, secrets: tuple[str, ...], said: str):
    answer = shop.adapter(webhook_secrets=secrets).ensure_webhooks(url)

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert said in answer.reason
    assert shop.requests == []


def test_hands_on_that_a_registration_failed(shop: BigCommerceShop):
    shop.fault("error", "POST", "/v3/hooks")

    assert shop.adapter().ensure_webhooks(URL).outcome is Outcome.UNKNOWN
