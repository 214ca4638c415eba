"""Webhooks as a shop sends them: signed, many at once over kept connections, each answer noted with its time.

Of the standard library alone, so that it costs little beside the server it measures.
"""

import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

SECRET = "what the shop and we share"
PADDING = "x" * 1_200  # a platform's order is no smaller
HOST = "desk.example"  # as `tests.journeys.web` has it


@dataclass(frozen=True, slots=True)
class Answered:
    """One delivery: its event, the status of the answer (0: none came), how many seconds that took."""

    event: str
    status: int
    seconds: float


@dataclass(slots=True)
class Load:
    """What was sent, in the order of the answers."""

    answers: list[Answered] = field(default_factory=list)
    seconds: float = 0.0

    def acknowledged(self) -> set[str]:
        return {answer.event for answer in self.answers if 200 <= answer.status < 300}


def body_of(event: str, *, order: int) -> bytes:
    """What a sandbox shop says when an order was paid: the whole order, worth 20 points."""
    at = datetime.now(UTC).isoformat()
    told = {
        "id": str(order), "number": f"#{order}", "status": "completed", "total": "20.00", "currency": "USD",
        "placed_at": at, "updated_at": at, "email": f"buyer{order}@example.com", "codes": [], "refunds": [],
        "note": PADDING,
    }  # fmt: skip
    return json.dumps({"event_id": event, "topic": "order.updated", "occurred_at": at, "order": told}).encode()


def request(url: str, event: str, *, order: int) -> bytes:
    """One delivery as it goes over the wire, through a proxy that speaks TLS."""
    body, stamp = body_of(event, order=order), str(int(time.time()))
    digest = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    told = {
        "host": HOST,
        "x-forwarded-proto": "https",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "x-sandbox-timestamp": stamp,
        "x-sandbox-signature": f"v1={digest}",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"POST {urlsplit(url).path} HTTP/1.1\r\n{head}\r\n".encode() + body


def send(
    url: str,
    events: Sequence[tuple[str, int]],
    *,
    connections: int,
    patience: float = 30.0,
    answered: Callable[[int], None] = lambda count: None,
) -> Load:
    """Deliver each of the events, named with its order, from so many connections at once. Nothing is tried twice.

    `answered` is told after each answer how many there were.
    """
    load, lock = Load(), threading.Lock()
    left = iter([(event, request(url, event, order=order)) for event, order in events])

    def run() -> None:
        line = _Line(url, patience=patience)
        for event, raw in shared(left, lock):
            load.answers.append(line.deliver(event, raw))
            answered(len(load.answers))

    began = time.monotonic()
    running = [threading.Thread(target=run) for _ in range(connections)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    load.seconds = time.monotonic() - began
    return load


def shared(left: Iterator[tuple[str, bytes]], lock: threading.Lock) -> Iterator[tuple[str, bytes]]:
    """What is left, each to one of several threads."""
    while True:
        with lock:
            item = next(left, None)
        if item is None:
            return
        yield item


class _Line:
    """One connection, made anew whenever the server has closed it."""

    def __init__(self, url: str, *, patience: float) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._patience = patience
        self._socket: socket.socket | None = None

    def deliver(self, event: str, raw: bytes) -> Answered:
        began = time.monotonic()
        try:
            status = self._ask(raw)
        except OSError:
            self._close()
            status = 0
        return Answered(event, status, time.monotonic() - began)

    def _ask(self, raw: bytes) -> int:
        if self._socket is not None and self._closed_meanwhile():
            self._close()
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=self._patience)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(raw)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._receive()
        head, _, body = answer.partition(b"\r\n\r\n")
        told = {name.strip().lower(): value.strip() for name, _, value in map(_split, head.split(b"\r\n")[1:])}
        for _ in range(10_000):
            if len(body) >= int(told.get(b"content-length", b"0")):
                break
            body += self._receive()
        if told.get(b"connection", b"").lower() == b"close":
            self._close()
        return int(head.split(b" ", 2)[1])

    def _receive(self) -> bytes:
        part = self._socket.recv(65_536) if self._socket is not None else b""
        if not part:
            raise ConnectionResetError("The server closed the connection before it had answered.")
        return part

    def _closed_meanwhile(self) -> bool:
        """Whether the server hung up while the line was idle: then nothing was lost, and a new line is made."""
        if self._socket is None:
            return False
        self._socket.setblocking(False)
        try:
            return self._socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        finally:
            self._socket.settimeout(self._patience)

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None


def _split(line: bytes) -> tuple[bytes, bytes, bytes]:
    return line.partition(b":")
