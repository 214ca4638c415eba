"""Both servers together: started once for all who use a home, stopped by the last of them."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from loyalty.embedded.errors import StartRefused
from loyalty.embedded.home import Home
from loyalty.embedded.postgres import Postgres
from loyalty.embedded.valkey import Valkey


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """What a program of ours must be told. None: the environment says it already."""

    database_url: str | None
    redis_url: str | None

    def variables(self) -> dict[str, str]:
        told = {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}
        return {name: value for name, value in told.items() if value}


def wanted() -> tuple[bool, bool]:
    """Whether a PostgreSQL and a broker of our own are needed: not when the environment names one."""
    return (
        not os.environ.get("DATABASE_URL"),
        not (os.environ.get("REDIS_URL") or os.environ.get("CELERY_BROKER_URL")),
    )


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
                database_url=postgres.url if with_postgres else None, redis_url=valkey.url if with_valkey else None
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
