"""Adapters before a shop that answers well-formed nonsense: they answer as well, with nothing no row could keep."""

import copy
import dataclasses
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from platforms import bodies, http
from platforms.adapter import Access, Answer, CodeSpec, CombinesWith, DiscountKind, Outcome
from platforms.bigcommerce.adapter import BigCommerceAdapter
from platforms.http import HttpAnswer
from platforms.medusa.adapter import MedusaAdapter
from platforms.sandbox.adapter import SandboxAdapter
from platforms.shopify.adapter import ShopifyAdapter
from platforms.vendure.adapter import VendureAdapter
from platforms.woocommerce.adapter import WooCommerceAdapter
from tests.fakes import vendure as fake

ACCESS = Access(
    base_url="https://127.0.0.1:9/stores/abcde",
    credentials={
        "token": "t-secret",
        "api_key": "k-secret",
        "access_token": "a-secret",
        "consumer_key": "ck_secret",
        "consumer_secret": "cs_secret",
    },
    webhook_secrets=(),
    currency="USD",
    allow_private_addresses=True,
)
SHORT = {"remote_id", "external_id", "customer_external_id", "cursor"}
STRANGE = [
    "null", "true", "-1", "0.5", "1e400", "1e999999999", "9" * 400, '""', '"a\\u0000b"', '"\\ud800"', '"Infinity"',
    '"NaN"', '"1e999999999"', '"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59-14:00"', f'"{"x" * 500}"',
    f'"{"x" * 3000}"', "[]", "[null]", "[[1]]", "{}", '{"id": 1}',
]  # fmt: skip
SANDBOX_CODE = {
    "id": "code_1", "code": "LOY-1", "alive": True, "reference": "rr-1", "uses": 0, "percent": "10", "amount": None,
    "minimum_order": "5.00", "expires_at": "2027-01-01T00:00:00Z",
}  # fmt: skip
SANDBOX_ORDER = {
    "id": "order_1", "number": "1001", "status": "completed", "placed_at": "2026-11-21T10:00:00Z",
    "updated_at": "2026-11-21T10:00:00Z", "total": "20.00", "currency": "USD", "email": "jo@example.com",
    "codes": [{"code": "LOY-1", "id": "code_1", "discount": "1.00"}],
    "refunds": [{"id": "r1", "amount": "2.00", "refunded_at": "2026-11-21T10:00:00Z"}],
}  # fmt: skip
REFUND = {"id": "5", "state": "Settled", "total": 100, "updatedAt": "2026-11-21T20:00:05.000Z"}
VENDURE_ORDER = fake.order(
    payments=[{"state": "Settled", "updatedAt": "2026-11-21T20:00:05.000Z", "refunds": [REFUND]}]
)
VENDURE_CODE = fake.promotion(
    endsAt="2027-01-01T00:00:00.000Z",
    conditions=[{"code": "minimum_order_amount", "args": [{"name": "amount", "value": "500"}]}],
)
SHOPIFY_MONEY = {"amount": "20.0", "currencyCode": "USD"}
SHOPIFY_CODE: dict[str, Any] = {
    "id": "gid://shopify/DiscountCodeNode/7",
    "codeDiscount": {
        "__typename": "DiscountCodeBasic", "status": "ACTIVE", "endsAt": "2031-01-01T00:00:00Z", "usageLimit": 1,
        "asyncUsageCount": 1, "tags": ["loyalty-desk", "loyalty-desk-ref-rr-1"],
        "codesCount": {"count": 1}, "codes": {"nodes": [{"code": "LOY-1"}]},
        "combinesWith": {"orderDiscounts": False, "productDiscounts": False, "shippingDiscounts": True},
        "context": {"__typename": "DiscountCustomers", "customers": [{"id": "gid://shopify/Customer/1"}]},
        "minimumRequirement": {
            "__typename": "DiscountMinimumSubtotal", "greaterThanOrEqualToSubtotal": SHOPIFY_MONEY,
        },
        "customerGets": {
            "value": {"__typename": "DiscountPercentage", "percentage": Decimal("0.1")},
            "items": {"__typename": "DiscountCollections", "collections": {"nodes": [{"id": "gid://shopify/Collection/5"}]}},
        },
    },
}  # fmt: skip
SHOPIFY_SPECS = [
    CodeSpec(
        code=code, kind=DiscountKind.PERCENTAGE, title="10% off", reference="rr-1", currency="USD", in_bulk=True,
        percent=Decimal(10), minimum_order=Decimal(20), collections=("5",), expires_at=datetime(2031, 1, 1, tzinfo=UTC),
        combines_with=frozenset({CombinesWith.SHIPPING}),
    )
    for code in ("LOY-1", "LOY-2", "LOY-3")
]  # fmt: skip
SHOPIFY_MANY: dict[str, Any] = {
    "id": "gid://shopify/DiscountCodeNode/7",
    "codeDiscount": SHOPIFY_CODE["codeDiscount"] | {
        "tags": ["loyalty-desk", "loyalty-desk-ref-rr-1", "loyalty-desk-many"],
        "context": {"__typename": "DiscountBuyerSelectionAll"},
        "many": {"nodes": [{"code": "LOY-1", "asyncUsageCount": 0}], "pageInfo": {"hasNextPage": False, "endCursor": None}},
    },
}  # fmt: skip
SHOPIFY_ADDING = {
    "id": "gid://shopify/DiscountRedeemCodeBulkCreation/9", "done": True, "codesCount": 2, "importedCount": 1,
    "failedCount": 1, "codes": {"pageInfo": {"hasNextPage": False, "endCursor": None}, "nodes": [
        {"code": "LOY-2", "discountRedeemCode": {"id": "gid://shopify/DiscountRedeemCode/8"}, "errors": []},
        {"code": "LOY-3", "discountRedeemCode": None, "errors": [{"field": ["code"], "code": "TAKEN", "message": "No."}]},
    ]},
}  # fmt: skip
SHOPIFY_CARD = {
    "id": "gid://shopify/GiftCard/7", "enabled": True, "lastCharacters": "efgh", "expiresOn": "2031-01-01",
    "note": "Loyalty Desk, loyalty-desk-ref-rr-1", "initialValue": SHOPIFY_MONEY, "balance": SHOPIFY_MONEY,
}  # fmt: skip
SHOPIFY_ORDER = {
    "id": "gid://shopify/Order/3", "name": "#1001", "test": False, "createdAt": "2026-11-21T10:00:00Z",
    "updatedAt": "2026-11-21T10:00:00Z", "cancelledAt": None, "fullyPaid": True, "displayFinancialStatus": "PAID",
    "discountCodes": ["LOY-1"], "email": "jo@example.com",
    "customer": {"id": "gid://shopify/Customer/1", "defaultEmailAddress": {"emailAddress": "jo@example.com"}},
    "totalPriceSet": {"shopMoney": SHOPIFY_MONEY}, "totalDiscountsSet": {"shopMoney": SHOPIFY_MONEY},
    "discountApplications": {"nodes": [{"__typename": "DiscountCodeApplication", "code": "LOY-1"}]},
    "refunds": [
        {"id": "gid://shopify/Refund/5", "createdAt": "2026-11-21T10:00:00Z", "totalRefundedSet": {"shopMoney": SHOPIFY_MONEY}},
    ],
}  # fmt: skip
SHOPIFY_PAGE = {"hasNextPage": True, "endCursor": "abc"}
SHOPIFY_SHOP = {
    "shop": {"name": "Shop", "myshopifyDomain": "shop.myshopify.com", "currencyCode": "USD"},
    "currentAppInstallation": {"accessScopes": [{"handle": "write_discounts"}, {"handle": "read_orders"}]},
    "webhookSubscriptions": {"nodes": [{"topic": "ORDERS_PAID", "uri": "https://desk.example/hooks/1/"}]},
}

