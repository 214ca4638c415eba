"""Connections to shops: one for each call, or kept from call to call by a worker that has many for one shop.

A shop may close a connection that waits at the very moment we use it again, and then nobody knows whether it heard us.
So connections are kept only where calls follow each other at once, for a second at most, and never where a customer
waits for the answer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import httpcore2
import httpx2

from platforms import wire

KEPT_SECONDS = 1.0  # the shortest time that usual servers keep a silent connection is two
TIMEOUTS = httpx2.Timeout(wire.READ_SECONDS, connect=wire.CONNECT_SECONDS).as_dict()

Place = tuple[bytes, bytes, int | None, bool]  # scheme, host, port, and whether private addresses are allowed there


class Line:
    """A connection to one place, for one call at a time. Nothing is retried on it."""

    def __init__(self, url: httpx2.URL, *, allow_private_addresses: bool) -> None:
        self.wire = wire.Wire(allow_private_addresses=allow_private_addresses)
        self._connection = httpcore2.HTTPConnection(
            origin=_target(url).origin,
            ssl_context=wire.tls(),
            keepalive_expiry=KEPT_SECONDS,
            network_backend=self.wire,
        )

    def ask(self, request: httpx2.Request, *, seconds: float) -> httpcore2.Response:
        """Send a request and read the beginning of its answer; all of it has so many seconds. The caller closes it."""
        self.wire.begin(seconds=seconds)
        return self._connection.handle_request(
            httpcore2.Request(
                method=request.method,
                url=_target(request.url),
                headers=request.headers.raw,
                content=request.stream,
                extensions={"timeout": TIMEOUTS},
            )
        )

    @property
    def usable(self) -> bool:
        """Whether another call could go over it now."""
        return self._connection.is_idle() and not self._connection.has_expired()

    def close(self) -> None:
        self._connection.close()


_kept: ContextVar[dict[Place, Line] | None] = ContextVar("kept_lines", default=None)


@contextmanager
def kept() -> Iterator[None]:
    """Keep connections from call to call within this block, in this thread."""
    lines: dict[Place, Line] = {}
    before = _kept.set(lines)
    try:
        yield
    finally:
        _kept.reset(before)
        for line in lines.values():
            line.close()


@contextmanager
def to(url: httpx2.URL, *, allow_private_addresses: bool) -> Iterator[Line]:
    """A line to the place of this address, closed or kept afterwards."""
    lines = _kept.get()
    place = (url.raw_scheme, url.raw_host, url.port, allow_private_addresses)
    line = lines.pop(place, None) if lines is not None else None
    if line is not None and not line.usable:
        line.close()
        line = None
    line = line or Line(url, allow_private_addresses=allow_private_addresses)
    try:
        yield line
    finally:
        if lines is not None and line.usable:
            lines[place] = line
        else:
            line.close()


def _target(url: httpx2.URL) -> httpcore2.URL:
    return httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
