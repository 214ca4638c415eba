"""What becomes of a delivery at the door: verified, stored raw, answered at once. What it means is found out afterwards."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.utils import timezone

from loyalty.hooks import inbox
from loyalty.hooks.callers import Caller
from platforms.adapter import WebhookRejected
from platforms.credentials import CredentialsUnreadable

logger = logging.getLogger(__name__)

LARGEST_BODY = 1_000_000
STATUSES = {"bad_signature": 401, "too_old": 401, "malformed": 400}


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP status, and what is said as JSON: of a refusal a code, and nothing of what we know."""

    status: int = 200
    said: Mapping[str, Any] = field(default_factory=lambda: {"received": True})


def receive(
    *,
    find: Callable[[UUID], Caller | None],
    key: str,
    length: str,
    headers: Mapping[str, str],
    read: Callable[[], bytes],
) -> Reply:
    """Take one delivery to the address of this key. Nothing refused is stored, and what is too long is not read.

    `length` is the Content-Length as it came, `headers` are lower-cased, `read` gives the body or raises OSError.
    """
    if not (length.isascii() and length.isdigit()):
        return _refusal(400, "malformed")
    if len(length) > 12 or int(length) > LARGEST_BODY:
        return _refusal(413, "body_too_large")
    try:
        caller = find(UUID(key))
    except ValueError:
        caller = None
    if caller is None:
        return _refusal(404, "not_found")
    try:
        body = read()
    except OSError:
        return _refusal(400, "malformed")
    return _keep(caller, headers=headers, body=body)


def _keep(caller: Caller, *, headers: Mapping[str, str], body: bytes) -> Reply:
    now = timezone.now()
    try:
        message = caller.verifier().parse_webhook(headers=headers, body=body, now=now)
    except WebhookRejected as error:
        logger.warning("A webhook of %s was refused: %s", caller.what, error.code)
        return _refusal(STATUSES.get(error.code, 400), error.code)
    except CredentialsUnreadable as error:
        logger.error("A webhook of %s could not be verified: %s", caller.what, error.sentence)  # noqa: TRY400
        return _refusal(503, "unavailable")
    kept = {name: value for name, value in headers.items() if name not in caller.secret_headers}
    inbox.store(**caller.whose, message=message, headers=kept, body=body, now=now)
    return Reply()


def _refusal(status: int, code: str) -> Reply:
    return Reply(status, {"error": {"code": code}})
