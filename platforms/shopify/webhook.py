"""Webhooks from a Shopify shop. They say that something happened; what an order is now, the shop is asked.

Shopify signs with the client secret of the app, and for up to an hour after its rotation still with the old one. The
three privacy topics reach us only when their address is entered in the app's own settings; they are verified and kept
like any other, and name no order.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from platforms.adapter import WebhookMessage, WebhookRejected
from platforms.redaction import is_plain

# Topic of a delivery → what Shopify's API calls it. Nothing tells of spent gift cards.
TOPICS = {
    "orders/create": "ORDERS_CREATE",
    "orders/paid": "ORDERS_PAID",
    "orders/updated": "ORDERS_UPDATED",
    "orders/cancelled": "ORDERS_CANCELLED",
    "refunds/create": "REFUNDS_CREATE",
    "app/uninstalled": "APP_UNINSTALLED",
}
PRIVACY_TOPICS = frozenset({"customers/data_request", "customers/redact", "shop/redact"})

_ORDER = re.compile(r"gid://shopify/Order/(\d{1,20})", re.ASCII)


def parse(
    *, headers: Mapping[str, str], body: bytes, secrets: Iterable[str], shop: str, now: datetime
) -> WebhookMessage:
    """Verify and read one webhook for the shop at this host. Raises WebhookRejected."""
    _verify(headers.get("x-shopify-hmac-sha256", ""), body=body, secrets=[secret for secret in secrets if secret])
    meant = headers.get("x-shopify-shop-domain", "").strip().lower()
    if meant != shop.lower():
        # One app signs for all shops it is installed in: another shop's orders are not this one's.
        raise WebhookRejected("The webhook is another shop's. Check the address it is sent to.", code="malformed")
    try:
        message: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WebhookRejected("The webhook's body is not JSON.", code="malformed") from error
    if not isinstance(message, dict):
        raise WebhookRejected("The webhook's body is no object.", code="malformed")
    topic = _header(headers, "x-shopify-topic")
    return WebhookMessage(
        event_id=_header(headers, "x-shopify-webhook-id"),  # the same in each repetition of a delivery
        topic=topic,
        occurred_at=_instant(headers.get("x-shopify-triggered-at", ""), now=now),
        order_external_id=_order_id(topic, message),
    )


def _verify(signature: str, *, body: bytes, secrets: list[str]) -> None:
    if not secrets:
        sentence = (
            "This shop has no secret here to check webhooks with. Enter the client secret of your app in the "
            "connection's settings."
        )
        raise WebhookRejected(sentence, code="bad_signature")
    given = signature.strip().encode("utf-8", "replace")
    # Every secret is tried, so that the time taken says nothing about which one fits.
    fits = [
        hmac.compare_digest(base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()), given)
        for secret in secrets
    ]
    if not any(fits):
        sentence = (
            "The webhook's signature is missing or wrong. Compare the client secret of the connection with the one in "
            "Shopify's Dev Dashboard, App, Settings; webhooks made under Settings, Notifications are signed otherwise."
        )
        raise WebhookRejected(sentence, code="bad_signature")


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "").strip()
    if not value or not is_plain(value, longest=80):
        raise WebhookRejected(f"The webhook's header {name} is missing or is no short text.", code="malformed")
    return value


def _order_id(topic: str, message: Mapping[str, Any]) -> str:
    """The number of the order it is about; empty where it is about none. Raises WebhookRejected."""
    if topic.startswith("orders/"):
        # `id` may have lost digits on its way through other programs; this text has not.
        found = _ORDER.fullmatch(str(message.get("admin_graphql_api_id")))
        if found is None:
            raise WebhookRejected("The webhook names no order.", code="malformed")
        return found[1]
    if topic.startswith("refunds/"):
        number = message.get("order_id")
        if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 10**20:
            raise WebhookRejected("The webhook names no order.", code="malformed")
        return str(number)
    return ""


def _instant(text: str, *, now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return now
    return moment if moment.tzinfo is not None else now
