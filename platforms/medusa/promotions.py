"""Promotions: what we ask the shop to store, what it shows, and where the two differ. Pure.

A code is a promotion for one order. Its first and last day stand in a campaign, which is made with it and is its own.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from loyalty.common import money
from platforms.adapter import CodeSpec, DiscountKind, PlatformCode, Refusal
from platforms.medusa import cursors, fields

REFERENCE_KEY = "loyalty_desk_reference"  # in the promotion's metadata, which shoppers never see
OUR_CAMPAIGNS = "loyalty-desk-"  # how the identifiers of campaigns begin that belong to one code of ours
PRODUCT, COLLECTION = "items.product.id", "items.product.collection_id"
EMAIL = "email"
# What is in the cart before any discount, so that none takes the cart below the minimum of its own code.
MINIMUM = "original_item_total"
OTHER_MINIMUMS = frozenset({MINIMUM, "original_item_subtotal", "item_total", "item_subtotal", "subtotal", "total"})
HUNDRED = Decimal(100)
CLOCK_STEP = timedelta(seconds=1)

FIELDS = (
    "id,code,status,is_automatic,limit,used,metadata,created_at,*campaign,*campaign.budget,*application_method,"
    "*application_method.target_rules,*application_method.target_rules.values,*rules,*rules.values"
)


class CannotMake(ValueError):
    """The code cannot be made in this shop; `refusal` says which kind of no it is, the text why."""

    def __init__(self, refusal: Refusal, sentence: str) -> None:
        super().__init__(sentence)
        self.refusal = refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """One promotion as the shop has it now."""

    code: PlatformCode
    status: str
    is_automatic: bool
    target: str
    limit: int | None
    campaign_id: str
    campaign_is_ours: bool
    emails: frozenset[str]
    created_at: datetime

    @property
    def is_ours(self) -> bool:
        return bool(self.code.reference)

    @property
    def is_active(self) -> bool:
        return self.status == "active"


Rules = list[tuple[str, str, tuple[str, ...]]]


def read(entry: Mapping[str, Any], *, now: datetime) -> Promotion:
    """A promotion from the shop's JSON. Raises Unreadable."""
    status, limit, used = fields.text(entry, "status"), fields.maybe_count(entry, "limit"), fields.count(entry, "used")
    campaign = fields.maybe_mapping(entry, "campaign")
    expires_at = fields.maybe_instant(campaign, "ends_at")
    is_live = status == "active" and (expires_at is None or expires_at > now)
    spent = (limit is not None and used >= limit) or _budget_is_spent(campaign)
    method = fields.maybe_mapping(entry, "application_method")
    kind, value, target = _effect(method)
    targets, rules = _rules(method, "target_rules"), _rules(entry, "rules")
    product = _free_product(method, targets) if (kind, value) == ("percentage", HUNDRED) else ""
    on_goods = target in {"order", "items"} and not product
    code = PlatformCode(
        code=fields.text(entry, "code"),
        remote_id=fields.identity(entry),
        alive=is_live and not spent,
        reference=fields.maybe_text(fields.maybe_mapping(entry, "metadata"), REFERENCE_KEY, longest=120),
        uses=_uses(is_live=is_live, limit=limit, used=used),
        percent=value if kind == "percentage" and on_goods else None,
        amount=value if kind == "fixed" and on_goods else None,
        product_reference=product,
        minimum_order=_minimum(rules),
        collections=tuple(sorted(_values(targets, COLLECTION))),
        expires_at=expires_at,
    )
    return Promotion(
        code=code,
        status=status,
        is_automatic=fields.flag(entry, "is_automatic"),
        target=target,
        limit=limit,
        campaign_id=fields.maybe_text(campaign, "id", longest=fields.LONGEST_ID),
        campaign_is_ours=fields.maybe_text(campaign, "campaign_identifier").startswith(OUR_CAMPAIGNS),
        emails=frozenset(email.casefold() for email in _values(rules, EMAIL)),
        created_at=fields.instant(entry, "created_at"),
    )


def read_or_bare(entry: Mapping[str, Any], *, now: datetime) -> Promotion:
    """The same of one in a list: one whose worth cannot be read, as of the merchant's own, is told without it."""
    try:
        return read(entry, now=now)
    except fields.Unreadable:
        return read({**entry, "application_method": None, "rules": [], "metadata": None}, now=now)


