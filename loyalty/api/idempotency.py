"""The answer one `Idempotency-Key` of one API key stands for.

Stored are answers the domain gave: success, and refusals with status 422, or 409 for a plan that is out of date. A
request that never reached the domain (400, 404) frees its key. What is not decided yet (5xx) keeps the key for the same
request, which is then resumed.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import conf, errors
from loyalty.api.models import IdempotencyRecord

VISIBLE = re.compile(r"[\x20-\x7e]{1,255}")
KEPT = timedelta(days=30)
PURGED_AT_ONCE = 5000
UNDER_WAY = "A request with this Idempotency-Key is under way. Ask again in a second."
KEPT_BODY = "kept_body"  # of a response


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to answer, until it runs out: the record and the end that was written on it."""

    record_id: int
    locked_until: datetime


def key_of(request: Request) -> str | None:
    """The header, when it was sent. Raises InvalidParameter."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not VISIBLE.fullmatch(key) or not key.strip():
        raise errors.InvalidParameter("Idempotency-Key: write 1 to 255 plain characters, such as a UUID.")
    return key


def domain_key(*, api_key_id: int, key: str | None) -> str:
    """What the domain knows the change by: the same for the same key, of bounded length, one of its own without a key."""
    name = hashlib.sha256(key.encode()).hexdigest() if key is not None else str(uuid.uuid4())
    return f"api:{api_key_id}:{name}"


def digest_of(request: Request) -> str:
    """What was asked: method, address and body, however the body was spaced."""
    try:
        asked = json.dumps([request.method, request.path.rstrip("/"), request.data], sort_keys=True)
    except RecursionError as error:
        raise errors.MalformedBody("The body is nested too deeply.") from error
    return hashlib.sha256(asked.encode()).hexdigest()


def answer_once(
    *,
    api_key_id: int,
    key: str,
    digest: str,
    act: Callable[[], Response],
    answer_error: Callable[[Exception], Response],
    atomic: bool,
) -> Response:
    """Replay the stored answer, or act and store it. Raises KeyUsedOtherwise, RequestInProgress."""
    claimed = _claim(api_key_id=api_key_id, key=key, digest=digest, now=timezone.now())
    if isinstance(claimed, Response):
        return claimed
    try:
        with transaction.atomic() if atomic else nullcontext():
            response = act()
            if not _store(claimed, response) and atomic:
                _roll_back()
    except Exception as error:  # noqa: BLE001 (every error is answered, and the answer decides what becomes of the key)
        response = answer_error(error)
        _settle_refusal(claimed, response)
    return response


def keep_instead(response: Response, body: Any) -> None:
    """Let a stored answer say this in place of what is answered now: no secret is kept in plain words."""
    setattr(response, KEPT_BODY, body)


def purge(*, now: datetime) -> int:
    """Forget a batch of old answers. The domain still knows its own keys, so nothing can happen twice."""
    old = (
        IdempotencyRecord.objects.filter(created_at__lt=now - KEPT).order_by("created_at").values("pk")[:PURGED_AT_ONCE]
    )
    deleted, _ = IdempotencyRecord.objects.filter(pk__in=old).delete()
    return deleted


def _claim(*, api_key_id: int, key: str, digest: str, now: datetime) -> Claim | Response:
    until = now + timedelta(seconds=conf.LOCK_SECONDS)
    try:
        record, created = IdempotencyRecord.objects.get_or_create(
            api_key_id=api_key_id,
            key=key,
            defaults={"request_digest": digest, "locked_until": until, "created_at": now},
        )
    except IntegrityError as error:  # it was there, and freed again before it could be read
        raise errors.RequestInProgress(UNDER_WAY) from error
    if created:
        return Claim(record.pk, until)
    if record.request_digest != digest:
        raise errors.KeyUsedOtherwise(
            "This Idempotency-Key was used for another request. Use a new key for a new change."
        )
    if record.status is None and _open(record.pk).filter(locked_until__lte=now).update(locked_until=until):
        return Claim(record.pk, until)
    decided = IdempotencyRecord.objects.filter(pk=record.pk, status__isnull=False).first()
    if decided is None:
        raise errors.RequestInProgress(UNDER_WAY)
    return Response(decided.body, status=decided.status, headers={"Idempotent-Replayed": "true"})


def _roll_back() -> None:
    """Undo an act whose claim ran out meanwhile: whoever took it over acts instead."""
    raise errors.RequestInProgress("Another request with this Idempotency-Key took over. Ask again in a second.")


def _store(claim: Claim, response: Response) -> bool:
    """Keep the answer, unless the claim has run out and somebody else has it."""
    mine = _open(claim.record_id).filter(locked_until=claim.locked_until)
    return bool(
        mine.update(status=response.status_code, body=getattr(response, KEPT_BODY, response.data), locked_until=None)
    )


def _settle_refusal(claim: Claim, response: Response) -> None:
    mine = _open(claim.record_id).filter(locked_until=claim.locked_until)
    is_decided = response.status_code == 409 and response.data["error"]["code"] != errors.RequestInProgress.code
    if response.status_code == 422 or is_decided:
        _store(claim, response)
    elif response.status_code >= 500:
        mine.update(locked_until=timezone.now())
    elif response.status_code != 409:
        mine.delete()


def _open(record_id: int) -> QuerySet[IdempotencyRecord]:
    return IdempotencyRecord.objects.filter(pk=record_id, status__isnull=True)
