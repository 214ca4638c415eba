"""The REST API v3 of the fake WooCommerce shop: who may ask, what is refused, and what is dropped without a word.

Stricter than the real one in one point: a field or parameter that the real shop does not know is refused, not ignored.
"""

import base64
import re
from datetime import UTC, datetime
from typing import Any

from tests.fakes import woocommerce_coupons as coupons
from tests.fakes.woocommerce_shop import Hook, Order, Shop, order_json
from tests.fakes.woocommerce_wire import Refusal, Reply, Request, only, page

PAGING = {"page", "per_page", "offset", "order", "orderby", "_fields"}
PARAMS = {
    "/coupons": PAGING | {"search", "code", "after", "dates_are_gmt"},
    "/orders": PAGING | {"modified_after", "modified_before", "dates_are_gmt", "status"},
    "/webhooks": PAGING | {"status"},
    "/products": PAGING | {"include"},
    "/products/categories": PAGING | {"include"},
}
HOOK_FIELDS = {"name", "topic", "delivery_url", "secret", "status"}


def answer(shop: Shop, request: Request) -> Reply:
    """What WordPress answers, WooCommerce or not."""
    if request.path == "/" and request.params.get("rest_route") == "/":
        return _index(shop, request)
    if not shop.has_permalinks or not request.path.startswith("/wp-json/"):
        return Reply(body=b"<html><title>Page not found</title></html>", status=404)
    try:
        if request.path == "/wp-json/":
            return _index(shop, request)
        return _route(shop, request, request.path.removeprefix("/wp-json/wc/v3"))
    except Refusal as refusal:
        told = {"code": refusal.code, "message": refusal.message, "data": {"status": refusal.status}}
        return Reply(body=told, status=refusal.status)


def _index(shop: Shop, request: Request) -> Reply:
    if request.authorization:  # WordPress takes a key for an application password of its own
        raise Refusal(401, "invalid_username", "Unbekannter Benutzername")
    namespaces = ["oembed/1.0", "wp/v2"] + (["wc/v1", "wc/v2", "wc/v3", "wc/store/v1"] if shop.has_woocommerce else [])
    zone = {"timezone_string": str(shop.zone), "gmt_offset": 2}
    told = {
        "name": shop.name,
        "url": "https://127.0.0.1",
        "namespaces": namespaces,
        **zone,
        "routes": {"/": "x" * 9999},
    }
    return Reply(body=only(request, told))


def _route(shop: Shop, request: Request, path: str) -> Reply:
    for pattern, methods in ROUTES if shop.has_woocommerce else ():
        found = re.fullmatch(pattern, path)
        if found is not None and request.method in methods:
            if (
                request.method == "POST"
                and path == "/coupons"
                and not isinstance((request.body or {}).get("code"), str)
            ):
                raise Refusal(400, "rest_missing_callback_param")  # before anybody looks at permissions
            _authorize(shop, request)
            if unknown := set(request.params) - PARAMS.get(path, PAGING | {"force"}):
                raise Refusal(400, "fake_unknown_parameter", str(unknown))
            return methods[request.method](shop, request, *(int(group) for group in found.groups()))
    raise Refusal(404, "rest_no_route")


def _authorize(shop: Shop, request: Request) -> None:
    kind, _, encoded = request.authorization.partition(" ")
    # Over plain HTTP the key is not even looked at: OAuth would be wanted there.
    pair = base64.b64decode(encoded).decode().partition(":") if kind == "Basic" and request.is_ssl else ("", "", "")
    known = shop.keys.get(pair[0])
    if known is None:
        raise Refusal(401, "woocommerce_rest_cannot_view")
    secret, permissions, is_staff = known
    if pair[2] != secret or ("read" if request.method == "GET" else "write") not in permissions.split("_"):
        raise Refusal(401, "woocommerce_rest_authentication_error")
    if not is_staff:
        raise Refusal(403, "woocommerce_rest_cannot_" + ("view" if request.method == "GET" else "create"))


# Orders


def _orders(shop: Shop, request: Request) -> Reply:
    params = {name: value for name, value in request.params.items() if name not in shop.unheard}
    found = [each for each in shop.orders if (each.status == "trash") is (params.get("status") == "trash")]
    for name, keeps in (
        ("modified_after", lambda at, bound: at > bound),
        ("modified_before", lambda at, bound: at < bound),
    ):
        if name in params:
            if params.get("dates_are_gmt") != "true":
                raise Refusal(400, "fake_times_of_the_site", "asked by the site's own clock")
            bound = datetime.fromisoformat(params[name]).replace(tzinfo=UTC)
            found = [each for each in found if keeps(each.modified_at, bound)]
    keys = {"id": lambda order: order.number, "modified": lambda order: (order.modified_at, -order.number)}
    found.sort(key=keys[params.get("orderby", "id")], reverse=params.get("order") != "asc")
    return page(shop, request, [order_json(each, currency=shop.currency) for each in found])


