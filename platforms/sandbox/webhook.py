"""Webhooks of the sandbox shop: is it genuine, is it fresh, what does it say."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from platforms.adapter import WebhookMessage, WebhookRejected
from platforms.sandbox import reading
from platforms.sandbox.reading import Unreadable

TOLERANCE = timedelta(minutes=5)
TOPIC = "order.updated"


def verified(*, headers: Mapping[str, str], body: bytes, now: datetime, secrets: Iterable[str]) -> Any:
    """What a genuine and fresh message says. Raises WebhookRejected.

    The signature is checked first: nothing of an unsigned message is believed.
    """
    timestamp = headers.get("x-sandbox-timestamp", "")
    _check_signature(headers.get("x-sandbox-signature", ""), timestamp=timestamp, body=body, secrets=secrets)
    _check_age(timestamp, now=now)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise _malformed("its body is not JSON") from None


def parse(*, headers: Mapping[str, str], body: bytes, now: datetime, secrets: Iterable[str]) -> WebhookMessage:
    """What an order's webhook says. Raises WebhookRejected."""
    data = verified(headers=headers, body=body, now=now, secrets=secrets)
    try:
        event_id, topic = reading.text(data, "event_id"), reading.text(data, "topic")
        if topic != TOPIC or not event_id:
            raise _malformed(f"its topic {topic[:40]!r} is not {TOPIC}, or its event_id is empty")
        order = reading.order(reading.child(data, "order"))
        occurred_at = reading.instant(data, "occurred_at")
    except Unreadable as error:
        raise _malformed(str(error)) from None
    return WebhookMessage(
        event_id=event_id, topic=topic, occurred_at=occurred_at, order_external_id=order.external_id, order=order
    )


def _check_signature(signature: str, *, timestamp: str, body: bytes, secrets: Iterable[str]) -> None:
    if not signature or not timestamp:
        raise WebhookRejected(
            "The webhook is not signed: x-sandbox-signature or x-sandbox-timestamp is missing.", code="bad_signature"
        )
    given = [part.strip().removeprefix("v1=") for part in signature.split(",")[:5] if part.strip().startswith("v1=")]
    signed = timestamp.encode("utf-8", "replace") + b"." + body
    # Every pair is compared, so the time taken tells nothing about which one fits.
    fits = [
        hmac.compare_digest(hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode(), one.encode())
        for secret in secrets
        if secret
        for one in given
    ]
    if not any(fits):
        raise WebhookRejected(
            "The webhook's signature is wrong. Compare the webhook secret of the connection with the shop's.",
            code="bad_signature",
        )


def _check_age(timestamp: str, *, now: datetime) -> None:
    if re.fullmatch(r"\d{1,11}", timestamp, re.ASCII) is None:
        raise _malformed("its timestamp is not a number of seconds")
    sent_at = datetime.fromtimestamp(int(timestamp), UTC)
    if abs(now - sent_at) > TOLERANCE:
        raise WebhookRejected(
            f"The webhook was signed at {sent_at:%Y-%m-%d %H:%M:%S} UTC, more than five minutes from now. "
            "Compare the clocks, or have the shop send it again.",
            code="too_old",
        )


def _malformed(what: str) -> WebhookRejected:
    return WebhookRejected(f"The webhook cannot be read: {what}.", code="malformed")
