"""A real supervisor as a process, and what a command inside it sees."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loyalty.embedded import processes

ROOT = Path(__file__).resolve().parent.parent.parent
# What a command that runs beside the servers sees of them. It stays until its input is closed.
PROBE = """
import json, os, sys
import psycopg, redis
seen = {name: os.environ.get(name) for name in ("DATABASE_URL", "REDIS_URL", "LOYALTY_ENV")}
if seen["DATABASE_URL"] and "example.invalid" not in seen["DATABASE_URL"]:
    with psycopg.connect(seen["DATABASE_URL"]) as connection:
        for name in ("data_directory", "listen_addresses", "unix_socket_directories", "fsync", "server_encoding"):
            seen[name] = connection.execute(f"SHOW {name}").fetchone()[0]
        connection.execute("CREATE TABLE IF NOT EXISTS visits (id serial)")
        connection.execute("INSERT INTO visits DEFAULT VALUES")
        seen["visits"] = connection.execute("SELECT count(*) FROM visits").fetchone()[0]
        seen["upper"] = connection.execute("SELECT upper('zażółć')").fetchone()[0]
if seen["REDIS_URL"] and "example.invalid" not in seen["REDIS_URL"]:
    client = redis.Redis.from_url(seen["REDIS_URL"])
    seen["valkey_pid"] = client.info("server")["process_id"]
    seen["bind"] = client.config_get("bind")["bind"]
print(json.dumps(seen), flush=True)
sys.stdin.read()
"""


@dataclass(kw_only=True)
class Supervisor:
    """One `python -m loyalty.embedded run` with a probe inside, and what the probe saw."""

    popen: "subprocess.Popen[str]"
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def postgres(self) -> processes.Mark:
        pid_file = Path(self.seen["data_directory"]) / "postmaster.pid"
        found = processes.mark(int(pid_file.read_text().splitlines()[0]))
        assert found is not None
        return found

    @property
    def valkey(self) -> processes.Mark:
        found = processes.mark(self.seen["valkey_pid"])
        assert found is not None
        return found

    def leave(self) -> int:
        """Let the probe end, and with it the supervisor."""
        assert self.popen.stdin is not None
        self.popen.stdin.close()
        return self.popen.wait(timeout=30)

    def kill(self) -> None:
        """SIGKILL the supervisor and its probe, so that nobody tidies up."""
        os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(timeout=10)


def process_environment(folder: Path, **variables: str) -> dict[str, str]:
    """Ours, without the servers of the test run around us."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "LOYALTY_ENV", "LOYALTY_DATA_DIR"}
    }
    return kept | {"LOYALTY_DATA_DIR": str(folder)} | variables


def stop_what_is_left(folder: Path) -> None:
    """End servers that a failing test left behind: they are known by their folder or their run file."""
    for pid_file in folder.glob("**/postmaster.pid"):
        left = processes.mark(int(pid_file.read_text().splitlines()[0]))
        if left:
            processes.stop(left, first=signal.SIGQUIT)


def wait_for(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
