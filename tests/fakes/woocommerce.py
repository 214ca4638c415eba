"""A fake WooCommerce shop behind HTTPS, for tests: what it keeps is in `woocommerce_shop.py`, its API beside it.

with running_woocommerce() as shop:
    shop.adapter().create_code(spec)
    shop.checkout("jo@example.com", code="LOY-1")
    shop.fault("POST", "/coupons", "drop_after")
"""

import atexit
import datetime
import ipaddress
import json
import os
import shutil
import ssl
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from platforms import wire
from platforms.adapter import Access
from platforms.woocommerce.adapter import WooCommerceAdapter
from tests.fakes.woocommerce_api import answer
from tests.fakes.woocommerce_shop import Shop
from tests.fakes.woocommerce_wire import Reply, Request

HOOK_SECRET = "woo_hook_secret"
KEY, SECRET = "ck_good", "cs_good"
FIREWALL = b"<html><h1>Access denied</h1>ck_good:cs_good</html>"


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next `times` requests of that method whose path ends so.

    `error`, `bad_gateway`, `refuse`, `throttle`, `firewall`, `busy`, `drop`: nothing is done. `error_after`, `drop_after`,
    `plugin_after`, `malformed`, `timeout_after`: it is done, and the answer is lost. `slow`: it is done, and takes its time.
    """

    method: str
    path: str
    kind: str
    times: int
    seconds: float


class WooShop(Shop):
    """The shop with its address."""

    def __init__(self) -> None:
        super().__init__()
        self.base_url = ""
        self.asked: list[str] = []
        self.faults: list[Fault] = []

    def access(self, **changes: Any) -> Access:
        plain = Access(
            base_url=self.base_url,
            credentials={"consumer_key": KEY, "consumer_secret": SECRET},
            webhook_secrets=(HOOK_SECRET,),
            currency=self.currency,
            allow_private_addresses=True,
        )
        return replace(plain, **changes)

    def adapter(self, **changes: Any) -> WooCommerceAdapter:
        return WooCommerceAdapter(self.access(**changes))

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
def running_woocommerce(*, tls: bool = True) -> Iterator[WooShop]:
    """A shop until the block ends. Its certificate is trusted meanwhile."""
    shop = WooShop()
    certificate, context = _certificate()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _serve(self, shop, is_ssl=tls)

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 (the names HTTP gives them)

        def log_message(self, *args: Any) -> None:
            """Keep the test's output clean."""

    crashes: list[str] = []

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            error = sys.exception()
            if not isinstance(error, OSError):  # whoever asked did not trust the certificate, or gave up
                crashes.append(repr(error))

    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    shop.base_url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = str(certificate)
    wire.tls.cache_clear()
    try:
        yield shop
    finally:
        if before is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = before
        wire.tls.cache_clear()
        server.shutdown()
        server.server_close()
    assert crashes == [], "the fake shop itself failed"


def _serve(handler: BaseHTTPRequestHandler, shop: WooShop, *, is_ssl: bool) -> None:
    url = urllib.parse.urlsplit(handler.path)
    raw = handler.rfile.read(int(handler.headers.get("content-length", 0)))
    shop.asked.append(f"{handler.command} {url.path.removeprefix('/wp-json/wc/v3')}")
    request = Request(
        method=handler.command,
        path=url.path,
        params=dict(urllib.parse.parse_qsl(url.query)),
        body=json.loads(raw) if raw else None,
        authorization=handler.headers.get("authorization", ""),
        is_ssl=is_ssl,
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


CRITICAL = b"<p>There has been a critical error on this website.</p>"
UNDONE: dict[str, Reply | None] = {
    "drop": None,
    "error": Reply(body=CRITICAL, status=500),
    "bad_gateway": Reply(body=b"<h1>502 Bad Gateway</h1>", status=502),
    "refuse": Reply(
        body={"code": "woocommerce_rest_nope", "message": "So nicht.", "data": {"status": 400}},
        status=400,
    ),
    "throttle": Reply(body=b"<h1>Too many requests</h1>", status=429, headers={"retry-after": "7"}),
    "busy": Reply(body=b"<h1>Maintenance</h1>", status=503, headers={"retry-after": "600"}),
    "firewall": Reply(body=FIREWALL, status=403),
}
LOST: dict[str, Reply | None] = {
    "error_after": Reply(body=CRITICAL, status=504),
    "plugin_after": Reply(
        body={"code": "woocommerce_rest_shop_coupon_not_created", "message": "Plugin kaputt", "data": {"status": 400}},
        status=400,
    ),
    "malformed": Reply(body=b"<b>Warning</b>: Undefined index in plugin.php", status=201),
    "drop_after": None,
    "timeout_after": None,
}


def _stricken(shop: WooShop, request: Request, fault: Fault) -> Reply | None:
    if fault.kind in UNDONE:
        return UNDONE[fault.kind]
    done = answer(shop, request)
    if fault.kind in {"slow", "timeout_after"}:
        time.sleep(fault.seconds)
    return done if fault.kind == "slow" else LOST[fault.kind]


@cache
def _certificate() -> tuple[Path, ssl.SSLContext]:
    """One for 127.0.0.1 that signs itself, and the server's side of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fake shop")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = Path(mkdtemp(prefix="fake-shop-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context