def _uses(*, is_live: bool, limit: int | None, used: int) -> int | None:
    # Medusa counts only while the promotion lives and has a limit. A cart that was ready when the code was switched off,
    # or ran out, still redeems it, and nought stays nought: then only orders tell.
    if used:
        return used
    return 0 if is_live and limit is not None else None


def _budget_is_spent(campaign: Mapping[str, Any]) -> bool:
    budget = fields.maybe_mapping(campaign, "budget")
    if fields.maybe_text(budget, "type") not in {"usage", "spend"} or not budget.get("limit"):
        return False
    return fields.amount(budget, "used") >= fields.amount(budget, "limit")


def _effect(method: Mapping[str, Any]) -> tuple[str, Decimal, str]:
    if not method:
        return "", Decimal(0), ""
    return fields.text(method, "type"), fields.amount(method, "value"), fields.text(method, "target_type")


def _rules(data: Mapping[str, Any], name: str) -> Rules:
    return [
        (
            fields.text(rule, "attribute"),
            fields.text(rule, "operator"),
            tuple(fields.text(value, "value") for value in fields.objects(rule, "values")),
        )
        for rule in fields.maybe_objects(data, name)
    ]


def _values(rules: Rules, attribute: str) -> tuple[str, ...]:
    return tuple(value for name, how, values in rules if name == attribute and how in {"in", "eq"} for value in values)


def _minimum(rules: Rules) -> Decimal | None:
    found = [values for name, how, values in rules if name in OTHER_MINIMUMS and how == "gte" and values]
    return fields.written_amount(found[0][0], "the minimum order") or None if found else None


def _free_product(method: Mapping[str, Any], targets: Rules) -> str:
    products = _values(targets, PRODUCT)
    one = method.get("max_quantity") == 1 and method.get("allocation") == "once"
    return products[0] if one and len(targets) == len(products) == 1 else ""


def body_for(spec: CodeSpec, *, currency: str) -> dict[str, Any]:
    """The promotion to make, good for one order. Raises CannotMake."""
    body: dict[str, Any] = {
        "code": spec.code,
        "type": "standard",
        "status": "active",  # Medusa's own choice would be a draft, which no checkout takes
        "is_automatic": False,
        "limit": 1,
        # An amount is what the customer pays less, whether or not the shop's prices hold the tax.
        "is_tax_inclusive": spec.kind is DiscountKind.FIXED_AMOUNT,
        "metadata": {REFERENCE_KEY: spec.reference},
        "application_method": _method(spec, currency=currency),
        "rules": [],
    }
    if spec.minimum_order:
        least = _money(spec.minimum_order, "minimum order", spec=spec, currency=currency)
        body["rules"].append({"attribute": MINIMUM, "operator": "gte", "values": [f"{least.normalize():f}"]})
        body["application_method"]["currency_code"] = spec.currency.lower()  # a minimum means nothing in another one
    if spec.customer_email:
        # The shop compares letter by letter what was typed at the checkout.
        emails = sorted({spec.customer_email, spec.customer_email.lower()})
        body["rules"].append({"attribute": EMAIL, "operator": "in", "values": emails})
    if spec.expires_at is not None or spec.starts_at is not None:
        body["campaign"] = campaign_for(spec.code, spec.title, starts_at=spec.starts_at, expires_at=spec.expires_at)
    return body


def campaign_for(
    code: str, title: str, *, expires_at: datetime | None, starts_at: datetime | None = None
) -> dict[str, Any]:
    """The campaign that holds the days of one code. Its identifier is new each time: the shop takes none twice."""
    moments = {"starts_at": starts_at, "ends_at": expires_at}
    return {
        "name": title[:200] or code,
        "description": f"The days of the code {code}, made by Loyalty Desk",
        "campaign_identifier": f"{OUR_CAMPAIGNS}{code}-{secrets.token_hex(4)}",
        **{name: cursors.written(moment) for name, moment in moments.items() if moment is not None},
    }


