"""Webhooks from a Shopify shop. They say that something happened; what an order is now, the shop is asked.

Shopify signs with the client secret of the app, and for up to an hour after its rotation still with the old one. The
three privacy topics reach us only when their address is entered in the app's own settings; they are verified and kept
like any other, and name people instead of an order that changed.
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
from platforms.privacy import PrivacyAsk, PrivacyKind
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
PRIVACY_KINDS = {
    "customers/data_request": PrivacyKind.DATA_REQUEST,
    "customers/redact": PrivacyKind.ERASE_CUSTOMER,
    "shop/redact": PrivacyKind.ERASE_SHOP,
}
PRIVACY_TOPICS = frozenset(PRIVACY_KINDS)
MOST_ORDERS = 250  # that one privacy request names for us; the customer's others are found by the customer

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
        privacy=_privacy(PRIVACY_KINDS[topic], message) if topic in PRIVACY_KINDS else None,
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


def _privacy(kind: PrivacyKind, message: Mapping[str, Any]) -> PrivacyAsk:
    """Whom it is about. What cannot be read is left empty: refused, the request would be lost, and people can ask."""
    customer = message.get("customer")
    customer = customer if isinstance(customer, Mapping) else {}
    orders = message.get("orders_requested") or message.get("orders_to_redact")
    email = customer.get("email")
    return PrivacyAsk(
        kind=kind,
        customer_external_id=_number(customer.get("id")),
        customer_email=email if isinstance(email, str) and is_plain(email, longest=254) else "",
        orders=tuple(filter(None, map(_number, orders[:MOST_ORDERS]))) if isinstance(orders, list) else (),
    )


def _number(value: Any) -> str:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**20
    return str(value) if fits else ""


def _instant(text: str, *, now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return now
    return moment if moment.tzinfo is not None else now
