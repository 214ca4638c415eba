"""Switching a code off, and letting it live longer."""

from collections.abc import Callable
from datetime import datetime

from platforms.adapter import Answer, Outcome, PlatformCode, Refusal
from platforms.bigcommerce import client, fields, finding, promotions
from platforms.bigcommerce.codes import Kept
from platforms.http import HttpAnswer

SHARED = (
    "This code belongs to a promotion of the shop that has other codes, and its last day is theirs too. Change it in "
    "BigCommerce under Marketing, Promotions."
)


def disable(
    conversation: client.Conversation, code: str, remote_id: str, *, now: datetime
) -> Answer[PlatformCode | None]:
    """Switch off each code of that text which is meant, and say what the shop has then."""

    def off(kept: Kept) -> HttpAnswer:
        answer: HttpAnswer = finding.module_of(kept).disable(conversation, kept)
        return answer

    after = _change(conversation, code, remote_id, off, now=now)
    if after.ok and after.value is not None and after.value.alive and _means(after.value, remote_id):
        return client.unknown(after, "The shop was told to disable the code, and still takes it.")
    return after


def extend(
    conversation: client.Conversation, code: str, remote_id: str, expires_at: datetime, *, now: datetime
) -> Answer[PlatformCode | None]:
    """Move the last day of each code of that text which is meant and not disabled, and say what the shop has then."""
    before = finding.find_all(conversation, code, now=now, remote_id=remote_id)
    if before.value is None:
        return client.relay(before)
    if any(kept.shared for kept in before.value if _means(kept.code, remote_id)):
        return client.rejected(before, Refusal.UNSUPPORTED, SHARED)

    def longer(kept: Kept) -> HttpAnswer:
        answer: HttpAnswer = finding.module_of(kept).extend(conversation, kept, expires_at)
        return answer

    return _change(conversation, code, remote_id, longer, now=now, before=before)


def _change(
    conversation: client.Conversation,
    code: str,
    remote_id: str,
    change: Callable[[Kept], HttpAnswer],
    *,
    now: datetime,
    before: Answer[list[Kept]] | None = None,
) -> Answer[PlatformCode | None]:
    before = before or finding.find_all(conversation, code, now=now, remote_id=remote_id)
    if before.value is None:
        return client.relay(before)
    after, changed = before, []
    for kept in before.value:
        # One of many is taken away even while all of them are switched off: they may be switched on again.
        if not ((kept.enabled or kept.shared) and _means(kept.code, remote_id)):
            changed.append(kept)
            continue
        answer = change(kept)
        if answer.outcome is Outcome.REJECTED and answer.status == 404:
            continue  # deleted meanwhile: dead as well
        if not answer.ok:
            return answer.failure()
        after = _read_back(conversation, kept, answer, code, now=now)
        if after.value is None:
            return client.relay(after)
        changed += after.value
    return finding.best(client.ok(after, sorted(changed, key=lambda kept: kept.rank)))


def _read_back(
    conversation: client.Conversation, kept: Kept, answer: HttpAnswer, code: str, *, now: datetime
) -> Answer[list[Kept]]:
    """The shop answers a change of a coupon or certificate with all of it, and of a promotion without its codes."""
    place = finding.module_of(kept)
    if place is promotions:
        found = promotions.find(conversation, code.upper(), now=now)
        return found if found.ok else client.unknown(found, f"The shop did not show the code again: {found.reason}")
    try:
        return answer.success([place.read(fields.inside(answer.data), now=now)])
    except fields.Unreadable as error:
        return answer.unusable(str(error))


def _means(code: PlatformCode, remote_id: str) -> bool:
    """Without an id whoever has that text is meant; with one, that code, and every one that we made."""
    return not remote_id or code.remote_id == remote_id or bool(code.reference)
