"""A stand-in for Vendure's Admin API that says just what a test tells it to, over real HTTP.

with scripted_shop(shop_data(...), errors("FORBIDDEN")) as shop:
    VendureAdapter(access(shop.url)).find_code("A")
    assert shop.asked == ["FindCode"]
"""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from platforms.adapter import Access
from platforms.vendure.adapter import VendureAdapter


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: anything but bytes is sent as JSON; `hang_up` closes the connection without a word.

    `delay` is how many seconds the shop takes over it.
    """

    body: Any = None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    hang_up: bool = False
    delay: float = 0.0


@dataclass(slots=True)
class ScriptedShop:
    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    @property
    def asked(self) -> list[str]:
        """The names of the GraphQL operations that arrived, in order."""
        found = [re.search(r"(?:query|mutation) (\w+)", request["query"]) for request in self.requests]
        return [match[1] for match in found if match]


def adapter_for(url: str = "http://127.0.0.1:9", **changes: Any) -> VendureAdapter:
    """An adapter that talks to this address; port 9 is one where nothing listens."""
    plain = Access(
        base_url=url,
        credentials={"api_key": "lookup:very-secret-key"},
        webhook_secrets=("a-secret",),
        currency="EUR",
        allow_private_addresses=True,
    )
    return VendureAdapter(replace(plain, **changes))


def errors(code: str, message: str = "No.", *, status: int = 200) -> Reply:
    """What Vendure says when it throws."""
    return Reply({"errors": [{"message": message, "extensions": {"code": code}}], "data": None}, status=status)


def data(**fields: Any) -> Reply:
    """A good answer with these fields, beside what the shop says about itself."""
    return Reply({"data": {**about(), **fields}})


def about(*, currency: str = "EUR", precision: int = 2, token: str = "channel-1") -> dict[str, Any]:
    return {
        "activeChannel": {
            "code": "__default_channel__",
            "token": token,
            "defaultLanguageCode": "en",
            "defaultCurrencyCode": currency,
            "pricesIncludeTax": True,
        },
        "globalSettings": {"serverConfig": {"moneyStrategyPrecision": precision}},
    }


def promotion(**changes: Any) -> dict[str, Any]:
    return {
        "id": "7",
        "createdAt": "2026-11-21T20:00:00.000Z",
        "couponCode": "LOY-1",
        "enabled": True,
        "description": "Made by Loyalty Desk, reference rr-1",
        "endsAt": None,
        "usageLimit": 1,
        "conditions": [],
        "actions": [{"code": "order_percentage_discount", "args": [{"name": "discount", "value": "10"}]}],
    } | changes


def promotions(*entries: dict[str, Any]) -> Reply:
    return data(promotions={"totalItems": len(entries), "items": list(entries)})


def order(**changes: Any) -> dict[str, Any]:
    return {
        "id": "3",
        "code": "WK67H2HLYPLC9U8F",
        "state": "PaymentSettled",
        "active": False,
        "createdAt": "2026-11-21T20:00:00.000Z",
        "updatedAt": "2026-11-21T20:00:05.000Z",
        "orderPlacedAt": "2026-11-21T20:00:05.409Z",
        "totalWithTax": 2400,
        "total": 2000,
        "shipping": 500,
        "lines": [line("5", 1, paid=1900, before_tax=1500)],
        "currencyCode": "EUR",
        "customer": {"id": "9", "emailAddress": "jo@example.com"},
        "promotions": [{"id": "7", "couponCode": "LOY-1"}],
        "discounts": [{"adjustmentSource": "PROMOTION:7", "amountWithTax": -100}],
        "payments": [{"state": "Settled", "updatedAt": "2026-11-21T20:00:05.000Z", "refunds": []}],
    } | changes


def line(product: str, quantity: int, *, paid: int, before_tax: int) -> dict[str, Any]:
    """A line with its share of every discount."""
    return {
        "quantity": quantity,
        "proratedLinePriceWithTax": paid,
        "proratedLinePrice": before_tax,
        "productVariant": {"product": {"id": product, "collections": [{"id": "2", "slug": "kitchen"}]}},
    }


def lines(basket: dict[str, tuple[int, int]], *, off: int, tax: int) -> list[dict[str, Any]]:
    """The lines of a basket of product → pieces and price, less their shares of a discount, with tax on top."""
    goods = sum(many * price for many, price in basket.values())
    shares = {product: many * price - round(off * many * price / goods) for product, (many, price) in basket.items()}
    return [
        line(product, basket[product][0], paid=taxed(share, percent=tax), before_tax=share)
        for product, share in shares.items()
        if basket[product][0]
    ]


def is_for_delivery(promotion: dict[str, Any]) -> bool:
    return bool(promotion["actions"][0]["code"] == "free_shipping")


def taxed(net: int, *, percent: int) -> int:
    return net + round(net * percent / 100)


def operation(given: dict[str, Any]) -> dict[str, Any]:
    """An action or a condition, as the shop shows what it was given."""
    return {"code": given["code"], "args": given["arguments"]}


def worth(promotion: dict[str, Any], price: int, *, delivery: int) -> int:
    """What a promotion takes off, in minor units."""
    action = promotion["actions"][0]
    value = {argument["name"]: argument["value"] for argument in action["args"]}.get("discount", "0")
    return {
        "order_percentage_discount": round(price * float(value) / 100),
        "order_fixed_discount": min(int(float(value)), price),
    }.get(action["code"], delivery)


def is_met(promotion: dict[str, Any], price: int) -> bool:
    """Whether goods of this price, in minor units, reach its minimum. What does not is taken all the same, in vain."""
    return all(
        price >= int(argument["value"])
        for condition in promotion["conditions"]
        for argument in condition["args"]
        if condition["code"] == "minimum_order_amount" and argument["name"] == "amount"
    )


def listed(
    entries: list[dict[str, Any]],
    bounds: dict[str, Any] | None,
    name: str,
    sort: dict[str, Any],
    *,
    take: int,
    skip: int,
) -> list[dict[str, Any]]:
    """A page, within bounds that leave their ends out."""
    moment = datetime.fromisoformat
    after, before = (bounds or {}).get("after"), (bounds or {}).get("before")
    found = [
        one
        for one in entries
        if (after is None or moment(one[name]) > moment(after))
        and (before is None or moment(one[name]) < moment(before))
    ]
    keys = {"id": lambda one: int(one["id"]), name: lambda one: (one[name], int(one["id"]))}
    (by, direction), *_ = sort.items()
    assert direction == "ASC"
    return sorted(found, key=keys[by])[skip : skip + take]


@contextmanager
def scripted_shop(*replies: Reply) -> Iterator[ScriptedShop]:
    """Answers in this order; the last reply is repeated."""
    script = list(replies)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            shop.requests.append(json.loads(body))
            shop.headers.append({name.lower(): value for name, value in self.headers.items()})
            shop.paths.append(self.path)
            reply = script.pop(0) if len(script) > 1 else script[0]
            time.sleep(reply.delay)
            if reply.hang_up:
                self.close_connection = True
                return
            content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in reply.headers:
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            with suppress(ConnectionError):  # whoever asked may have given up
                self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shop = ScriptedShop(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
