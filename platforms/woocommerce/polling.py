"""Reading orders: one, or those that changed since a cursor, each with its refunds."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any

from platforms.adapter import Answer, OrderPage, Outcome, Refusal, ShopOrder, UnreadOrder
from platforms.http import HttpAnswer
from platforms.walking import Mode, NotACursor
from platforms.woocommerce import client, fields, orders
from platforms.woocommerce.client import Conversation
from platforms.woocommerce.cursors import Cursor
from platforms.woocommerce.fields import Unreadable

PAGE_SIZE = 100
MOST_ASKED = 20  # orders of one page whose refunds are asked for at once; the others come back by their ids
SECONDS_KEPT = 5.0  # what a page leaves of its time
MOST_BINNED_PAGES = 5

Entries = list[Mapping[str, Any]]


def read_one(conversation: Conversation, external_id: str) -> Answer[ShopOrder | None]:
    """One order, whole. A cart at the checkout is no order yet; what is no number is no order's."""
    if re.fullmatch(r"\d{1,18}", external_id, re.ASCII) is None:
        return Answer(outcome=Outcome.OK, value=None)
    answer = conversation.ask("GET", f"/orders/{external_id}", params={"_fields": orders.FIELDS})
    if not answer.ok:
        gone: Answer[ShopOrder | None] = Answer(outcome=Outcome.OK, value=None, observed=answer.observed)
        return gone if client.is_missing(answer) else client.failure(answer)
    try:
        entry = fields.entries([answer.data], "orders")[0]
        if not orders.is_order(entry):
            return Answer(outcome=Outcome.OK, value=None, observed=answer.observed)
        nothing: Answer[Entries] = Answer(outcome=Outcome.OK, value=[])
        refunds = _refunds(conversation, external_id) if orders.has_refunds(entry) else nothing
        if refunds.value is None:
            return client.relay(refunds)
        return answer.success(orders.read(entry, refunds=refunds.value))
    except Unreadable as error:
        return answer.unusable(str(error))


def since(conversation: Conversation, cursor: str) -> Answer[OrderPage]:
    """Orders by their last change. See `walking` for what a cursor holds and why pages overlap."""
    try:
        position = Cursor.parse(cursor)
    except NotACursor:
        reason = "The place we had reached in the shop's orders is unreadable. Clear it to read from the beginning."
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=reason)
    answer = conversation.ask("GET", "/orders", params=_asked(position))
    if not answer.ok:
        return client.failure(answer)
    try:
        entries = fields.entries(answer.data, "orders")
        _require_asked_for(position, entries)
        last = max((orders.changed_at(entry) for entry in entries), default=None)
        following = position.following(full=_goes_on(position, answer, entries), last=last, page_size=PAGE_SIZE)
        if following.caught_up:
            binned = _binned(conversation, position)
            if binned.value is None:
                return client.relay(binned)
            entries = entries + binned.value
        told, unread = _read(conversation, entries)
    except Unreadable as error:
        return answer.unusable(str(error))
    page = OrderPage(orders=tuple(told), unread=tuple(unread), cursor=str(following), more=not following.caught_up)
    return answer.success(page)


def _asked(position: Cursor) -> dict[str, str]:
    return position.params(page_size=PAGE_SIZE) | {"_fields": orders.FIELDS}


def _require_asked_for(position: Cursor, entries: Entries) -> None:
    """An older shop, or a plugin, may drop our bounds or our order, and a poll would pass orders over. Raises Unreadable."""
    stamps = [orders.changed_at(entry) for entry in entries]
    if position.after is not None and any(stamp < position.after for stamp in stamps):
        raise Unreadable("it tells orders that did not change since, so it may be older than WooCommerce 7.9")
    if position.mode is not Mode.INSTANT and stamps != sorted(stamps):
        raise Unreadable("its orders do not come by their last change, so a plugin may sort them otherwise")


def _goes_on(position: Cursor, answer: HttpAnswer, entries: Entries) -> bool:
    # Whoever skips by an offset is shown a next page whatever there is: then the end is where nothing comes.
    return bool(entries) if position.mode is Mode.INSTANT else _has_more(answer, entries)


def _has_more(answer: HttpAnswer, entries: Entries) -> bool:
    # The shop leaves out what the key may not read, so a page that is not full may have a next one all the same.
    return len(entries) >= PAGE_SIZE or client.has_next_page(answer)


def _binned(conversation: Conversation, position: Cursor) -> Answer[Entries]:
    """Orders that staff threw away since: they give their codes back, and the shop's list of all leaves them out.

    A first reading needs none: what was thrown away before we knew it was never told.
    """
    if position.after is None:
        return Answer(outcome=Outcome.OK, value=[])
    found: Entries = []
    for page in range(1, MOST_BINNED_PAGES + 1):
        params = _asked(Cursor(position.at)) | {"status": "trash", "page": str(page)}
        answer = conversation.ask("GET", "/orders", params=params)
        if not answer.ok:
            return client.failure(answer)
        entries = fields.entries(answer.data, "orders")
        found += entries
        if not _has_more(answer, entries):
            break
    return Answer(outcome=Outcome.OK, value=found)


def _read(
    conversation: Conversation, entries: Iterable[Mapping[str, Any]]
) -> tuple[list[ShopOrder], list[UnreadOrder]]:
    """The orders of a page, and those that do not fit. Raises Unreadable for one without a number."""
    told: list[ShopOrder] = []
    unread: list[UnreadOrder] = []
    asked = 0
    for entry in entries:
        external_id = str(fields.identity(entry))
        try:
            if not orders.is_order(entry):
                continue
            refunds: Entries = []
            if orders.has_refunds(entry):
                asked += 1
                refunds = _refunds_of(conversation, entry, external_id, asked=asked)
            told.append(orders.read(entry, refunds=refunds))
        except Unreadable as error:
            unread.append(UnreadOrder(external_id=external_id, reason=str(error)))
    return told, unread


def _refunds_of(conversation: Conversation, entry: Mapping[str, Any], external_id: str, *, asked: int) -> Entries:
    """Raises Unreadable, in words that differ for each change of the order, so that each is looked into."""
    changed = f"{orders.changed_at(entry).astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    if asked > MOST_ASKED or conversation.seconds_left < SECONDS_KEPT:
        raise Unreadable(f"its refunds as of {changed} are still to be asked for")
    answer = _refunds(conversation, external_id)
    if answer.value is None:
        raise Unreadable(f"its refunds as of {changed} were not told")
    return answer.value


def _refunds(conversation: Conversation, external_id: str) -> Answer[Entries]:
    answer = conversation.ask("GET", f"/orders/{external_id}/refunds", params={"per_page": "100"})
    if not answer.ok:
        return client.failure(answer)
    try:
        return answer.success(fields.entries(answer.data, "refunds"))
    except Unreadable as error:
        return answer.unusable(str(error))
