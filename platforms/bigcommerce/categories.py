"""The categories of products, which BigCommerce tells in its catalogue and not with an order."""

from collections.abc import Mapping, Sequence
from typing import Any

from platforms.adapter import Answer
from platforms.bigcommerce import client, fields

PATH = "/v3/catalog/products"

Sorted = Mapping[str, tuple[str, ...] | None]


def of(conversation: client.Conversation, products: Sequence[str]) -> Answer[Sorted]:
    """The number of each category, by which codes are limited, too; None for a product that is gone."""
    params = {"id:in": ",".join(products), "include_fields": "categories", "limit": "250"}
    answer = conversation.ask("GET", PATH, params=params)
    if not answer.ok:
        return answer.failure()
    try:
        told = {str(fields.identity(entry)): _numbers(entry) for entry in fields.entries(answer.data)}
    except fields.Unreadable as error:
        return answer.unusable(str(error))
    return answer.success({product: told.get(product) for product in products})


def _numbers(product: Mapping[str, Any]) -> tuple[str, ...] | None:
    numbers = product.get("categories")
    good = isinstance(numbers, list) and all(isinstance(each, int) and each > 0 for each in numbers)
    return tuple(str(each) for each in numbers or ()) if good else None
