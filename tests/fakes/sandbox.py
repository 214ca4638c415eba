"""The sandbox shop for tests: the real program, in a process of its own, on a free port.

with running_sandbox_shop(tmp_path, webhook_url=...) as shop:
    shop.checkout("jo@example.com", code="SPRING-1")
    shop.fault("create", "timeout_after_accepting")
    shopper = shop.shopper()          # a browser without a screen: cookies, forms, pages
"""

import http.client
import json
import os
import re
import select
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platforms.adapter import Access
from platforms.sandbox.adapter import SandboxAdapter

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "sandbox-token-for-tests"
WEBHOOK_SECRET = "sandbox-webhook-secret-for-tests"


class ShopRefused(Exception):
    """The shop's API said no to a helper: `status`, `code` and `message` are its answer."""

    def __init__(self, status: int, body: Any) -> None:
        error = body.get("error", {}) if isinstance(body, dict) else {}
        self.status, self.code, self.message = status, error.get("code", ""), error.get("message", "")
        super().__init__(f"{status} {self.code}: {self.message or body}")


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a shopper's browser shows after redirects."""

    status: int
    path: str
    html: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The words on the page, tags and needless space removed."""
        return " ".join(re.sub(r"<[^>]+>", " ", self.html).replace("&#x27;", "'").split())


class Shopper:
    """One browser at the shop: keeps cookies, posts forms, follows redirects."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}

    def get(self, path: str) -> Page:
        return self._go("GET", path, None)

    def post(self, path: str, **form: str | int) -> Page:
        return self._go("POST", path, urllib.parse.urlencode(form))

    def add(self, product: str = "mug", quantity: int = 1) -> Page:
        return self.post("/cart/add", product=product, quantity=quantity)

    def type_code(self, code: str) -> Page:
        return self.post("/cart/code", code=code)

    def remove_code(self) -> Page:
        return self.post("/cart/code/remove")

    def abandon(self) -> Page:
        return self.post("/cart/abandon")

    def pay(self, email: str) -> Page:
        """Check out and pay at once; lands on the order page when it worked."""
        return self.post("/checkout", email=email, action="pay")

    def place(self, email: str) -> Page:
        """Place the order without paying."""
        return self.post("/checkout", email=email, action="place")

    def _go(self, method: str, path: str, body: str | None) -> Page:
        for _ in range(5):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            headers = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
            if body is not None:
                headers["content-type"] = "application/x-www-form-urlencoded"
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            html = answer.read().decode()
            for cookie in answer.headers.get_all("set-cookie") or []:
                name, _, value = cookie.partition(";")[0].partition("=")
                self.cookies[name] = value
            connection.close()
            if answer.status not in {302, 303}:
                return Page(status=answer.status, path=path, html=html, headers=dict(answer.headers.items()))
            method, path, body = "GET", answer.headers["location"], None
        raise AssertionError("the shop redirects in circles")


