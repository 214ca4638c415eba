"""Code discounts in the fake shop, with the checks that a schema cannot express."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.fakes.shopify import goods
from tests.fakes.shopify.goods import gid
from tests.fakes.shopify.redeeming import RedeemCode

Problem = dict[str, Any]
REQUIRED = {"code", "title", "startsAt", "context"}
_DECIMAL = re.compile(r"\d{1,15}(\.\d{1,3})?")


@dataclass(slots=True, kw_only=True)
class Discount:
    number: int
    kind: str
    given: dict[str, Any]
    codes: list[RedeemCode]
    starts_at: datetime
    ends_at: datetime | None
    tags: list[str]
    gone: int = 0  # counted uses of codes that were taken out
    told_count: int | None = None  # how many codes it says it has, where that runs behind
    searches_codes: bool = True  # False: the search among its codes finds none

    @property
    def code(self) -> str:
        """Its first one."""
        return self.codes[0].code if self.codes else ""

    def named(self, code: str) -> RedeemCode | None:
        """Its code of this text, in any case."""
        return next((one for one in self.codes if one.code.casefold() == code.casefold()), None)

    @property
    def status(self) -> str:
        now = datetime.now(UTC)
        if self.ends_at is not None and self.ends_at <= now:
            return "EXPIRED"
        return "SCHEDULED" if self.starts_at > now else "ACTIVE"

    @property
    def customers(self) -> list[str] | None:
        return (self.given["context"].get("customers") or {}).get("add")


def problem(name: str, code: str | None, message: str) -> Problem:
    return {"field": ["discount", name], "code": code, "message": message, "extraInfo": None}


def moment(text: str | None) -> datetime | None:
    """Raises ValueError for what is no instant with a zone."""
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found.astimezone(UTC).replace(microsecond=0)


def problems(kind: str, given: dict[str, Any], *, customers: dict[str, str], fresh: bool) -> list[Problem]:
    """What Shopify would say against it, as its userErrors."""
    wanted = REQUIRED | ({"customerGets"} if kind == "DiscountCodeBasic" else set())
    found = [
        problem(name, "BLANK", f"{name} can't be blank") for name in sorted(wanted) if fresh and not given.get(name)
    ]
    found += _dates(given)
    tags = given.get("tags") or []
    if len(tags) > 5:
        found.append(problem("tags", "TOO_MANY_TAGS", "A discount has five tags at most"))
    if any(len(tag) > 255 or "," in tag for tag in tags):
        found.append(problem("tags", "INVALID_TAG_LENGTH", "A tag is too long"))
    if given.get("usageLimit") is not None and given["usageLimit"] < 1:
        found.append(problem("usageLimit", "GREATER_THAN", "Usage limit must be greater than 0"))
    minimum = given.get("minimumRequirement") or {}
    if minimum.get("subtotal") and minimum.get("quantity"):
        code = "MINIMUM_SUBTOTAL_AND_QUANTITY_RANGE_BOTH_PRESENT"
        found.append(problem("minimumRequirement", code, "Only one of both"))
    found += _money((minimum.get("subtotal") or {}).get("greaterThanOrEqualToSubtotal"), "minimumRequirement")
    for one in ((given.get("context") or {}).get("customers") or {}).get("add") or []:
        if one not in customers:
            found.append(problem("context", "INVALID", f"Customer {one} does not exist"))
    return found + (_gets(given["customerGets"]) if given.get("customerGets") else [])


def _dates(given: dict[str, Any]) -> list[Problem]:
    try:
        start, end = moment(given.get("startsAt")), moment(given.get("endsAt"))
    except ValueError:
        return [problem("startsAt", "INVALID", "Not a date")]
    if start and end and end <= start:
        return [problem("endsAt", "END_DATE_BEFORE_START_DATE", "Ends at needs to be after starts_at")]
    return []


def _gets(gets: dict[str, Any]) -> list[Problem]:
    value, items = gets.get("value") or {}, gets.get("items") or {}
    found = []
    if len(value) != 1 or len(items) != 1:
        found.append(problem("customerGets", "TOO_MANY_ARGUMENTS", "One value and one choice of items"))
    if "percentage" in value and not 0 < value["percentage"] <= 1:
        found.append(problem("customerGets", "VALUE_OUTSIDE_RANGE", "Value must be between 0.0 and 1.0"))
    found += _money((value.get("discountAmount") or {}).get("amount"), "customerGets")
    collections = goods.numbers("Collection", (items.get("collections") or {}).get("add") or [])
    variants = goods.numbers("ProductVariant", (items.get("products") or {}).get("productVariantsToAdd") or [])
    if not set(collections) <= set(goods.IN_COLLECTION) or not set(variants) <= set(goods.PRICES):
        found.append(problem("customerGets", "INVALID", "The collection or product does not exist"))
    return found


def _money(text: Any, name: str) -> list[Problem]:
    if text is None:
        return []
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text) or Decimal(text) <= 0:
        return [problem(name, "INVALID", "Amount must be a positive decimal, written as a text")]
    return []


def entitled(discount: Discount, basket: dict[str, int]) -> Decimal:
    """The worth of the goods in a basket that the discount is for."""
    items = (discount.given.get("customerGets") or {}).get("items") or {"all": True}
    fitting = set(basket)
    if "collections" in items:
        wanted = goods.numbers("Collection", items["collections"]["add"])
        fitting &= set().union(*(goods.IN_COLLECTION[one] for one in wanted))
    elif "products" in items:
        fitting &= set(goods.numbers("ProductVariant", items["products"]["productVariantsToAdd"]))
    return sum((goods.PRICES[one] * basket[one] for one in fitting), Decimal(0))


def reduction(discount: Discount, basket: dict[str, int]) -> Decimal:
    """What it takes off."""
    if discount.kind == "DiscountCodeFreeShipping":
        return goods.SHIPPING
    value, worth = discount.given["customerGets"]["value"], entitled(discount, basket)
    if "percentage" in value:
        return (worth * Decimal(str(value["percentage"]))).quantize(Decimal("0.01"))
    return min(worth, Decimal(value["discountAmount"]["amount"]))


def shown(discount: Discount, *, currency: str) -> dict[str, Any]:
    """A DiscountCodeNode, answered field by field."""
    given, minimum = discount.given, (discount.given.get("minimumRequirement") or {}).get("subtotal")
    body: dict[str, Any] = {
        "__typename": discount.kind,
        "title": given["title"],
        "status": discount.status,
        "startsAt": discount.starts_at.isoformat(),
        "endsAt": None if discount.ends_at is None else discount.ends_at.isoformat(),
        "usageLimit": given.get("usageLimit"),
        "asyncUsageCount": discount.gone + sum(one.counted for one in discount.codes),
        "tags": sorted(discount.tags),
        "codesCount": {"count": _count(discount), "precision": "EXACT"},
        "codes": lambda _, **wanted: _named(discount, **wanted),
        "combinesWith": {
            name: bool((given.get("combinesWith") or {}).get(name))
            for name in ("orderDiscounts", "productDiscounts", "shippingDiscounts")
        },
        "context": {"__typename": "DiscountBuyerSelectionAll"}
        if discount.customers is None
        else {"__typename": "DiscountCustomers", "customers": [{"id": one} for one in discount.customers]},
        "minimumRequirement": None,
    }
    if minimum:
        amount = money(minimum["greaterThanOrEqualToSubtotal"], currency)
        body["minimumRequirement"] = {"__typename": "DiscountMinimumSubtotal", "greaterThanOrEqualToSubtotal": amount}
    if discount.kind == "DiscountCodeBasic":
        body["customerGets"] = _shown_gets(given["customerGets"], currency)
    return {"id": gid("DiscountCodeNode", discount.number), "codeDiscount": body}


def _count(discount: Discount) -> int:
    return len(discount.codes) if discount.told_count is None else discount.told_count


def _named(
    discount: Discount, *, first: int, query: str | None = None, after: str | None = None, **_: Any
) -> dict[str, Any]:
    """A page of its codes; the search finds parts of them, a cursor is the number of a code."""
    found = [
        {"id": gid("DiscountRedeemCode", one.number), "code": one.code, "asyncUsageCount": one.counted}
        for one in discount.codes
        if one.number > int(after or 0)
        and (not query or (discount.searches_codes and query.casefold() in one.code.casefold()))
    ]
    end = found[:first][-1]["id"].rpartition("/")[2] if found else None
    info = {"hasNextPage": len(found) > first, "endCursor": end, "hasPreviousPage": False}
    return {"nodes": found[:first], "pageInfo": info}


def _shown_gets(gets: dict[str, Any], currency: str) -> dict[str, Any]:
    value, items = gets["value"], gets["items"]
    shown_value: dict[str, Any] = {"__typename": "DiscountPercentage", "percentage": value.get("percentage")}
    if "discountAmount" in value:
        off = value["discountAmount"]
        each = bool(off.get("appliesOnEachItem"))
        amount = money(off["amount"], currency)
        shown_value = {"__typename": "DiscountAmount", "amount": amount, "appliesOnEachItem": each}
    shown_items: dict[str, Any] = {"__typename": "AllDiscountItems"}
    if "collections" in items:
        nodes = [{"id": one} for one in sorted(items["collections"]["add"])]
        shown_items = {"__typename": "DiscountCollections", "collections": {"nodes": nodes}}
    elif "products" in items:
        nodes = [{"id": one} for one in items["products"]["productVariantsToAdd"]]
        shown_items = {"__typename": "DiscountProducts", "productVariants": {"nodes": nodes}, "products": {"nodes": []}}
    return {"value": shown_value, "items": shown_items}


def money(amount: object, currency: str) -> dict[str, str]:
    """Shopify drops the last zero of its decimals."""
    text = f"{Decimal(str(amount)):.2f}"
    return {"amount": text[:-1] if text.endswith("0") else text, "currencyCode": currency}


def allocated(discount: Discount, basket: dict[str, int], off: Decimal) -> dict[str, Decimal]:
    """What of the reduction each line bears: by its worth, and the last one what is left. Shipping's is no line's."""
    if discount.kind == "DiscountCodeFreeShipping":
        return {}
    worths = {one: entitled(discount, {one: many}) for one, many in basket.items()}
    whole, left, found = sum(worths.values(), Decimal(0)), off, {}
    for one in [name for name, worth in worths.items() if worth]:
        found[one] = (off * worths[one] / whole).quantize(Decimal("0.01"))
        left -= found[one]
    if found:
        found[list(found)[-1]] += left
    return found
