"""The categories of products, which WooCommerce tells with a product and not with an order."""

from collections.abc import Mapping, Sequence
from typing import Any

from platforms.adapter import Answer
from platforms.woocommerce import client, fields
from platforms.woocommerce.client import Conversation
from platforms.woocommerce.fields import Unreadable

Sorted = Mapping[str, tuple[str, ...] | None]


def of(conversation: Conversation, products: Sequence[str]) -> Answer[Sorted]:
    """Number and slug of each category; None for a product in the bin, or gone."""
    params = {"include": ",".join(products), "per_page": "100", "_fields": "id,categories"}
    answer = conversation.ask("GET", "/products", params=params)
    if not answer.ok:
        return client.failure(answer)
    try:
        told = {str(fields.identity(entry)): _names(entry) for entry in fields.entries(answer.data, "products")}
    except Unreadable as error:
        return answer.unusable(str(error))
    return answer.success({product: told.get(product) for product in products})


def _names(product: Mapping[str, Any]) -> tuple[str, ...] | None:
    try:
        entries = fields.objects(product, "categories")
        return tuple(name for each in entries for name in (str(fields.identity(each)), fields.named(each, "slug")))
    except Unreadable:
        return None
