"""Coupons: what we ask the shop to store, what it shows, and where the two differ. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from platforms.adapter import CodeSpec, DiscountKind, PlatformCode, Refusal
from platforms.woocommerce import fields

# The coupon carries our reference where shoppers and the coupon's own page never show it.
REFERENCE_KEY = "_loyalty_desk_reference"
# Switching a coupon to draft frees its name for another one, and the shop ignores it here. So it ends long ago instead:
# whatever the shop's time zone, and never to be mistaken for a day that ran out by itself.
DISABLED_AT = "2000-01-01T00:00:00"
_DISABLED_BEFORE = datetime(2001, 1, 1, tzinfo=UTC)
CLOCK_STEP = timedelta(seconds=1)  # the shop keeps whole seconds
CLOCK_SKEW = timedelta(minutes=1)
HUNDRED = Decimal(100)


class CannotMake(ValueError):
    """The coupon cannot be made in this shop; `refusal` says which kind of no it is, the text why."""

    def __init__(self, refusal: Refusal, sentence: str) -> None:
        super().__init__(sentence)
        self.refusal = refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupon:
    """One coupon as the shop has it now."""

    number: int
    code: PlatformCode
    discount_type: str
    free_shipping: bool
    used: int  # unpaid orders included
    usage_limit: int | None
    items_limit: int | None
    products: tuple[str, ...]
    emails: tuple[str, ...]
    created_at: datetime

    @property
    def is_ours(self) -> bool:
        return bool(self.code.reference)

    @property
    def is_disabled(self) -> bool:
        """Switched off by us, as opposed to run out."""
        return self.code.expires_at is not None and self.code.expires_at < _DISABLED_BEFORE


def read(entry: Mapping[str, Any], *, now: datetime) -> Coupon:
    """A coupon from the shop's JSON. Raises Unreadable."""
    number, used = fields.identity(entry), fields.count(entry, "usage_count")
    usage_limit, items_limit = fields.limit(entry, "usage_limit"), fields.limit(entry, "limit_usage_to_x_items")
    expires_at = fields.maybe_instant(entry, "date_expires_gmt")
    discount_type, value = fields.text(entry, "discount_type", longest=100), fields.amount(entry, "amount")
    free_shipping, products = fields.flag(entry, "free_shipping"), fields.identities(entry, "product_ids")
    is_percent = discount_type == "percent"
    is_valid = fields.text(entry, "status", longest=100) == "publish" and (expires_at is None or expires_at > now)
    is_taken = usage_limit is not None and used >= usage_limit
    is_product = is_percent and value == HUNDRED and items_limit == 1 and len(products) == 1
    code = PlatformCode(
        code=fields.named(entry, "code"),
        remote_id=str(number),
        alive=is_valid and not is_taken,
        reference=_reference(entry),
        # The shop's count includes unpaid orders, so only nought says how many completed ones there are.
        uses=None if used else 0,
        taken=is_valid and is_taken,
        percent=value if is_percent and not is_product else None,
        amount=value if not is_percent and (value or not free_shipping) else None,
        product_reference=products[0] if is_product else "",
        minimum_order=fields.amount(entry, "minimum_amount") or None,
        collections=fields.identities(entry, "product_categories"),
        expires_at=expires_at,
    )
    return Coupon(
        number=number,
        code=code,
        discount_type=discount_type,
        free_shipping=free_shipping,
        used=used,
        usage_limit=usage_limit,
        items_limit=items_limit,
        products=products,
        emails=fields.texts(entry, "email_restrictions"),
        created_at=fields.instant(entry, "date_created_gmt"),
    )


def _reference(entry: Mapping[str, Any]) -> str:
    for meta in fields.objects(entry, "meta_data"):
        if meta.get("key") == REFERENCE_KEY:
            return fields.text(meta, "value", longest=120)
    return ""


def body_for(spec: CodeSpec, *, currency: str, zone: tzinfo, now: datetime) -> dict[str, Any]:
    """The coupon to make, good for one order. Raises CannotMake."""
    if spec.starts_at is not None and spec.starts_at > now + CLOCK_SKEW:
        reason = "WooCommerce's coupons have no first day, so the code would work too early. Let the reward start now."
        raise CannotMake(Refusal.UNSUPPORTED, reason)
    body: dict[str, Any] = {
        "code": spec.code,
        "description": spec.title[:200],
        "usage_limit": 1,
        "meta_data": [{"key": REFERENCE_KEY, "value": spec.reference}],
        **_discount(spec, currency=currency),
    }
    if spec.minimum_order:
        body["minimum_amount"] = _money(spec.minimum_order, "minimum order", spec=spec, currency=currency)
    if spec.collections:
        body["product_categories"] = [_number(each, "product category") for each in spec.collections]
    if spec.customer_email:
        body["email_restrictions"] = [spec.customer_email]
    if spec.expires_at is not None:
        body["date_expires"] = local_time(spec.expires_at, zone)
    return body