class SandboxShop:
    """A running shop and the levers on it. Helpers raise ShopRefused when the shop says no."""

    token = TOKEN
    webhook_secret = WEBHOOK_SECRET

    def __init__(self, data: Path, *, currency: str = "USD") -> None:
        self.data = data
        self.currency = currency
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, or start again with the same data and port."""
        command = [sys.executable, "-m", "platforms.sandbox.shop", "--port", str(self.port), "--data", str(self.data)]
        command += ["--currency", self.currency, "--webhook-pause", "0.05"]
        environment = os.environ | {"SANDBOX_ADMIN_TOKEN": self.token, "SANDBOX_WEBHOOK_SECRET": self.webhook_secret}
        self.data.mkdir(parents=True, exist_ok=True)
        log = self.data / "shop.log"
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
            )
        self.port = self._ready(self._process, log)

    def stop(self, *, kill: bool = False) -> None:
        """Unplug the shop; `kill` gives it no time to tidy up."""
        if self._process is None:
            return
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        self._process.communicate(timeout=10)
        self._process = None

    def adapter(self, **changes: Any) -> SandboxAdapter:
        """An adapter to this shop; `changes` are fields of Access, e.g. timeout=1."""
        access: dict[str, Any] = {
            "base_url": self.url,
            "credentials": {"token": self.token},
            "webhook_secrets": (self.webhook_secret,),
            "currency": self.currency,
            "allow_private_addresses": True,
        }
        return SandboxAdapter(Access(**(access | changes)))

    def shopper(self) -> Shopper:
        return Shopper(self.port)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the shop's API; returns the parsed answer."""
        status, _, answer = self.raw(method, path, None if body is None else json.dumps(body).encode())
        parsed = json.loads(answer)
        if status >= 400:
            raise ShopRefused(status, parsed)
        return parsed

    def raw(
        self, method: str, path: str, body: bytes | None = None, token: str | None = TOKEN
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def checkout(
        self,
        email: str = "jo@example.com",
        *,
        product: str = "mug",
        quantity: int = 1,
        code: str = "",
        pay: bool = True,
        more: dict[str, int] | None = None,
    ) -> Any:
        """Buy something in one step; returns the order."""
        basket = {product: quantity} | (more or {})
        items = [{"product": one, "quantity": many} for one, many in basket.items()]
        return self.call("POST", "/api/carts/checkout", {"email": email, "items": items, "code": code, "pay": pay})

    def create_code(self, code: str, **fields: Any) -> Any:
        """A code the shop's own staff made: 10% off, once, unless `fields` say otherwise."""
        kind = {"kind": "percentage", "percent": "10"} if "kind" not in fields else {}
        return self.call("POST", "/api/codes", {"code": code} | kind | fields)

    def codes(self, code: str) -> list[Any]:
        """The shop's codes of this text: none or one."""
        found: list[Any] = self.call("GET", f"/api/codes?code={urllib.parse.quote(code)}")["codes"]
        return found

    def disable_code(self, code: str) -> Any:
        return self.call("POST", f"/api/codes/{self.codes(code)[0]['id']}/disable")

    def order(self, order_id: str) -> Any:
        return self.call("GET", f"/api/orders/{order_id}")

    def orders(self) -> list[Any]:
        found: list[Any] = self.call("GET", "/api/orders?limit=250")["orders"]
        return found

    def pay_order(self, order_id: str) -> Any:
        return self.call("POST", f"/api/orders/{order_id}/pay")

    def cancel_order(self, order_id: str) -> Any:
        return self.call("POST", f"/api/orders/{order_id}/cancel")

    def refund_order(self, order_id: str, amount: str | None = None) -> Any:
        return self.call("POST", f"/api/orders/{order_id}/refund", {} if amount is None else {"amount": amount})

    def set_webhook(self, url: str) -> None:
        self.call("PUT", "/api/webhook", {"url": url})

    def payouts(self, reference: str) -> list[Any]:
        """The shop's payouts of this reference: none or one."""
        found: list[Any] = self.call("GET", f"/api/payouts?reference={urllib.parse.quote(reference)}")["payouts"]
        return found

    def settle_payout(self, reference: str, status: str, **said: str) -> Any:
        """Let the shop say that a payout was paid, failed or is pending."""
        return self.call("POST", f"/api/payouts/{self.payouts(reference)[0]['id']}/settle", {"status": status} | said)

    def set_payout_webhook(self, url: str) -> None:
        self.call("PUT", "/api/payout-webhook", {"url": url})

    def fault(self, operation: str, kind: str, *, times: int = 1, seconds: float | None = None) -> None:
        """Switch a fault on: operations create, find, list, disable, orders, payout, payout_query, connection, all.

        Beside calls: webhook, payout_outcome.
        """
        self.call("POST", "/api/faults", {"operation": operation, "kind": kind, "times": times, "seconds": seconds})

    def clear_faults(self) -> None:
        self.call("DELETE", "/api/faults")

    @staticmethod
    def _ready(process: subprocess.Popen[bytes], log: Path) -> int:
        assert process.stdout is not None
        until = time.monotonic() + 20
        while time.monotonic() < until and process.poll() is None:
            if select.select([process.stdout], [], [], 0.2)[0]:
                line = process.stdout.readline()
                if line.startswith(b"READY "):
                    return int(line.split()[1])
        process.kill()
        raise AssertionError(f"the sandbox shop did not start: {log.read_text()}")


@contextmanager
def running_sandbox_shop(
    folder: Path, webhook_url: str | None = None, *, currency: str = "USD"
) -> Iterator[SandboxShop]:
    """A shop that runs until the block ends, its data in `folder`."""
    shop = SandboxShop(folder / "sandbox-shop", currency=currency)
    shop.start()
    try:
        if webhook_url:
            shop.set_webhook(webhook_url)
        yield shop
    finally:
        shop.stop()
    log = (shop.data / "shop.log").read_text()
    assert "Traceback" not in log, f"the shop itself failed: {log}"