BIGCOMMERCE_COUPON = {
    "id": 7, "name": "Loyalty Desk rr-1", "type": "percentage_discount", "amount": "10.0000", "min_purchase": "5.0000",
    "expires": "Fri, 01 Jan 2027 00:00:00 +0000", "enabled": True, "code": "LOY-1", "num_uses": 0, "max_uses": 1,
    "applies_to": {"entity": "categories", "ids": [21]},
}  # fmt: skip
BIGCOMMERCE_CARD = {
    "id": 8,
    "code": "LOY-1",
    "amount": "5.0000",
    "balance": "5.0000",
    "status": "active",
    "expiry_date": "1798761600",
    "message": "Made by Loyalty Desk, reference rr-1",
}
# One answer stands for a promotion, for its codes, for an order, and for its coupons and refunds: readers take their part.
BIGCOMMERCE_PROMOTION = {
    "id": 9, "name": "Loyalty Desk rr-1", "status": "ENABLED", "end_date": "2027-01-01T00:00:00+00:00", "code": "LOY-1",
    "current_uses": 0, "max_uses": 1,
    "rules": [{"action": {"gift_item": {"product_id": 77, "quantity": 1}},
               "condition": {"cart": {"minimum_spend": "5.00"}}}],
}  # fmt: skip
BIGCOMMERCE_ORDER = {
    "id": 3, "status_id": 11, "date_created": "Sat, 21 Nov 2026 20:00:00 +0000", "customer_id": 9, "code": "LOY-1",
    "date_modified": "Sat, 21 Nov 2026 20:00:05 +0000", "total_inc_tax": "24.0000", "default_currency_code": "USD",
    "gift_certificate_amount": "0.0000", "billing_address": {"email": "jo@example.com"}, "discount": 1,
    "order_id": 3, "created": "2026-11-21T20:00:05+00:00", "total_amount": 2, "payments": [{"is_declined": False}],
}  # fmt: skip


