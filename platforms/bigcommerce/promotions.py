"""V3 promotions with codes: free products, discounts whose first day is still to come, and many codes in bulk.

A coupon knows no first day and no free product. A code has no last day, only its promotion does: so a code that is made
alone has a promotion of its own, of the type SINGLE. Making it takes two calls; a promotion whose code was never made
works for nobody, and is taken away by the next try. A promotion of the type BULK has many codes (see `bulk`), and is
never changed or deleted for the sake of one.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from platforms.adapter import Answer, CodeSpec, DiscountKind, Outcome, PlatformCode
from platforms.bigcommerce import client, codes, fields
from platforms.bigcommerce.codes import CannotMake, Kept
from platforms.http import HttpAnswer

KIND = "promotion"
PATH = "/v3/promotions"
SINGLE, BULK = "SINGLE", "BULK"
MOST_LISTED = 50
MOST_CODES = 250
LONGEST_TITLE = 100

_PRODUCT = re.compile(r"(variant:)?([1-9]\d{0,8})", re.ASCII)


def body_for(spec: CodeSpec, *, many: bool = False) -> dict[str, Any]:
    """A promotion without codes: for a single use, or for `many` codes, whose uses are limited each. Raises CannotMake."""
    if spec.collections:
        raise CannotMake(
            "BigCommerce cannot limit a free product, a discount that starts later, or codes made in bulk to categories. "
            "Leave them empty."
        )
    rule: dict[str, Any] = {"action": _action(spec), "apply_once": True, "stop": False}
    if spec.minimum_order:
        rule["condition"] = {"cart": {"minimum_spend": fields.plain(spec.minimum_order)}}
    body: dict[str, Any] = {
        "redemption_type": "COUPON",
        "coupon_type": BULK if many else SINGLE,
        "name": codes.name_of(spec.reference),
        "display_name": spec.title[:LONGEST_TITLE],
        "rules": [rule],
        "status": "ENABLED",
        "currency_code": spec.currency,
    }
    if not many:
        body["max_uses"] = 1
    if spec.starts_at is not None:
        body["start_date"] = spec.starts_at.isoformat(timespec="seconds")
    if spec.expires_at is not None:
        body["end_date"] = spec.expires_at.isoformat(timespec="seconds")
    return body


def _action(spec: CodeSpec) -> dict[str, Any]:
    if spec.kind is DiscountKind.FREE_PRODUCT:
        return {"gift_item": {**_product(spec.product_reference), "quantity": 1}}
    if spec.kind is DiscountKind.FREE_DELIVERY:
        return {"shipping": {"free_shipping": True, "zone_ids": "*"}}
    if spec.kind is DiscountKind.PERCENTAGE and spec.percent is not None:
        return {"cart_value": {"discount": {"percentage_amount": fields.plain(spec.percent)}}}
    if spec.kind is DiscountKind.FIXED_AMOUNT and spec.amount is not None:
        return {"cart_value": {"discount": {"fixed_amount": fields.plain(spec.amount)}}}
    raise CannotMake("The reward says neither a percentage nor an amount. Correct the reward.")


def _product(reference: str) -> dict[str, int]:
    found = _PRODUCT.fullmatch(reference)
    if found is None:
        raise CannotMake(
            "BigCommerce knows its products by their numbers. Enter the number in the address of the product's page in "
            "the control panel, or variant:123 for one of its variants."
        )
    return {"variant_id" if found[1] else "product_id": int(found[2])}


def read(promotion: Mapping[str, Any], code: Mapping[str, Any], *, now: datetime) -> Kept:
    """A code of a promotion. One whose first day is to come counts as alive: it will work. Raises Unreadable.

    Where a promotion has many codes, its own count of uses says nothing of one of them.
    """
    promotion_id, code_id = fields.identity(promotion), fields.identity(code)
    of_many, reference = promotion.get("coupon_type") == BULK, codes.reference_in(promotion.get("name"))
    status = fields.text(promotion, "status")
    expires_at = fields.iso_date(promotion, "end_date")
    uses, most = fields.count(code, "current_uses"), fields.count(code, "max_uses")
    of_all, most_of_all = fields.count(promotion, "current_uses"), fields.count(promotion, "max_uses")
    left = (not most or uses < most) and (not most_of_all or of_all < most_of_all)
    return Kept(
        code=PlatformCode(
            code=fields.text(code, "code"),
            remote_id=f"{KIND}:{promotion_id}:{code_id}",
            alive=status == "ENABLED" and left and (expires_at is None or expires_at > now),
            reference=reference,
            uses=None if uses or (of_all and not of_many) else 0,  # which of them were paid, the shop does not count
            expires_at=expires_at,
            **_values(promotion),
        ),
        raw=promotion,
        enabled=status != "DISABLED",
        limited_to_one_use=most == 1 or (most_of_all == 1 and not of_many),
        shared=not (reference and promotion.get("coupon_type") == SINGLE),
    )


def _values(promotion: Mapping[str, Any]) -> dict[str, Any]:
    """What the first rule gives: a promotion of ours has no other."""
    rules = promotion.get("rules")
    rule = rules[0] if isinstance(rules, list) and rules and isinstance(rules[0], Mapping) else {}
    action = fields.child(rule, "action")
    discount = fields.child(fields.child(action, "cart_value"), "discount")
    cart = fields.child(fields.child(rule, "condition"), "cart")
    return {
        "percent": fields.amount(discount, "percentage_amount") if "percentage_amount" in discount else None,
        "amount": fields.amount(discount, "fixed_amount") if "fixed_amount" in discount else None,
        "product_reference": _gift(fields.child(action, "gift_item")),
        "minimum_order": (fields.amount(cart, "minimum_spend") or None) if cart.get("minimum_spend") else None,
    }


def _gift(item: Mapping[str, Any]) -> str:
    if item.get("variant_id") is not None:
        return f"variant:{fields.identity(item, 'variant_id')}"
    return str(fields.identity(item, "product_id")) if item.get("product_id") is not None else ""


def find(conversation: client.Conversation, code: str, *, now: datetime) -> Answer[list[Kept]]:
    """The code of a promotion in any case: none or one."""
    params = {"code": code, "redemption_type": "coupon", "limit": str(MOST_LISTED)}
    answer = conversation.ask("GET", PATH, params=params)
    if not answer.ok:
        return answer.failure()
    found: list[Kept] = []
    try:
        for promotion in fields.wrapped(answer.data):
            path = f"{PATH}/{fields.identity(promotion)}/codes"
            inner = conversation.ask("GET", path, params={"code": code, "limit": "250"})
            if inner.outcome is Outcome.REJECTED and inner.status == 404:
                continue  # deleted between the two questions
            if not inner.ok:
                return inner.failure()
            answer = inner
            same = (each for each in fields.wrapped(inner.data) if str(each.get("code")).casefold() == code.casefold())
            found += [read(promotion, entry, now=now) for entry in same]
    except fields.Unreadable as error:
        return answer.unusable(str(error))
    return answer.success(found)


def clear(conversation: client.Conversation, reference: str) -> Answer[str]:
    """Take away what an earlier try left of this reference. The value is a code in the way; empty: none is.

    A promotion of ours that has its code is left alone: it is what an earlier try made. So is one of many codes.
    """
    there = named(conversation, reference)
    if there.value is None:
        return client.relay(there)
    for promotion in there.value:
        path = f"{PATH}/{fields.identity(promotion)}"
        inner = conversation.ask("GET", f"{path}/codes", params={"limit": "1"})
        try:
            made = fields.wrapped(inner.data) if inner.ok else []
            if made:
                return inner.success(fields.text(made[0], "code"))
        except fields.Unreadable as error:
            return inner.unusable(str(error))
        if inner.ok and promotion.get("coupon_type") != SINGLE:
            continue
        gone = conversation.ask("DELETE", path) if inner.ok else inner
        if not gone.ok and gone.status != 404:
            return gone.failure()
    return client.ok(there, "")


def named(conversation: client.Conversation, reference: str) -> Answer[list[Mapping[str, Any]]]:
    """The promotions with codes that stand for this reference, the oldest first."""
    wanted = codes.name_of(reference)
    found: dict[int, Mapping[str, Any]] = {}
    page, known = 1, -1
    while True:
        params = {"name": wanted, "redemption_type": "coupon", "limit": str(MOST_LISTED), "page": str(page)}
        answer = conversation.ask("GET", PATH, params=params)
        if not answer.ok:
            return answer.failure()
        try:
            listed = fields.wrapped(answer.data)
            found |= {fields.identity(entry): entry for entry in listed}
        except fields.Unreadable as error:
            return answer.unusable(str(error))
        if len(listed) < MOST_LISTED or len(found) == known:
            return answer.success([found[each] for each in sorted(found) if found[each].get("name") == wanted])
        page, known = page + 1, len(found)


def ask_codes(
    conversation: client.Conversation, promotion_id: int, *, after: str = "", limit: int | None = None
) -> HttpAnswer:
    """A page of a promotion's codes: the first one, or the one after that place."""
    params = {"limit": str(limit or MOST_CODES)} | ({"after": after} if after else {})
    return conversation.ask("GET", f"{PATH}/{promotion_id}/codes", params=params)


