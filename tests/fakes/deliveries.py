"""Webhooks as a shop sends them: signed, many at once over kept connections, each answer noted with its time.

Of the standard library alone, so that it costs little beside the server it measures.
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast
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
    load = Load()
    left = iter([(event, request(url, event, order=order)) for event, order in events])

    async def run() -> None:
        line = _Line(url, patience=patience)
        for event, raw in left:
            load.answers.append(await line.deliver(event, raw))
            answered(len(load.answers))
        line.close()

    async def run_all() -> None:
        await asyncio.gather(*(run() for _ in range(connections)))

    began = time.monotonic()
    with ThreadPoolExecutor(1) as beside:  # a browser's test has a loop running in this thread
        beside.submit(asyncio.run, run_all()).result()
    load.seconds = time.monotonic() - began
    return load


class _Line(asyncio.Protocol):
    """One connection with one delivery on it at a time, made anew whenever the server has closed it."""

    def __init__(self, url: str, *, patience: float) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._patience = patience
        self._heard = b""
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[int] | None = None

    async def deliver(self, event: str, raw: bytes) -> Answered:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._patience):
                status = await self._ask(raw)
        except OSError:  # that it took too long is one, too
            self.close()
            status = 0
        return Answered(event, status, time.monotonic() - began)

    async def _ask(self, raw: bytes) -> int:
        loop = asyncio.get_running_loop()
        if self._transport is None:
            await loop.create_connection(lambda: self, *self._address)
        self._heard, self._answer = b"", loop.create_future()
        if self._transport is None:
            raise ConnectionResetError("The server closed the connection before it was asked.")
        self._transport.write(raw)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        self._transport = None

    # What the event loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, found, body = self._heard.partition(b"\r\n\r\n")
        told = {name.strip().lower(): value.strip() for name, _, value in map(_split, head.split(b"\r\n")[1:])}
        if not found or len(body) < int(told.get(b"content-length", b"0")):
            return
        if told.get(b"connection", b"").lower() == b"close":
            self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(int(head.split(b" ", 2)[1]))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("The server hung up before it had answered."))


def _split(line: bytes) -> tuple[bytes, bytes, bytes]:
    return line.partition(b":")
