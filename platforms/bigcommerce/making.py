"""Making a code: the one call that does it, what the shop's refusal means, and whether it stored what we asked for."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from platforms.adapter import Answer, CodeSpec, DiscountKind, Outcome, PlatformCode, Refusal
from platforms.bigcommerce import certificates, client, codes, coupons, fields, finding, promotions
from platforms.bigcommerce.codes import Kept
from platforms.bigcommerce.options import Options
from platforms.http import HttpAnswer

SAYS_TAKEN = frozenset({400, 409, 422})  # BigCommerce does not document with which of them it refuses a code it has


def make(
    conversation: client.Conversation, spec: CodeSpec, *, currency: str, options: Options, now: datetime
) -> Answer[PlatformCode]:
    """Raises CannotMake, before anything is sent, for what BigCommerce has no words for."""
    codes.check(spec, currency=currency)
    if spec.kind is DiscountKind.GIFT_CARD:
        body = certificates.body_for(spec, options, now=now)
        return _made(conversation, spec, certificates.make(conversation, body), now=now)
    starts_later = spec.starts_at is not None and spec.starts_at > now
    if spec.kind is DiscountKind.FREE_PRODUCT or starts_later:
        return _make_promotion(conversation, spec, promotions.body_for(spec), now=now)
    return _made(conversation, spec, coupons.make(conversation, coupons.body_for(spec, options)), now=now)


def _made(
    conversation: client.Conversation, spec: CodeSpec, answer: HttpAnswer, *, now: datetime
) -> Answer[PlatformCode]:
    """What became of a coupon or a gift certificate."""
    if answer.outcome is Outcome.REJECTED:
        return _refused(conversation, spec, answer, now=now)
    if not answer.ok:
        return answer.failure()
    read = certificates.read if spec.kind is DiscountKind.GIFT_CARD else coupons.read
    try:
        kept = read(fields.inside(answer.data), now=now)
    except fields.Unreadable as error:
        return answer.unusable(str(error))
    return _compared(conversation, spec, answer, kept)


def _make_promotion(
    conversation: client.Conversation, spec: CodeSpec, body: dict[str, Any], *, now: datetime
) -> Answer[PlatformCode]:
    before = promotions.clear(conversation, spec.reference)
    if before.value is None:
        return client.relay(before)
    if before.value:
        same = before.value.casefold() == spec.code.casefold()
        return _taken(before, spec) if same else _name_taken(before, spec)
    answer = promotions.make(conversation, body)
    if not answer.ok:
        return answer.failure()
    try:
        promotion = fields.inside(answer.data)
        promotion_id = fields.identity(promotion)
    except fields.Unreadable as error:
        return answer.unusable(str(error))
    return _add_code(conversation, spec, promotion, promotion_id, now=now)


def _add_code(
    conversation: client.Conversation,
    spec: CodeSpec,
    promotion: Mapping[str, Any],
    promotion_id: int,
    *,
    now: datetime,
) -> Answer[PlatformCode]:
    answer = promotions.add_code(conversation, promotion_id, spec.code)
    if answer.outcome is Outcome.REJECTED:
        # If it stays, it works for nobody: the next try takes it away.
        promotions.remove(conversation, promotion_id)
        return _refused(conversation, spec, answer, now=now)
    if not answer.ok:
        return answer.failure()
    try:
        kept = promotions.read(promotion, fields.inside(answer.data), now=now)
    except fields.Unreadable as error:
        return answer.unusable(str(error))
    return _compared(conversation, spec, answer, kept)


def _refused(
    conversation: client.Conversation, spec: CodeSpec, answer: HttpAnswer, *, now: datetime
) -> Answer[PlatformCode]:
    """Refused for good. Whether for the code's sake, only a look can tell."""
    if answer.status not in SAYS_TAKEN:
        return answer.failure()
    found = finding.find_all(conversation, spec.code, now=now)
    if found.value is None:
        return client.relay(found)
    if found.value:
        return _taken(answer.failure(), spec)
    return _name_taken(answer.failure(), spec) if answer.status == 409 else answer.failure(refusal=Refusal.INVALID)


def _taken(answer: Answer[Any], spec: CodeSpec) -> Answer[Any]:
    return client.rejected(answer, Refusal.DUPLICATE_CODE, f"The shop has the code {spec.code} already.")


def _name_taken(answer: Answer[Any], spec: CodeSpec) -> Answer[Any]:
    name = codes.name_of(spec.reference)
    reason = (
        f"The shop has a coupon or promotion named “{name}” under another code, so this reward has its code already. "
        "Look at it in BigCommerce under Marketing, Promotions, and rename or delete it before you try again."
    )
    return client.rejected(answer, Refusal.OTHER, reason)


def _compared(
    conversation: client.Conversation, spec: CodeSpec, answer: HttpAnswer, kept: Kept
) -> Answer[PlatformCode]:
    """What the shop stored otherwise than asked nobody may get: it is switched off again."""
    wrong = " and ".join(codes.differences(spec, kept))
    if not wrong:
        return answer.success(kept.code)
    off = finding.module_of(kept).disable(conversation, kept)
    if not off.ok:
        return answer.unusable(f"it stored another {wrong}, and the code could not be disabled")
    reason = f"The shop stored another {wrong} than we asked for, so the code was disabled there."
    return client.rejected(answer, Refusal.INVALID, reason)
