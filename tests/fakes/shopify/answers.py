"""How the fake shop answers each field of Shopify's two roots; graphql-core checks each answer against the schema."""

import base64
import json
import re
from typing import Any

from tests.fakes.shopify import discounts, goods
from tests.fakes.shopify.discounts import Discount
from tests.fakes.shopify.goods import gid
from tests.fakes.shopify.shop import Order, Shop


def roots(shop: Shop) -> dict[str, Any]:
    """The resolvers, by field."""
    return _codes(shop) | _cards(shop) | _orders(shop) | _things(shop) | _changes(shop)


def _codes(shop: Shop) -> dict[str, Any]:
    def node(found: Discount | None) -> dict[str, Any] | None:
        return None if found is None else discounts.shown(found, currency=shop.currency)

    def every(_: Any, **given: Any) -> Any:
        assert given["sortKey"] == "ID"
        terms = re.fullmatch(r"(?:tag:'([^']+)')? ?(?:id:>(\d+))?", given["query"])
        assert terms is not None, f"the fake knows no search for {given['query']!r}"
        after, tag = int(terms[2] or 0), terms[1]
        found = [
            one for number, one in sorted(shop.discounts.items()) if number > after and (not tag or tag in one.tags)
        ]
        first = given["first"]
        return {"nodes": [node(one) for one in found[:first]], "pageInfo": _page(more=len(found) > first)}

    return {
        "codeDiscountNodeByCode": lambda _, **given: node(shop.by_code(given["code"])),
        "codeDiscountNode": lambda _, **given: node(shop.discounts.get(_number(given["id"]))),
        "codeDiscountNodes": every,
    }


def _cards(shop: Shop) -> dict[str, Any]:
    def created(_: Any, **given: Any) -> Any:
        card, errors = shop.create_card(given["input"])
        if card is None:
            return {"giftCard": None, "giftCardCode": None, "userErrors": errors}
        return {"giftCard": card.shown(shop.currency), "giftCardCode": card.code.lower(), "userErrors": []}

    def one(_: Any, **given: Any) -> Any:
        card = shop.cards.get(_number(given["id"]))
        return None if card is None else card.shown(shop.currency)

    def several(_: Any, **given: Any) -> Any:
        wanted = given["query"].casefold()
        found = [card for card in shop.cards.values() if wanted in (card.code.casefold(), card.note.casefold())]
        return {"nodes": [card.shown(shop.currency) for card in found[: given["first"]]]}

    def changed(_: Any, **given: Any) -> Any:
        return {"userErrors": shop.update_card(_number(given["id"]), given["input"])}

    return {
        "giftCardCreate": created,
        "giftCard": one,
        "giftCards": several,
        "giftCardUpdate": changed,
        "giftCardDeactivate": lambda _, **given: {"userErrors": shop.deactivate_card(_number(given["id"]))},
    }


def _orders(shop: Shop) -> dict[str, Any]:
    def several(_: Any, **given: Any) -> Any:
        assert given["sortKey"] == "UPDATED_AT"
        found, first = shop.search_orders(given["query"]), given["first"]
        if given.get("reverse"):
            found.reverse()
        if given.get("after"):
            at, number = json.loads(base64.b64decode(given["after"]))
            found = [one for one in found if (one.updated_at.isoformat(), one.number) > (at, number)]
        end = _cursor(found[:first][-1]) if found else None
        nodes = [shop.shown_order(one) for one in found[:first]]
        return {"nodes": nodes, "pageInfo": _page(more=len(found) > first, end=end)}

    def one(_: Any, **given: Any) -> Any:
        found = shop.orders.get(_number(given["id"]))
        return None if found is None else shop.shown_order(found)

    return {"orders": several, "order": one}


def _things(shop: Shop) -> dict[str, Any]:
    def customer(_: Any, **given: Any) -> Any:
        wanted = given["identifier"]["emailAddress"].casefold()
        return next(({"id": one} for one, email in shop.customers.items() if email == wanted), None)

    def variant(_: Any, **given: Any) -> Any:
        price = goods.PRICES.get(str(_number(given["id"])))
        return None if price is None else {"id": given["id"], "price": str(price)}

    def product(_: Any, **given: Any) -> Any:
        numbers = goods.VARIANTS.get(str(_number(given["id"])))
        if numbers is None:
            return None
        return {"variants": {"nodes": [variant(_, id=gid("ProductVariant", one)) for one in numbers]}}

    def hooks(_: Any, **given: Any) -> Any:
        fitting = [one for one in shop.subscriptions if given.get("uri") in (None, one["uri"])]
        return {"nodes": fitting[: given["first"]]}

    return {
        "shop": lambda _: {
            "name": shop.name,
            "myshopifyDomain": "lilies.myshopify.com",
            "currencyCode": shop.currency,
            "ianaTimezone": shop.zone,
        },
        "currentAppInstallation": lambda _: {"accessScopes": [{"handle": scope} for scope in sorted(shop.scopes)]},
        "webhookSubscriptions": hooks,
        "customerByIdentifier": customer,
        "productVariant": variant,
        "product": product,
    }


def _changes(shop: Shop) -> dict[str, Any]:
    def made(kind: str, given: dict[str, Any]) -> Any:
        found, errors = shop.create(kind, given)
        node = None if found is None else discounts.shown(found, currency=shop.currency)
        return {"codeDiscountNode": node, "userErrors": errors}

    def changed(kind: str, given: dict[str, Any], name: str) -> Any:
        return {"userErrors": shop.update(kind, _number(given["id"]), given[name])}

    def subscribe(_: Any, **given: Any) -> Any:
        entry = {"topic": given["topic"], "uri": given["webhookSubscription"]["uri"]}
        if entry in shop.subscriptions:
            taken = {"field": ["webhookSubscription"], "message": "Address for this topic has already been taken"}
            return {"webhookSubscription": None, "userErrors": [taken]}
        shop.subscriptions.append(entry)
        return {"webhookSubscription": {"id": gid("WebhookSubscription", shop.number())}, "userErrors": []}

    basic, shipping = (
        ("DiscountCodeBasic", "basicCodeDiscount"),
        ("DiscountCodeFreeShipping", "freeShippingCodeDiscount"),
    )
    return {
        "discountCodeBasicCreate": lambda _, **given: made(basic[0], given[basic[1]]),
        "discountCodeFreeShippingCreate": lambda _, **given: made(shipping[0], given[shipping[1]]),
        "discountCodeBasicUpdate": lambda _, **given: changed(basic[0], given, basic[1]),
        "discountCodeFreeShippingUpdate": lambda _, **given: changed(shipping[0], given, shipping[1]),
        "discountCodeDeactivate": lambda _, **given: {"userErrors": shop.deactivate(_number(given["id"]))},
        "webhookSubscriptionCreate": subscribe,
    }


def _number(global_id: str) -> int:
    return int(global_id.rpartition("/")[2])


def _page(*, more: bool, end: str | None = None) -> dict[str, Any]:
    return {"hasNextPage": more, "endCursor": end, "hasPreviousPage": False, "startCursor": None}


def _cursor(order: Order) -> str:
    return base64.b64encode(json.dumps([order.updated_at.isoformat(), order.number]).encode()).decode()