def _method(spec: CodeSpec, *, currency: str) -> dict[str, Any]:
    match spec.kind:
        case DiscountKind.PERCENTAGE:
            if spec.percent is None or not 0 < spec.percent <= HUNDRED:
                raise CannotMake(Refusal.INVALID, "The percentage must be above 0 and at most 100. Correct the reward.")
            return {"type": "percentage", "value": _number(spec.percent), **_goods(spec)}
        case DiscountKind.FIXED_AMOUNT:
            if spec.amount is None or spec.amount <= 0:
                raise CannotMake(Refusal.INVALID, "The amount of the discount must be above 0. Correct the reward.")
            value = _number(_money(spec.amount, "discount", spec=spec, currency=currency))
            return {"type": "fixed", "value": value, "currency_code": spec.currency.lower(), **_goods(spec)}
        case DiscountKind.FREE_DELIVERY:
            _no_collections(spec, "free delivery")
            return {"type": "percentage", "value": 100, "target_type": "shipping_methods", "allocation": "across"}
        case DiscountKind.FREE_PRODUCT:
            _no_collections(spec, "a free product")
            rule = {"attribute": PRODUCT, "operator": "in", "values": [spec.product_reference]}
            once = {"target_type": "items", "allocation": "once", "max_quantity": 1, "target_rules": [rule]}
            return {"type": "percentage", "value": 100, **once}
        case DiscountKind.GIFT_CARD:
            reason = "Medusa has no gift cards without a plug-in. Give the reward another type, or choose another shop."
            raise CannotMake(Refusal.UNSUPPORTED, reason)


def _goods(spec: CodeSpec) -> dict[str, Any]:
    if not spec.collections:
        return {"target_type": "order", "allocation": "across"}
    rule = {"attribute": COLLECTION, "operator": "in", "values": list(spec.collections)}
    return {"target_type": "items", "allocation": "across", "target_rules": [rule]}


def _no_collections(spec: CodeSpec, what: str) -> None:
    if spec.collections:
        raise CannotMake(Refusal.UNSUPPORTED, f"Medusa cannot limit {what} to collections. Take them off the reward.")


def _money(amount: Decimal, what: str, *, spec: CodeSpec, currency: str) -> Decimal:
    if currency and spec.currency != currency:
        reason = (
            f"The {what} is in {spec.currency}, but this connection is set to {currency}. "
            "Correct the currency of the reward or of the connection."
        )
        raise CannotMake(Refusal.INVALID, reason)
    if not money.fits(amount, spec.currency):
        reason = f"The {what} {amount} has more decimals than {spec.currency} has. Correct the reward."
        raise CannotMake(Refusal.INVALID, reason)
    return amount


def _number(value: Decimal) -> int | float:
    """A number as JSON has it: Medusa refuses texts."""
    return int(value) if value == value.to_integral_value() else float(value)


def differences(spec: CodeSpec, made: Promotion) -> list[str]:
    """What the shop stored otherwise than asked."""
    code, free_product = made.code, spec.kind is DiscountKind.FREE_PRODUCT
    pairs: dict[str, tuple[object, object]] = {
        "code": (code.code, spec.code),
        "reference": (code.reference, spec.reference),
        "state": (made.status, "active"),
        "percentage": (code.percent, spec.percent if spec.kind is DiscountKind.PERCENTAGE else None),
        "amount": (code.amount, spec.amount if spec.kind is DiscountKind.FIXED_AMOUNT else None),
        "delivery": (made.target == "shipping_methods", spec.kind is DiscountKind.FREE_DELIVERY),
        "product": (code.product_reference, spec.product_reference if free_product else ""),
        "minimum order": (code.minimum_order, spec.minimum_order or None),
        "choice of collections": (code.collections, tuple(sorted(spec.collections))),
        "customer": (made.emails, frozenset({spec.customer_email.casefold()} if spec.customer_email else ())),
        "limit of uses": (made.limit, 1),
    }
    found = [name for name, (stored, asked) in pairs.items() if stored != asked]
    return found if same_end(code.expires_at, spec.expires_at) else [*found, "expiry"]


def same_end(stored: datetime | None, asked: datetime | None) -> bool:
    """Whether both are one instant, as exactly as the shop keeps it."""
    if stored is None or asked is None:
        return stored is asked
    return abs(stored - asked) <= CLOCK_STEP
