"""The server for webhooks in this process, by the words of the compose file, and requests to it as bytes on a connection."""

import json
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any

from click.core import ParameterSource
from uvicorn import Config, Server
from uvicorn.main import main as uvicorn

from loyalty.hooks import grouping, own_server
from tests.journeys import web

PATIENCE = 60.0
HEALTH = b"GET /health/live HTTP/1.1\r\nhost: testserver\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Said:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.told["error"]["code"])


class Caller:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.line = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._heard = b""

    def send(self, raw: bytes) -> "Caller":
        self.line.sendall(raw)
        return self

    def ask(self, raw: bytes) -> Said:
        answer = self.send(raw).hear()
        assert answer is not None, "It hung up instead of answering."
        return answer

    def hear(self, *, has_body: bool = True) -> Said | None:
        """The next answer; none when it has hung up."""
        while b"\r\n\r\n" not in self._heard:
            if not self._more():
                return None
        head, _, self._heard = self._heard.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers.get("content-length", "0")) if has_body else 0
        while len(self._heard) < length:
            assert self._more(), "The answer broke off."
        body, self._heard = self._heard[:length], self._heard[length:]
        return Said(int(first.split()[1]), headers, body)

    def hear_all(self) -> list[Said]:
        """Every answer until it hangs up."""
        return list(iter(self.hear, None))

    def hear_to_the_end(self) -> bytes:
        """All that it says until it hangs up, however it does."""
        while self._more():
            pass
        return self._heard

    def _more(self) -> bytes:
        try:
            more = self.line.recv(65_536)
        except ConnectionError:
            more = b""
        self._heard += more
        return more


class Running:
    """A server that runs until the block ends."""

    def __init__(self) -> None:
        self.config = Config(**_told() | {"app": own_server.Application(), "port": 0, "log_config": None})
        self._server = Server(self.config)
        self._port = 0
        self._callers: list[Caller] = []
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> "Running":
        self._thread.start()
        until = time.monotonic() + PATIENCE
        while not self._server.started:
            assert self._thread.is_alive(), "The server ended."
            assert time.monotonic() < until, "The server did not start."
            time.sleep(0.01)
        self._port = self._server.servers[0].sockets[0].getsockname()[1]
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        for caller in self._callers:
            caller.line.close()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self.config.app._groups._writer.submit(grouping.end_session).result()  # type: ignore[union-attr]

    def caller(self) -> Caller:
        self._callers.append(Caller(self._port))
        return self._callers[-1]

    def say_to_all(self, name: str) -> None:
        """Call this method of each connection, on the loop."""
        for each in list(self._server.server_state.connections):
            each.loop.call_soon_threadsafe(getattr(each, name))

    def stop(self) -> None:
        """Ask it to stop, without waiting for the end."""
        self._server.should_exit = True


def _told() -> dict[str, Any]:
    """What the compose file says to uvicorn, less what it leaves to its defaults."""
    context = uvicorn.make_context("uvicorn", web.command(port=1, service="hooks")[3:])
    return {
        name: told
        for name, told in context.params.items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


def request(path: str, body: bytes = b"", headers: dict[str, str] | None = None, *, method: str = "POST") -> bytes:
    told = {"host": "testserver", "content-length": str(len(body))} | (headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body
