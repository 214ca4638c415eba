"""Webhooks of the sandbox shop: signed, repeated until taken, and wrong on demand."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from platforms.adapter import OrderStatus, WebhookMessage
from tests.fakes.receiver import Delivery, Receiver, webhook_receiver
from tests.fakes.sandbox import SandboxShop, ShopRefused


@pytest.fixture
def receiver(own_shop: SandboxShop) -> Iterator[Receiver]:
    with webhook_receiver() as receiver:
        own_shop.set_webhook(receiver.url)
        yield receiver


def parse(shop: SandboxShop, delivery: Delivery) -> WebhookMessage:
    return shop.adapter().parse_webhook(headers=delivery.headers, body=delivery.body, now=datetime.now(UTC))


def changes(deliveries: list[Delivery]) -> list[Any]:
    return [json.loads(delivery.body)["change"] for delivery in deliveries]


def test_tells_the_whole_order_with_its_codes(own_shop: SandboxShop, receiver: Receiver) -> None:
    own_shop.create_code("HOOK-1")

    order = own_shop.checkout(code="HOOK-1")

    messages = [parse(own_shop, delivery) for delivery in receiver.wait_for(2)]
    assert [message.topic for message in messages] == ["order.updated"] * 2
    assert [message.order.status for message in messages if message.order] == [
        OrderStatus.PLACED,
        OrderStatus.COMPLETED,
    ]
    assert messages[1].order == own_shop.adapter().read_order(order["id"]).value
    assert messages[1].order_external_id == order["id"]
    assert messages[0].event_id != messages[1].event_id
    assert messages[0].occurred_at < messages[1].occurred_at


def test_announces_cancel_and_refund(own_shop: SandboxShop, receiver: Receiver) -> None:
    order = own_shop.checkout()
    own_shop.refund_order(order["id"], "2.00")
    own_shop.cancel_order(order["id"])

    deliveries = receiver.wait_for(4)

    assert changes(deliveries) == ["created", "completed", "refunded", "cancelled"]


def test_repeats_a_delivery_until_it_is_taken(own_shop: SandboxShop, receiver: Receiver) -> None:
    receiver.answers = [500, 404, 302]

    own_shop.checkout(pay=False)

    deliveries = receiver.wait_for(4)
    time.sleep(0.4)
    assert len(receiver.deliveries) == 4
    assert len({delivery.headers["x-sandbox-event-id"] for delivery in deliveries}) == 1
    assert len({delivery.body for delivery in deliveries}) == 1


def test_delivers_after_a_restart_what_waited(own_shop: SandboxShop) -> None:
    with webhook_receiver() as gone:
        url = gone.url
    own_shop.set_webhook(url)
    own_shop.checkout()
    time.sleep(0.3)
    own_shop.stop(kill=True)

    with webhook_receiver() as receiver:
        own_shop.start()
        own_shop.set_webhook(receiver.url)
        deliveries = receiver.wait_for(2)

    assert sorted(changes(deliveries)) == ["completed", "created"]


def test_delivers_a_duplicate_with_the_same_event_id(own_shop: SandboxShop, receiver: Receiver) -> None:
    own_shop.fault("webhook", "duplicate")

    own_shop.checkout(pay=False)

    first, second = receiver.wait_for(2)
    assert first.headers["x-sandbox-event-id"] == second.headers["x-sandbox-event-id"]
    assert first.body == second.body


def test_delivers_late(own_shop: SandboxShop, receiver: Receiver) -> None:
    own_shop.fault("webhook", "late", seconds=0.8)
    started = time.monotonic()

    own_shop.checkout(pay=False)
    receiver.wait_for(1)

    assert time.monotonic() - started >= 0.8


def test_delivers_out_of_order(own_shop: SandboxShop, receiver: Receiver) -> None:
    own_shop.fault("webhook", "out_of_order")

    own_shop.checkout()

    assert changes(receiver.wait_for(2, seconds=5)) == ["completed", "created"]


def test_loses_an_event(own_shop: SandboxShop, receiver: Receiver) -> None:
    own_shop.fault("webhook", "lost")

    own_shop.checkout()
    receiver.wait_for(1)
    time.sleep(0.4)

    assert changes(receiver.deliveries) == ["completed"]


def test_registers_our_address(own_shop: SandboxShop) -> None:
    with webhook_receiver() as receiver:
        answer = own_shop.adapter().ensure_webhooks(receiver.url)
        own_shop.checkout(pay=False)
        receiver.wait_for(1)

    assert answer.ok
    assert own_shop.call("GET", "/api/shop")["webhook_url"] == receiver.url


@pytest.mark.parametrize("url", ["nonsense", "ftp://host/x", "http://", "http://a b/", "http://h:99999/"])
def test_refuses_an_address_that_is_none(own_shop: SandboxShop, url: str) -> None:
    with pytest.raises(ShopRefused) as caught:
        own_shop.set_webhook(url)

    assert caught.value.code == "invalid_url"
