"""The promotion that many codes stand under: found by the name of their reference, or made, and of the terms asked for.

Two calls at once may make two of one name, if BigCommerce takes a name twice: either serves, and both are looked into.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from platforms.adapter import Answer, Outcome, Refusal
from platforms.bigcommerce import client, codes, fields, making, promotions
from platforms.bigcommerce.batches import Batch
from platforms.bigcommerce.codes import Kept
from platforms.http import HttpAnswer

WHERE = "Look at it in BigCommerce under Marketing, Promotions."


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A promotion as the shop showed it, and whether this call has made it."""

    promotion: Mapping[str, Any]
    fresh: bool

    @property
    def id(self) -> int:
        return fields.identity(self.promotion)


def find_or_make(conversation: client.Conversation, batch: Batch, *, now: datetime) -> Answer[Parent]:
    """OK with a promotion that takes codes of these terms. Raises CannotMake before anything is sent."""
    body = promotions.body_for(batch.spec, many=True)
    there = _find(conversation, batch, body, now=now)
    if not there.ok or there.value is not None:
        return there
    answer = promotions.make(conversation, body)
    if answer.outcome is not Outcome.REJECTED or answer.status not in making.SAYS_TAKEN:
        return _made(conversation, batch, body, answer, now=now)
    there = _find(conversation, batch, body, now=now)  # refused for its name, it may have come to be meanwhile
    return answer.failure(refusal=Refusal.INVALID) if there.ok and there.value is None else there


def is_bulk(promotion: Mapping[str, Any]) -> bool:
    return promotion.get("coupon_type") == promotions.BULK


def as_if(promotion: Mapping[str, Any], text: str, *, now: datetime) -> Kept:
    """A fresh code of this promotion for one use, of which no more is known than its text. Raises Unreadable."""
    kept = promotions.read(promotion, {"id": 1, "code": text, "max_uses": 1}, now=now)
    return replace(kept, code=replace(kept.code, remote_id=""))


def _find(conversation: client.Conversation, batch: Batch, body: dict[str, Any], *, now: datetime) -> Answer[Any]:
    """A Parent, or None where there is none. What is there is not ours to change: people may have its codes."""
    there = promotions.named(conversation, batch.spec.reference)
    if not there.value:
        return there if not there.ok else client.ok(there, None)
    name = codes.name_of(batch.spec.reference)
    bulk = [promotion for promotion in there.value if is_bulk(promotion)]
    if not bulk:
        reason = f"The shop has a promotion named “{name}” for a single code, so no codes were made. {WHERE}"
        return client.rejected(there, Refusal.OTHER, reason)
    if any(promotion.get("status") != "ENABLED" for promotion in bulk):
        reason = f"The promotion “{name}” does not run in the shop now, so no more codes were made under it. {WHERE}"
        return client.rejected(there, Refusal.INVALID, reason)
    try:
        wrong = [_differences(batch, body, promotion, now=now) for promotion in bulk]
    except fields.Unreadable as error:
        return client.unknown(there, f"The shop's answer could not be understood: {error}.")
    fitting = next((promotion for promotion, each in zip(bulk, wrong, strict=True) if not each), None)
    if fitting is not None:
        return client.ok(there, Parent(promotion=fitting, fresh=False))
    reason = (
        f"The promotion “{name}” in the shop has another {' and '.join(wrong[0])} than this reward, so no more codes were "
        f"made under it. {WHERE}"
    )
    return client.rejected(there, Refusal.INVALID, reason)


def _made(
    conversation: client.Conversation, batch: Batch, body: dict[str, Any], answer: HttpAnswer, *, now: datetime
) -> Answer[Parent]:
    """The new promotion, if the shop stored what we asked for."""
    if not answer.ok:
        return answer.failure()
    try:
        parent = Parent(promotion=fields.inside(answer.data), fresh=True)
        wrong = " and ".join(_differences(batch, body, parent.promotion, now=now))
    except fields.Unreadable as error:
        return answer.unusable(str(error))
    if not wrong:
        return answer.success(parent)
    promotions.switch_off(conversation, parent.id)  # should it fail: without codes the promotion works for nobody
    reason = f"The shop stored another {wrong} than we asked for, so no codes were made."
    return client.rejected(answer, Refusal.INVALID, reason)


def _differences(batch: Batch, body: dict[str, Any], promotion: Mapping[str, Any], *, now: datetime) -> list[str]:
    """What the shop stored otherwise than we asked, in words. Raises Unreadable."""
    starts_at, begins_at = batch.spec.starts_at, fields.iso_date(promotion, "start_date")
    starts_later = starts_at is not None and starts_at > now
    pairs = {
        "sort of codes": is_bulk(promotion),
        "limit of uses": not fields.count(promotion, "max_uses"),
        "sort of discount": _actions(promotion) == _actions(body),
        "first day": not starts_later
        or (starts_at is not None and begins_at is not None and abs(begins_at - starts_at) <= codes.CLOCK_STEP),
    }
    wrong = codes.differences(batch.spec, as_if(promotion, batch.spec.code, now=now))
    return wrong + [name for name, agrees in pairs.items() if not agrees]


def _actions(promotion: Mapping[str, Any]) -> list[list[str]]:
    rules = promotion.get("rules")
    listed = [rule for rule in rules if isinstance(rule, Mapping)] if isinstance(rules, list) else []
    return [sorted(fields.child(rule, "action")) for rule in listed]
