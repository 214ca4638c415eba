"""What the fake shop sells, and to whom."""

from decimal import Decimal
from typing import Any

MUG, PLATE = "11", "12"  # variants, each of a product of its own
MUG_PRODUCT, PLATE_PRODUCT, TEE_PRODUCT = "1", "2", "3"
KITCHEN, BATH = "501", "502"  # collections: mugs and plates are in the kitchen, nothing is in the bath

PRICES = {MUG: Decimal("24.00"), PLATE: Decimal("9.00"), "31": Decimal("15.00"), "32": Decimal("15.00")}
VARIANTS = {MUG_PRODUCT: [MUG], PLATE_PRODUCT: [PLATE], TEE_PRODUCT: ["31", "32"]}
IN_COLLECTION = {KITCHEN: {MUG, PLATE}, BATH: set[str]()}
SHIPPING = Decimal("4.90")


def gid(kind: str, number: object) -> str:
    return f"gid://shopify/{kind}/{number}"


def numbers(kind: str, ids: list[str]) -> list[str]:
    """The numbers of global ids of this kind. Raises ValueError for another's."""
    found = [one.removeprefix(f"gid://shopify/{kind}/") for one in ids]
    if not all(number.isdigit() for number in found):
        raise ValueError(f"{ids} are no ids of a {kind}")
    return found


def tax_on(amount: Decimal, rate: Decimal, *, included: bool) -> Decimal:
    """The tax on it, or the tax in it."""
    return (amount * rate / (1 + rate if included else 1)).quantize(Decimal("0.01"))


def lines_of(order: Any, currency: str) -> dict[str, Any]:
    """The fields of an order that tell its lines, its shipping and its taxes."""
    rate, included = order.tax_rate, order.taxes_included

    def bag(amount: Decimal) -> dict[str, Any]:
        return {"shopMoney": {"amount": str(amount), "currencyCode": currency}}

    def taxes(amount: Decimal) -> list[Any]:
        return [{"priceSet": bag(tax_on(amount, rate, included=included))}] if rate else []

    def line(variant: str) -> tuple[Decimal, dict[str, Any]]:
        worth, off = PRICES[variant] * order.basket[variant], order.allocated.get(variant)
        product = next((one for one, variants in VARIANTS.items() if variant in variants), None)
        return worth - (off or 0), {
            "quantity": order.basket[variant],
            "originalTotalSet": bag(worth),
            "discountAllocations": [] if off is None else [{"allocatedAmountSet": bag(off)}],
            "taxLines": lambda *_, **__: taxes(worth - (off or 0)),
            "product": None if product is None else _product(product, variant),
        }

    lines = [line(variant) for variant in order.basket]
    goods_off = sum(order.allocated.values(), Decimal(0))
    shipping = SHIPPING - (order.discount - goods_off)
    paid = [amount for amount, _ in lines] + [shipping]

    def page(_: Any, first: int, after: str = "0", **__: Any) -> dict[str, Any]:
        start = int(after)
        nodes = [shown for _, shown in lines[start : start + first]]
        more = len(lines) > start + first
        return {"nodes": nodes, "pageInfo": {"hasNextPage": more, "endCursor": str(start + len(nodes))}}

    return {
        "totalTaxSet": bag(sum((tax_on(part, rate, included=included) for part in paid), Decimal(0))),
        "taxesIncluded": included,
        "shippingLine": {"discountedPriceSet": bag(shipping), "taxLines": taxes(shipping)},
        "lineItems": page,
    }


def _product(number: str, variant: str) -> dict[str, Any]:
    inside = [one for one, variants in IN_COLLECTION.items() if variant in variants]
    return {
        "id": gid("Product", number),
        "productType": "Pottery",
        "tags": ["handmade", "x" * 200],
        "collections": lambda _, first, **__: {"nodes": [{"id": gid("Collection", one)} for one in inside[:first]]},
    }
