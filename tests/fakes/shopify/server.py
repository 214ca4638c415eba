"""A stand-in for Shopify's Admin API over real HTTP: state, scopes, cost, and faults on demand.

with running_shopify() as fake:
    fake.adapter().find_code("A")
    fake.fault("CreateBasic", "drop_after")
    order = fake.shop.checkout("jo@example.com", code="A")

Whatever Shopify would not understand, and whatever it would never answer, fails the test that asked.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from graphql import execute_sync, get_operation_ast

from platforms.adapter import Access
from platforms.shopify.adapter import ShopifyAdapter
from tests.fakes.shopify import answers, checks, redeeming, store_credit
from tests.fakes.shopify.shop import CLIENT_ID, CLIENT_SECRET, Shop

BUCKET, RESTORE = 2000.0, 100.0


@dataclass(slots=True)
class Fault:
    """What goes wrong: `*_after` when the shop has done it already, and the rest before."""

    kind: str
    times: int
    seconds: float


@dataclass(slots=True)
class Reply:
    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    delay: float = 0.0


class Shopify:
    """The running fake."""

    def __init__(self, shop: Shop, url: str) -> None:
        self.shop = shop
        self.credits = store_credit.Credits()
        self.bulk = redeeming.Bulk()
        self.url = url
        self.asked: list[str] = []  # names of operations, in order; "token" for a token
        self.variables: list[dict[str, Any]] = []
        self.broken: list[str] = []  # what our side did wrong
        self.faults: dict[str, list[Fault]] = {}
        self.available = BUCKET
        self.costs: dict[str, int] = {}  # of each operation that was asked

    def adapter(self, **changes: Any) -> ShopifyAdapter:
        """An adapter to this shop; `changes` are fields of Access, e.g. timeout=1."""
        plain = Access(
            base_url=self.url,
            credentials={"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET},
            webhook_secrets=(),
            currency=self.shop.currency,
            allow_private_addresses=True,
        )
        return ShopifyAdapter(replace(plain, **changes))

    def fault(self, operation: str, kind: str, *, times: int = 1, seconds: float = 1.0) -> None:
        """Let an operation fail: by its name, "token", or "all"."""
        self.faults.setdefault(operation, []).append(Fault(kind, times, seconds))

    def answer(self, path: str, headers: dict[str, str], raw: bytes) -> Reply:
        """One request, as Shopify would treat it."""
        body = json.loads(raw)
        if path == "/admin/oauth/access_token":
            return self._grant(body)
        parts = path.strip("/").split("/")
        if len(parts) != 4 or parts[:2] != ["admin", "api"] or parts[3] != "graphql.json" or not checks.known(parts[2]):
            return Reply({"errors": "Not Found"}, status=404)
        if not self.shop.knows(headers.get("x-shopify-access-token", "")):
            return Reply(
                {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}, 401
            )
        if set(body) != {"query", "variables"}:
            self.broken.append(f"a body with {sorted(body)}")
        with self.shop.lock:
            self.bulk.work(self.shop)
            return self._ask(checks.version(parts[2]), body["query"], body["variables"])

    def _grant(self, body: dict[str, Any]) -> Reply:
        self.asked.append("token")
        fault = self._fault("token")
        if fault is not None and fault.kind != "slow_after":
            return _spoilt(fault, None)
        if set(body) != {"client_id", "client_secret", "grant_type"} or body["grant_type"] != "client_credentials":
            return Reply({"error": "invalid_request"}, status=400)
        if (body["client_id"], body["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
            return Reply({"error": "invalid_client", "error_description": "Client authentication failed"}, status=400)
        seconds = self.shop.token_seconds
        scopes = ",".join(sorted(self.shop.scopes))
        granted = {"access_token": self.shop.token(), "scope": scopes, "expires_in": seconds}
        return Reply(granted) if fault is None else _spoilt(fault, granted)

    def _ask(self, version: checks.Version, query: str, variables: dict[str, Any]) -> Reply:
        try:
            document = checks.understand(version, query, variables)
        except checks.Refused as error:
            self.broken.append(str(error))
            return Reply({"errors": [{"message": str(error), "extensions": {"code": "undefinedField"}}]})
        operation = get_operation_ast(document)
        assert operation is not None
        assert operation.name is not None
        name = operation.name.value
        self.asked.append(name)
        self.variables.append(variables)
        wanted = self.costs[name] = checks.cost(version, document, variables)
        if wanted > checks.MOST_COST:
            self.broken.append(f"{name} costs {wanted}")
        fault = self._fault(name)
        if fault is not None and not fault.kind.endswith("_after"):
            return _spoilt(fault, None, cost=self._cost(wanted))
        if self.available < wanted:
            return _throttled(self._cost(wanted))
        refusal = checks.denied(version, document, self.shop.scopes)
        if refusal:
            error = {"message": refusal, "extensions": {"code": "ACCESS_DENIED"}}
            return Reply({"data": None, "errors": [error], "extensions": {"cost": self._cost(wanted)}})
        roots = answers.roots(self.shop) | store_credit.roots(self.shop, self.credits)
        roots |= redeeming.roots(self.shop, self.bulk)
        result = execute_sync(version.schema, document, root_value=roots, variable_values=variables)
        if result.errors:
            self.broken += [f"{name}: {error.message}" for error in result.errors]
        answer = {"data": result.data, "extensions": {"cost": self._cost(wanted) | {"actualQueryCost": wanted}}}
        return Reply(answer) if fault is None else _spoilt(fault, answer)

    def _cost(self, wanted: int) -> dict[str, Any]:
        bucket = {"maximumAvailable": BUCKET, "currentlyAvailable": self.available, "restoreRate": RESTORE}
        return {"requestedQueryCost": wanted, "actualQueryCost": None, "throttleStatus": bucket}

    def _fault(self, name: str) -> Fault | None:
        for place in (name, "all"):
            for fault in self.faults.get(place, []):
                if fault.times > 0:
                    fault.times -= 1
                    return fault
        return None


def _throttled(cost: dict[str, Any]) -> Reply:
    error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
    return Reply({"errors": [error], "extensions": {"cost": cost}})


def _spoilt(fault: Fault, answer: Any, *, cost: dict[str, Any] | None = None) -> Reply:
    failed = {"message": "Internal error. Looks like something went wrong on our end.", "extensions": {}}
    failed["extensions"] = {"code": "INTERNAL_SERVER_ERROR"}
    poor = (cost or {}) | {"throttleStatus": {"maximumAvailable": BUCKET, "currentlyAvailable": 5.0, "restoreRate": 10}}
    replies = {
        "502": Reply(b"<html>Bad gateway</html>", status=502),
        "504_after": Reply(b"<html>Gateway timeout</html>", status=504),
        "drop": Reply(None, drop=True),
        "drop_after": Reply(None, drop=True),
        "timeout_after": Reply(answer, delay=fault.seconds),
        "slow_after": Reply(answer, delay=fault.seconds),
        "malformed_after": Reply(b"{not json"),
        "internal_after": Reply({"data": None, "errors": [failed]}),
        "429": Reply({"errors": "Exceeded 2 calls per second"}, status=429, headers={"Retry-After": "2.0"}),
        "throttled": _throttled(poor),
        "401": Reply({"errors": "[API] Invalid API key or access token"}, status=401),
        "402": Reply({"errors": "Unavailable Shop"}, status=402),
        "403": Reply({"errors": "Forbidden"}, status=403),
        "404": Reply({"errors": "Not Found"}, status=404),
        "423": Reply({"errors": "Locked"}, status=423),
        "500": Reply({"errors": "Internal Server Error"}, status=500),
        "html": Reply(b"<html>A bakery</html>"),
        "other_organisation": Reply(b"Oauth error shop_not_permitted: not on this shop", status=400),
        "not_installed": Reply({"error": "app_not_installed"}, status=400),
        "no_token": Reply({"scope": ""}),
    }
    return replies[fault.kind]


@contextmanager
def running_shopify(shop: Shop | None = None) -> Iterator[Shopify]:
    """A shop that runs until the block ends; what it would not have understood fails the test."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                reply = fake.answer(self.path, headers, raw)
            except Exception as error:  # noqa: BLE001 (the fake's own fault must not look like the shop's)
                fake.broken.append(f"the fake failed: {error!r}")
                reply = Reply({"errors": "the fake failed"}, status=500)
            time.sleep(reply.delay)
            if reply.drop:
                self.close_connection = True
                return
            content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            with suppress(ConnectionError):  # whoever asked may have given up
                self.send_response(reply.status)
                for name, value in {"X-Request-Id": "request-1", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake = Shopify(shop or Shop(), f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
    assert not fake.broken, fake.broken
