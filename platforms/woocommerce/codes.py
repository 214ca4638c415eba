"""Making, finding, ending and listing codes: the calls, and what follows from each answer."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from platforms.adapter import Answer, CodePage, CodeSpec, DiscountKind, Outcome, PlatformCode, Refusal
from platforms.http import HttpAnswer
from platforms.woocommerce import client, coupons, delivery, fields, site, targets
from platforms.woocommerce.client import Conversation
from platforms.woocommerce.coupons import Coupon
from platforms.woocommerce.fields import Unreadable
from platforms.woocommerce.listing import NotAPlace, Place

PAGE_SIZE = 100
Found = tuple[Coupon, ...]


def create(conversation: Conversation, spec: CodeSpec, *, currency: str) -> Answer[PlatformCode]:
    """Make a coupon, and look at what the shop made of it and whether it is the only one of its name."""
    zone = zone_of(conversation) if spec.expires_at is not None else Answer(outcome=Outcome.OK, value=UTC)
    if zone.value is None:
        return client.relay(zone)
    try:
        body = coupons.body_for(spec, currency=currency, zone=zone.value, now=datetime.now(UTC))
    except coupons.CannotMake as error:
        return Answer(outcome=Outcome.REJECTED, refusal=error.refusal, reason=str(error))
    problem = missing_target(conversation, spec)
    if problem is not None:
        return problem
    answer = conversation.ask("POST", "/coupons", body=body)
    if not answer.ok:
        return client.failure(answer, writing=True)
    try:
        made = coupons.read(answer.data, now=datetime.now(UTC))
    except Unreadable as error:
        return answer.unusable(str(error))
    return _settle(conversation, answer, spec, made)


def find(conversation: Conversation, code: str) -> Answer[PlatformCode | None]:
    """The living coupon of this name before a dead one, ours before another's. Several are said in the reason."""
    answer = named(conversation, code)
    if answer.value is None:
        return client.relay(answer)
    best = sorted(answer.value, key=lambda each: (not each.code.alive, not each.is_ours, each.number))
    return Answer(
        outcome=Outcome.OK,
        value=best[0].code if best else None,
        reason=_several(code, answer.value) if len(best) > 1 else "",
        observed=answer.observed,
    )


def disable(conversation: Conversation, code: str, remote_id: str) -> Answer[PlatformCode | None]:
    """Let the coupon end long ago, and each of its doubles that is ours, and read the code back."""
    before = named(conversation, code)
    if before.value is None:
        return client.relay(before)
    meant = [each for each in before.value if _is_meant(each, remote_id)]
    if _is_number(remote_id) and all(each.code.remote_id != remote_id for each in before.value):
        hidden = _hidden(conversation, code, int(remote_id))
        if hidden.value is None:
            return client.relay(hidden)
        meant += hidden.value
    failed = _end(conversation, [each for each in meant if not each.is_disabled], coupons.DISABLED_AT)
    return find(conversation, code) if failed is None else failed


def extend(conversation: Conversation, code: str, remote_id: str, expires_at: datetime) -> Answer[PlatformCode | None]:
    """Move the last day of the coupon, and of each of its doubles that is ours, and read the code back."""
    before = named(conversation, code)
    if before.value is None:
        return client.relay(before)
    shorter = [
        each
        for each in before.value
        if _is_meant(each, remote_id)
        and not each.is_disabled
        and each.code.expires_at is not None
        and each.code.expires_at < expires_at
    ]
    if shorter:
        zone = zone_of(conversation)
        if zone.value is None:
            return client.relay(zone)
        failed = _end(conversation, shorter, coupons.local_time(expires_at, zone.value))
        if failed is not None:
            return failed
    return find(conversation, code)


