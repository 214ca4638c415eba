"""A scratch database for commands that prove something, beside the configured one, which is not touched."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from psycopg import sql

from loyalty.common.racing import Scores

OWN_CONNECTIONS = 2  # this command's, and the one that makes and drops the database
MOST_SHOWN = 5
ENDINGS = (signal.SIGTERM, signal.SIGHUP)


class ScratchCommand(BaseCommand):
    """A command that works in a scratch database and counts checks of invariants."""

    requires_migrations_checks = False

    def execute(self, *args: Any, **options: Any) -> str | None:
        with tidy_ending():
            return super().execute(*args, **options)

    def tell(self, scores: Scores) -> None:
        """Each invariant with its checks and breaks."""
        self.stdout.write(f"\n{'checks':>8} {'breaks':>7}  invariant")
        for invariant, tally in scores.tallies.items():
            self.stdout.write(f"{tally.checks:8,} {len(tally.breaks):7,}  {invariant}")
            for sentence in tally.breaks[:MOST_SHOWN]:
                self.stderr.write(f"                  broken: {sentence}")

    @contextmanager
    def scratch_database(
        self, name: str, *, connections: int, keep: bool = False
    ) -> Iterator["psycopg.Connection[Any]"]:
        """Point Django at a fresh, migrated database until the end; then drop it, whatever happened, unless it is kept.

        Gives back a session on the server, outside that database.
        """
        configured = settings.DATABASES["default"]
        usual, scratch = configured["NAME"], f"{name}_{os.getpid()}"
        try:
            server = psycopg.connect(**(connection.get_connection_params() | {"dbname": usual}), autocommit=True)
        except psycopg.OperationalError as error:
            raise CommandError(f"The database does not answer: {error}") from error
        with server:
            require_connections(server, workers=connections)
            try:
                create(server, scratch)
                connection.close()
                configured["NAME"] = connection.settings_dict["NAME"] = scratch
                self.stdout.write(f"Preparing the scratch database {scratch} ...")
                call_command("migrate", interactive=False, verbosity=0)
                yield server
            finally:
                connection.close()
                configured["NAME"] = connection.settings_dict["NAME"] = usual
                if keep:
                    self.stdout.write(f"The scratch database {scratch} is kept.")
                else:
                    server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(scratch)))


@contextmanager
def tidy_ending() -> Iterator[None]:
    """Whoever asks this process to end lets it take down first what it has put up; asking again does not disturb that.

    What was forked from it ends at once, as it would without us: it has put up nothing.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone hears signals
        yield
        return
    owner = os.getpid()

    def hear(number: int, frame: FrameType | None) -> None:
        del frame
        if os.getpid() != owner:
            os._exit(128 + number)
        for each in ENDINGS:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    usual = {each: signal.signal(each, hear) for each in ENDINGS}
    try:
        yield
    finally:
        for each, handler in usual.items():
            signal.signal(each, handler)


def create(server: "psycopg.Connection[Any]", name: str) -> None:
    try:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege as error:
        raise CommandError(
            f"The role {server.info.user!r} may not create databases, and this command needs one of its own. Let a "
            f'superuser run ALTER ROLE "{server.info.user}" CREATEDB, or name such a role in DATABASE_URL for this command.'
        ) from error


def require_connections(server: "psycopg.Connection[Any]", *, workers: int) -> None:
    """Refuse before anything starts when the server has not so many connections left."""
    row = server.execute(
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int "
        "- (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
    ).fetchone()
    left = int(row[0]) if row else 0
    if left < workers + OWN_CONNECTIONS:
        raise CommandError(
            f"The database server has {left} connections left, and {workers} workers need {workers + OWN_CONNECTIONS}. "
            f"Use fewer (--workers {max(left - OWN_CONNECTIONS, 2)}), or raise max_connections."
        )
