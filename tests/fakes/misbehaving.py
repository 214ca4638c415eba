"""A server that answers exactly the bytes it is told, in the pieces and with the pauses it is told."""

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class MisbehavingServer:
    """`script` is what every connection gets after its request: bytes to send, or seconds to wait; then it closes."""

    def __init__(self, script: Sequence[bytes | float], *, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.requests: list[bytes] = []
        self._stopping = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._stopping.set()
        self._listening.close()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            with connection:
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                self.requests.append(self._read(connection))
                for step in self._script:
                    if isinstance(step, bytes):
                        connection.sendall(step)
                    elif self._stopping.wait(step):
                        return
        except OSError:
            return  # the client had enough

    @staticmethod
    def _read(connection: socket.socket) -> bytes:
        connection.settimeout(2)
        received = b""
        while b"\r\n\r\n" not in received:
            chunk = connection.recv(65_536)
            if not chunk:
                return received
            received += chunk
        head, _, body = received.partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
        while lengths and len(body) < int(lengths[0]):
            body += connection.recv(65_536)
        return head + b"\r\n\r\n" + body


def reply(status: str, body: bytes = b"", *headers: str) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@contextmanager
def misbehaving_server(*script: bytes | float, tls: ssl.SSLContext | None = None) -> Iterator[MisbehavingServer]:
    server = MisbehavingServer(script, tls=tls)
    try:
        yield server
    finally:
        server.stop()


def unused_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port
