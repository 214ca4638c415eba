"""The lines of a BigCommerce order, which stand in a place of their own: one question for each order.

They are asked for whatever rules there are, so that a rule made later finds them. A line names its product by its
number; categories stand in the catalogue (`categories`), and are asked for where a rule names some.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from platforms import items as shared
from platforms.adapter import Answer, Outcome, ShopItem
from platforms.bigcommerce import client, fields

PER_PAGE = 250  # an order of more lines is one whose items are not known
_EXACT = Decimal("0.0001")  # what the shop writes

Items = tuple[ShopItem, ...] | None


def of_order(conversation: client.Conversation, order_id: int) -> Answer[list[Items]]:
    """One entry: the order's items, or None where the shop does not show them; no order is held up by that."""
    answer = conversation.ask("GET", f"/v2/orders/{order_id}/products", params={"limit": str(PER_PAGE)})
    hidden = answer.status == 404 or (answer.outcome is Outcome.UNKNOWN and answer.status is not None)
    if not answer.ok and not hidden:
        return answer.failure()
    return client.ok(answer, [_read(answer.data) if answer.ok else None])


def _read(data: Any) -> Items:
    try:
        entries = fields.entries(data)
        return shared.kept([_item(entry) for entry in entries]) if len(entries) < PER_PAGE else None
    except fields.Unreadable:
        return None


def _item(entry: Mapping[str, Any]) -> ShopItem:
    """The shop tells what a line costs after discounts with tax, and its tax before them: the same share of it stays."""
    amount, before = fields.amount(entry, "discounted_total_inc_tax"), fields.amount(entry, "total_inc_tax")
    share = fields.amount(entry, "total_tax") / before if before else Decimal(0)
    product = fields.count(entry, "product_id")
    return shared.line(
        product=str(product) if product else "",
        quantity=fields.count(entry, "quantity"),
        amount=amount,
        tax=(amount * share).quantize(_EXACT),
        categories=None,
    )
