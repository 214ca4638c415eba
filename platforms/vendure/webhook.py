"""Webhooks from a Vendure shop. They say which order changed; what it is now, the shop is asked."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from platforms.adapter import WebhookMessage, WebhookRejected
from platforms.redaction import is_plain

SIGNATURE_HEADER = "x-vendure-signature"
TOLERANCE_SECONDS = 300

_SIGNATURE = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})", re.ASCII)


def parse(*, headers: Mapping[str, str], body: bytes, secrets: Iterable[str], now: datetime) -> WebhookMessage:
    """Verify and read one webhook. Raises WebhookRejected."""
    _verify(headers.get(SIGNATURE_HEADER, ""), body=body, secrets=[secret for secret in secrets if secret], now=now)
    try:
        message: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WebhookRejected("The webhook's body is not JSON.", code="malformed") from error
    if not isinstance(message, dict) or not isinstance(message.get("order"), dict):
        raise WebhookRejected("The webhook's body names no order.", code="malformed")
    return WebhookMessage(
        event_id=_text(message, "id"),
        topic=_text(message, "type"),
        occurred_at=_instant(message, "created"),
        order_external_id=_text(message["order"], "id"),
    )


def _verify(signature: str, *, body: bytes, secrets: list[str], now: datetime) -> None:
    if not secrets:
        sentence = (
            "This shop has no webhook secret here. Enter the one the shop signs with in the connection's settings."
        )
        raise WebhookRejected(sentence, code="bad_signature")
    found = _SIGNATURE.fullmatch(signature.strip())
    if found is None:
        sentence = (
            f"The header {SIGNATURE_HEADER} is missing or is not of the form t=<seconds>,v1=<hexadecimal digest>."
        )
        raise WebhookRejected(sentence, code="bad_signature")
    signed = found[1].encode() + b"." + body
    # Every secret is tried, so that the time taken says nothing about which one fits.
    fits = [
        hmac.compare_digest(hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest(), found[2])
        for secret in secrets
    ]
    if not any(fits):
        sentence = "The webhook's signature is wrong. Check that shop and connection have the same webhook secret."
        raise WebhookRejected(sentence, code="bad_signature")
    if abs(now.timestamp() - int(found[1])) > TOLERANCE_SECONDS:
        sentence = (
            "The webhook was signed more than five minutes from now. Check the clocks; the shop may send it again."
        )
        raise WebhookRejected(sentence, code="too_old")


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value or not is_plain(value, longest=100):
        raise WebhookRejected(f"The webhook's {name} is missing or is no short text.", code="malformed")
    return value


def _instant(data: Mapping[str, Any], name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(data, name))
    except ValueError as error:
        raise WebhookRejected(f"The webhook's {name} is not a date and time.", code="malformed") from error
    if moment.tzinfo is None:
        raise WebhookRejected(f"The webhook's {name} has no time zone.", code="malformed")
    return moment
