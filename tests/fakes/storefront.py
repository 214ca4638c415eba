"""A shop's own web server, on a port of its own: one page with `desk.js` on it, under a policy that allows little else.

with open_storefront(desk="http://127.0.0.1:8000", key="api_…", customer_id=7) as shop:
    page.goto(shop.url)
    shop.expired = 1        # so many of the next tokens ended before they were given
    shop.customer_id = None # nobody is signed in
"""

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>A shop</title>
<script src="{desk}/static/storefront/desk.js" integrity="{integrity}" crossorigin="anonymous" defer></script>
</head><body><h1>Your account</h1><loyalty-desk desk="{desk}" token="/loyalty-token"></loyalty-desk></body></html>"""


@dataclass
class Storefront:
    """What the shop knows: where the desk is, its key there, and who is signed in."""

    desk: str
    key: str
    integrity: str
    customer_id: int | None
    url: str = ""
    ended: list[str] = field(default_factory=list)  # tokens of before, given first
    asked: int = 0  # times that the page wanted a token

    @property
    def policy(self) -> str:
        return (
            f"default-src 'none'; script-src {self.desk}; connect-src 'self' {self.desk}; base-uri 'none'; "
            "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
        )

    def token(self) -> str:
        """Asked from server to server, with the key that no browser sees."""
        if self.ended:
            return self.ended.pop()
        address = f"{self.desk}/api/v1/customers/{self.customer_id}/customer_tokens"
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        asking = urllib.request.Request(address, data=b"{}", headers=headers, method="POST")
        with urllib.request.urlopen(asking, timeout=10) as answer:
            token: str = json.load(answer)["customer_token"]["token"]
            return token


@contextmanager
def open_storefront(*, desk: str, key: str, integrity: str, customer_id: int | None) -> Iterator[Storefront]:
    """The shop, running on a free port until the block ends."""
    shop = Storefront(desk=desk, key=key, integrity=integrity, customer_id=customer_id)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/":
                page = PAGE.format(desk=shop.desk, integrity=shop.integrity)
                self.answer(200, page, "text/html; charset=utf-8")
            elif self.path == "/loyalty-token":
                shop.asked += 1
                if shop.customer_id is None:
                    self.answer(204, "", "application/json")
                else:
                    self.answer(200, json.dumps({"token": shop.token()}), "application/json")
            else:  # what a browser asks by itself, such as an icon
                self.answer(204, "", "text/plain")

        def answer(self, status: int, body: str, kind: str) -> None:
            told = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Security-Policy", shop.policy)
            if status != 204:
                self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shop.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
