"""Tokens by which a customer's browser reads and redeems for itself.

A token is a JWT (HS256) of five minutes. It is signed with a secret that follows from an API key of the shop and from
SECRET_KEY: nothing of it is stored, it ends with the key, and rotating the key rotates the secret.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q

from loyalty.api import keys
from loyalty.api.models import ApiKey
from loyalty.common.errors import DomainError
from loyalty.customers.models import Customer, CustomerState

LIFE = timedelta(minutes=5)
CLOCKS_DIFFER = timedelta(seconds=60)  # between two servers of ours
LONGEST = 1_000  # characters; ours have some three hundred
SUBJECT = re.compile(r"customer:([0-9]{1,18})", re.ASCII)
SCOPE = keys.Scope.CUSTOMER_TOKEN_WRITE


class InvalidCustomerToken(DomainError):
    """The token opens nothing, and nobody is told which part of it is wrong."""

    code = "invalid_customer_token"


REFUSAL = "This customer token is not valid, or no longer. Ask the shop for another one."


@dataclass(frozen=True, slots=True)
class Pass:
    """What a valid token stands for: a customer, let in by an API key."""

    key: ApiKey
    customer: Customer

    @property
    def identity(self) -> int:
        return self.key.identity

    @property
    def namespace(self) -> str:
        """Of idempotency keys: two customers of one shop may use the same words."""
        return f"customer:{self.customer.pk}:"


def mint(*, key: ApiKey, customer_id: int, now: datetime) -> tuple[str, datetime]:
    """A token for one customer, and the instant it ends at. The caller has seen that the customer exists."""
    expires_at = now + LIFE
    head = {"alg": "HS256", "typ": "JWT", "kid": str(key.pk)}
    body = {
        "iss": settings.PUBLIC_URL,
        "aud": settings.PUBLIC_URL,
        "sub": f"customer:{customer_id}",
        "iat": int(now.timestamp()),
        "exp": int(expires_at.timestamp()),
    }
    signed = f"{_encode(json.dumps(head).encode())}.{_encode(json.dumps(body).encode())}"
    return f"{signed}.{_encode(_signature(settings.SECRET_KEY, key, signed))}", expires_at


def read(*, token: str, now: datetime) -> Pass:
    """Whom a token lets in. Raises InvalidCustomerToken."""
    key_id, claims, signed, signature = _parts(token)
    live = Q(revoked_at__isnull=True) & (Q(expires_at__isnull=True) | Q(expires_at__gt=now))
    key = ApiKey.objects.filter(live, pk=key_id).first()
    if key is None or not keys.allows(key=key, scope=SCOPE):
        raise InvalidCustomerToken(REFUSAL)
    known = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    if not any(hmac.compare_digest(_signature(secret, key, signed), signature) for secret in known):
        raise InvalidCustomerToken(REFUSAL)
    customer = Customer.objects.filter(pk=_subject(claims, now)).exclude(state=CustomerState.DISABLED).first()
    if customer is None:
        raise InvalidCustomerToken(REFUSAL)
    return Pass(key, customer)


def _parts(token: str) -> tuple[int, dict[str, Any], str, bytes]:
    """The key's id, the claims, what was signed, and the signature; none of them is trusted yet."""
    parts = token.split(".")
    if len(token) > LONGEST or not token.isascii() or len(parts) != 3:
        raise InvalidCustomerToken(REFUSAL)
    try:
        head, claims = (json.loads(_decode(part)) for part in parts[:2])
        signature = _decode(parts[2])
    except (binascii.Error, ValueError, RecursionError) as error:
        raise InvalidCustomerToken(REFUSAL) from error
    if not isinstance(head, dict) or not isinstance(claims, dict) or head.get("alg") != "HS256":
        raise InvalidCustomerToken(REFUSAL)
    key_id = str(head.get("kid"))
    if not re.fullmatch(r"[0-9]{1,18}", key_id, re.ASCII):
        raise InvalidCustomerToken(REFUSAL)
    return int(key_id), claims, f"{parts[0]}.{parts[1]}", signature


def _subject(claims: dict[str, Any], now: datetime) -> int:
    """The id of the customer whom signed claims name, when they are for us and for now."""
    begins, ends = claims.get("iat"), claims.get("exp")
    found = SUBJECT.fullmatch(str(claims.get("sub")))
    if found is None or claims.get("aud") != settings.PUBLIC_URL or type(begins) is not int or type(ends) is not int:
        raise InvalidCustomerToken(REFUSAL)
    instant = now.astimezone(UTC).timestamp()
    in_time = begins <= instant + CLOCKS_DIFFER.total_seconds() and instant < ends
    if not in_time or ends - begins > LIFE.total_seconds():
        raise InvalidCustomerToken(REFUSAL)
    return int(found[1])


def _signature(secret: str, key: ApiKey, signed: str) -> bytes:
    own = hmac.new(secret.encode(), f"customer-token:{key.digest}".encode(), hashlib.sha256).digest()
    return hmac.new(own, signed.encode(), hashlib.sha256).digest()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
