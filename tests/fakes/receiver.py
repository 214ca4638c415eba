"""A receiver of webhooks for tests: keeps what came, and answers as it is told."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Delivery:
    headers: dict[str, str]  # names in lower case
    body: bytes


class Receiver:
    """`answers` are the statuses of the next deliveries; when they run out, 200."""

    def __init__(self) -> None:
        self.url = ""
        self.deliveries: list[Delivery] = []
        self.answers: list[int] = []

    def wait_for(self, count: int, *, seconds: float = 10) -> list[Delivery]:
        """The deliveries, once there are `count`."""
        return self.wait_until(lambda: len(self.deliveries) >= count, seconds=seconds)

    def wait_until(self, done: Callable[[], bool], *, seconds: float = 10) -> list[Delivery]:
        until = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < until, f"only {len(self.deliveries)} deliveries came"
            time.sleep(0.02)
        return list(self.deliveries)


@contextmanager
def webhook_receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.deliveries.append(Delivery(headers=headers, body=body))
            self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *values: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    serving.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
