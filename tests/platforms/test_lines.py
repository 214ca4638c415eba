"""Connections to shops: kept from call to call where a worker has many, and never longer than a shop keeps them."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from platforms import http, lines
from platforms.adapter import Access, Outcome


class Server(ThreadingHTTPServer):
    """Answers {} on connections it keeps open, and counts them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.connections = 0
        self.hangs_up = threading.Event()

    @property
    def access(self) -> Access:
        return Access(
            base_url=f"http://127.0.0.1:{self.server_address[1]}",
            credentials={},
            webhook_secrets=(),
            currency="USD",
            allow_private_addresses=True,
            timeout=5,
        )

    def process_request(self, *which: Any) -> None:
        self.connections += 1
        super().process_request(*which)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
        self.close_connection = self.server.hangs_up.is_set()  # without a word of it

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def ask(server: Server) -> Outcome:
    return http.call(server.access, "GET", "/thing").outcome


def test_are_opened_anew_for_each_call(server: Server) -> None:
    assert [ask(server) for _ in range(3)] == [Outcome.OK] * 3

    assert server.connections == 3


def test_are_kept_from_call_to_call_where_somebody_has_many(server: Server) -> None:
    with lines.kept():
        assert [ask(server) for _ in range(3)] == [Outcome.OK] * 3
    assert ask(server) is Outcome.OK

    assert server.connections == 2


def test_are_kept_for_one_thread_alone(server: Server) -> None:
    with lines.kept():
        ask(server)
        other = threading.Thread(target=ask, args=(server,))
        other.start()
        other.join()

    assert server.connections == 2


def test_are_not_used_again_after_a_silence(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "KEPT_SECONDS", -1.0)

    with lines.kept():
        assert [ask(server), ask(server)] == [Outcome.OK] * 2

    assert server.connections == 2


def test_are_not_used_again_when_the_shop_hung_up(server: Server) -> None:
    server.hangs_up.set()

    with lines.kept():
        for _ in range(3):
            assert ask(server) is Outcome.OK
            threading.Event().wait(0.05)  # until its farewell is here

    assert server.connections == 3


def test_say_not_sent_when_nothing_listens_any_more(server: Server) -> None:
    with lines.kept():
        server.hangs_up.set()
        ask(server)
        server.shutdown()
        server.server_close()
        threading.Event().wait(0.05)

        assert ask(server) is Outcome.NOT_SENT
