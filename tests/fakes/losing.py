"""A line to a server that loses answers: each request arrives and is done, and what was said to it may never come back."""

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "content-length", "host", "accept-encoding"})


class LosingLine:
    """Stands in front of `target`. `lose` says which answers go astray, once each."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.url = ""
        self.lost: list[str] = []
        self._to_lose: list[str] = []

    def lose(self, method: str, path: str) -> None:
        """The next answer to this request is lost."""
        self._to_lose.append(f"{method} {path}")

    def carry(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("content-length", 0))
        asked = urllib.request.Request(
            self.target + handler.path,
            method=handler.command,
            data=handler.rfile.read(length) if length else None,
            headers={name: value for name, value in handler.headers.items() if name.lower() not in HOP_BY_HOP},
        )
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                status, content, kind = answer.status, answer.read(), answer.headers.get("content-type", "")
        except urllib.error.HTTPError as error:
            status, content, kind = error.code, error.read(), error.headers.get("content-type", "")
        name = f"{handler.command} {handler.path.partition('?')[0]}"
        if name in self._to_lose:
            self._to_lose.remove(name)
            self.lost.append(name)
            handler.close_connection = True
            return
        with suppress(OSError):  # whoever asked may have given up
            handler.send_response(status)
            handler.send_header("content-type", kind)
            handler.send_header("content-length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)


@contextmanager
def losing_line(target: str) -> Iterator[LosingLine]:
    """A line to the server at `target` until the block ends."""
    line = LosingLine(target)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            line.carry(self)

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 (the names HTTP gives them)

        def log_message(self, *args: Any) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    line.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield line
    finally:
        server.shutdown()
        server.server_close()
