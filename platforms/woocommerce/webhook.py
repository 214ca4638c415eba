"""Webhooks from a WooCommerce shop: is it genuine, and what does it say.

They carry no time, so a replay is harmless only because an order is judged by its own stamp. A delivery's id is made of
the hook and the second, so two changes within a second share it: what tells them apart is the body.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from platforms.adapter import ShopOrder, WebhookMessage, WebhookRejected
from platforms.woocommerce import fields, orders
from platforms.woocommerce.fields import Unreadable

SIGNATURE = "x-wc-webhook-signature"
TOPIC = "x-wc-webhook-topic"
DELIVERY = "x-wc-webhook-delivery-id"
PING = re.compile(rb"webhook_id=(\d{1,10})")


def parse(*, headers: Mapping[str, str], body: bytes, secrets: Iterable[str], now: datetime) -> WebhookMessage:
    """Verify and read one webhook. Raises WebhookRejected."""
    ping = _ping(headers, body, now=now)
    if ping is not None:
        return ping
    _verify(headers.get(SIGNATURE, ""), body=body, secrets=[secret for secret in secrets if secret])
    try:
        data: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WebhookRejected("The webhook's body is not JSON.", code="malformed") from error
    topic = headers.get(TOPIC, "")[:80]
    if not topic.startswith("order."):
        return WebhookMessage(event_id=f"{topic}:{_digest(body)}", topic=topic or "unknown", occurred_at=now)
    return _about_order(topic, headers, body, data, now=now)


def _ping(headers: Mapping[str, str], body: bytes, *, now: datetime) -> WebhookMessage | None:
    """The unsigned form that a new hook posts, to see whether somebody answers. It says nothing we act on."""
    found = PING.fullmatch(body)
    if found is None or SIGNATURE in headers:
        return None
    return WebhookMessage(event_id=f"ping:{found[1].decode()}", topic="ping", occurred_at=now)


def _verify(signature: str, *, body: bytes, secrets: list[str]) -> None:
    if not secrets:
        sentence = (
            "This shop has no webhook secret here. Enter one in the connection's settings and register the webhooks."
        )
        raise WebhookRejected(sentence, code="bad_signature")
    if not signature:
        raise WebhookRejected(f"The webhook is not signed: {SIGNATURE} is missing.", code="bad_signature")
    given = signature.strip().encode("utf-8", "replace")
    # Every secret is tried, so that the time taken says nothing about which one fits.
    fits = [
        hmac.compare_digest(base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()), given)
        for secret in secrets
    ]
    if not any(fits):
        sentence = (
            "The webhook's signature is wrong. Compare the secret in WooCommerce, Settings, Advanced, Webhooks with "
            "the connection's, or register the webhooks again."
        )
        raise WebhookRejected(sentence, code="bad_signature")


def _about_order(topic: str, headers: Mapping[str, str], body: bytes, data: Any, *, now: datetime) -> WebhookMessage:
    try:
        external_id = str(fields.identity(data))
    except Unreadable as error:
        sentence = f"The webhook names no order: {error}. Set its API version to WP REST API Integration v3."
        raise WebhookRejected(sentence, code="malformed") from error
    order, occurred_at = None, now
    # A deleted order is told by its number alone, the same each time: then the delivery's id has to do.
    version = headers.get(DELIVERY, "")[:64]
    try:
        occurred_at = orders.changed_at(data)
        version = f"{occurred_at:%Y%m%dT%H%M%S}"
        order = _whole(data)
    except Unreadable:
        pass  # the shop is asked about it
    return WebhookMessage(
        event_id=f"{topic}:{external_id}:{version}:{_digest(body)}",
        topic=topic,
        occurred_at=occurred_at,
        order_external_id=external_id,
        order=order,
    )


def _whole(data: Mapping[str, Any]) -> ShopOrder | None:
    """The order, when the webhook tells all of it: refunds come without their dates."""
    if not orders.is_order(data) or orders.has_refunds(data):
        return None
    return orders.read(data, refunds=())


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32]
