"""What becomes of deliveries at the door: verified, stored raw, answered at once. What they mean is found out afterwards."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from loyalty.hooks import callers, inbox
from loyalty.hooks.callers import Address, Caller
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


RECEIVED = Reply()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One request to the address of a shop or of a payout account. `headers` are lower-cased."""

    is_payouts: bool
    key: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Knock:
    """A delivery, and what is to be kept of it if its shop is still as it was known; none when that is yet to be found out."""

    delivery: Delivery
    early: tuple[Caller, Letter] | None = None


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
    return RECEIVED


def knock(delivery: Delivery) -> Knock:
    """Verify a delivery by what is known of its shop already, while the database is busy with others.

    Nobody is refused by that, nor a payout account known by it: the long way judges those.
    """
    caller = None if delivery.is_payouts else callers.known((False, delivery.key))
    if caller is None:
        return Knock(delivery)
    try:
        letter = _letter(caller, headers=delivery.headers, body=delivery.body, now=timezone.now())
    except Exception:  # noqa: BLE001 (the long way meets it again, and says it)
        return Knock(delivery)
    return Knock(delivery, (caller, letter))


def receive_all(knocks: Sequence[Knock]) -> list[Reply]:
    """The same as `receive` of what came at about the same time; nobody is rung for yet.

    One statement keeps what was verified already. The rest, and what came to a shop that has changed meanwhile, takes the
    long way. While the database does not answer, all are asked to come again.
    """
    now = timezone.now()
    are_kept = _kept_early(knocks, now=now)
    rest = [each.delivery for each, is_kept in zip(knocks, are_kept, strict=True) if not is_kept]
    replies = iter(_received_anew(rest, now=now) if rest else ())
    return [RECEIVED if is_kept else next(replies) for is_kept in are_kept]


def _kept_early(knocks: Sequence[Knock], *, now: datetime) -> list[bool]:
    """Keep what was verified already; says of each whether it was kept. Without a session nothing is: the long way opens one."""
    early = [each.early for each in knocks if each.early is not None and connection.connection is not None]
    # One caller for a shop: what another verified, whose secret or address may be no more, is not kept along with it.
    shops = {letter.connection_id: caller for caller, letter in early}
    letters = [letter for caller, letter in early if shops[letter.connection_id] is caller]
    try:
        unchanged = inbox.store_of_unchanged(letters, shops.values(), now=now) if letters else set()
    except (OperationalError, InterfaceError):  # what was kept nevertheless is known when it comes the long way
        unchanged = set()
    good = {caller for pk, caller in shops.items() if pk in unchanged}
    return [each.early is not None and each.early[0] in good for each in knocks]


def _received_anew(deliveries: Sequence[Delivery], *, now: datetime) -> list[Reply]:
    """The long way: addresses are looked up, deliveries verified, and what is genuine kept in one statement."""
    try:
        judged = _all_judged(deliveries, now=now)
        letters = [letter for letter in judged if isinstance(letter, Letter)]
        if letters:
            inbox.store(letters, now=now)
    except (OperationalError, InterfaceError) as error:
        logger.error("%s webhooks could not be kept now: %s", len(deliveries), type(error).__name__)  # noqa: TRY400
        return [refused(503, "unavailable") for _ in deliveries]
    return [letter if isinstance(letter, Reply) else RECEIVED for letter in judged]


def _all_judged(deliveries: Sequence[Delivery], *, now: datetime) -> list[Letter | Reply]:
    """Each address is looked up once, anew for each group."""
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


def _caller(address: Address) -> Caller | None:
    """Whose address it is: whether it is a payout account's, and its key."""
    is_payouts, key = address
    try:
        return (callers.payout_account if is_payouts else callers.shop)(UUID(key))
    except ValueError:
        return None


def _judged(caller: Caller, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Letter | Reply:
    """What is to be kept of a genuine delivery, or how it is refused."""
    try:
        return _letter(caller, headers=headers, body=body, now=now)
    except WebhookRejected as error:
        logger.warning("A webhook of %s was refused: %s", caller.what, error.code)
        return refused(STATUSES.get(error.code, 400), error.code)
    except CredentialsUnreadable as error:
        logger.error("A webhook of %s could not be verified: %s", caller.what, error.sentence)  # noqa: TRY400
        return refused(503, "unavailable")


def _letter(caller: Caller, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Letter:
    """What is to be kept of a genuine delivery. Raises WebhookRejected and CredentialsUnreadable."""
    message = caller.verifier().parse_webhook(headers=headers, body=body, now=now)
    kept = {name: value for name, value in headers.items() if name not in caller.secret_headers}
    return Letter(**caller.whose, message=message, headers=kept, body=body)
