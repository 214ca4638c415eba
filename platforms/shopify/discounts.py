"""Which discount stands for a code of ours, and what a discount of the shop says. Pure.

A discount has one code, or many that share its terms: those we make together, and those of a merchant's own, which may
be thousands, some of them handed out by us from a pool. Our reference is a tag of the discount, which no shopper sees.
A second tag marks what we have switched off, because Shopify shows that as expired, and more time would bring it back.
A third marks a discount of ours for many codes: it keeps being one when all of them but one were taken out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from loyalty.common import money
from platforms.adapter import CodeSpec, CombinesWith, DiscountKind, PlatformCode, Refusal
from platforms.shopify import values
from platforms.shopify.values import Unreadable

OURS = "loyalty-desk"
OFF = "loyalty-desk-off"
MANY = "loyalty-desk-many"
REFERENCE = "loyalty-desk-ref-"
PRODUCT = "loyalty-desk-product-"  # the free product as the merchant named it, by product or by variant
PREFIX = "discounts/"  # of a remote id: what Shopify's admin has in its addresses
MOST_CODES = 250  # that we put under one discount, and that Shopify adds in one call
MOST_COLLECTIONS = 24  # one less than a question reads back
CLOCK_STEP = timedelta(seconds=1)  # what the shop may cut off an instant

BASIC, FREE_SHIPPING = "DiscountCodeBasic", "DiscountCodeFreeShipping"
_READABLE = {BASIC, FREE_SHIPPING, "DiscountCodeBxgy", "DiscountCodeApp"}
_COMBINATIONS = {
    CombinesWith.ORDER: "orderDiscounts",
    CombinesWith.PRODUCT: "productDiscounts",
    CombinesWith.SHIPPING: "shippingDiscounts",
}


class CannotMake(ValueError):
    """The code cannot be made in this shop; `refusal` says which kind of no it is, the text why."""

    def __init__(self, sentence: str, refusal: Refusal = Refusal.INVALID) -> None:
        super().__init__(sentence)
        self.refusal = refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One variant of a product that may be free, and its price in the shop."""

    variant_id: str  # global
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a code is bound to in the shop, in the shop's own words."""

    customer_id: str = ""  # global; empty: everybody
    product: Product | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """One code discount of the shop."""

    code: PlatformCode  # its `uses` are what Shopify has counted so far
    global_id: str
    number: str
    codes: int  # how many it has
    among_many: str = ""  # the global id of the one that was looked for, where it has several
    variant: str  # the number of the free product's
    kind: str  # Shopify's word
    status: str
    tags: tuple[str, ...]
    usage_limit: int | None
    combines: Mapping[str, bool]
    customers: tuple[str, ...] | None  # global ids; None: everybody
    currencies: frozenset[str]  # of all its amounts

    @property
    def is_ours(self) -> bool:
        return OURS in self.tags

    @property
    def is_for_one_use(self) -> bool:
        return self.usage_limit == 1

    @property
    def is_off(self) -> bool:
        return OFF in self.tags

    @property
    def is_ours_for_many(self) -> bool:
        return self.is_ours and MANY in self.tags

    @property
    def is_shared(self) -> bool:
        """Whether its codes are not it: what it counts, and its end, are not those of one code."""
        return self.codes > 1 or self.is_ours_for_many


def input_for(spec: CodeSpec, bounds: Bounds, *, currency: str, now: datetime) -> dict[str, Any]:
    """Shopify's input for a discount with this code, good for one order. Raises CannotMake."""
    if spec.currency != currency:
        raise CannotMake(
            f"The reward is in {spec.currency}, but the shop's connection in {currency}. Correct one of them."
        )
    wanted: dict[str, Any] = {
        "title": spec.title[:255],
        "code": spec.code,
        "startsAt": _start(spec, now=now).isoformat(),
        "endsAt": spec.expires_at.isoformat() if spec.expires_at else None,
        "usageLimit": 1,
        "appliesOncePerCustomer": True,
        "context": {"customers": {"add": [bounds.customer_id]}} if bounds.customer_id else {"all": "ALL"},
        "combinesWith": {name: sort in spec.combines_with for sort, name in _COMBINATIONS.items()},
        "tags": _tags(spec, bounds),
    }
    if spec.minimum_order:
        subtotal = _amount(spec.minimum_order, what="minimum order", currency=currency)
        wanted["minimumRequirement"] = {"subtotal": {"greaterThanOrEqualToSubtotal": subtotal}}
    if spec.kind is DiscountKind.FREE_DELIVERY:
        if spec.collections:
            raise CannotMake("Shopify cannot limit free delivery to collections. Take them out of the reward.")
        return wanted | {"destination": {"all": True}}
    return wanted | {
        "customerGets": {"items": _items(spec, bounds.product), "value": _value(spec, bounds.product, currency)}
    }


