"""A shop that only makes codes, and takes its time: for bench_issuing. It speaks just enough HTTP to cost little itself.

Usage: python benchmarks/shop_stub.py LATENCY_SECONDS [CALLS_A_SECOND]     (prints its port)

With a limit it refuses with 429 whatever comes faster, allowing a tenth of a second's calls at once. GET /told says what
it has seen. It answers as the sandbox shop does.
"""

import asyncio
import json
import sys
import time
from typing import Any

LATENCY = float(sys.argv[1])
LIMIT = float(sys.argv[2]) if len(sys.argv) > 2 else None
HEAD = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n"


class Shop:
    """What it made and refused, and how many calls it had at the same time."""

    def __init__(self) -> None:
        self.made = self.refused = self.under_way = self.most = 0
        self._calls = max(LIMIT / 10, 1.0) if LIMIT else 0.0
        self._counted_at = time.monotonic()

    def lets_in(self) -> bool:
        if LIMIT is None:
            return True
        now = time.monotonic()
        self._calls = min(max(LIMIT / 10, 1.0), self._calls + (now - self._counted_at) * LIMIT)
        self._counted_at = now
        if self._calls < 1:
            return False
        self._calls -= 1
        return True


class Caller(asyncio.Protocol):
    """One connection, with one call at a time."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._heard = b""

    def connection_made(self, transport: Any) -> None:
        self._line = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, found, body = self._heard.partition(b"\r\n\r\n")
        if not found:
            return
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if len(body) < (int(lengths[0].partition(b":")[2]) if lengths else 0):
            return
        self._heard = b""
        if head.startswith(b"GET /told"):
            self._answer(b"200 OK", {"made": self._shop.made, "refused": self._shop.refused, "most": self._shop.most})
        elif not self._shop.lets_in():
            self._shop.refused += 1
            self._answer(b"429 Too Many Requests", {"error": {"code": "throttled"}}, b"retry-after: 1\r\n")
        else:
            self._shop.under_way += 1
            self._shop.most = max(self._shop.most, self._shop.under_way)
            asyncio.get_running_loop().call_later(LATENCY, self._made, json.loads(body))

    def _made(self, asked: dict[str, Any]) -> None:
        self._shop.under_way -= 1
        if "codes" in asked:
            self._answer(b"200 OK", {"codes": [self._code(each) for each in asked["codes"]]})
        else:
            self._answer(b"201 Created", self._code(asked))

    def _code(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._shop.made += 1
        names = ("code", "reference", "percent", "amount", "product", "minimum_order", "expires_at")
        shown = {name: asked.get(name) for name in names} | {"collections": asked.get("collections", [])}
        return shown | {"id": f"c{self._shop.made}", "alive": True, "uses": 0}

    def _answer(self, status: bytes, data: dict[str, Any], more: bytes = b"") -> None:
        body = json.dumps(data).encode()
        self._line.write(HEAD % (status, len(body), more) + body)


async def main() -> None:
    shop = Shop()
    server = await asyncio.get_running_loop().create_server(lambda: Caller(shop), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
