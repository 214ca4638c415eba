"""Both servers together: started once for all who use a home, stopped by the last of them."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import psycopg
import redis

from loyalty.embedded import processes
from loyalty.embedded.errors import StartRefused
from loyalty.embedded.home import Home
from loyalty.embedded.postgres import Postgres
from loyalty.embedded.valkey import Valkey

QUICKLY = {"socket_timeout": 5, "socket_connect_timeout": 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """What a program of ours must be told. None: the environment says it already."""

    database_url: str | None
    redis_url: str | None
    started: tuple[Postgres | Valkey, ...] = ()

    def variables(self) -> dict[str, str]:
        told = {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}
        return {name: value for name, value in told.items() if value}

    def check(self) -> None:
        """Raises StartRefused when a server of ours has died."""
        for server in self.started:
            if server.running is None or not processes.is_running(server.running):
                raise StartRefused(
                    f"{server.name} ended by itself. Its log, {server.log}, ends:\n{processes.last_lines(server.log)}"
                )


def wanted() -> tuple[bool, bool]:
    """Whether a PostgreSQL and a broker of our own are needed: not when the environment names one."""
    return (
        not os.environ.get("DATABASE_URL"),
        not (os.environ.get("REDIS_URL") or os.environ.get("CELERY_BROKER_URL")),
    )


def require_named() -> None:
    """Ask the servers that the environment names whether they let us in.

    An address that cannot be read is left to the settings, which say what is wrong with it; RabbitMQ to the worker.

    Raises:
        StartRefused: one does not; the sentence names its variable.
    """
    database = os.environ.get("DATABASE_URL", "")
    variable = "CELERY_BROKER_URL" if os.environ.get("CELERY_BROKER_URL") else "REDIS_URL"
    broker = os.environ.get(variable, "")
    try:
        if database:
            with contextlib.suppress(psycopg.ProgrammingError):
                psycopg.connect(database, connect_timeout=5).close()
        if broker.startswith(("redis://", "rediss://", "unix://")):
            with contextlib.suppress(ValueError), redis.Redis.from_url(broker, **QUICKLY) as client:
                client.ping()
    except psycopg.OperationalError as error:
        raise StartRefused(f"DATABASE_URL: the database does not let us in: {first_line(error)}") from error
    except redis.RedisError as error:
        raise StartRefused(f"{variable}: the broker does not let us in: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextmanager
def serving(home: Home, *, durable: bool) -> Iterator[Addresses]:
    """Run the servers of a home that the environment does not name, and say where they are.

    Any number of processes may use one home at the same time. The first starts the servers, or adopts those that a
    killed predecessor left; the last one to leave stops them. Servers named by the environment are not touched.
    """
    with_postgres, with_valkey = wanted()
    postgres, valkey = Postgres(home=home, durable=durable), Valkey(home=home)
    chosen: list[Postgres | Valkey] = [*([postgres] if with_postgres else []), *([valkey] if with_valkey else [])]
    if not chosen:
        yield Addresses(database_url=None, redis_url=None)
        return
    home.make()
    with (home.folder / "users.lock").open("a") as users, (home.folder / "start.lock").open("a") as turn:
        try:
            with taking_turns(turn):
                fcntl.flock(users, fcntl.LOCK_SH)
                for server in chosen:
                    server.start()
            yield Addresses(
                database_url=postgres.url if with_postgres else None,
                redis_url=valkey.url if with_valkey else None,
                started=tuple(chosen),
            )
        finally:
            with taking_turns(turn):
                if is_last(users):
                    for server in reversed(chosen):
                        server.stop()


def stop_leftovers(home: Home) -> None:
    """Stop the servers that a killed supervisor left running in a home; not while somebody uses them.

    Raises:
        StartRefused: somebody uses them.
    """
    home.make()
    with (
        (home.folder / "users.lock").open("a") as users,
        (home.folder / "start.lock").open("a") as turn,
        taking_turns(turn),
    ):
        if not is_last(users):
            raise StartRefused(f"The servers in {home.folder} are in use. Stop what uses them first.")
        leftovers: tuple[Postgres | Valkey, ...] = (Valkey(home=home), Postgres(home=home))
        for server in leftovers:
            if server.adopt():
                server.stop()


@contextmanager
def taking_turns(turn: IO[str]) -> Iterator[None]:
    """One process at a time starts or stops servers. The kernel lets go for a process that was killed."""
    fcntl.flock(turn, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(turn, fcntl.LOCK_UN)


def is_last(users: IO[str]) -> bool:
    """Whether nobody else uses the servers: every user holds the file shared, so only the last can have it alone."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