def _tags(spec: CodeSpec, bounds: Bounds) -> list[str]:
    """Four at most: Shopify takes five, and the fifth may come to mark it as switched off."""
    product = [PRODUCT + spec.product_reference] if bounds.product else []
    return [OURS, REFERENCE + spec.reference, *product, *([MANY] if spec.in_bulk else [])]


def _start(spec: CodeSpec, *, now: datetime) -> datetime:
    """Shopify wants a beginning, before the end."""
    start = spec.starts_at or now
    return start if spec.expires_at is None or start < spec.expires_at else spec.expires_at - timedelta(hours=1)


def _items(spec: CodeSpec, product: Product | None) -> dict[str, Any]:
    if product is not None:
        return {"products": {"productVariantsToAdd": [product.variant_id]}}
    if not spec.collections:
        return {"all": True}
    if len(spec.collections) > MOST_COLLECTIONS:
        raise CannotMake(f"A code can be limited to {MOST_COLLECTIONS} collections at most. Take some out.")
    ids = [values.global_id("Collection", reference) for reference in spec.collections]
    if not all(ids):
        wrong = spec.collections[ids.index("")]
        raise CannotMake(
            f"{wrong!r} is no collection's number. It is the last part of the address at which Shopify's admin shows "
            "the collection, such as 841564295. Correct the reward."
        )
    return {"collections": {"add": ids}}


def _value(spec: CodeSpec, product: Product | None, currency: str) -> dict[str, Any]:
    if spec.kind is DiscountKind.PERCENTAGE:
        if spec.percent is None or not 0 < spec.percent <= 100:
            raise CannotMake("The percentage must be above 0 and at most 100. Correct the reward.")
        return {"percentage": float(spec.percent / 100)}  # Shopify counts from 0 to 1
    amount = product.price if product is not None else spec.amount
    if amount is None or amount <= 0:
        raise CannotMake("The amount of the discount must be above 0. Correct the reward.")
    # Once for all entitled goods together: a variant's price off its own line makes one piece free, not all of them.
    return {
        "discountAmount": {
            "amount": _amount(amount, what="discount", currency=currency),
            "appliesOnEachItem": False,
        }
    }


def _amount(amount: Decimal, *, what: str, currency: str) -> str:
    try:
        return money.written(amount, currency)
    except ValueError as error:
        raise CannotMake(f"The {what} cannot be kept by the shop: {error} Correct the reward.") from error


def discount(node: Any) -> Discount:
    """One discount as the shop has it. Raises Unreadable."""
    if not isinstance(node, Mapping):
        raise Unreadable("the discount is no object")
    body = values.mapping(node, "codeDiscount")
    kind = values.text(body, "__typename")
    if kind not in _READABLE:
        raise Unreadable(f"a discount is of the unknown kind {kind}")
    tags = tuple(values.texts(body, "tags"))
    named = values.nodes(body, "codes")
    status = values.text(body, "status")
    percent, amount, variant, collections, currencies = _gives(body)
    minimum = _minimum(body, currencies)
    limit = body.get("usageLimit")
    number, reference = values.number(node), _tagged(tags, REFERENCE)
    return Discount(
        code=PlatformCode(
            code=values.text(named[0], "code") if named else "",
            remote_id=PREFIX + number,
            alive=status in {"ACTIVE", "SCHEDULED"} and OFF not in tags,
            reference=reference if OURS in tags else "",
            uses=values.count(body, "asyncUsageCount"),
            percent=percent,
            amount=None if variant else amount,
            product_reference=(_tagged(tags, PRODUCT) or variant) if variant else "",
            minimum_order=minimum,
            collections=collections,
            expires_at=values.maybe_instant(body, "endsAt"),
        ),
        global_id=values.text(node, "id"),
        number=number,
        codes=values.count(values.mapping(body, "codesCount"), "count"),
        variant=variant,
        kind=kind,
        status=status,
        tags=tags,
        usage_limit=None if limit is None else values.count(body, "usageLimit"),
        combines={name: flag for name, flag in (body.get("combinesWith") or {}).items() if isinstance(flag, bool)}
        if isinstance(body.get("combinesWith") or {}, Mapping)
        else {},
        customers=_customers(body),
        currencies=frozenset(currencies),
    )


