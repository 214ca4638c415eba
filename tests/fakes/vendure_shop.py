"""A Vendure shop with state behind HTTP: promotions, carts' ends, staff, and faults on demand.

with running_vendure_shop() as shop:
    shop.adapter().create_code(spec)
    shop.fault("CreateCode", "drop_after")
    order_id = shop.buy("jo@example.com", codes=[spec.code])

It knows the documents of `platforms/vendure/queries.py` and no other. What the real shop's schema says of them, the
tests against the real shop say; this one is for what goes wrong on the way to it.
"""

import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from platforms.adapter import Access
from platforms.vendure import queries
from platforms.vendure.adapter import VendureAdapter
from tests.fakes import vendure

API_KEY, HOOK_SECRET = "lookup:key-of-tests", "vendure-webhook-secret-for-tests"
PRICE, DELIVERY = 2000, 500
MUG, PLATE, PLATE_PRICE = "5", "6", 900
PROMOTION_FIELDS = {
    "enabled", "couponCode", "usageLimit", "perCustomerUsageLimit", "startsAt", "endsAt", "translations", "conditions",
    "actions",
}  # fmt: skip
KNOWN = {
    document: match[1]
    for document in vars(queries).values()
    if isinstance(document, str) and (match := re.match(r"\s*(?:query|mutation) (\w+)", document))
}
Entry = dict[str, Any]


class CheckoutRefused(AssertionError):
    """The checkout does not take the code; the text is the shop's error code."""


class NotFound(Exception):
    """There is no such thing: Vendure throws."""