def _discount(spec: CodeSpec, *, currency: str) -> dict[str, Any]:
    match spec.kind:
        case DiscountKind.PERCENTAGE:
            return _percentage(spec)
        case DiscountKind.FIXED_AMOUNT:
            return _fixed_amount(spec, currency=currency)
        case DiscountKind.FREE_DELIVERY:
            return {"discount_type": "fixed_cart", "amount": "0", "free_shipping": True}
        case DiscountKind.FREE_PRODUCT:
            product = _number(spec.product_reference, "product")
            everything = {"discount_type": "percent", "amount": "100"}
            return {**everything, "product_ids": [product], "limit_usage_to_x_items": 1}
        case DiscountKind.GIFT_CARD:
            reason = "WooCommerce has no gift cards of its own. Give the reward another type, or choose another shop."
            raise CannotMake(Refusal.UNSUPPORTED, reason)


def _percentage(spec: CodeSpec) -> dict[str, Any]:
    if spec.percent is None or not 0 < spec.percent <= HUNDRED:
        raise CannotMake(Refusal.INVALID, "The percentage must be above 0 and at most 100. Correct the reward.")
    return {"discount_type": "percent", "amount": _written(spec.percent, "percentage")}


def _fixed_amount(spec: CodeSpec, *, currency: str) -> dict[str, Any]:
    if spec.collections:
        # It would be taken off the whole cart as soon as one fitting product lies there.
        reason = "WooCommerce cannot limit a fixed amount to product categories. Choose a percentage, or none."
        raise CannotMake(Refusal.UNSUPPORTED, reason)
    if spec.amount is None or spec.amount <= 0:
        raise CannotMake(Refusal.INVALID, "The amount of the discount must be above 0. Correct the reward.")
    return {"discount_type": "fixed_cart", "amount": _money(spec.amount, "discount", spec=spec, currency=currency)}


def _money(amount: Decimal, what: str, *, spec: CodeSpec, currency: str) -> str:
    if currency and spec.currency != currency:
        reason = (
            f"The {what} is in {spec.currency}, but this connection is set to {currency}. "
            "Correct the currency of the reward or of the connection."
        )
        raise CannotMake(Refusal.INVALID, reason)
    return _written(amount, what)


def _written(value: Decimal, what: str) -> str:
    # The shop shows two decimals of what it keeps, whatever the currency: more could not be read back.
    if value != value.quantize(Decimal("0.01")):
        reason = f"WooCommerce shows two decimals only, and the {what} has more. Correct the reward."
        raise CannotMake(Refusal.INVALID, reason)
    return f"{value.quantize(Decimal('0.01')):f}"


def _number(reference: str, what: str) -> int:
    if re.fullmatch(rf"[1-9]\d{{0,{fields.LONGEST_ID - 1}}}", reference, re.ASCII) is None:
        reason = (
            f"WooCommerce names a {what} by its number, and {reference[:40]!r} is none. Point at it in the list in the "
            "shop's admin and read the number after ID, post= or tag_ID=."
        )
        raise CannotMake(Refusal.INVALID, reason)
    return int(reference)


def local_time(moment: datetime, zone: tzinfo) -> str:
    """An instant as the shop reads `date_expires`: by its own wall clock, without a zone.

    In the hour that comes twice in autumn only a zone says which one is meant; the shop takes that too.
    """
    there = moment.astimezone(zone).replace(microsecond=0)
    if there.utcoffset() != there.replace(fold=1 - there.fold).utcoffset():
        return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"
    return f"{there:%Y-%m-%dT%H:%M:%S}"


def differences(spec: CodeSpec, made: Coupon) -> list[str]:
    """What the shop stored otherwise than asked: WooCommerce drops what it does not take without a word."""
    code, free_product = made.code, spec.kind is DiscountKind.FREE_PRODUCT
    pairs: dict[str, tuple[object, object]] = {
        "code": (code.code.casefold(), spec.code.casefold()),
        "reference": (code.reference, spec.reference),
        "percentage": (code.percent, spec.percent if spec.kind is DiscountKind.PERCENTAGE else None),
        "amount": (code.amount, spec.amount if spec.kind is DiscountKind.FIXED_AMOUNT else None),
        "delivery": (made.free_shipping, spec.kind is DiscountKind.FREE_DELIVERY),
        "product": (code.product_reference, spec.product_reference if free_product else ""),
        "choice of products": (made.products, (spec.product_reference,) if free_product else ()),
        "minimum order": (code.minimum_order, spec.minimum_order or None),
        "choice of categories": (code.collections, tuple(sorted(spec.collections, key=int))),
        "customer": (
            {email.casefold() for email in made.emails},
            {spec.customer_email.casefold()} if spec.customer_email else set(),
        ),
        "limit of uses": (made.usage_limit, 1),
    }
    found = [name for name, (stored, asked) in pairs.items() if stored != asked]
    return found if _same_end(code.expires_at, spec.expires_at) else [*found, "expiry"]


def _same_end(stored: datetime | None, asked: datetime | None) -> bool:
    if stored is None or asked is None:
        return stored is asked
    return abs(stored - asked) <= CLOCK_STEP
