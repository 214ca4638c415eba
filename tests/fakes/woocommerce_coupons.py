"""Coupons of the fake WooCommerce shop: what is refused, and what is taken and dropped without a word."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.fakes.woocommerce_shop import Coupon, Shop
from tests.fakes.woocommerce_wire import Refusal, Reply, Request, page

COUPON_FIELDS: dict[str, type | tuple[type, ...]] = {
    "code": str, "discount_type": str, "amount": str, "description": str, "status": str,
    "date_expires": (str, type(None)), "date_expires_gmt": (str, type(None)), "minimum_amount": str,
    "usage_limit": int, "usage_limit_per_user": int, "limit_usage_to_x_items": int, "free_shipping": bool,
    "individual_use": bool, "product_ids": list, "product_categories": list, "email_restrictions": list,
    "meta_data": list,
}  # fmt: skip
IGNORED = {"date_expires_gmt", "status"}  # taken, and dropped
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)?", re.ASCII)


def listed(shop: Shop, request: Request) -> Reply:
    found = [each for each in shop.coupons if each.status == "publish"]
    if "code" in request.params:
        found = shop.same_name(request.params["code"])[:1]  # one, however many there are
    if "search" in request.params:
        term = request.params["search"].lower()
        found = [each for each in found if term in each.code + each.description.lower()]
        found = [] if shop.search_is_replaced else found
    if "after" in request.params:
        if request.params.get("dates_are_gmt") != "true":
            raise Refusal(400, "fake_times_of_the_site")
        bound = datetime.fromisoformat(request.params["after"]).replace(tzinfo=UTC)
        found = [each for each in found if each.created_at > bound]
    found.sort(key=lambda each: each.number, reverse=request.params.get("order") != "asc")
    return page(shop, request, [_coupon_json(shop, each) for each in found])


def make(shop: Shop, request: Request) -> Reply:
    if not request.body["code"]:
        raise Refusal(400, "woocommerce_rest_empty_coupon_code")
    values = _coupon_values(shop, request.body)
    if shop.same_name(values["code"]):
        raise Refusal(400, "woocommerce_rest_coupon_code_already_exists")
    shop.arriving = values
    shop.between_look_and_write()
    with shop.lock:
        made = Coupon(number=shop.next_number(), created_at=shop.change(), **values)
        shop.coupons.append(made)
    return Reply(body=_coupon_json(shop, made), status=201)


def batch(shop: Shop, request: Request) -> Reply:
    """One after the other; what is refused stands in its place."""
    if set(request.body) != {"create"}:
        raise Refusal(400, "fake_unknown_field", str(set(request.body)))
    if len(request.body["create"]) > 100:
        raise Refusal(413, "woocommerce_rest_request_entity_too_large")
    told = []
    for body in request.body["create"]:
        try:
            told.append(make(shop, replace(request, body=body)).body)
        except Refusal as refusal:
            error = {"code": refusal.code, "message": refusal.message, "data": {"status": refusal.status}}
            told.append({"id": 0, "error": error})
    return Reply(body={"create": told})


def read(shop: Shop, request: Request, number: int) -> Reply:
    return Reply(body=_coupon_json(shop, _coupon(shop, number, status=404)))


def change(shop: Shop, request: Request, number: int) -> Reply:
    with shop.lock:
        found = _coupon(shop, number, status=400)
        for name, value in _coupon_values(shop, request.body).items():
            setattr(found, name, value)
        return Reply(body=_coupon_json(shop, found))


def delete(shop: Shop, request: Request, number: int) -> Reply:
    with shop.lock:
        found = _coupon(shop, number, status=404)
        if request.params.get("force") != "true":
            raise Refusal(500, "woocommerce_rest_cannot_delete")
        shop.coupons.remove(found)
        return Reply(body=_coupon_json(shop, found))


def _coupon(shop: Shop, number: int, *, status: int) -> Coupon:
    found = next((each for each in shop.coupons if each.number == number), None)
    if found is None:
        raise Refusal(status, "woocommerce_rest_shop_coupon_invalid_id")
    return found


def _coupon_values(shop: Shop, body: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in body.items():
        if name not in COUPON_FIELDS:
            raise Refusal(400, "fake_unknown_field", name)
        if not isinstance(value, COUPON_FIELDS[name]) or (COUPON_FIELDS[name] is int and isinstance(value, bool)):
            raise Refusal(400, "rest_invalid_param", name)
        if name not in IGNORED | shop.dropped:
            values[name] = value
    return {_OWN_NAMES.get(name, name): _stored(shop, name, value) for name, value in values.items()}


_OWN_NAMES = {"date_expires": "expires_at"}


def _stored(shop: Shop, name: str, value: Any) -> Any:
    convert = _CONVERTED.get(name)
    try:
        return convert(shop, value) if convert is not None else value
    except (ValueError, InvalidOperation):
        raise Refusal(400, "rest_invalid_param", name) from None


def _kind(shop: Shop, value: str) -> str:
    if value not in {"percent", "fixed_cart", "fixed_product"}:
        raise ValueError(value)
    return value


def _numbers(shop: Shop, value: list[Any]) -> list[int]:
    """Of anything: numbers that the shop does not have are taken all the same."""
    if not all(isinstance(each, int) for each in value):
        raise ValueError(value)
    return value


def _moment(shop: Shop, text: str | None) -> datetime | None:
    if not text:
        return None
    if STAMP.fullmatch(text) is None:
        raise ValueError(text)
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=shop.zone)).astimezone(UTC)


_CONVERTED: dict[str, Callable[[Shop, Any], Any]] = {
    "code": lambda shop, value: value.strip().lower(),
    "discount_type": _kind,
    "amount": lambda shop, value: Decimal(value),
    "minimum_amount": lambda shop, value: Decimal(value),
    "date_expires": _moment,
    "product_ids": _numbers,
    "product_categories": _numbers,
    "email_restrictions": lambda shop, value: [each.lower() for each in value],
    "meta_data": lambda shop, value: [{"id": shop.next_number(), **each} for each in value],
}


def _coupon_json(shop: Shop, coupon: Coupon) -> dict[str, Any]:
    ends = coupon.expires_at
    return {
        "id": coupon.number,
        "code": coupon.code,
        "amount": f"{coupon.amount:.2f}",
        "status": coupon.status,
        "discount_type": coupon.discount_type,
        "description": coupon.description,
        "date_created_gmt": coupon.created_at.replace(tzinfo=None).isoformat(),
        "date_expires": ends and ends.astimezone(shop.zone).replace(tzinfo=None).isoformat(),
        "date_expires_gmt": ends and ends.replace(tzinfo=None).isoformat(),
        "usage_count": coupon.usage_count,
        "individual_use": False,
        "product_ids": coupon.product_ids,
        "usage_limit": coupon.usage_limit or None,
        "usage_limit_per_user": None,
        "limit_usage_to_x_items": coupon.limit_usage_to_x_items or None,
        "free_shipping": coupon.free_shipping,
        "product_categories": coupon.product_categories,
        "minimum_amount": f"{coupon.minimum_amount:.2f}",
        "maximum_amount": "0.00",
        "email_restrictions": coupon.email_restrictions,
        "used_by": coupon.used_by,
        "meta_data": coupon.meta_data,
    }