def end_of(answer: HttpAnswer) -> str:
    """The place after a page of codes; empty when it was the last one. Raises Unreadable."""
    paging: Mapping[str, Any] = fields.child(fields.child(answer.data, "meta"), "cursor_pagination")
    if not fields.child(paging, "links").get("next"):
        return ""
    end = fields.text(paging, "end_cursor", longest=80)
    if re.fullmatch(r"\S+", end, re.ASCII) is None:
        raise fields.Unreadable("end_cursor is no cursor")
    return end


def make(conversation: client.Conversation, body: dict[str, Any]) -> HttpAnswer:
    return conversation.ask("POST", PATH, body=body)


def add_code(conversation: client.Conversation, promotion_id: int, code: str) -> HttpAnswer:
    body = {"code": code, "max_uses": 1, "max_uses_per_customer": 1}
    return conversation.ask("POST", f"{PATH}/{promotion_id}/codes", body=body)


def remove(conversation: client.Conversation, promotion_id: int) -> HttpAnswer:
    return conversation.ask("DELETE", f"{PATH}/{promotion_id}")


def generate(conversation: client.Conversation, promotion_id: int, body: dict[str, Any]) -> HttpAnswer:
    return conversation.ask("POST", f"{PATH}/{promotion_id}/codegen", body=body)


def switch_off(conversation: client.Conversation, promotion_id: int) -> HttpAnswer:
    return conversation.ask("PUT", f"{PATH}/{promotion_id}", body={"status": "DISABLED"})


def disable(conversation: client.Conversation, kept: Kept) -> HttpAnswer:
    """A promotion that is the code's alone is switched off. Out of one that has other codes the one code is taken."""
    promotion_id = fields.identity(kept.raw)
    if not kept.shared:
        return switch_off(conversation, promotion_id)
    code_id = kept.code.remote_id.rpartition(":")[2]
    return conversation.ask("DELETE", f"{PATH}/{promotion_id}/codes/{code_id}")


def extend(conversation: client.Conversation, kept: Kept, expires_at: datetime) -> HttpAnswer:
    path = f"{PATH}/{fields.identity(kept.raw)}"
    return conversation.ask("PUT", path, body={"end_date": expires_at.isoformat(timespec="seconds")})