WOO_COUPON = {
    "id": 7, "code": "loy-1", "amount": "10.00", "status": "publish", "discount_type": "percent", "usage_count": 0,
    "date_created_gmt": "2026-11-21T20:00:00", "date_expires_gmt": "2027-01-01T00:00:00", "usage_limit": 1, "limit_usage_to_x_items": None, "product_ids": [11],
    "free_shipping": False, "minimum_amount": "5.00", "product_categories": [5], "email_restrictions": ["jo@example.com"],
    "meta_data": [{"id": 1, "key": "_loyalty_desk_reference", "value": "rr-1"}],
}  # fmt: skip
WOO_SPEC = CodeSpec(
    code="LOY-1", kind=DiscountKind.PERCENTAGE, title="10% off", reference="rr-1", currency="USD", percent=Decimal(10)
)
WOO_ORDER = {
    "id": 3, "number": "3", "status": "processing", "currency": "USD", "date_created_gmt": "2026-11-21T20:00:00",
    "date_modified_gmt": "2026-11-21T20:00:05", "date_paid_gmt": None, "total": "20.00", "customer_id": 9,
    "billing": {"email": "jo@example.com"}, "refunds": [],
    "coupon_lines": [{"id": 12, "code": "loy-1", "discount": "5.00", "discount_tax": "0.00"}],
}  # fmt: skip


