"""The web server, or the one for webhooks, as production runs it: in its words, in the production environment."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
HOST = "desk.example"
START_SECONDS = 180.0


class Web:
    """A running web server. `kill` ends it like a power cut."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        self._process = process
        self._port = port

    def kill(self) -> None:
        """SIGKILL to the server and all its workers."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=30)

    def ask_to_stop(self) -> None:
        """As a container engine does: it knows of one process."""
        self._process.send_signal(signal.SIGTERM)

    def ended(self, *, within: float) -> int:
        """What it ended with. Raises TimeoutExpired."""
        return self._process.wait(timeout=within)

    def connection(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=30)

    def stop(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                self.kill()

    def answers(self) -> bool:
        """Whether a worker of it is up."""
        if self._process.poll() is not None:
            raise AssertionError(f"The web server ended: {self.log.read_text(errors='replace')[-2000:]}")
        asked = f"GET /health/live HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n".encode()
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=5) as line:
                line.sendall(asked)
                return line.recv(100).startswith(b"HTTP/1.1 200")
        except OSError:
            return False


def command(*, port: int, workers: int | None = None, service: str = "web") -> list[str]:
    """The words of this service, its own or else the Dockerfile's, at a port of this machine; with fewer workers where said."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    found = re.search(r"^CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise AssertionError("The Dockerfile has no CMD as a list.")
    words = [sys.executable, "-m", *(services[service].get("command") or json.loads(found[1]))]
    for word, told in {"--bind": f"127.0.0.1:{port}", "--host": "127.0.0.1", "--port": str(port)}.items():
        if word in words:
            words[words.index(word) + 1] = told
    if workers is not None:
        words[words.index("--workers") + 1] = str(workers)
    return words


@contextmanager
def running_web(
    folder: Path, environment: dict[str, str], *, workers: int | None = None, service: str = "web"
) -> Iterator[Web]:
    """A server that runs until the block ends. `environment` names the database, the broker and CREDENTIALS_KEYS."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / "web.log"
    production = {
        "LOYALTY_ENV": "production",
        "SECRET_KEY": "for-this-run-only-0123456789-0123456789-0123456789-0123456789",
        "PUBLIC_URL": f"https://{HOST}",
        "BEHIND_PROXY": "true",
        "EMAIL_URL": "smtp+tls://nobody:nothing@127.0.0.1:9",
        "STATIC_ROOT": str(folder),
        "LOG_LEVEL": "WARNING",
    }
    with log.open("ab") as out:
        process = subprocess.Popen(
            command(port=port, workers=workers, service=service),
            cwd=ROOT,
            env=environment | production,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    web = Web(process, port, log)
    try:
        until = time.monotonic() + START_SECONDS
        while not web.answers():
            if time.monotonic() > until:
                raise AssertionError(f"The web server did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)
        yield web
    finally:
        web.stop()
