"""The lines of an order, so that rules can name them in every shop.

A product goes by the shop's own id of it, categories by what the shop's codes are limited to (`CodeSpec.collections`);
an adapter adds whatever else the shop sorts products by, such as tags. What cannot be kept is left out: an order is
worth more than the names of its lines.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from platforms.adapter import ShopItem
from platforms.redaction import is_plain

LONGEST_NAME = 120
MOST_CATEGORIES = 100
MOST_LINES = 1_000
NO_PRODUCT = "none"  # a line without one: it was typed in by hand, or its product is gone from the shop


def line(
    *, product: str, quantity: int, amount: Decimal, tax: Decimal | None, categories: Iterable[str] | None
) -> ShopItem:
    """One line. A rounding of the shop's that goes below nothing, or makes more tax than money, is evened out."""
    amount = max(amount, Decimal(0))
    return ShopItem(
        product=product if _fits(product) else NO_PRODUCT,
        quantity=quantity,
        amount=amount,
        tax=None if tax is None else min(max(tax, Decimal(0)), amount),
        categories=None if categories is None else tuple(sorted(set(filter(_fits, categories))))[:MOST_CATEGORIES],
    )


def kept(lines: Sequence[ShopItem]) -> tuple[ShopItem, ...] | None:
    """The lines as they can be kept; None, which is unknown, for an order of more lines than that."""
    return tuple(lines) if len(lines) <= MOST_LINES else None


def _fits(name: str) -> bool:
    return bool(name) and is_plain(name, longest=LONGEST_NAME)
