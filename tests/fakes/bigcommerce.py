"""A BigCommerce store behind HTTP: with state, strict checks, a quota, faults on demand, shoppers and staff.

with running_store() as shop:
    shop.adapter().create_code(spec)
    shop.fault("timeout_after", "POST", "/v2/coupons")
    order_id = shop.buy("jo@example.com", code=spec.code)

A test that makes it delete everything fails at the end of the block.
"""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import format_datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from platforms.adapter import Access
from platforms.bigcommerce.adapter import BigCommerceAdapter
from tests.fakes import bigcommerce_checkout as checkout
from tests.fakes.bigcommerce_checkout import CATEGORY, PRICE, PRODUCT, NothingForIt, use_code
from tests.fakes.bigcommerce_routes import answer
from tests.fakes.bigcommerce_store import Refused, Store

__all__ = ["CATEGORY", "PRICE", "PRODUCT", "BigCommerceShop", "NothingForIt", "running_store", "signed"]

HASH = "abcde"
TOKEN = "bigcommerce-token-for-tests"
CLIENT_SECRET = "bigcommerce-client-secret-for-tests"
WEBHOOK_SECRET = "bigcommerce-webhook-secret-for-tests"


@dataclass
class Fault:
    """What goes wrong with the next requests of this method to paths that begin so."""

    kind: str
    method: str
    path: str
    times: int

    def fits(self, method: str, path: str) -> bool:
        return self.times > 0 and method == self.method and path.startswith(self.path)


