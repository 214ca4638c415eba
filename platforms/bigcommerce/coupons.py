"""V2 coupons: percentage, fixed amount and free delivery, one coupon a code.

The listing also shows the codes of V3 promotions, as coupons of the type "promotion" without usable values; these are
left out here. A change has to repeat every field: what is left out of it is cleared, `applies_to` for certain.
"""

from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from platforms.adapter import Answer, CodeSpec, DiscountKind, PlatformCode
from platforms.bigcommerce import client, codes, fields
from platforms.bigcommerce.codes import CannotMake, Kept
from platforms.bigcommerce.options import Options
from platforms.http import HttpAnswer

KIND = "coupon"
PATH = "/v2/coupons"
ALL_CATEGORIES = 0
NOT_HERE = "promotion"  # the type under which V3's codes show up

_TYPES = {
    DiscountKind.PERCENTAGE: "percentage_discount",
    DiscountKind.FIXED_AMOUNT: "per_total_discount",
    DiscountKind.FREE_DELIVERY: "free_shipping",
}
_WRITABLE = (
    "name", "type", "amount", "min_purchase", "expires", "enabled", "code", "applies_to", "max_uses",
    "max_uses_per_customer", "restricted_to", "shipping_methods",
)  # fmt: skip
_NO_DELIVERY_COST = (
    "BigCommerce wants to know what delivery costs before it makes a code for free delivery. Enter the cost of delivery "
    "in the connection's settings."
)


def body_for(spec: CodeSpec, options: Options) -> dict[str, Any]:
    """A single-use coupon. Raises CannotMake."""
    body: dict[str, Any] = {
        "name": codes.name_of(spec.reference),
        "code": spec.code,
        "type": _TYPES[spec.kind],
        "amount": _amount(spec, options),
        "enabled": True,
        "applies_to": {"entity": "categories", "ids": codes.category_ids(spec) or [ALL_CATEGORIES]},
        "max_uses": 1,
        "max_uses_per_customer": 1,
    }
    if spec.minimum_order:
        body["min_purchase"] = fields.plain(spec.minimum_order)
    if spec.expires_at is not None:
        body["expires"] = format_datetime(spec.expires_at)
    return body


def _amount(spec: CodeSpec, options: Options) -> str:
    if spec.kind is DiscountKind.FREE_DELIVERY:
        if options.delivery_cost is None:
            raise CannotMake(_NO_DELIVERY_COST)
        return fields.plain(options.delivery_cost)
    number = spec.percent if spec.kind is DiscountKind.PERCENTAGE else spec.amount
    if number is None:
        raise CannotMake("The reward says neither a percentage nor an amount. Correct the reward.")
    return fields.plain(number)


def read(data: Mapping[str, Any], *, now: datetime) -> Kept:
    """Raises Unreadable."""
    kind, enabled = fields.text(data, "type"), fields.flag(data, "enabled")
    expires_at = fields.rfc_date(data, "expires")
    uses, most = fields.count(data, "num_uses"), fields.count(data, "max_uses")
    amount = fields.amount(data, "amount")
    minimum = fields.amount(data, "min_purchase") if data.get("min_purchase") not in (None, "") else None
    return Kept(
        code=PlatformCode(
            code=fields.text(data, "code"),
            remote_id=f"{KIND}:{fields.identity(data)}",
            alive=enabled and (expires_at is None or expires_at > now) and (not most or uses < most),
            reference=codes.reference_in(data.get("name")),
            uses=None if uses else 0,  # which of them were paid, the shop does not count
            percent=amount if kind == "percentage_discount" else None,
            amount=amount if kind in {"per_total_discount", "per_item_discount"} else None,
            minimum_order=minimum or None,
            collections=_categories(data),
            expires_at=expires_at,
        ),
        raw=data,
        enabled=enabled,
        limited_to_one_use=most == 1,
    )


def _categories(data: Mapping[str, Any]) -> tuple[str, ...]:
    where = fields.child(data, "applies_to")
    ids = where.get("ids")
    if where.get("entity") != "categories" or not isinstance(ids, list):
        return ()
    if not all(isinstance(each, int) and 0 <= each < 10**18 for each in ids):
        raise fields.Unreadable("applies_to names no categories")
    return tuple(sorted(str(each) for each in ids if each != ALL_CATEGORIES))


def find(conversation: client.Conversation, code: str, *, now: datetime) -> Answer[list[Kept]]:
    """The coupon of that code in any case: none or one."""
    answer = conversation.ask("GET", PATH, params={"code": code, "exclude_type": NOT_HERE, "limit": "250"})
    if not answer.ok:
        return answer.failure()
    try:
        return answer.success(
            [
                read(entry, now=now)
                for entry in fields.entries(answer.data)
                if entry.get("type") != NOT_HERE and str(entry.get("code")).casefold() == code.casefold()
            ]
        )
    except fields.Unreadable as error:
        return answer.unusable(str(error))


def make(conversation: client.Conversation, body: dict[str, Any]) -> HttpAnswer:
    return conversation.ask("POST", PATH, body=body)


def disable(conversation: client.Conversation, kept: Kept) -> HttpAnswer:
    return _change(conversation, kept, enabled=False)


def extend(conversation: client.Conversation, kept: Kept, expires_at: datetime) -> HttpAnswer:
    return _change(conversation, kept, expires=format_datetime(expires_at))


def _change(conversation: client.Conversation, kept: Kept, **changes: Any) -> HttpAnswer:
    body = {name: kept.raw[name] for name in _WRITABLE if kept.raw.get(name) not in (None, "", [], {})}
    path = f"{PATH}/{fields.identity(kept.raw)}"
    return conversation.ask("PUT", path, body=body | changes)
