"""The HTTP side of the shop: reads requests within limits, sends replies, and keeps browsers strict."""

import sqlite3
import sys
import time
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from platforms.sandbox.shop import api, exchange, pages, staff, store
from platforms.sandbox.shop.exchange import NoAnswer, Reply, Request, Shop
from platforms.sandbox.shop.refusals import Refused

LARGEST_BODY = 1_000_000
MOST_DRAINED = 20_000_000
STATIC = Path(__file__).parent / "static"
STATIC_TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
STATIC_FILES = {
    f"/static/{path.relative_to(STATIC).as_posix()}": path for path in STATIC.rglob("*") if path.suffix in STATIC_TYPES
}
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
)


class ShopServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], shop: Shop) -> None:
        super().__init__(address, Handler)
        self.shop = shop

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Browsers and impatient programs hang up: no news. Anything else is a fault of ours and is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    server: ShopServer
    protocol_version = "HTTP/1.1"
    server_version = "SandboxShop/1"
    sys_version = ""
    timeout = 30
    wbufsize = -1  # one packet a reply

    def answer(self) -> None:
        started = time.monotonic()
        try:
            reply = self._reply()
        except NoAnswer as silence:
            self.server.shop.stopping.wait(silence.seconds)
            self.close_connection = True
            return
        self._send(reply)
        took = (time.monotonic() - started) * 1000
        path = self.path.partition("?")[0][:200]
        print(f"{self.command} {path!r} {reply.status} {took:.0f}ms", flush=True)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815

    def _reply(self) -> Reply:
        try:
            request = self._request()
        except Refused as refused:
            self.close_connection = True
            return exchange.refusal(refused)
        try:
            return self._dispatch(request)
        except sqlite3.OperationalError as error:
            print(f"database: {error}", flush=True)
            return exchange.refusal(Refused("busy", "The shop is busy. Try again.", status=503))

    def _dispatch(self, request: Request) -> Reply:
        shop = self.server.shop
        if request.path.startswith("/api/"):
            return api.answer(shop, request)
        if request.path == "/health":
            with shop.store.reading() as connection:
                store.setting(connection, "currency")
            return exchange.as_json(200, {"status": "ok"})
        if request.path in STATIC_FILES and request.method in {"GET", "HEAD"}:
            path = STATIC_FILES[request.path]
            cached = ("Cache-Control", "max-age=300")
            return Reply(status=200, body=path.read_bytes(), content_type=STATIC_TYPES[path.suffix], headers=(cached,))
        if request.method == "POST" and self._from_elsewhere():
            return pages.failure(shop, Refused("cross_site", "This form was sent from another site.", status=403))
        if request.path == "/admin" or request.path.startswith("/admin/"):
            return staff.answer(shop, request)
        return pages.answer(shop, request)

    def _from_elsewhere(self) -> bool:
        """A form of another site, by what browsers say of it."""
        origin = self.headers.get("origin")
        site = self.headers.get("sec-fetch-site", "same-origin")
        return site not in {"same-origin", "none"} or (
            origin is not None and urlsplit(origin).netloc != self.headers.get("host")
        )

    def _request(self) -> Request:
        """Raises Refused for what cannot be read."""
        body = self._body()
        try:
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=50, errors="replace"))
            form = {}
            if self.headers.get_content_type() == "application/x-www-form-urlencoded":
                form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=100))
            cookies = {name: morsel.value for name, morsel in SimpleCookie(self.headers.get("cookie", "")).items()}
        except (ValueError, CookieError):
            raise Refused("bad_request", "The request cannot be read.", status=400) from None
        return Request(
            method="GET" if self.command == "HEAD" else self.command,
            path=parts.path or "/",
            query=query,
            headers={name.lower(): value for name, value in self.headers.items()},
            cookies=cookies,
            form=form,
            body=body,
        )

    def _body(self) -> bytes:
        if "transfer-encoding" in self.headers:
            raise Refused("length_required", "Send the body with a Content-Length.", status=411)
        declared = self.headers.get("content-length", "0")
        if not (declared.isascii() and declared.isdigit()):
            raise Refused("bad_request", "Content-Length is not a number.", status=400)
        length = int(declared[:15])
        if length > LARGEST_BODY:
            self._drain(min(length, MOST_DRAINED))  # so that the sender gets to read why
            raise Refused("too_large", f"A body may have at most {LARGEST_BODY} bytes.", status=413)
        body = self.rfile.read(length)
        if len(body) < length:
            raise Refused("bad_request", "The body ended early.", status=400)
        return body

    def _drain(self, length: int) -> None:
        while length > 0:
            chunk = self.rfile.read(min(length, 65_536))
            if not chunk:
                return
            length -= len(chunk)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("X-Request-Id", store.new_id("request"))
        if all(name != "Cache-Control" for name, _ in reply.headers):
            self.send_header("Cache-Control", "no-store")
        for name, value in (*HEADERS, *reply.headers):
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def log_message(self, *values: Any) -> None:
        """Our own line says what is worth saying, without query strings."""