def listed(conversation: Conversation, cursor: str) -> Answer[CodePage]:
    """One page of all coupons in use, by their numbers. See `listing` for why none is passed over."""
    try:
        place = Place.parse(cursor)
    except NotAPlace:
        reason = "The place we had reached in the shop's coupons is unreadable. Begin again."
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=reason)
    params = {"orderby": "id", "order": "asc", "per_page": str(PAGE_SIZE), "offset": str(place.offset)}
    answer = conversation.ask("GET", "/coupons", params=params)
    if not answer.ok:
        return client.failure(answer)
    try:
        now = datetime.now(UTC)
        entries = fields.entries(answer.data, "coupons")
        numbers = [fields.identity(entry) for entry in entries]
        # A coupon without a name is nobody's code: no checkout can be given it.
        page = [coupons.read(entry, now=now) for entry in entries if fields.text(entry, "code")]
    except Unreadable as error:
        return answer.unusable(str(error))
    step = place.after(numbers, page_size=PAGE_SIZE)
    codes = tuple(each.code for each in page if step.reads and each.number > place.last)
    return answer.success(CodePage(codes=codes, cursor=str(step.place), more=step.more))


def named(conversation: Conversation, code: str) -> Answer[Found]:
    """All coupons of this name in any case, oldest first.

    The shop's filter by code shows one of several; its search shows all, but plugins replace it, so a code that is not
    found is looked up by the filter too before it counts as absent.
    """
    answer = _listing(conversation, code, by="search")
    if answer.value is None or answer.value:
        return answer
    return _listing(conversation, code, by="code")


def _listing(conversation: Conversation, code: str, *, by: str) -> Answer[Found]:
    answer = conversation.ask("GET", "/coupons", params={by: code, "per_page": str(PAGE_SIZE)})
    if not answer.ok:
        return client.failure(answer)
    try:
        same = [
            coupons.read(entry, now=datetime.now(UTC))
            for entry in fields.entries(answer.data, "coupons")
            if fields.text(entry, "code").casefold() == code.strip().casefold()
        ]
    except Unreadable as error:
        return answer.unusable(str(error))
    return answer.success(tuple(sorted(same, key=lambda each: each.number)))


def _settle(conversation: Conversation, answer: HttpAnswer, spec: CodeSpec, made: Coupon) -> Answer[PlatformCode]:
    found = named(conversation, made.code.code)
    if found.value is None:
        reason = f"The shop made the code {spec.code} and then could not be asked: {found.reason}"
        return client.unknown(answer, reason)
    return judge(conversation, answer, spec, made, found.value)


def judge(
    conversation: Conversation, answer: HttpAnswer, spec: CodeSpec, made: Coupon, found: Sequence[Coupon]
) -> Answer[PlatformCode]:
    """Whether the coupon we made may be given away; `found` are all of its name.

    Two requests at once can both make a coupon of one name. The oldest stays, whoever made it, so all agree. A younger
    one must be deleted, not ended: a checkout takes the newest of a name.
    """
    others = [each for each in found if each.number != made.number]
    ours = [each for each in others if each.code.reference == spec.reference]
    is_younger = any(each.number < made.number for each in ours)
    if len(ours) < len(others) or is_younger:
        failed = _delete(conversation, [made])
        reason = f"{_several(spec.code, (*others, made))} The one we had just made was deleted."
        return failed or client.rejected(answer, Refusal.DUPLICATE_CODE, reason)
    failed = _delete(conversation, ours)
    if failed is not None:
        return failed
    shown = next((each for each in found if each.number == made.number), made)
    wrong = coupons.differences(spec, shown)
    if wrong:
        return _withdraw(conversation, answer, made, " and ".join(wrong))
    return answer.success(shown.code)


def _withdraw(conversation: Conversation, answer: HttpAnswer, made: Coupon, wrong: str) -> Answer[PlatformCode]:
    """The shop stored something else than we asked for: nobody may get that code."""
    if _end(conversation, [made], coupons.DISABLED_AT) is not None:
        return answer.unusable(f"it stored another {wrong}, and the coupon {made.number} could not be ended")
    reason = (
        f"The shop stored another {wrong} than we asked for, so the coupon was ended there. "
        "Look for a plugin that changes coupons."
    )
    return client.rejected(answer, Refusal.INVALID, reason)