class BigCommerceShop:
    """A running store and the levers on it."""

    def __init__(self) -> None:
        self.store = Store()
        self.requests: list[tuple[str, str, dict[str, str]]] = []  # method, path below the store, parameters
        self.bodies: list[Any] = []
        self.faults: list[Fault] = []
        self.late: list[Callable[[], Any]] = []  # what it has answered with an error and has not done yet
        self.quota: int | None = None  # requests left in the window, where one is set
        self.reset_ms = 15_000
        self.failures: list[str] = []
        self.port = 0
        self.lock = threading.RLock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/stores/{HASH}"

    def adapter(self, **changes: Any) -> BigCommerceAdapter:
        access: dict[str, Any] = {
            "base_url": self.url,
            "credentials": self.credentials(),
            "webhook_secrets": (WEBHOOK_SECRET,),
            "currency": self.store.currency,
            "allow_private_addresses": True,
        }
        return BigCommerceAdapter(Access(**(access | changes)))

    def credentials(self, **changes: str) -> dict[str, str]:
        return {
            "access_token": TOKEN,
            "client_secret": CLIENT_SECRET,
            "delivery_cost": "4.00",
            "sender_email": "rewards@garden.example",
        } | changes

    def fault(self, kind: str, method: str, path: str, *, times: int = 1) -> None:
        self.faults.append(Fault(kind, method, path, times))

    def next_fault(self, method: str, path: str) -> str:
        """What goes wrong with this request; empty: nothing. It counts against the quota."""
        if self.quota is not None:
            if self.quota <= 0:
                return "throttled"
            self.quota -= 1
        found = next((each for each in self.faults if each.fits(method, path)), None)
        if found is None:
            return ""
        found.times -= 1
        return found.kind

    def catch_up(self) -> None:
        """Do now what it had said nothing good about: the fault "late"."""
        with self.lock:
            while self.late:
                self.late.pop(0)()

    def asked(self, method: str = "") -> list[str]:
        """The paths that were asked for, in order."""
        return [path for verb, path, _ in self.requests if method in {"", verb}]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call as the merchant's other programs make it; raises Refused."""
        return answer(self.store, method, path, {}, body)[1]

    # Shoppers.

    def buy(self, email: str, *, code: str = "", status_id: int = 11, customer_id: int = 0, plates: int = 0,
        tax: Decimal = Decimal(0),
    ) -> str:  # fmt: skip
        """Order one thing for 18.00 and delivery for 4.00. Raises NothingForIt for a code that does not work.

        With plates, two of the thing; the discount is for the thing.
        """
        with self.lock:
            applied, paid = use_code(self.store, code, use=True) if code else ([], [])
            identity = self.store.new_id()
            now = format_datetime(self.store.clock())
            discount = sum((Decimal(str(entry["discount"])) for entry in applied), Decimal(0))
            given = sum((Decimal(str(entry["amount"])) for entry in paid), Decimal(0))
            self.store.lines[identity], net = checkout.lines(applied, pieces=2 if plates else 1, plates=plates, tax=tax)
            shipping = checkout.delivery(applied)
            total = (net + shipping) * (1 + tax)
            self.store.orders[identity] = {
                "total_tax": f"{(net + shipping) * tax:.4f}", "shipping_cost_ex_tax": f"{shipping:.4f}",
                "discount_amount": f"{discount * (1 + tax):.4f}",
                "id": identity, "customer_id": customer_id, "date_created": now, "date_modified": now,
                "status_id": status_id, "total_inc_tax": f"{total:.4f}", "currency_code": "EUR",
                "default_currency_code": self.store.currency, "refunded_amount": "0.0000", "coupon_discount": "0.0000",
                "gift_certificate_amount": f"{given:.4f}", "is_deleted": False,
                "billing_address": {"first_name": "Jo", "last_name": "Doe", "email": email},
            }  # fmt: skip
            self.store.applied[identity] = [
                entry | {"id": self.store.new_id(), "order_id": identity} for entry in applied
            ]
            self.store.payments[identity] = [{**entry, "id": self.store.new_id()} for entry in paid]
            return str(identity)

    def would_take(self, code: str) -> bool:
        """Whether a fresh checkout takes the code."""
        with self.lock:
            try:
                use_code(self.store, code, use=False)
            except NothingForIt:
                return False
            return True

    # Staff.

    def set_status(self, order_id: str, status_id: int) -> None:
        """5 is cancelled: the counter of a code stays as it is."""
        with self.lock:
            order = self.store.orders[int(order_id)]
            order |= {"status_id": status_id, "date_modified": format_datetime(self.store.clock())}

    def refund(self, order_id: str, amount: str, *, declined: bool = False) -> None:
        """Give money back; an order of which a part is refunded has a status of its own."""
        payment = {"id": 1, "amount": float(amount), "is_declined": declined}
        with self.lock:
            entry = {"id": self.store.new_id(), "order_id": int(order_id), "created": self.store.clock().isoformat()}
            self.store.refunds.append(entry | {"total_amount": float(amount), "total_tax": 0, "payments": [payment]})
            if not declined:
                self.set_status(order_id, 14)

    # News.

    def news(self, order_id: str, *, scope: str = "store/order/updated", at: datetime | None = None) -> bytes:
        """The body of a webhook about an order."""
        data = {"type": "order", "id": int(order_id)}
        digest = hashlib.sha1(json.dumps(data).encode()).hexdigest()
        created_at = int((at or datetime.now(UTC)).timestamp())
        return json.dumps(
            {"scope": scope, "store_id": "1025646", "data": data, "hash": digest, "created_at": created_at,
             "producer": f"stores/{HASH}"}
        ).encode()  # fmt: skip

    def headers_for(self, body: bytes, *, at: datetime, secret: str = CLIENT_SECRET) -> dict[str, str]:
        """What comes with it: the signature, and the headers of the webhook that was registered for its scope."""
        scope = json.loads(body)["scope"]
        own = next((hook["headers"] for hook in self.store.hooks.values() if hook["scope"] == scope), None) or {}
        return signed(body, at=at, secret=secret) | own

    # The wire.

    def respond(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> tuple[int, Any]:
        """The status and the JSON of a request to the store. Raises Refused."""
        parts = urlsplit(target)
        if not parts.path.startswith(f"/stores/{HASH}/"):
            raise Refused(404, "Not Found")
        path, query = parts.path.removeprefix(f"/stores/{HASH}"), dict(parse_qsl(parts.query))
        body = json.loads(content) if content else None
        self.requests.append((method, path, query))
        self.bodies.append(body)
        if headers.get("x-auth-token") != TOKEN:
            raise Refused(401, "Unauthorized")
        if "application/json" not in headers.get("accept", ""):
            raise Refused(406, "Not Acceptable")
        if body is not None and headers.get("content-type") != "application/json":
            raise Refused(415, "Unsupported Media Type")
        return answer(self.store, method, path, query, body)


def signed(body: bytes, *, at: datetime, secret: str = CLIENT_SECRET) -> dict[str, str]:
    """The headers of the Standard Webhooks scheme, keyed with the bytes of the secret."""
    stamp = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), f"msg_1.{stamp}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": signature}


