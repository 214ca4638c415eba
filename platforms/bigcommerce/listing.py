"""All codes of the store, page by page: coupons, then the codes of promotions, then gift certificates.

Coupons and certificates are listed from an id on, so a deletion moves nothing out of sight. Promotions have numbered
pages only: each reading looks for the last one it has seen, and goes back by pages until it stands before it.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from platforms.adapter import Answer, CodePage, Outcome, PlatformCode, Refusal
from platforms.bigcommerce import certificates, client, coupons, fields, promotions
from platforms.http import HttpAnswer

PAGE_SIZE = 250
PROMOTIONS_PER_PAGE = 10

_FORM = re.compile(
    r"(coupon|certificate) (\d{1,18})|promotion (\d{1,18}) (\d{1,6})|codes (\d{1,18}) (\d{1,6}) (\S{1,300})"
)
_NO_CURSOR = "The place we had reached in the shop's codes is unreadable. Start again from the beginning."


class NotACursor(ValueError):
    """The text is no cursor of ours."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where to go on: a place, the last id seen there, the page of promotions, and where inside one's codes."""

    place: str = coupons.KIND
    last_id: int = 0
    page: int = 1
    after: str = ""  # BigCommerce's own cursor in the codes of the promotion `last_id`

    def __str__(self) -> str:
        if self.after:
            return f"codes {self.last_id} {self.page} {self.after}"
        if self.place == promotions.KIND:
            return f"promotion {self.last_id} {self.page}"
        return f"{self.place} {self.last_id}"


def parse(text: str) -> Cursor:
    """Raises NotACursor."""
    found = _FORM.fullmatch(text or "coupon 0")
    if found is None:
        raise NotACursor(text)
    if found[1]:
        return Cursor(found[1], int(found[2]))
    if found[3]:
        return Cursor(promotions.KIND, int(found[3]), max(1, int(found[4])))
    return Cursor(promotions.KIND, int(found[5]), max(1, int(found[6])), found[7])


def page(conversation: client.Conversation, cursor: str, *, now: datetime) -> Answer[CodePage]:
    """One page of codes. The last one of a place leads on to the next place."""
    try:
        at = parse(cursor)
    except NotACursor:
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=_NO_CURSOR)
    try:
        if at.after:
            return _rest_of_promotion(conversation, at, now=now)
        if at.place == promotions.KIND:
            return _promotions(conversation, at, now=now)
        return _by_id(conversation, at, now=now)
    except fields.Unreadable as error:
        return Answer(outcome=Outcome.UNKNOWN, reason=f"The shop's list of codes could not be understood: {error}.")


def _by_id(conversation: client.Conversation, at: Cursor, *, now: datetime) -> Answer[CodePage]:
    place: Any = coupons if at.place == coupons.KIND else certificates
    params = {"min_id": str(at.last_id + 1), "limit": str(PAGE_SIZE)}
    if place is coupons:
        params["exclude_type"] = coupons.NOT_HERE
    answer = conversation.ask("GET", place.PATH, params=params)
    if not answer.ok:
        return answer.failure()
    listed = fields.entries(answer.data)
    codes = [place.read(entry, now=now).code for entry in listed if entry.get("type") != coupons.NOT_HERE]
    if listed:
        following = Cursor(at.place, max(fields.identity(entry) for entry in listed))
    else:
        following = Cursor(promotions.KIND) if place is coupons else at
    return _page(answer, codes, following, more=bool(listed) or place is coupons)


def _promotions(conversation: client.Conversation, at: Cursor, *, now: datetime) -> Answer[CodePage]:
    number, answer = _where(conversation, at)
    if not answer.ok:
        return answer.failure()
    listed = fields.wrapped(answer.data)
    found: list[PlatformCode] = []
    last_id = at.last_id
    for promotion in (entry for entry in listed if fields.identity(entry) > at.last_id):
        last_id = fields.identity(promotion)
        codes = promotions.ask_codes(conversation, last_id, limit=PAGE_SIZE)
        if codes.outcome is Outcome.REJECTED and codes.status == 404:
            continue
        if not codes.ok:
            return codes.failure()
        found += [promotions.read(promotion, entry, now=now).code for entry in fields.wrapped(codes.data)]
        if after := promotions.end_of(codes):
            return _page(codes, found, Cursor(promotions.KIND, last_id, number, after), more=True)
    if len(listed) < PROMOTIONS_PER_PAGE:
        return _page(answer, found, Cursor(certificates.KIND), more=True)
    return _page(answer, found, Cursor(promotions.KIND, last_id, number + 1), more=True)


def _where(conversation: client.Conversation, at: Cursor) -> tuple[int, HttpAnswer]:
    """The page on which the first promotion after the last one we saw stands now, and the page itself.

    After a deletion the promotions that follow have moved to an earlier page, so the page before is looked at first.
    """
    number = max(1, at.page - 1)
    answer = _listed(conversation, number)
    while answer.ok and number > 1 and not any(each <= at.last_id for each in _ids(answer)):
        number -= 1
        answer = _listed(conversation, number)
    ids = _ids(answer) if answer.ok else []
    if len(ids) >= PROMOTIONS_PER_PAGE and all(each <= at.last_id for each in ids):
        number += 1
        answer = _listed(conversation, number)
    return number, answer


def _ids(answer: HttpAnswer) -> list[int]:
    return [fields.identity(entry) for entry in fields.wrapped(answer.data)]


def _rest_of_promotion(conversation: client.Conversation, at: Cursor, *, now: datetime) -> Answer[CodePage]:
    """The next codes of a promotion that has more than a page of them."""
    done = Cursor(promotions.KIND, at.last_id, at.page)
    owner = conversation.ask("GET", f"{promotions.PATH}/{at.last_id}")
    codes = promotions.ask_codes(conversation, at.last_id, after=at.after, limit=PAGE_SIZE) if owner.ok else owner
    if codes.outcome is Outcome.REJECTED and codes.status == 404:
        return _page(codes, [], done, more=True)
    if not codes.ok:
        return codes.failure()
    promotion = fields.inside(owner.data)
    found = [promotions.read(promotion, entry, now=now).code for entry in fields.wrapped(codes.data)]
    after = promotions.end_of(codes)
    return _page(codes, found, Cursor(promotions.KIND, at.last_id, at.page, after) if after else done, more=True)


def _listed(conversation: client.Conversation, number: int) -> HttpAnswer:
    params = {"redemption_type": "coupon", "sort": "id", "direction": "asc"}
    return conversation.ask(
        "GET", promotions.PATH, params=params | {"page": str(number), "limit": str(PROMOTIONS_PER_PAGE)}
    )


def _page(answer: HttpAnswer, codes: list[PlatformCode], following: Cursor, *, more: bool) -> Answer[CodePage]:
    return client.ok(answer, CodePage(codes=tuple(codes), cursor=str(following), more=more))
