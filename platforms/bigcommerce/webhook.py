"""Webhooks from BigCommerce. They say which order changed; what it is now, the shop is asked.

Either of two proofs will do. The signature (Standard Webhooks, keyed with the API account's client secret) ages in five
minutes, and whether BigCommerce signs anew when it tries again hours later is not documented. So each webhook we
register also carries a header of ours, which never ages. Neither is needed to trust the content: it is only a hint.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from platforms.adapter import WebhookMessage, WebhookRejected
from platforms.redaction import is_plain

OWN_HEADER = "x-loyalty-desk-webhook"
TOLERANCE_SECONDS = 300

_NO_KEY = (
    "This shop has neither a webhook secret nor the client secret of its API account here. Enter one of them in the "
    "connection's settings and register the webhooks again."
)
_UNSIGNED = (
    f"The webhook carries neither our header {OWN_HEADER} nor webhook-id, webhook-timestamp and webhook-signature. "
    "Register the webhooks again."
)
_WRONG = (
    "The webhook's signature is wrong. Compare the client secret in the connection's settings with the one of the API "
    "account, and register the webhooks again."
)
_OLD = "The webhook was signed more than five minutes from now. Check the clocks; the shop may send it again."


def own_header(secret: str, *, store: str) -> str:
    """What our header holds. It is made from the webhook secret, so that the secret itself is never sent or stored."""
    return hmac.new(secret.encode(), b"bigcommerce webhook " + store.encode(), hashlib.sha256).hexdigest()


def parse(
    *,
    headers: Mapping[str, str],
    body: bytes,
    store: str,
    secrets: Iterable[str],
    client_secret: str,
    now: datetime,
) -> WebhookMessage:
    """Verify and read one webhook. Raises WebhookRejected."""
    known = [secret for secret in secrets if secret]
    if not known and not client_secret:
        raise WebhookRejected(_NO_KEY, code="bad_signature")
    if not _carries_our_header(headers, secrets=known, store=store):
        _verify(headers, body=body, client_secret=client_secret, now=now)
    try:
        message: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise WebhookRejected("The webhook's body is not JSON.", code="malformed") from None
    return _read(message, store=store)


def _carries_our_header(headers: Mapping[str, str], *, secrets: list[str], store: str) -> bool:
    given = headers.get(OWN_HEADER, "").encode("utf-8", "replace")
    # Every secret is tried, so that the time taken says nothing about which one fits.
    fits = [hmac.compare_digest(own_header(secret, store=store).encode(), given) for secret in secrets]
    return any(fits)


def _verify(headers: Mapping[str, str], *, body: bytes, client_secret: str, now: datetime) -> None:
    message_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    given = [part[3:] for part in headers.get("webhook-signature", "").split(" ")[:5] if part.startswith("v1,")]
    if not (message_id and given and re.fullmatch(r"\d{1,11}", stamp, re.ASCII)):
        raise WebhookRejected(_UNSIGNED, code="bad_signature")
    signed = f"{message_id}.{stamp}.".encode("utf-8", "replace") + body
    expected = base64.b64encode(hmac.new(client_secret.encode(), signed, hashlib.sha256).digest())
    fits = [hmac.compare_digest(expected, one.encode("utf-8", "replace")) for one in given]
    if not client_secret or not any(fits):
        raise WebhookRejected(_WRONG, code="bad_signature")
    if abs(now.timestamp() - int(stamp)) > TOLERANCE_SECONDS:
        raise WebhookRejected(_OLD, code="too_old")


def _read(message: Any, *, store: str) -> WebhookMessage:
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(data, dict):
        raise WebhookRejected("The webhook's body names nothing that changed.", code="malformed")
    if message.get("producer") != f"stores/{store}":
        raise WebhookRejected("The webhook is about another store than this connection's.", code="malformed")
    topic, subject, told = _text(message, "scope"), _text(data, "id"), _text(message, "created_at")
    return WebhookMessage(
        # The hash alone is one for "created" and "updated", and for two changes of one order: the time tells them apart.
        event_id=f"{topic}:{subject}:{_text(message, 'hash')}:{told}",
        topic=topic,
        occurred_at=_instant(told),
        order_external_id=subject if data.get("type") == "order" and subject.isdigit() else "",
    )


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18:
        value = str(value)
    if not isinstance(value, str) or not value or not is_plain(value, longest=100):
        raise WebhookRejected(f"The webhook's {name} is missing or is no short text.", code="malformed")
    return value


def _instant(text: str) -> datetime:
    if re.fullmatch(r"\d{1,11}", text, re.ASCII) is None:
        raise WebhookRejected("The webhook's created_at is not a number of seconds.", code="malformed")
    return datetime.fromtimestamp(int(text), UTC)
