"""Webhooks of WooCommerce: signed raw bytes, the unsigned ping, ids that repeat, and hooks the shop switches off."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from platforms.adapter import OrderStatus, Outcome, Refusal, WebhookMessage, WebhookRejected
from platforms.woocommerce import client, subscriptions
from platforms.woocommerce.adapter import WooCommerceAdapter
from tests.fakes.receiver import Delivery, Receiver, webhook_receiver
from tests.fakes.woocommerce import HOOK_SECRET, WooShop, running_woocommerce

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
# Made with another program: the shop's own way of signing must not be ours to define.
VECTOR = b'{"id":727,"status":"processing","coupon_lines":[{"id":12,"code":"loy-7kq2m9xa","discount":"5.00"}]}'
VECTOR_SIGNATURE = "7efbEiKRM0n8Anv75tX1cb26GTCdyhtjwk2twTGzVEc="


@pytest.fixture
def shop() -> Iterator[WooShop]:
    with running_woocommerce() as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with webhook_receiver() as running:
        yield running


def signed(body: bytes, *, secret: str = HOOK_SECRET, topic: str = "order.updated", delivery: str = "d1") -> Any:
    signature = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    return {"x-wc-webhook-signature": signature, "x-wc-webhook-topic": topic, "x-wc-webhook-delivery-id": delivery}


def parsed(adapter: WooCommerceAdapter, delivery: Delivery) -> WebhookMessage:
    return adapter.parse_webhook(headers=delivery.headers, body=delivery.body, now=NOW)


def refused(shop: WooShop, headers: dict[str, str], body: bytes, **changes: Any) -> WebhookRejected:
    with pytest.raises(WebhookRejected) as raised:
        shop.adapter(**changes).parse_webhook(headers=headers, body=body, now=NOW)
    return raised.value


# What is genuine


def test_accepts_the_signature_of_the_raw_bytes(shop: WooShop) -> None:
    headers = {"x-wc-webhook-signature": VECTOR_SIGNATURE, "x-wc-webhook-topic": "order.updated"}

    message = shop.adapter().parse_webhook(headers=headers, body=VECTOR, now=NOW)

    assert (message.order_external_id, message.order) == ("727", None)  # too little to go by: the shop is asked


def test_accepts_the_previous_secret_while_it_is_changed(shop: WooShop) -> None:
    body = b'{"id": 7}'
    adapter = shop.adapter(webhook_secrets=("the-new-one", HOOK_SECRET))

    assert adapter.parse_webhook(headers=signed(body), body=body, now=NOW).order_external_id == "7"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"body": VECTOR.replace(b"727", b"728")}, "signature is wrong"),
        ({"body": json.dumps(json.loads(VECTOR)).encode()}, "signature is wrong"),
        ({"headers": {}}, "is not signed"),
        ({"headers": signed(VECTOR, secret="another")}, "signature is wrong"),
        ({"headers": {"x-wc-webhook-signature": "Ümlaut"}}, "signature is wrong"),
        ({"webhook_secrets": ()}, "no webhook secret here"),
        ({"webhook_secrets": ("",)}, "no webhook secret here"),
    ],
)
def test_refuses_what_the_shop_did_not_sign(shop: WooShop, change: dict[str, Any], says: str) -> None:
    values = {"headers": signed(VECTOR), "body": VECTOR} | change

    error = refused(shop, values.pop("headers"), values.pop("body"), **values)

    assert error.code == "bad_signature"
    assert says in error.sentence


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"{}", b'{"id": "7"}', b'{"id": 0}', b'{"order": {"id": 7}}'])
def test_refuses_a_signed_body_that_names_no_order(shop: WooShop, body: bytes) -> None:
    assert refused(shop, signed(body), body).code == "malformed"


def test_has_nothing_to_do_for_other_topics(shop: WooShop) -> None:
    message = shop.adapter().parse_webhook(headers=signed(VECTOR, topic="coupon.updated"), body=VECTOR, now=NOW)

    assert (message.topic, message.order_external_id, message.order) == ("coupon.updated", "", None)


# The ping


def test_answers_the_unsigned_ping_of_a_new_hook(shop: WooShop) -> None:
    message = shop.adapter().parse_webhook(headers={}, body=b"webhook_id=17", now=NOW)

    assert (message.topic, message.order_external_id, message.order) == ("ping", "", None)


@pytest.mark.parametrize("body", [b"webhook_id=", b"webhook_id=1&id=2", b"webhook_id=x", b"webhook_id=17\n"])
def test_takes_nothing_else_that_is_unsigned_for_a_ping(shop: WooShop, body: bytes) -> None:
    assert refused(shop, {}, body).code == "bad_signature"


# From the shop to us


def test_tells_the_whole_order(shop: WooShop, receiver: Receiver) -> None:
    assert shop.adapter().ensure_webhooks(receiver.url).ok
    shop.foreign_coupon("loy-1")
    order = shop.checkout("jo@example.com", code="LOY-1")
    shop.run_cron()

    messages = [parsed(shop.adapter(), one) for one in receiver.deliveries if b"webhook_id" not in one.body]

    assert [message.topic for message in messages] == ["order.created", "order.updated"]
    assert messages[-1].order == shop.adapter().read_order(str(order.number)).value
    assert messages[-1].order is not None
    assert messages[-1].order.status is OrderStatus.COMPLETED


def test_asks_the_shop_about_an_order_with_refunds(shop: WooShop, receiver: Receiver) -> None:
    shop.adapter().ensure_webhooks(receiver.url)
    order = shop.checkout("jo@example.com")
    shop.refund(order.number, "3.00")
    shop.run_cron()

    message = parsed(shop.adapter(), receiver.deliveries[-1])

    assert (message.order_external_id, message.order) == (str(order.number), None)


def test_tells_two_changes_in_one_second_apart_though_their_ids_are_the_same(shop: WooShop, receiver: Receiver) -> None:
    shop.adapter().ensure_webhooks(receiver.url)
    order = shop.checkout("jo@example.com", pay=False)
    shop.run_cron()
    shop.standing = shop.now()
    shop.move(order.number, "processing")
    shop.move(order.number, "cancelled")
    shop.run_cron()

    first, second = receiver.deliveries[-2:]

    assert first.headers["x-wc-webhook-delivery-id"] == second.headers["x-wc-webhook-delivery-id"]
    assert parsed(shop.adapter(), first).event_id != parsed(shop.adapter(), second).event_id


def test_knows_the_same_delivery_again(shop: WooShop) -> None:
    body = json.dumps({"id": 7, "date_created_gmt": "2026-11-21T20:00:00", "date_modified_gmt": None}).encode()
    events = [
        shop.adapter().parse_webhook(headers=signed(body, delivery=delivery), body=body, now=NOW).event_id
        for delivery in ("d1", "d2")
    ]

    assert events[0] == events[1]
    assert len(events[0]) <= 120


def test_hears_of_an_order_that_is_thrown_away_each_time(shop: WooShop, receiver: Receiver) -> None:
    shop.adapter().ensure_webhooks(receiver.url)
    order = shop.checkout("jo@example.com")
    for status in ("trash", "processing", "trash"):
        shop.move(order.number, status)
        shop.run_cron()

    thrown = [parsed(shop.adapter(), one) for one in receiver.deliveries if b"coupon_lines" not in one.body][-2:]

    assert [message.topic for message in thrown] == ["order.deleted"] * 2
    assert [message.order_external_id for message in thrown] == [str(order.number)] * 2
    assert thrown[0].event_id != thrown[1].event_id


# Registering


def test_registers_one_hook_for_each_topic_and_answers_their_pings(shop: WooShop, receiver: Receiver) -> None:
    answer = shop.adapter().ensure_webhooks(receiver.url)

    assert answer.ok
    assert sorted(hook.topic for hook in shop.hooks) == sorted(subscriptions.TOPICS)
    assert {(hook.secret, hook.status, hook.delivery_url) for hook in shop.hooks} == {
        (HOOK_SECRET, "active", receiver.url)
    }
    assert shop.pings == [200] * 4


def test_registers_nothing_twice_and_gives_a_new_secret(shop: WooShop, receiver: Receiver) -> None:
    shop.adapter().ensure_webhooks(receiver.url)

    again = shop.adapter(webhook_secrets=("the-new-one", HOOK_SECRET)).ensure_webhooks(receiver.url)

    assert again.ok
    assert len(shop.hooks) == 4
    assert {hook.secret for hook in shop.hooks} == {"the-new-one"}


def test_leaves_the_hooks_of_others_alone(shop: WooShop, receiver: Receiver) -> None:
    shop.adapter().ensure_webhooks("https://desk.example.com/hooks/other/")

    shop.adapter(webhook_secrets=("mine",)).ensure_webhooks(receiver.url)

    assert len(shop.hooks) == 8
    assert [hook.secret for hook in shop.hooks if hook.delivery_url != receiver.url] == [HOOK_SECRET] * 4


def test_switches_on_again_what_the_shop_switched_off(shop: WooShop, receiver: Receiver) -> None:
    shop.adapter().ensure_webhooks(receiver.url)
    receiver.answers = [500] * 8
    for _ in range(8):
        shop.checkout("jo@example.com", pay=False)
    shop.run_cron()
    off = [hook.topic for hook in shop.hooks if hook.status == "disabled"]
    told = shop.adapter().test_connection().value

    shop.adapter().ensure_webhooks(receiver.url)

    assert off == ["order.created"]
    assert told is not None
    assert "switched off 1 of its webhooks to us" in told.detail
    assert [hook.status for hook in shop.hooks] == ["active"] * 4


def test_asks_for_a_secret_before_it_registers(shop: WooShop) -> None:
    answer = shop.adapter(webhook_secrets=()).ensure_webhooks("https://desk.example.com/hooks/1/")

    assert (answer.refusal, answer.reason) == (Refusal.INVALID, subscriptions.UNSIGNED)
    assert shop.hooks == []


def test_says_why_it_could_not_register(shop: WooShop) -> None:
    shop.keys["ck_good"] = ("cs_good", "read", True)

    answer = shop.adapter().ensure_webhooks("https://desk.example.com/hooks/1/")

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.UNAUTHORIZED)
    assert answer.reason.startswith(client.READ_ONLY)
