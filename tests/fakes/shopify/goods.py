"""What the fake shop sells, and to whom."""

from decimal import Decimal

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
