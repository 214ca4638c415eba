"""The lines of a Vendure order: what was bought, for how much, and in which collections it is.

A product goes by its id; its categories are the ids and the slugs of its collections. Prices are prorated: what a
discount of the whole order takes off stands in its lines.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from platforms import items as shared
from platforms.adapter import ShopItem
from platforms.vendure import fields, money


def items(entry: Mapping[str, Any], *, currency: str, precision: int) -> tuple[ShopItem, ...] | None:
    """All lines that still have pieces; None where staff or a cancellation took all of them away. Raises Unreadable."""
    lines = [line for line in fields.objects(entry, "lines") if fields.whole(line, "quantity") > 0]
    return shared.kept([_item(line, currency=currency, precision=precision) for line in lines]) if lines else None


def _item(line: Mapping[str, Any], *, currency: str, precision: int) -> ShopItem:
    paid, before_tax = fields.whole(line, "proratedLinePriceWithTax"), fields.whole(line, "proratedLinePrice")
    product = fields.mapping(fields.mapping(line, "productVariant"), "product")
    return shared.line(
        product=fields.text(product, "id"),
        quantity=fields.whole(line, "quantity"),
        amount=money.from_shop(paid, currency=currency, precision=precision),
        tax=money.from_shop(paid - before_tax, currency=currency, precision=precision),
        categories=_categories(product),
    )


def _categories(product: Mapping[str, Any]) -> Iterator[str]:
    for collection in fields.objects(product, "collections"):
        yield fields.text(collection, "id")
        yield fields.maybe_text(collection, "slug")
