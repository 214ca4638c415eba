"""The lines of a Shopify order: what was bought, for how much, and where it is sorted in the shop.

A product goes by its number in the shop's admin. Its categories are the numbers of its collections (the first ten),
its tags and its type.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from platforms import items as shared
from platforms.adapter import Answer, Outcome, ShopItem
from platforms.shopify import client, queries, values
from platforms.shopify.client import Conversation

A_PAGE = 45
MOST_PAGES = 12  # some 570 lines; the items of an order of more are not known

Entries = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class More:
    """The lines that did not fit into an order's first answer; None when they are too many to be read."""

    entries: Entries | None


def beginning(entry: Any) -> str:
    """Where the order's further lines begin; empty when it told all of them. Raises Unreadable."""
    info = values.mapping(values.mapping(entry, "lineItems"), "pageInfo")
    return values.text(info, "endCursor", longest=2000) if values.flag(info, "hasNextPage") else ""


def more(conversation: Conversation, order_id: str, *, after: str) -> Answer[More]:
    """The lines from there on, page by page. Raises Unreadable."""
    found: list[Mapping[str, Any]] = []
    for _ in range(MOST_PAGES):
        if not after:
            return Answer(outcome=Outcome.OK, value=More(found))
        answer = conversation.ask(queries.MORE_LINES, id=order_id, lines=A_PAGE, after=after)
        if answer.value is None:
            return client.relay(answer)
        entry = values.mapping(answer.value, "order")
        found += values.nodes(entry, "lineItems")
        after = beginning(entry)
    return Answer(outcome=Outcome.OK, value=More(None if after else found))


def items(entry: Mapping[str, Any], further: Entries) -> tuple[ShopItem, ...] | None:
    """All lines of the order. Raises Unreadable."""
    included = values.flag(entry, "taxesIncluded")
    return shared.kept([_item(line, included=included) for line in (*values.nodes(entry, "lineItems"), *further)])


def tax(line: Mapping[str, Any]) -> Decimal:
    """The taxes of a line of goods or of shipping. Raises Unreadable."""
    return sum((values.shop_money(one, "priceSet")[0] for one in values.objects(line, "taxLines")), Decimal(0))


def _item(line: Mapping[str, Any], *, included: bool) -> ShopItem:
    """Discounts of the whole order are allocated to its lines as well."""
    taken = (values.shop_money(one, "allocatedAmountSet")[0] for one in values.objects(line, "discountAllocations"))
    amount = values.shop_money(line, "originalTotalSet")[0] - sum(taken, Decimal(0))
    product = values.mapping(line, "product") if line.get("product") is not None else None
    return shared.line(
        product="" if product is None else values.number(product),
        quantity=values.count(line, "quantity"),
        amount=amount if included else amount + tax(line),
        tax=tax(line),
        categories=None if product is None else _categories(product),
    )


def _categories(product: Mapping[str, Any]) -> Iterator[str]:
    yield from (values.number(one) for one in values.nodes(product, "collections"))
    yield from values.texts(product, "tags")
    yield values.maybe_text(product, "productType")
