"""Making, finding, ending and listing codes: the calls, and what follows from each answer."""

from datetime import UTC, datetime
from urllib.parse import quote

from platforms import walking
from platforms.adapter import Answer, CodePage, CodeSpec, Outcome, PlatformCode, Refusal
from platforms.http import HttpAnswer
from platforms.medusa import campaigns, client, cursors, fields, promotions, targets
from platforms.medusa.client import Conversation
from platforms.medusa.fields import Unreadable
from platforms.medusa.promotions import Promotion

PAGE_SIZE = 100
MOST_MATCHES = 100  # promotions that differ in nothing but the case of their letters


def create(conversation: Conversation, spec: CodeSpec, *, currency: str) -> Answer[PlatformCode]:
    """Make a promotion, and look at what the shop made of it. A code that is taken is refused as DUPLICATE_CODE."""
    try:
        body = promotions.body_for(spec, currency=currency)
    except promotions.CannotMake as error:
        return Answer(outcome=Outcome.REJECTED, refusal=error.refusal, reason=str(error))
    problem = targets.missing(conversation, spec)
    if problem is not None:
        return problem
    answer = conversation.ask("POST", "/admin/promotions", body=body)
    if not answer.ok:
        return client.failure(answer)
    try:
        made = promotions.read(fields.mapping(answer.data, "promotion"), now=datetime.now(UTC))
    except Unreadable as error:
        return answer.unusable(str(error))
    wrong = promotions.differences(spec, made)
    return _withdraw(conversation, answer, made, " and ".join(wrong)) if wrong else answer.success(made.code)


def find(conversation: Conversation, code: str) -> Answer[PlatformCode | None]:
    """The code as it is written before one that differs in case; a living one before a dead one, ours before another's."""
    found = _search(conversation, code)
    if found.value is None:
        return client.relay(found)
    best = sorted(found.value, key=lambda each: (not each.code.alive, not each.is_ours, each.created_at))
    value = best[0].code if best else None
    return Answer(outcome=Outcome.OK, value=value, observed=found.observed)


def disable(conversation: Conversation, code: str, remote_id: str) -> Answer[PlatformCode | None]:
    """Switch the promotion off. It is never deleted: a checkout under way would end in an error of the shop's."""
    found = _search(conversation, code)
    if found.value is None:
        return client.relay(found)
    for each in found.value:
        if not (each.is_active and _is_meant(each, remote_id)):
            continue
        answer = _change(conversation, each, {"status": "inactive"})
        if not answer.ok and not client.is_missing(answer):
            return client.failure(answer)
    return find(conversation, code)


def extend(conversation: Conversation, code: str, remote_id: str, expires_at: datetime) -> Answer[PlatformCode | None]:
    """Move the end of the code's campaign, or give it one. A promotion that is switched off stays as it is."""
    found = _search(conversation, code)
    if found.value is None:
        return client.relay(found)
    for each in found.value:
        if not (each.is_active and _is_meant(each, remote_id)):
            continue
        wrong = campaigns.set_end(conversation, each, expires_at)
        if wrong is not None:
            return wrong
    return find(conversation, code)


def listed(conversation: Conversation, cursor: str) -> Answer[CodePage]:
    """Every promotion that a shopper types, by when it was made, which never changes."""
    try:
        position = cursors.Cursor.parse(cursor)
    except walking.NotACursor:
        reason = "The place we had reached in the shop's codes is unreadable. Begin anew."
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=reason)
    params = position.params("created_at", page_size=PAGE_SIZE) | {"fields": promotions.FIELDS}
    answer = conversation.ask("GET", "/admin/promotions", params=params)
    if not answer.ok:
        return client.failure(answer)
    try:
        entries = fields.objects(answer.data, "promotions")
        last = max((fields.stamp(entry, "created_at") for entry in entries), default=None)
        named = [entry for entry in entries if entry.get("code")]  # Medusa takes one without a name
        found = [promotions.read_or_bare(entry, now=datetime.now(UTC)) for entry in named]
    except Unreadable as error:
        return answer.unusable(str(error))
    following = position.following(full=len(entries) >= PAGE_SIZE, last=last, page_size=PAGE_SIZE)
    shown = tuple(each.code for each in found if not each.is_automatic)
    return answer.success(CodePage(codes=shown, cursor=str(following), more=not following.caught_up))


def _search(conversation: Conversation, code: str) -> Answer[tuple[Promotion, ...]]:
    """The promotions of that code. Case matters to Medusa: those that differ in it count only where no other does."""
    text = code.strip()
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    params = {"code[$ilike]": escaped, "fields": promotions.FIELDS, "limit": str(MOST_MATCHES)}
    answer = conversation.ask("GET", "/admin/promotions", params=params)
    if not answer.ok:
        return client.failure(answer)
    try:
        entries = fields.objects(answer.data, "promotions")
        named = [entry for entry in entries if fields.text(entry, "code").casefold() == text.casefold()]
        exact = [entry for entry in named if entry["code"] == text]
        return answer.success(tuple(promotions.read(entry, now=datetime.now(UTC)) for entry in exact or named))
    except Unreadable as error:
        return answer.unusable(str(error))


def _change(conversation: Conversation, promotion: Promotion, body: dict[str, str]) -> HttpAnswer:
    path = f"/admin/promotions/{quote(promotion.code.remote_id, safe='')}"
    return conversation.ask("POST", path, body=body)


def _is_meant(promotion: Promotion, remote_id: str) -> bool:
    return not remote_id or promotion.code.remote_id == remote_id or promotion.is_ours


def _withdraw(conversation: Conversation, answer: HttpAnswer, made: Promotion, wrong: str) -> Answer[PlatformCode]:
    """The shop stored something else than we asked for: nobody may get that code."""
    if not _change(conversation, made, {"status": "inactive"}).ok:
        return answer.unusable(f"it stored another {wrong}, and the promotion could not be switched off")
    reason = (
        f"The shop stored another {wrong} than we asked for, so the promotion was switched off there. "
        "Look for a plug-in that changes promotions."
    )
    return client.rejected(answer, Refusal.INVALID, reason)
