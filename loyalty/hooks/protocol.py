"""HTTP as the server for webhooks reads it: uvicorn's, with bounds where that has none.

Whatever is refused here is answered as uvicorn answers what is no HTTP: with 400, and the connection ends.
"""

import asyncio
import math

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MOST_HEAD_BYTES = 32_768
HEAD_SECONDS = 20.0  # from the connection, or the first byte of a request, to the end of its head
MOST_AHEAD = 20  # requests sent before the answer to the one before; no platform sends any
VERSIONS = frozenset({"1.0", "1.1"})


class Refused(Exception):
    """The parser passes it on as a request that is no HTTP."""


class StrictProtocol(HttpToolsProtocol):
    """One connection."""

    _head_bytes = 0.0  # of the head that is being read; less than none while a body is
    _clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self._wind_up()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")
        elif self._head_bytes > 0:
            self._wind_up()

    def pause_writing(self) -> None:
        """Whoever asks on and on and reads no answer is hung up on."""
        self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes += 1  # at least: it may have come with the end of the request before

    def on_headers_complete(self) -> None:
        self._head_bytes = -math.inf
        self._stop_clock()
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > MOST_HEAD_BYTES or len(self.pipeline) >= MOST_AHEAD:
            raise Refused
        # Two servers could read differently where these end, and no platform sends them.
        if self.parser.get_http_version() not in VERSIONS or self.parser.should_upgrade():
            raise Refused
        if any(name == b"transfer-encoding" for name, _ in self.headers):
            raise Refused
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """In turn: what was asked before is answered first, and is then the last."""
        under_way: RequestResponseCycle | None = self.cycle  # none before the first request
        if under_way is None or under_way.response_complete:
            super().send_400_response(msg)
        else:
            under_way.keep_alive = False

    def _wind_up(self) -> None:
        if self._clock is None:
            self._clock = self.loop.call_later(HEAD_SECONDS, self._run_out)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _run_out(self) -> None:
        if self._head_bytes:
            self.send_400_response("The head of the request took too long.")
        else:
            self.transport.close()