MEDUSA_PROMOTION = {
    "id": "promo_1", "code": "LOY-1", "status": "active", "is_automatic": False, "limit": 1, "used": 0,
    "metadata": {"loyalty_desk_reference": "rr-1"}, "created_at": "2026-11-21T10:00:00.000Z",
    "campaign": {"id": "procamp_1", "campaign_identifier": "loyalty-desk-LOY-1-00", "ends_at": "2031-01-01T00:00:00.000Z",
                 "budget": {"type": "usage", "limit": 5, "used": 1}},
    "application_method": {
        "type": "percentage", "value": 10, "target_type": "items", "allocation": "across", "max_quantity": None,
        "target_rules": [{"attribute": "items.product.collection_id", "operator": "in", "values": [{"value": "pcol_1"}]}],
    },
    "rules": [{"attribute": "original_item_total", "operator": "gte", "values": [{"value": "15"}]}],
}  # fmt: skip
MEDUSA_ORDER = {
    "id": "order_1", "display_id": 1, "status": "pending", "email": "jo@example.com", "customer_id": "cus_1",
    "currency_code": "usd", "total": 20, "created_at": "2026-11-21T20:00:00.000Z", "canceled_at": None,
    "updated_at": "2026-11-21T20:00:05.000Z", "payment_status": "partially_refunded", "items": [
        {"adjustments": [{"code": "LOY-1", "amount": 2.5, "promotion_id": "promo_1"}]},
    ],
    "shipping_methods": [{"adjustments": []}], "credit_lines": [{"reference": "payment_collection", "amount": 3}],
    "payment_collections": [{"payments": [{"id": "pay_1", "updated_at": "2026-11-21T20:00:06.000Z", "refunds": [
        {"id": "ref_1", "amount": 3, "created_at": "2026-11-21T20:00:07.000Z"},
    ]}]}],
}  # fmt: skip
MEDUSA_PAYMENT = {"id": "pay_2", "payment_collection": {"id": "pay_col_2", "order": {"id": "order_2"}}}
MEDUSA_POLL = "poll 2026-11-21T20:00:00.000Z 0"


def graphql(**fields: Any) -> dict[str, Any]:
    return {"data": {**fake.about(), **fields}}


