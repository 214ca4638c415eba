"""Signatures as Standard Webhooks has them: HMAC-SHA256 over id, timestamp and body, by secrets that begin with whsec_."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

PREFIX = "whsec_"
RANDOM_BYTES = 32


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(RANDOM_BYTES)).decode()


def headers(*, message_id: str, body: bytes, by: Sequence[str], now: datetime) -> dict[str, str]:
    """The three headers of a message, with one signature for each secret."""
    timestamp = str(int(now.timestamp()))
    signed = message_id.encode() + b"." + timestamp.encode() + b"." + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{_signature(signed, secret)}" for secret in by),
    }


def _signature(signed: bytes, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