def _tagged(tags: tuple[str, ...], beginning: str) -> str:
    return next((tag.removeprefix(beginning) for tag in tags if tag.startswith(beginning)), "")


def _gives(body: Mapping[str, Any]) -> tuple[Decimal | None, Decimal | None, str, tuple[str, ...], set[str]]:
    """Percentage, amount, free variant, collections, and the currencies met."""
    if body.get("__typename") != BASIC:
        return None, None, "", (), set()
    gets = values.mapping(body, "customerGets")
    value, items = values.mapping(gets, "value"), values.mapping(gets, "items")
    percent = amount = None
    currencies: set[str] = set()
    if value.get("__typename") == "DiscountPercentage":
        percent = (values.decimal(value, "percentage") * 100).normalize()
    elif value.get("__typename") == "DiscountAmount":
        amount, currency = values.money(value, "amount")
        currencies = {currency}
    variant = ""
    collections: tuple[str, ...] = ()
    if items.get("__typename") == "DiscountCollections":
        collections = tuple(sorted(values.number(entry) for entry in values.nodes(items, "collections")))
    elif items.get("__typename") == "DiscountProducts":
        variants = values.nodes(items, "productVariants")
        single = len(variants) == 1 and not values.nodes(items, "products")
        variant = values.number(variants[0]) if single and amount is not None else ""
    return percent, amount, variant, collections, currencies


def _minimum(body: Mapping[str, Any], currencies: set[str]) -> Decimal | None:
    wanted = body.get("minimumRequirement")
    if not isinstance(wanted, Mapping) or wanted.get("__typename") != "DiscountMinimumSubtotal":
        return None
    minimum, currency = values.money(wanted, "greaterThanOrEqualToSubtotal")
    currencies.add(currency)
    return minimum


def _customers(body: Mapping[str, Any]) -> tuple[str, ...] | None:
    context = body.get("context")
    if not isinstance(context, Mapping) or context.get("__typename") != "DiscountCustomers":
        return None
    return tuple(values.text(entry, "id") for entry in values.objects(context, "customers"))


def differences(spec: CodeSpec, made: Discount, bounds: Bounds) -> list[str]:
    """What the shop stored otherwise than we asked, in a word or two each."""
    stored = made.code
    percent = spec.percent if spec.kind is DiscountKind.PERCENTAGE else None
    amount = spec.amount if spec.kind is DiscountKind.FIXED_AMOUNT else None
    variant = values.number({"id": bounds.product.variant_id}) if bounds.product else ""
    collections = {values.global_id("Collection", one).rpartition("/")[2] for one in spec.collections}
    agrees = {
        "code": stored.code.casefold() == spec.code.casefold(),
        "reference": stored.reference == spec.reference,
        "set of tags": made.is_ours_for_many is spec.in_bulk,
        "percentage": stored.percent == percent,
        "amount": stored.amount == amount,
        "currency": made.currencies <= {spec.currency},
        "product": (made.variant, stored.product_reference) == (variant, spec.product_reference),
        "minimum order": stored.minimum_order == (spec.minimum_order or None),
        "choice of collections": set(stored.collections) == collections,
        "limit of uses": made.usage_limit == 1,
        "customer": made.customers == ((bounds.customer_id,) if bounds.customer_id else None),
        "set of combinations": all(
            made.combines.get(name) is (sort in spec.combines_with) for sort, name in _COMBINATIONS.items()
        ),
        "expiry": (stored.expires_at is None and spec.expires_at is None)
        or (
            stored.expires_at is not None
            and spec.expires_at is not None
            and abs(stored.expires_at - spec.expires_at) <= CLOCK_STEP
        ),
    }
    return [name for name, same in agrees.items() if not same]