ASKED: dict[str, tuple[type[Any], Callable[[Any], Answer[Any]], Any]] = {
    "sandbox code": (SandboxAdapter, lambda shop: shop.find_code("LOY-1"), {"codes": [SANDBOX_CODE]}),
    "sandbox codes": (
        SandboxAdapter,
        lambda shop: shop.list_codes(""),
        {"codes": [SANDBOX_CODE], "cursor": "loy-1", "more": False},
    ),
    "sandbox order": (SandboxAdapter, lambda shop: shop.read_order("order_1"), SANDBOX_ORDER),
    "sandbox orders": (
        SandboxAdapter,
        lambda shop: shop.orders_since(""),
        {"orders": [SANDBOX_ORDER], "cursor": "7", "more": False},
    ),
    "sandbox shop": (
        SandboxAdapter,
        lambda shop: shop.test_connection(),
        {"platform": "sandbox", "name": "Shop", "currency": "USD"},
    ),
    "sandbox refusal": (
        SandboxAdapter,
        lambda shop: shop.find_code("LOY-1"),
        {"error": {"code": "refused", "message": "No."}},
    ),
    "vendure code": (
        VendureAdapter,
        lambda shop: shop.find_code("LOY-1"),
        graphql(promotions={"totalItems": 1, "items": [VENDURE_CODE]}),
    ),
    "vendure codes": (VendureAdapter, lambda shop: shop.list_codes(""), graphql(promotions={"items": [VENDURE_CODE]})),
    "vendure order": (VendureAdapter, lambda shop: shop.read_order("3"), graphql(order={**VENDURE_ORDER})),
    "vendure orders": (
        VendureAdapter,
        lambda shop: shop.orders_since(""),
        graphql(orders={"items": [VENDURE_ORDER]}),
    ),
    "vendure shop": (VendureAdapter, lambda shop: shop.test_connection(), graphql()),
    "bigcommerce coupon": (BigCommerceAdapter, lambda shop: shop.find_code("LOY-1"), [BIGCOMMERCE_COUPON]),
    "bigcommerce gift card": (
        BigCommerceAdapter,
        lambda shop: shop.list_codes("certificate 0"),
        [BIGCOMMERCE_CARD],
    ),
    "bigcommerce promotion": (
        BigCommerceAdapter,
        lambda shop: shop.list_codes("promotion 0 1"),
        {"data": [BIGCOMMERCE_PROMOTION], "meta": {"cursor_pagination": {"end_cursor": "c", "links": {"next": "?"}}}},
    ),
    "bigcommerce orders": (BigCommerceAdapter, lambda shop: shop.orders_since(""), [BIGCOMMERCE_ORDER]),
    "bigcommerce shop": (
        BigCommerceAdapter,
        lambda shop: shop.test_connection(),
        {"name": "Garden", "currency": "USD"},
    ),
    "bigcommerce refusal": (
        BigCommerceAdapter,
        lambda shop: shop.find_code("LOY-1"),
        [{"status": 400, "message": "No."}],
    ),
    "woocommerce codes": (WooCommerceAdapter, lambda shop: shop.list_codes("0 3"), [WOO_COUPON]),
    "woocommerce batch": (
        WooCommerceAdapter,
        lambda shop: shop.create_codes([WOO_SPEC, WOO_SPEC]),
        {"create": [WOO_COUPON, {"id": 0, "error": {"code": "nope", "message": "No.", "data": {"status": 400}}}]},
    ),
    "woocommerce code": (WooCommerceAdapter, lambda shop: shop.find_code("LOY-1"), [WOO_COUPON]),
    "woocommerce order": (WooCommerceAdapter, lambda shop: shop.read_order("3"), WOO_ORDER),
    "woocommerce orders": (WooCommerceAdapter, lambda shop: shop.orders_since(""), [WOO_ORDER]),
    "woocommerce site": (
        WooCommerceAdapter,
        lambda shop: shop.test_connection(),
        {"name": "Shop", "namespaces": ["wc/v3"], "timezone_string": "", "gmt_offset": 5.5, "code": "USD"},
    ),
    "shopify code": (
        ShopifyAdapter,
        lambda shop: shop.find_code("LOY-1"),
        {"data": {"codeDiscountNodeByCode": SHOPIFY_CODE, "orders": {"nodes": [SHOPIFY_ORDER]}}},
    ),
    "shopify codes": (
        ShopifyAdapter,
        lambda shop: shop.list_codes(""),
        {
            "data": {
                "codeDiscountNodes": {"nodes": [SHOPIFY_CODE], "pageInfo": SHOPIFY_PAGE},
                "orders": {"nodes": [SHOPIFY_ORDER]},
            }
        },
    ),
    "shopify many codes": (
        ShopifyAdapter,
        lambda shop: shop.list_codes("within 7 -"),
        {
            "data": {
                "codeDiscountNode": SHOPIFY_CODE
                | {
                    "codeDiscount": SHOPIFY_CODE["codeDiscount"]
                    | {"many": {"nodes": [{"code": "LOY-1", "asyncUsageCount": 0}], "pageInfo": SHOPIFY_PAGE}}
                }
            }
        },
    ),
    "shopify codes of one discount": (
        ShopifyAdapter,
        lambda shop: shop.create_bulk(SHOPIFY_SPECS),
        {
            "data": {
                "discountCodeBasicCreate": {"codeDiscountNode": SHOPIFY_MANY, "userErrors": []},
                "discountRedeemCodeBulkAdd": {"bulkCreation": SHOPIFY_ADDING, "userErrors": []},
                "discountRedeemCodeBulkCreation": SHOPIFY_ADDING,
            }
        },
    ),
    "shopify codes of one reference": (
        ShopifyAdapter,
        lambda shop: shop.find_bulk("rr-1"),
        {
            "data": {
                "codeDiscountNodes": {"nodes": [SHOPIFY_MANY], "pageInfo": {"hasNextPage": False}},
                "codeDiscountNode": SHOPIFY_MANY,
            }
        },
    ),
    "shopify gift card": (
        ShopifyAdapter,
        lambda shop: shop.find_code("23456789ABCDEFGH"),
        {
            "data": {
                "codeDiscountNodeByCode": None,
                "shop": {"ianaTimezone": "Europe/Warsaw"},
                "giftCards": {"nodes": [SHOPIFY_CARD]},
            }
        },
    ),
    "shopify order": (ShopifyAdapter, lambda shop: shop.read_order("3"), {"data": {"order": SHOPIFY_ORDER}}),
    "shopify orders": (
        ShopifyAdapter,
        lambda shop: shop.orders_since("page 2026-11-21T10:00:00+00:00"),
        {"data": {"orders": {"nodes": [SHOPIFY_ORDER], "pageInfo": SHOPIFY_PAGE}}},
    ),
    "shopify shop": (ShopifyAdapter, lambda shop: shop.test_connection(), {"data": SHOPIFY_SHOP}),
    "shopify webhooks": (
        ShopifyAdapter,
        lambda shop: shop.ensure_webhooks("https://desk.example/hooks/1/"),
        {
            "data": {
                "webhookSubscriptions": SHOPIFY_SHOP["webhookSubscriptions"],
                "webhookSubscriptionCreate": {"userErrors": [{"message": "No."}]},
            }
        },
    ),
    "shopify refusal": (
        ShopifyAdapter,
        lambda shop: shop.find_code("LOY-1"),
        {
            "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
            "extensions": {
                "cost": {
                    "requestedQueryCost": 60,
                    "throttleStatus": {"currentlyAvailable": 5, "restoreRate": 10},
                }
            },
        },
    ),
    "medusa code": (MedusaAdapter, lambda shop: shop.find_code("LOY-1"), {"promotions": [MEDUSA_PROMOTION]}),
    "medusa codes": (MedusaAdapter, lambda shop: shop.list_codes(""), {"promotions": [MEDUSA_PROMOTION]}),
    "medusa order": (MedusaAdapter, lambda shop: shop.read_order("order_1"), {"order": MEDUSA_ORDER}),
    "medusa orders": (
        MedusaAdapter,
        lambda shop: shop.orders_since(MEDUSA_POLL),
        {"orders": [MEDUSA_ORDER], "payments": [MEDUSA_PAYMENT]},
    ),
    "medusa shop": (
        MedusaAdapter,
        lambda shop: shop.test_connection(),
        {"stores": [{"name": "Shop", "supported_currencies": [{"currency_code": "usd", "is_default": True}]}]},
    ),
    "medusa refusal": (
        MedusaAdapter,
        lambda shop: shop.create_code(WOO_SPEC),
        {"type": "invalid_data", "message": "No."},
    ),
    "vendure refusal": (
        VendureAdapter,
        lambda shop: shop.find_code("LOY-1"),
        {"errors": [{"message": "No.", "extensions": {"code": "USER_INPUT_ERROR"}}], "data": None},
    ),
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each part of a JSON value."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        yield from places(inner, (*path, key))


def put(value: Any, path: tuple[Any, ...], strange: Any) -> Any:
    if not path:
        return strange
    changed = copy.deepcopy(value)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = strange
    return changed


def texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Each text of an answer with the name of its field."""
    if isinstance(value, str):
        yield name, value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for entry in dataclasses.fields(value):
            yield from texts(getattr(value, entry.name), entry.name)
    elif isinstance(value, tuple):
        for one in value:
            yield from texts(one, name)


@pytest.mark.parametrize("what", ASKED)
def test_answers_whatever_stands_in_the_place_of_a_field(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, ask, good = ASKED[what]
    outcome = Outcome.REJECTED if what in {"sandbox refusal", "bigcommerce refusal", "medusa refusal"} else Outcome.OK
    began = time.monotonic()

    for path in places(good):
        for text in STRANGE:
            strange, readable = bodies.parse(text.encode())
            if not readable:
                continue
            told = put(good, path, strange)
            reply = HttpAnswer(outcome=outcome, status=200 if outcome is Outcome.OK else 422, data=told)
            monkeypatch.setattr(http, "call", lambda *_, reply=reply, **__: reply)
            answer = ask(adapter(ACCESS))
            for name, found in texts(answer):
                assert "\x00" not in found, (path, text)
                found.encode()
                assert len(found) <= (120 if name in SHORT else 1000), (path, text, name)
            assert answer.ok or answer.value is None

    assert time.monotonic() - began < 20
