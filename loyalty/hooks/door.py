"""What becomes of deliveries at the door: verified, stored raw, answered at once. What they mean is found out afterwards."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from loyalty.hooks import callers, inbox
from loyalty.hooks.callers import Caller
from loyalty.hooks.inbox import Letter
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One request to the address of a shop or of a payout account. `headers` are lower-cased."""

    is_payouts: bool
    key: str
    headers: Mapping[str, str]
    body: bytes


def refused(status: int, code: str) -> Reply:
    """What whoever is refused is told."""
    return Reply(status, {"error": {"code": code}})


def refused_unread(length: str) -> Reply | None:
    """The refusal of a body by its Content-Length as it came: what is too long is not read."""
    if not (length.isascii() and length.isdigit()):
        return refused(400, "malformed")
    if len(length) > 12 or int(length) > LARGEST_BODY:
        return refused(413, "body_too_large")
    return None


def receive(*, is_payouts: bool, key: str, length: str, headers: Mapping[str, str], read: Callable[[], bytes]) -> Reply:
    """Take one delivery to the address of this key. Nothing refused is stored, and only what a caller sends is read.

    `length` is the Content-Length as it came, `headers` are lower-cased, `read` gives the body or raises OSError.
    """
    refusal = refused_unread(length)
    if refusal is not None:
        return refusal
    caller = _caller((is_payouts, key))
    if caller is None:
        return refused(404, "not_found")
    try:
        body = read()
    except OSError:
        return refused(400, "malformed")
    now = timezone.now()
    letter = _judged(caller, headers=headers, body=body, now=now)
    if isinstance(letter, Reply):
        return letter
    if inbox.store([letter], now=now):
        inbox.ring()
    return Reply()


def receive_all(deliveries: Sequence[Delivery]) -> list[Reply]:
    """The same of what came at about the same time, with one commit for all; nobody is rung for yet.

    While the database does not answer, all are asked to come again.
    """
    now = timezone.now()
    try:
        judged = _all_judged(deliveries, now=now)
        letters = [letter for letter in judged if isinstance(letter, Letter)]
        if letters:
            inbox.store(letters, now=now)
    except (OperationalError, InterfaceError) as error:
        logger.error("%s webhooks could not be kept now: %s", len(deliveries), type(error).__name__)  # noqa: TRY400
        return [refused(503, "unavailable") for _ in deliveries]
    return [letter if isinstance(letter, Reply) else Reply() for letter in judged]


def _all_judged(deliveries: Sequence[Delivery], *, now: datetime) -> list[Letter | Reply]:
    """Each address is looked up once, anew for each group: changed credentials count from the next one on."""
    addresses = {(each.is_payouts, each.key) for each in deliveries}
    found = {address: _caller(address) for address in addresses}
    judged: list[Letter | Reply] = []
    for each in deliveries:
        caller = found[each.is_payouts, each.key]
        if caller is None:
            judged.append(refused(404, "not_found"))
        else:
            judged.append(_judged(caller, headers=each.headers, body=each.body, now=now))
    return judged


def _caller(address: tuple[bool, str]) -> Caller | None:
    """Whose address it is: whether it is a payout account's, and its key."""
    is_payouts, key = address
    try:
        return (callers.payout_account if is_payouts else callers.shop)(UUID(key))
    except ValueError:
        return None


def _judged(caller: Caller, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Letter | Reply:
    """What is to be kept of a genuine delivery, or how it is refused."""
    try:
        message = caller.verifier().parse_webhook(headers=headers, body=body, now=now)
    except WebhookRejected as error:
        logger.warning("A webhook of %s was refused: %s", caller.what, error.code)
        return refused(STATUSES.get(error.code, 400), error.code)
    except CredentialsUnreadable as error:
        logger.error("A webhook of %s could not be verified: %s", caller.what, error.sentence)  # noqa: TRY400
        return refused(503, "unavailable")
    kept = {name: value for name, value in headers.items() if name not in caller.secret_headers}
    return Letter(**caller.whose, message=message, headers=kept, body=body)
