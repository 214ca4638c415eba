"""A fake Medusa shop over HTTP, for tests: what it keeps is in `medusa_shop.py`, its API beside it.

with running_medusa() as shop:
    shop.adapter().create_code(spec)
    shop.checkout("jo@example.com", code="LOY-1")
    shop.fault("POST", "/admin/promotions", "drop_after")
"""

import json
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from platforms.adapter import Access
from platforms.medusa.adapter import MedusaAdapter
from tests.fakes.medusa_api import KEY, answer
from tests.fakes.medusa_shop import Shop
from tests.fakes.medusa_wire import Reply, Request


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next `times` requests of that method whose path ends so.

    `error`, `refuse`, `throttle`, `forbid`, `drop`: nothing is done. `error_after`, `drop_after`, `malformed`,
    `timeout_after`: it is done, and the answer is lost.
    """

    method: str
    path: str
    kind: str
    times: int
    seconds: float


class MedusaShop(Shop):
    """The shop with its address."""

    def __init__(self) -> None:
        super().__init__()
        self.base_url = ""
        self.asked: list[str] = []
        self.faults: list[Fault] = []

    def access(self, **changes: Any) -> Access:
        plain = Access(
            base_url=self.base_url,
            credentials={"api_key": KEY},
            webhook_secrets=(),
            currency=self.currency,
            allow_private_addresses=True,
        )
        return replace(plain, **changes)

    def adapter(self, **changes: Any) -> MedusaAdapter:
        return MedusaAdapter(self.access(**changes))

    def fault(self, method: str, path: str, kind: str, *, times: int = 1, seconds: float = 3.0) -> None:
        self.faults.append(Fault(method, path, kind, times, seconds))

    def strike(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for each in self.faults:
                if each.times and each.method == method and path.endswith(each.path):
                    each.times -= 1
                    return each
        return None


@contextmanager
def running_medusa() -> Iterator[MedusaShop]:
    """A shop until the block ends."""
    shop = MedusaShop()
    crashes: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _serve(self, shop)

        do_POST = do_DELETE = do_GET  # noqa: N815 (the names HTTP gives them)

        def log_message(self, *args: Any) -> None:
            """Keep the test's output clean."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            error = sys.exception()
            if not isinstance(error, OSError):  # whoever asked gave up
                crashes.append(repr(error))

    server = Server(("127.0.0.1", 0), Handler)
    shop.base_url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
    assert crashes == [], "the fake shop itself failed"


def _serve(handler: BaseHTTPRequestHandler, shop: MedusaShop) -> None:
    url = urllib.parse.urlsplit(handler.path)
    raw = handler.rfile.read(int(handler.headers.get("content-length", 0)))
    shop.asked.append(f"{handler.command} {url.path}")
    request = Request(
        method=handler.command,
        path=urllib.parse.unquote(url.path),
        params=dict(urllib.parse.parse_qsl(url.query)),
        body=json.loads(raw) if raw else None,
        authorization=handler.headers.get("authorization", ""),
    )
    fault = shop.strike(request.method, request.path)
    reply = _stricken(shop, request, fault) if fault is not None else answer(shop, request)
    if reply is None:
        handler.close_connection = True
        return
    content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
    with suppress(OSError):  # whoever asked may have given up
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


BROKEN = {"code": "unknown_error", "type": "unknown_error", "message": "An unknown error occurred."}
UNDONE: dict[str, Reply | None] = {
    "drop": None,
    "error": Reply(body=BROKEN, status=500),
    "refuse": Reply(body={"type": "not_allowed", "message": "Not like this."}, status=400),
    "throttle": Reply(body=b"", status=429, headers={"retry-after": "7"}),
    "forbid": Reply(body={"type": "forbidden", "message": "Forbidden"}, status=403),
}
LOST: dict[str, Reply | None] = {
    "error_after": Reply(body=BROKEN, status=500),
    "malformed": Reply(body=b"<html>", status=200),
    "drop_after": None,
    "timeout_after": None,
}


def _stricken(shop: MedusaShop, request: Request, fault: Fault) -> Reply | None:
    if fault.kind in UNDONE:
        return UNDONE[fault.kind]
    answer(shop, request)
    if fault.kind == "timeout_after":
        time.sleep(fault.seconds)
    return LOST[fault.kind]
