"""What a shop tells us that its customers, or the law, ask of everybody who holds their data."""

from dataclasses import dataclass, field
from enum import StrEnum


class PrivacyKind(StrEnum):
    """What is asked."""

    DATA_REQUEST = "data_request"  # somebody wants to see what we hold about them
    ERASE_CUSTOMER = "erase_customer"  # somebody wants it erased
    ERASE_SHOP = "erase_shop"  # the shop has left


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyAsk:
    """One such request, as far as the platform says whom it is about: each part may be empty."""

    kind: PrivacyKind
    customer_external_id: str = ""
    customer_email: str = field(default="", repr=False)
    orders: tuple[str, ...] = ()  # the ids of the orders it names, as `ShopOrder.external_id` has them
