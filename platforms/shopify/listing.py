"""All discount codes of a Shopify shop, page by page.

Discounts are walked through by their numbers, which never change. A discount with many codes, such as one of those we
make together or a merchant's pool, is walked through on its own, by Shopify's cursor within it.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from platforms.adapter import Access, Answer, CodePage, Outcome, PlatformCode, Refusal
from platforms.shopify import client, codes, discounts, orders, queries, values
from platforms.shopify.client import Conversation
from platforms.shopify.discounts import Discount
from platforms.shopify.values import Unreadable

PAGE_SIZE = 15  # discounts; a question may cost 1,000 points at most

# After this discount; or within this one, after what Shopify's cursor stands for.
_FORM = re.compile(r"(\d{1,20})|within (\d{1,20}) ([!-~]{1,150})", re.ASCII)
_BEGINNING = "-"
UNREADABLE = "The place we had reached in the shop's codes is unreadable. Clear it to read from the beginning."


def page(access: Access, conversation: Conversation, cursor: str) -> Answer[CodePage]:
    """The codes that come after the cursor; the empty one is the beginning."""
    place = _FORM.fullmatch(cursor) if cursor else None
    if cursor and place is None:
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=UNREADABLE)
    if place is not None and place[2]:
        return _within(access, conversation, number=place[2], after=place[3])
    return _after(access, conversation, number=cursor)


def all_within(access: Access, conversation: Conversation, *, number: str) -> Answer[tuple[PlatformCode, ...]]:
    """All codes of the discount of this number; none when it was removed."""
    found: list[PlatformCode] = []
    after = _BEGINNING
    while True:
        answer = _within(access, conversation, number=number, after=after)
        if answer.value is None:
            return client.relay(answer)
        found += answer.value.codes
        place = _FORM.fullmatch(answer.value.cursor)
        if place is None or place[3] in (None, after):
            return client.done(answer, tuple(found))
        after = place[3]


def discounts_in(data: Mapping[str, Any]) -> tuple[list[Discount], bool]:
    """Of an answer to LIST_CODES: its discounts, and whether there are more. Raises Unreadable."""
    found = [discounts.discount(entry) for entry in values.nodes(data, "codeDiscountNodes")]
    info = values.mapping(values.mapping(data, "codeDiscountNodes"), "pageInfo")
    return found, values.flag(info, "hasNextPage") and bool(found)


def _after(access: Access, conversation: Conversation, *, number: str) -> Answer[CodePage]:
    query = f"id:>{number}" if number else ""
    answer = conversation.ask(queries.LIST_CODES, first=PAGE_SIZE, query=query)
    if answer.value is None:
        return client.relay(answer)
    try:
        found, more = discounts_in(answer.value)
    except Unreadable as error:
        return client.unreadable(answer, error)
    cursor = found[-1].number if found else number
    place = next((place for place, one in enumerate(found) if one.is_shared), None)
    if place is not None:
        cursor, more = f"within {found[place].number} {_BEGINNING}", True
    return _told(access, conversation, answer, found[:place], cursor=cursor, more=more)


def _within(access: Access, conversation: Conversation, *, number: str, after: str) -> Answer[CodePage]:
    answer = conversation.ask(
        queries.LIST_AMONG_MANY,
        id=values.global_id("DiscountCodeNode", number),
        after=None if after == _BEGINNING else after,
    )
    if answer.value is None:
        return client.relay(answer)
    node = answer.value.get("codeDiscountNode")
    if node is None:  # removed meanwhile
        return client.done(answer, CodePage(codes=(), cursor=number, more=True))
    try:
        parent = discounts.discount(node)
        listing = values.mapping(values.mapping(node, "codeDiscount"), "many")
        found = [
            replace(
                parent,
                code=replace(parent.code, code=values.text(one, "code"), uses=values.count(one, "asyncUsageCount")),
            )
            for one in values.objects(listing, "nodes")
        ]
        info = values.mapping(listing, "pageInfo")
        end = values.text(info, "endCursor", longest=150) if values.flag(info, "hasNextPage") else ""
    except Unreadable as error:
        return client.unreadable(answer, error)
    cursor = f"within {number} {end}" if end else number
    if _FORM.fullmatch(cursor) is None:
        return client.unknown(answer, "The shop's own mark of a place in its codes cannot be kept.")
    return _told(access, conversation, answer, found, cursor=cursor, more=True)


def _told(
    access: Access,
    conversation: Conversation,
    answer: Answer[dict[str, Any]],
    found: list[Discount],
    *,
    cursor: str,
    more: bool,
) -> Answer[CodePage]:
    """The page, with completed orders counted: one question for all codes that Shopify has counted a use of."""
    named = [one for one in found if one.code.code]
    used = [one.code.code for one in named if one.code.uses and one.is_for_one_use]
    if used:
        asked = conversation.ask(queries.ORDERS_WITH, orders=" OR ".join(map(orders.search_for, used)))
        if asked.value is None:
            return client.relay(asked)
        answer = asked
    try:
        entries = values.nodes(answer.value, "orders") if used else []
        counted = tuple(codes.counted(access, one, entries).code for one in named)
    except Unreadable as error:
        return client.unreadable(answer, error)
    return client.done(answer, CodePage(codes=counted, cursor=cursor, more=more))