class VendureShop:
    """A running shop and the levers on it. Everything under `lock`."""

    def __init__(self) -> None:
        self.url = ""
        self.currency = "USD"
        self.promotions: dict[str, Entry] = {}
        self.orders: dict[str, Entry] = {}
        self.customers: dict[str, str] = {}  # e-mail → id
        self.faults: list[list[Any]] = []  # operation, kind, times
        self.asked: list[str] = []
        self.failures: list[str] = []
        self.lock = threading.RLock()
        self._number = 10
        self._last = datetime(2026, 1, 1, tzinfo=UTC)

    def adapter(self, **changes: Any) -> VendureAdapter:
        plain = Access(
            base_url=self.url,
            credentials={"api_key": API_KEY},
            webhook_secrets=(HOOK_SECRET,),
            currency=self.currency,
            allow_private_addresses=True,
        )
        return VendureAdapter(replace(plain, **changes))

    def fault(self, operation: str, kind: str, *, times: int = 1) -> None:
        """`502`, `429`, `drop`: nothing is done. `504_after`, `drop_after`, `timeout_after`: done, and not answered."""
        self.faults.append([operation, kind, times])

    def number(self) -> str:
        self._number += 1
        return str(self._number)

    def tick(self) -> str:
        """Now, later than any instant that was told before."""
        moment = datetime.now(UTC)
        self._last = max(moment.replace(microsecond=moment.microsecond // 1000 * 1000), self._last + MILLISECOND)
        return self._last.isoformat(timespec="milliseconds")

    # What the API does.

    def strike(self, operation: str) -> str:
        """What goes wrong with this request; empty: nothing."""
        fault = next((one for one in self.faults if one[0] == operation and one[2]), ["", "", 0])
        fault[2] -= 1
        return str(fault[1])

    def answer(self, body: Any, key: str) -> Any:
        name = KNOWN.get(body["query"])
        if name is None:
            self.failures.append(f"unknown document: {body['query'][:60]}")
            return vendure.errors("GRAPHQL_VALIDATION_FAILED").body
        declared = set(re.findall(r"\$(\w+):", body["query"].partition("{")[0]))
        if declared != set(body["variables"]):
            self.failures.append(f"{name} with {sorted(body['variables'])}")
        self.asked.append(name)
        if key != API_KEY:
            return vendure.errors("FORBIDDEN").body
        try:
            return {"data": {**vendure.about(currency=self.currency), **ACTS[name](self, **body["variables"])}}
        except NotFound:
            return vendure.errors("ENTITY_NOT_FOUND").body

    def find(self, code: str, take: int) -> Entry:
        found = [one for one in self.promotions.values() if code.casefold() in (one["couponCode"] or "").casefold()]
        return {"promotions": {"totalItems": len(found), "items": found[:take]}}

    def list_codes(self, filter: Entry, sort: Entry, take: int, skip: int) -> Entry:  # noqa: A002 (Vendure's name)
        assert filter["couponCode"] == {"isNull": False, "notEq": ""}
        found = [one for one in self.promotions.values() if one["couponCode"]]
        return {
            "promotions": {
                "items": vendure.listed(found, filter.get("createdAt"), "createdAt", sort, take=take, skip=skip)
            }
        }

    def create(self, input: Entry) -> Entry:  # noqa: A002
        unknown = set(input) - PROMOTION_FIELDS
        assert not unknown, f"no fields of a promotion: {unknown}"
        if not (input["conditions"] or input.get("couponCode")):
            return {
                "createPromotion": {"__typename": "MissingConditionsError", "errorCode": "MISSING_CONDITIONS_ERROR"}
            }
        number, translation = self.number(), input["translations"][0]
        self.promotions[number] = {
            "id": number,
            "createdAt": self.tick(),
            "description": translation["description"],
            **{name: input[name] for name in ("couponCode", "enabled", "startsAt", "endsAt", "usageLimit")},
            **{name: [vendure.operation(one) for one in input[name]] for name in ("conditions", "actions")},
        }
        return {"createPromotion": {"__typename": "Promotion", "id": number}}

    def change(self, id: str, **changes: Any) -> Entry:  # noqa: A002
        if id not in self.promotions:
            raise NotFound
        self.promotions[id] |= changes
        return {"updatePromotion": {"__typename": "Promotion", "id": id}}

    def delete(self, id: str) -> Entry:  # noqa: A002
        if self.promotions.pop(id, None) is None:
            raise NotFound
        return {"deletePromotion": {"result": "DELETED", "message": ""}}

    def orders_since(self, filter: Entry, sort: Entry, take: int, skip: int) -> Entry:  # noqa: A002
        assert (filter["active"], filter["state"]) == ({"eq": False}, {"notEq": "Draft"})
        found = list(self.orders.values())
        return {
            "orders": {"items": vendure.listed(found, filter.get("updatedAt"), "updatedAt", sort, take=take, skip=skip)}
        }

    # What customers and staff do.

    def buy(
        self, email: str, *, codes: Sequence[str] = (), pay: bool = True, mugs: int = 1, plates: int = 0, tax: int = 0
    ) -> str:
        """Order mugs with these codes. Vendure counts a use from here on. `tax`: percent. Raises CheckoutRefused."""
        with self.lock:
            typed = [self._accepted(code) for code in codes]
            number, now = self.number(), self.tick()
            prices = {MUG: (mugs, PRICE), PLATE: (plates, PLATE_PRICE)}
            goods = sum(many * price for many, price in prices.values())
            used = [one for one in typed if vendure.is_met(one, goods)]  # the others stand in its codes, to no effect
            offs = [(vendure.worth(one, goods, delivery=DELIVERY), vendure.is_for_delivery(one)) for one in used]
            lines = vendure.lines(prices, off=sum(off for off, of_delivery in offs if not of_delivery), tax=tax)
            shipping = DELIVERY * (not any(of_delivery for _, of_delivery in offs))
            discounts = [
                {"adjustmentSource": f"PROMOTION:{one['id']}", "amountWithTax": -vendure.taxed(amount, percent=tax)}
                for one, (amount, _) in zip(used, offs, strict=True)
            ]
            paid = sum(one["proratedLinePriceWithTax"] for one in lines) + vendure.taxed(shipping, percent=tax)
            self.orders[number] = vendure.order(
                id=number,
                code=f"ORDER{number}",
                state="PaymentSettled" if pay else "PaymentAuthorized",
                createdAt=now,
                updatedAt=now,
                orderPlacedAt=now,
                totalWithTax=paid,
                total=sum(one["proratedLinePrice"] for one in lines) + shipping,
                shipping=shipping,
                lines=lines,
                currencyCode=self.currency,
                customer={"id": self.customers.setdefault(email, self.number()), "emailAddress": email},
                promotions=[{"id": one["id"], "couponCode": one["couponCode"]} for one in used],
                discounts=discounts,
                payments=[{"state": "Settled" if pay else "Authorized", "updatedAt": now, "refunds": []}],
                type="Regular",
            )
            return number

    def _accepted(self, code: str) -> Entry:
        now = datetime.now(UTC).isoformat()
        same = [one for one in self.promotions.values() if (one["couponCode"] or "").casefold() == code.casefold()]
        living = [one for one in same if one["enabled"] and (one["endsAt"] is None or one["endsAt"] > now)]
        if not living:
            raise CheckoutRefused("COUPON_CODE_INVALID_ERROR" if not same else "COUPON_CODE_EXPIRED_ERROR")
        for one in living:
            uses = sum(
                {"id": one["id"], "couponCode": one["couponCode"]} in order["promotions"]
                for order in self.orders.values()
                if order["state"] != "Cancelled"
            )
            if one["usageLimit"] is None or uses < one["usageLimit"]:
                return one
        raise CheckoutRefused("COUPON_CODE_LIMIT_ERROR")

    def touch(self, order_id: str, **changes: Any) -> None:
        """Staff change an order."""
        with self.lock:
            self.orders[order_id] |= {"updatedAt": self.tick(), **changes}

    def pay(self, order_id: str) -> None:
        paid = [{"state": "Settled", "updatedAt": self.tick(), "refunds": []}]
        self.touch(order_id, state="PaymentSettled", payments=paid)

    def cancel(self, order_id: str) -> None:
        self.touch(order_id, state="Cancelled")

    def refund(self, order_id: str, minor_units: int) -> None:
        """With our plugin, which touches the order."""
        refund = {"id": self.number(), "state": "Settled", "total": minor_units, "updatedAt": self.tick()}
        self.orders[order_id]["payments"][0]["refunds"].append(refund)
        self.touch(order_id)

    def news(self, order_id: str) -> bytes:
        """The body of our plugin's webhook."""
        told = {
            "id": f"event-{self.number()}",
            "type": "order.updated",
            "created": self.tick(),
            "order": {"id": order_id},
        }
        return json.dumps(told).encode()


STATUSES = {"502": 502, "504_after": 504, "429": 429}
DONE = frozenset({"", "504_after", "drop_after", "timeout_after"})
MILLISECOND = timedelta(milliseconds=1)
ACTS: dict[str, Callable[..., Entry]] = {
    "Shop": lambda shop: {},
    "MayReadPromotions": lambda shop: {"promotions": {"totalItems": len(shop.promotions)}},
    "MayReadOrders": lambda shop: {"orders": {"totalItems": len(shop.orders)}},
    "FindCode": VendureShop.find,
    "ListCodes": VendureShop.list_codes,
    "CreateCode": VendureShop.create,
    "DisableCode": lambda shop, id: shop.change(id, enabled=False),  # noqa: A006
    "ExtendCode": lambda shop, id, endsAt: shop.change(id, endsAt=endsAt),  # noqa: A006, N803
    "DeleteCode": VendureShop.delete,
    "ReadOrder": lambda shop, id: {"order": shop.orders.get(id)},  # noqa: A006
    "OrdersSince": VendureShop.orders_since,
}


def signed(body: bytes, *, secret: str = HOOK_SECRET) -> dict[str, str]:
    """What comes with a webhook of our plugin."""
    stamp = str(int(time.time()))
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"x-vendure-signature": f"t={stamp},v1={digest}"}


class Handler(BaseHTTPRequestHandler):
    @property
    def shop(self) -> VendureShop:
        found: VendureShop = self.server.shop  # type: ignore[attr-defined]
        return found

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        with self.shop.lock:
            kind = self.shop.strike(KNOWN.get(body["query"], ""))
            status, told = self.work(body) if kind in DONE else (200, None)
        if kind.startswith("drop"):
            self.close_connection = True
            return
        if kind == "timeout_after":
            time.sleep(1.3)
        status = STATUSES.get(kind, status)
        self.send(status, b"<html>No</html>" if status != 200 else json.dumps(told).encode())

    def work(self, body: Any) -> tuple[int, Any]:
        try:
            return 200, self.shop.answer(body, self.headers.get("vendure-api-key", ""))
        except Exception as error:  # noqa: BLE001 (it fails the test at the end)
            self.shop.failures.append(f"{body['query'][:40]}: {error!r}")
            return 500, None

    def send(self, status: int, content: bytes) -> None:
        with suppress(ConnectionError):  # whoever asked may have given up
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            if status == 429:
                self.send_header("retry-after", "2")
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Keep the test's output clean."""


@contextmanager
def running_vendure_shop() -> Iterator[VendureShop]:
    """A shop until the end of the block; what it does not understand fails the test."""
    shop = VendureShop()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.shop = shop  # type: ignore[attr-defined]
    shop.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
    assert not shop.failures, f"the shop did not understand, or failed itself: {shop.failures}"