def _end(conversation: Conversation, found: Sequence[Coupon], moment: str) -> Answer[PlatformCode | None] | None:
    """Give these coupons this end; the failure when one did not take it. One that is gone needs none."""
    for each in found:
        answer = conversation.ask("PUT", f"/coupons/{each.number}", body={"date_expires": moment})
        if client.is_missing(answer):
            continue
        if not answer.ok:
            return client.failure(answer, writing=True)
        try:
            kept = coupons.read(answer.data, now=datetime.now(UTC)).code.expires_at
        except Unreadable as error:
            return answer.unusable(str(error))
        if kept == each.code.expires_at:
            reason = (
                f"The shop took another expiry date for the coupon {each.number}, and kept the old one all the same."
            )
            return client.unknown(answer, f"{reason} Look for a plugin that changes coupons.")
    return None


def _delete(conversation: Conversation, found: Sequence[Coupon]) -> Answer[PlatformCode] | None:
    for each in found:
        if each.used:
            reason = f"Of the coupons {each.code.code}, number {each.number} is too many, but was used. Look at both."
            return Answer(outcome=Outcome.UNKNOWN, reason=reason)
        answer = conversation.ask("DELETE", f"/coupons/{each.number}", params={"force": "true"})
        if not answer.ok and not client.is_missing(answer):
            reason = f"The coupon {each.number} is too many and could not be deleted: {answer.reason}"
            return client.unknown(answer, reason)
    return None


def _hidden(conversation: Conversation, code: str, number: int) -> Answer[list[Coupon]]:
    """The coupon of this number when it is a draft or in the bin: no list shows it, and it may come back."""
    answer = conversation.ask("GET", f"/coupons/{number}")
    if client.is_missing(answer):
        return answer.success([])
    if not answer.ok:
        return client.failure(answer)
    try:
        found = coupons.read(answer.data, now=datetime.now(UTC))
    except Unreadable as error:
        return answer.unusable(str(error))
    # Renamed by staff, it is theirs: nobody can use the code that we gave away.
    return answer.success([found] if found.code.code.casefold() == code.strip().casefold() else [])


def missing_target(conversation: Conversation, spec: CodeSpec) -> Answer[PlatformCode] | None:
    """Why the code would do nothing: the shop takes numbers of products and categories that it does not have."""
    problem: Answer[Any] | None = None
    if spec.kind is DiscountKind.FREE_PRODUCT:
        problem = targets.missing_product(conversation, spec.product_reference)
    elif spec.kind is DiscountKind.FREE_DELIVERY:
        problem = delivery.refusal(conversation)
    if problem is None and spec.collections:
        problem = targets.missing_category(conversation, spec.collections)
    return problem


def zone_of(conversation: Conversation) -> Answer[tzinfo]:
    """The time zone by which the shop reads and writes last days."""
    found = site.ask(conversation)
    if found.value is None:
        return client.relay(found)
    return Answer(outcome=Outcome.OK, value=found.value.zone, observed=found.observed)


def _is_meant(coupon: Coupon, remote_id: str) -> bool:
    return not remote_id or coupon.code.remote_id == remote_id or coupon.is_ours


def _is_number(remote_id: str) -> bool:
    return remote_id.isascii() and remote_id.isdigit() and len(remote_id) <= fields.LONGEST_ID


def _several(code: str, found: Sequence[Coupon]) -> str:
    numbers = ", ".join(str(each.number) for each in sorted(found, key=lambda each: each.number))
    return (
        f"The shop has {len(found)} coupons named {code}: {numbers}. A checkout takes the newest. "
        "Look at them in WooCommerce under Marketing, Coupons."
    )
