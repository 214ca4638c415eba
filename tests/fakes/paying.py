"""What stand-ins for payout providers share: an HTTP server whose answers can be spoilt before or after they are meant.

A request that the provider would not understand is written down in `broken`, and fails the test when the server stops.
"""

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

PAY, ASK, TOKEN = "pay", "ask", "token"


@dataclass(slots=True)
class Reply:
    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Fault:
    kind: str
    times: int
    seconds: float


class PayingServer(ABC):
    """One provider. Everything under `lock`: requests come from several threads."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.url = ""
        self.asked: list[str] = []  # operations, in order
        self.broken: list[str] = []
        self.faults: dict[str, list[Fault]] = {}

    def fault(self, kind: str, *, at: str = PAY, times: int = 1, seconds: float = 1.0) -> None:
        """Spoil the next `times` answers of an operation; `…_after_accepting` when it did as it was told."""
        self.faults.setdefault(at, []).append(Fault(kind, times, seconds))

    def clear_faults(self) -> None:
        self.faults.clear()

    @abstractmethod
    def operation(self, method: str, path: str) -> str:
        """PAY, ASK or TOKEN."""

    @abstractmethod
    def answer(self, operation: str, path: str, headers: dict[str, str], raw: bytes) -> Reply:
        """What it does and says when nothing goes wrong."""

    @abstractmethod
    def refusal(self) -> Reply:
        """How it refuses a payment for a reason of its own."""

    def reply(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> tuple[Reply | bytes | None, float]:
        """The answer, raw bytes that are none, or nothing at all; and how many seconds later."""
        with self.lock:
            operation = self.operation(method, path)
            self.asked.append(operation)
            fault = self._next_fault(operation)
            kind = fault.kind if fault is not None else ""
            after = kind in {"", "slow"} or kind.endswith("_after_accepting")
            answer = self.answer(operation, path, headers, raw) if after else None
        seconds = fault.seconds if fault is not None and kind.startswith(("timeout", "slow")) else 0.0
        spoilt: dict[str, Reply | bytes | None] = {
            "refuse": self.refusal(),
            "throttle": Reply({"message": "Too many requests"}, 429, {"Retry-After": "1"}),
            "server_error": Reply({"message": "Internal error"}, 500),
            "garbage": b"{not json",
            "drop": None,
        }
        return spoilt.get(kind.removesuffix("_after_accepting"), answer), seconds

    def _next_fault(self, operation: str) -> Fault | None:
        for fault in self.faults.get(operation, []):
            if fault.times > 0:
                fault.times -= 1
                return fault
        return None


S = TypeVar("S", bound=PayingServer)


@contextmanager
def running(provider: S) -> Iterator[S]:
    """A provider that runs until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                reply, delay = provider.reply(self.command, self.path, headers, raw)
            except Exception as error:  # noqa: BLE001 (the fake's own fault must not look like the provider's)
                provider.broken.append(f"the fake failed: {error!r}")
                reply, delay = Reply({"message": "the fake failed"}, 500), 0.0
            time.sleep(delay)
            if reply is None:
                self.close_connection = True
                return
            answer = reply if isinstance(reply, Reply) else Reply(None)
            content = reply if isinstance(reply, bytes) else json.dumps(answer.body).encode()
            with suppress(ConnectionError):  # whoever asked may have given up
                self.send_response(answer.status)
                for name, value in {"X-Request-Id": "request-1", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        do_GET = do_POST = _serve  # noqa: N815 (the names that the standard library calls)

        def log_message(self, *args: Any) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
    assert not provider.broken, provider.broken
