"""What the benches share: a scratch database, programs run in it with their time and memory, the machine in a line."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a command: how long, how much memory at most, what it printed."""

    seconds: float
    cpu_seconds: float  # its own; the server's come on top
    peak_mib: float
    code: int
    said: str


def machine() -> str:
    return (
        f"machine: {platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}"
    )


@contextmanager
def scratch(name: str) -> Iterator[str]:
    """A fresh, migrated database beside the one the environment names; dropped afterwards."""
    with empty(name) as url:
        migrated = managed(url, "migrate", "--no-input", "-v", "0")
        if migrated.code:
            raise SystemExit(f"The migrations failed: {migrated.said}")
        yield url


@contextmanager
def empty(name: str) -> Iterator[str]:
    """The same without our tables."""
    server = urlsplit(os.environ["DATABASE_URL"])
    database = f"bench_{name}_{os.getpid()}"
    with psycopg.connect(server._replace(path="/postgres").geturl(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{database}"')
        try:
            yield server._replace(path=f"/{database}").geturl()
        finally:
            connection.execute(f'DROP DATABASE "{database}" WITH (FORCE)')


def environment(url: str) -> dict[str, str]:
    return os.environ | {"DATABASE_URL": url, "LOYALTY_ENV": "test", "PYTHONPATH": str(ROOT)}


def managed(url: str, *words: str) -> Run:
    """Run manage.py as a process of its own, so that its memory is its own."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "manage.py", *words], cwd=ROOT, env=environment(url), stdout=subprocess.PIPE, text=True
    )
    said = process.stdout.read() if process.stdout else ""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Run(
        seconds=time.monotonic() - began,
        cpu_seconds=used.ru_utime + used.ru_stime,
        peak_mib=used.ru_maxrss / 1024,
        code=process.returncode,
        said=said,
    )


def alone(url: str, *words: str) -> str:
    """What a bench prints that is run again in a process of its own, with these words."""
    done = subprocess.run(
        [sys.executable, *words], env=environment(url), cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"The baseline failed: {done.stderr[-2000:]}")
    return done.stdout


def django_here() -> None:
    """Set Django up in this process, before it imports a model."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")
    django.setup()


def analyze(url: str) -> None:
    """What the server does by itself some time after so many rows: let its planner know of them."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def table_rows(url: str, tables: Sequence[str]) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}  # type: ignore[index]