def _read_order(shop: Shop, request: Request, number: int) -> Reply:
    return Reply(body=only(request, order_json(_order(shop, number), currency=shop.currency)))


def _refunds(shop: Shop, request: Request, number: int) -> Reply:
    return Reply(
        body=[
            {
                "id": each["id"],
                "amount": each["amount"],
                "date_created_gmt": each["at"].replace(tzinfo=None).isoformat(),
            }
            for each in _order(shop, number).refunds
        ]
    )


def _order(shop: Shop, number: int) -> Order:
    found = next((each for each in shop.orders if each.number == number), None)
    if found is None:
        raise Refusal(404, "woocommerce_rest_shop_order_invalid_id")
    return found


# The rest


def _currency(shop: Shop, request: Request) -> Reply:
    return Reply(body={"code": shop.currency, "name": "Money", "symbol": "¤"})


def _product(shop: Shop, request: Request, number: int) -> Reply:
    if number not in shop.products:
        raise Refusal(404, "woocommerce_rest_product_invalid_id")
    return Reply(body={"id": number, "status": "publish"})


def _products(shop: Shop, request: Request) -> Reply:
    wanted = request.params.get("include")
    found = shop.products.keys() & {int(each) for each in wanted.split(",")} if wanted else shop.products.keys()
    told = [
        {"id": each, "categories": [_category(number) for number in sorted(shop.products[each][1])]}
        for each in sorted(found)
    ]
    return page(shop, request, told)


def _category(number: int) -> dict[str, Any]:
    return {"id": number, "name": f"Category &amp; {number}", "slug": f"category-{number}"}


def _categories(shop: Shop, request: Request) -> Reply:
    wanted = request.params.get("include")
    found = shop.categories & {int(each) for each in wanted.split(",")} if wanted else shop.categories
    return page(shop, request, [{"id": each} for each in sorted(found)])


def _zones(shop: Shop, request: Request) -> Reply:
    return Reply(body=[{"id": 0}, {"id": 1}])


def _methods(shop: Shop, request: Request, zone: int) -> Reply:
    flat = {"method_id": "flat_rate", "enabled": True, "settings": {"cost": {"value": "5"}}}
    free = {"method_id": "free_shipping", "enabled": True, "settings": {"requires": {"value": "coupon"}}}
    return Reply(body=[flat, free] if zone == 1 and shop.offers_free_delivery else [flat])


def _hooks(shop: Shop, request: Request) -> Reply:
    return page(shop, request, [_hook_json(each) for each in shop.hooks])


def _make_hook(shop: Shop, request: Request) -> Reply:
    if unknown := set(request.body) - HOOK_FIELDS:
        raise Refusal(400, "fake_unknown_field", str(unknown))
    if not re.fullmatch(r"(order|coupon|customer)\.(created|updated|deleted|restored)", request.body["topic"]):
        raise Refusal(400, "woocommerce_rest_webhook_invalid_topic")
    made = Hook(number=shop.next_number(), **request.body)
    shop.hooks.append(made)
    shop.ping(made)
    return Reply(body=_hook_json(made), status=201)


def _change_hook(shop: Shop, request: Request, number: int) -> Reply:
    found = next((each for each in shop.hooks if each.number == number), None)
    if found is None:
        raise Refusal(400, "woocommerce_rest_shop_webhook_invalid_id")
    for name, value in request.body.items():
        setattr(found, name, value)
    found.failures = 0
    return Reply(body=_hook_json(found))


def _hook_json(hook: Hook) -> dict[str, Any]:
    """Its secret is never told."""
    told = ("name", "status", "topic", "delivery_url")
    return {"id": hook.number, **{name: getattr(hook, name) for name in told}}


ROUTES: tuple[tuple[str, dict[str, Any]], ...] = (
    (r"/coupons", {"GET": coupons.listed, "POST": coupons.make}),
    (r"/coupons/batch", {"POST": coupons.batch}),
    (r"/coupons/(\d+)", {"GET": coupons.read, "PUT": coupons.change, "DELETE": coupons.delete}),
    (r"/orders", {"GET": _orders}),
    (r"/orders/(\d+)", {"GET": _read_order}),
    (r"/orders/(\d+)/refunds", {"GET": _refunds}),
    (r"/data/currencies/current", {"GET": _currency}),
    (r"/products", {"GET": _products}),
    (r"/products/(\d+)", {"GET": _product}),
    (r"/products/categories", {"GET": _categories}),
    (r"/shipping/zones", {"GET": _zones}),
    (r"/shipping/zones/(\d+)/methods", {"GET": _methods}),
    (r"/webhooks", {"GET": _hooks, "POST": _make_hook}),
    (r"/webhooks/(\d+)", {"PUT": _change_hook}),
)
