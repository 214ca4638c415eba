"""What can be asked of a BigCommerce store, with which scope, and who answers."""

import re
from typing import Any

from tests.fakes import bigcommerce_checkout as checkout
from tests.fakes import bigcommerce_coupons as coupons
from tests.fakes import bigcommerce_orders as orders
from tests.fakes import bigcommerce_promotion_codes as promotion_codes
from tests.fakes import bigcommerce_promotions as promotions
from tests.fakes.bigcommerce_store import Act, Refused, Store

ROUTES: list[tuple[str, str, str, Act]] = [
    ("GET", r"/v2/store", "info", orders.information),
    ("GET", r"/v2/coupons", "marketing", coupons.list_coupons),
    ("POST", r"/v2/coupons", "marketing:modify", coupons.make_coupon),
    ("PUT", r"/v2/coupons/(\d+)", "marketing:modify", coupons.change_coupon),
    ("DELETE", r"/v2/coupons/(\d+)", "marketing:modify", coupons.delete_coupon),
    ("DELETE", r"/v2/(?:coupons|gift_certificates)/?", "marketing:modify", coupons.delete_all),
    ("GET", r"/v2/gift_certificates", "marketing", coupons.list_certificates),
    ("POST", r"/v2/gift_certificates", "marketing:modify", coupons.make_certificate),
    ("PUT", r"/v2/gift_certificates/(\d+)", "marketing:modify", coupons.change_certificate),
    ("GET", r"/v3/promotions", "marketing", promotions.list_promotions),
    ("POST", r"/v3/promotions", "marketing:modify", promotions.make_promotion),
    ("GET", r"/v3/promotions/(\d+)", "marketing", promotions.one_promotion),
    ("PUT", r"/v3/promotions/(\d+)", "marketing:modify", promotions.change_promotion),
    ("DELETE", r"/v3/promotions/(\d+)", "marketing:modify", promotions.delete_promotion),
    ("GET", r"/v3/promotions/(\d+)/codes", "marketing", promotion_codes.list_promotion_codes),
    ("POST", r"/v3/promotions/(\d+)/codes", "marketing:modify", promotion_codes.add_code),
    ("POST", r"/v3/promotions/(\d+)/codegen", "marketing:modify", promotion_codes.generate),
    ("DELETE", r"/v3/promotions(?:/(\d+)/codes)?", "marketing:modify", promotion_codes.delete_several),
    ("DELETE", r"/v3/promotions/(\d+)/codes/(\d+)", "marketing:modify", promotion_codes.delete_code),
    ("GET", r"/v2/orders", "orders", orders.list_orders),
    ("GET", r"/v2/orders/(\d+)", "orders", orders.one_order),
    ("GET", r"/v2/orders/(\d+)/coupons", "orders", orders.order_coupons),
    ("GET", r"/v2/orders/(\d+)/products", "orders", orders.order_products),
    ("GET", r"/v3/orders/payment_actions/refunds", "orders", orders.list_refunds),
    ("GET", r"/v3/orders/(\d+)/transactions", "transactions", orders.transactions),
    ("GET", r"/v3/catalog/products", "products", checkout.products),
    ("GET", r"/v3/hooks", "info", orders.list_hooks),
    ("POST", r"/v3/hooks", "info", orders.make_hook),
    ("PUT", r"/v3/hooks/(\d+)", "info", orders.change_hook),
]


def answer(store: Store, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
    """Find the route. Raises Refused."""
    for verb, pattern, scope, act in ROUTES:
        found = re.fullmatch(pattern, path)
        if verb == method and found is not None:
            if scope not in store.scopes:
                raise Refused(403, "You don't have a required scope to access the endpoint")
            return act(store, [int(part) for part in found.groups() if part], query, body)
    raise Refused(405 if any(re.fullmatch(pattern, path) for _, pattern, _, _ in ROUTES) else 404, "Not Found")
