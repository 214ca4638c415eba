"""Reading orders: one, or those that changed since a cursor.

Taking or authorizing the money of an order leaves the order's own stamp alone. So beside each stretch of time in which
orders changed, the payments that changed in the same stretch are asked for, and their orders are read as well.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from platforms import walking
from platforms.adapter import Answer, OrderPage, Outcome, Refusal, ShopOrder, UnreadOrder
from platforms.medusa import client, cursors, fields, orders
from platforms.medusa.client import Conversation
from platforms.medusa.cursors import Cursor
from platforms.medusa.fields import Unreadable

PAGE_SIZE = 50  # an order comes with all its lines, asked for or not
PAYMENTS_A_PAGE = 100

Entries = list[Mapping[str, Any]]


def read_one(conversation: Conversation, external_id: str) -> Answer[ShopOrder | None]:
    """One order, whole."""
    path = f"/admin/orders/{quote(external_id, safe='')}"
    answer = conversation.ask("GET", path, params={"fields": orders.FIELDS})
    if not answer.ok:
        gone: Answer[ShopOrder | None] = Answer(outcome=Outcome.OK, value=None, observed=answer.observed)
        return gone if client.is_missing(answer) else client.failure(answer)
    try:
        return answer.success(orders.read(fields.mapping(answer.data, "order")))
    except Unreadable as error:
        return answer.unusable(str(error))


def since(conversation: Conversation, cursor: str) -> Answer[OrderPage]:
    """Orders by their last change. See `walking` for what a cursor holds and why pages overlap."""
    try:
        position = Cursor.parse(cursor)
    except walking.NotACursor:
        reason = "The place we had reached in the shop's orders is unreadable. Clear it to read from the beginning."
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=reason)
    params = position.params("updated_at", page_size=PAGE_SIZE) | {"fields": orders.FIELDS}
    answer = conversation.ask("GET", "/admin/orders", params=params)
    if not answer.ok:
        return client.failure(answer)
    try:
        entries = fields.objects(answer.data, "orders")
        _require_asked_for(position, entries)
        last = max((orders.changed_at(entry) for entry in entries), default=None)
        following = position.following(full=len(entries) >= PAGE_SIZE, last=last, page_size=PAGE_SIZE)
        paid = _paid_meanwhile(conversation, position, following, known={fields.identity(entry) for entry in entries})
        if paid.value is None:
            return client.relay(paid)
        told, unread = _read(entries + paid.value)
    except Unreadable as error:
        return answer.unusable(str(error))
    page = OrderPage(orders=tuple(told), unread=tuple(unread), cursor=str(following), more=not following.caught_up)
    return answer.success(page)


def _require_asked_for(position: Cursor, entries: Entries) -> None:
    """Medusa ignores some filters without a word, and a poll would pass orders over. Raises Unreadable."""
    stamps = [orders.changed_at(entry) for entry in entries]
    if position.after is not None and any(stamp < position.after for stamp in stamps):
        raise Unreadable("it tells orders that did not change since")
    if position.mode is not walking.Mode.INSTANT and stamps != sorted(stamps):
        raise Unreadable("its orders do not come by their last change")


def _paid_meanwhile(
    conversation: Conversation, position: Cursor, following: Cursor, *, known: set[str]
) -> Answer[Entries]:
    """Further orders whose payments changed in the stretch of time that the page covers.

    A first reading needs none: it sees every payment as it is.
    """
    if position.after is None or position.mode is walking.Mode.INSTANT:
        return Answer(outcome=Outcome.OK, value=[])
    end = None if following.caught_up or following.at is None else following.at + Cursor.width
    ids = _orders_of_payments(conversation, after=position.after, before=end)
    if ids.value is None:
        return client.relay(ids)
    wanted = [each for each in ids.value if each not in known]
    found: Entries = []
    for start in range(0, len(wanted), PAGE_SIZE):
        answer = _by_ids(conversation, wanted[start : start + PAGE_SIZE])
        if answer.value is None:
            return answer
        found += answer.value
    return Answer(outcome=Outcome.OK, value=found)


def _orders_of_payments(conversation: Conversation, *, after: datetime, before: datetime | None) -> Answer[list[str]]:
    bounds = cursors.between("updated_at", after=after, before=before)
    found: dict[str, None] = {}
    skip = 0
    while True:
        params = bounds | {
            "fields": "id,updated_at,payment_collection.order.id",
            "order": "id",
            "limit": str(PAYMENTS_A_PAGE),
            "offset": str(skip),
        }
        answer = conversation.ask("GET", "/admin/payments", params=params)
        if not answer.ok:
            return client.failure(answer)
        payments = fields.objects(answer.data, "payments")
        for payment in payments:
            order = fields.maybe_mapping(fields.maybe_mapping(payment, "payment_collection"), "order")
            if order:
                found[fields.identity(order)] = None
        if len(payments) < PAYMENTS_A_PAGE:
            return Answer(outcome=Outcome.OK, value=list(found), observed=answer.observed)
        # One that changes meanwhile leaves the stretch, and must not push another out of sight.
        skip += PAYMENTS_A_PAGE - PAYMENTS_A_PAGE // walking.SPARE


def _by_ids(conversation: Conversation, ids: Sequence[str]) -> Answer[Entries]:
    params = {f"id[{place}]": each for place, each in enumerate(ids)}
    params |= {"fields": orders.FIELDS, "limit": str(PAGE_SIZE)}
    answer = conversation.ask("GET", "/admin/orders", params=params)
    return answer.success(fields.objects(answer.data, "orders")) if answer.ok else client.failure(answer)


def _read(entries: Iterable[Mapping[str, Any]]) -> tuple[list[ShopOrder], list[UnreadOrder]]:
    """The orders of a page, and those that do not fit. Raises Unreadable for one without an id."""
    told: list[ShopOrder] = []
    unread: list[UnreadOrder] = []
    for entry in entries:
        try:
            told.append(orders.read(entry))
        except Unreadable as error:
            unread.append(UnreadOrder(external_id=fields.identity(entry), reason=str(error)))
    return sorted(told, key=lambda order: (order.updated_at, order.external_id)), unread