STATUSES = {"refuse": 422, "error": 500, "error_after": 504, "throttled": 429, "overloaded": 429, "locked": 423,
            "plan_limit": 507, "down": 503, "bad_gateway": 502, "gone": 404, "late": 504}  # fmt: skip


DONE = frozenset({"", "error_after", "timeout_after", "drop_after", "slow", "malformed"})


class Handler(BaseHTTPRequestHandler):
    @property
    def shop(self) -> BigCommerceShop:
        found: BigCommerceShop = self.server.shop  # type: ignore[attr-defined]
        return found

    def do_GET(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        with self.shop.lock:
            kind = self.shop.next_fault(self.command, urlsplit(self.path).path.removeprefix(f"/stores/{HASH}"))
            status, data = self.work(content) if kind in DONE else (STATUSES.get(kind, 200), None)
            if kind == "late":
                self.shop.late.append(
                    partial(self.shop.respond, self.command, self.path, self.named_headers(), content)
                )
        if kind in {"drop", "drop_after"}:
            self.close_connection = True
            return
        time.sleep({"timeout_after": 1.2, "slow": 0.3}.get(kind, 0))
        if kind in STATUSES:
            status, data = STATUSES[kind], {"status": STATUSES[kind], "title": "Something is wrong"}
        self.send(status, data, kind=kind)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def named_headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def work(self, content: bytes) -> tuple[int, Any]:
        try:
            return self.shop.respond(self.command, self.path, self.named_headers(), content)
        except Refused as refusal:
            if "/v2/" in self.path:
                return refusal.status, [{"status": refusal.status, "message": refusal.message}]
            return refusal.status, {"status": refusal.status, "title": refusal.message, "type": "about:blank"}
        except Exception as error:  # noqa: BLE001 (it fails the test at the end)
            self.shop.failures.append(f"{self.command} {self.path}: {error!r}")
            return 500, None

    def send(self, status: int, data: Any, *, kind: str) -> None:
        body = b"" if data is None else json.dumps(data).encode()
        if kind == "malformed":
            body = b"<html>Welcome"
        self.send_response(status)
        if kind != "overloaded":
            left = 0 if kind == "throttled" else 149 if self.shop.quota is None else self.shop.quota
            self.send_header("X-Rate-Limit-Requests-Quota", "150")
            self.send_header("X-Rate-Limit-Requests-Left", str(left))
            self.send_header("X-Rate-Limit-Time-Window-Ms", "30000")
            self.send_header("X-Rate-Limit-Time-Reset-Ms", str(self.shop.reset_ms))
        self.send_header("X-Request-Id", "req-1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):  # whoever asked may have given up
            self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Keep the test's output clean."""


@contextmanager
def running_store() -> Iterator[BigCommerceShop]:
    """A store until the end of the block."""
    shop = BigCommerceShop()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.shop = shop  # type: ignore[attr-defined]
    shop.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
    assert shop.failures == [], "the store itself failed"
    assert shop.store.deleted_everything == [], "somebody deleted everything in the store"
