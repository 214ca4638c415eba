"""`manage.py prove_races`: race every act against every other in a scratch database, and count what broke."""

import os
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import psycopg
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils.module_loading import module_has_submodule
from psycopg import sql

from loyalty.common.racing import Crew, Race, Scores, crew

OWN_CONNECTIONS = 2  # this command's, and the one that makes and drops the database


class Command(BaseCommand):
    help = (
        "Race every act against every other in a scratch database beside the configured one, which is not touched. "
        "Prints each invariant with its checks and breaks, and exits with 1 when one broke."
    )
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workers", type=int, default=64, help="How many act at the same moment (default: 64).")

    def handle(self, *args: Any, **options: Any) -> None:
        workers = options["workers"]
        if not 2 <= workers <= 500:
            raise CommandError(f"--workers: {workers} is not between 2 and 500.")
        began = time.monotonic()
        with self.scratch_database(workers=workers), crew(workers) as racers:
            scores = self.run_races(racers)
        self.report(scores, workers=workers, seconds=time.monotonic() - began)
        if scores.broken:
            raise CommandError(f"{scores.broken} checks of invariants broke. Please report this with the lines above.")

    def run_races(self, racers: Crew) -> Scores:
        scores = Scores()
        races = found_races()
        for number, (name, race) in enumerate(races.items(), start=1):
            self.stdout.write(f"[{number:2}/{len(races)}] {name} ... ", ending="")
            self.stdout.flush()
            began, broken = time.monotonic(), scores.broken
            race(racers, scores)
            verdict = "held" if scores.broken == broken else "BROKEN"
            self.stdout.write(f"{verdict} ({time.monotonic() - began:.1f} s)")
        return scores

    def report(self, scores: Scores, *, workers: int, seconds: float) -> None:
        self.stdout.write(f"\n{'checks':>8} {'breaks':>7}  invariant")
        for invariant, tally in scores.tallies.items():
            self.stdout.write(f"{tally.checks:8,} {len(tally.breaks):7,}  {invariant}")
            for sentence in tally.breaks[:5]:
                self.stderr.write(f"                  broken: {sentence}")
        checks = sum(tally.checks for tally in scores.tallies.values())
        self.stdout.write(
            f"\n{workers} workers, {checks:,} checks of {len(scores.tallies)} invariants, {scores.broken} breaks, "
            f"{seconds:.0f} s."
        )

    @contextmanager
    def scratch_database(self, *, workers: int) -> Iterator[None]:
        """Point Django at a fresh, migrated database until the end; then drop it, whatever happened."""
        configured = settings.DATABASES["default"]
        usual, scratch = configured["NAME"], f"prove_races_{os.getpid()}"
        try:
            server = psycopg.connect(**(connection.get_connection_params() | {"dbname": usual}), autocommit=True)
        except psycopg.OperationalError as error:
            raise CommandError(f"The database does not answer: {error}") from error
        with server:
            require_connections(server, workers=workers)
            create(server, scratch)
            connection.close()
            try:
                configured["NAME"] = connection.settings_dict["NAME"] = scratch
                self.stdout.write(f"Preparing the scratch database {scratch} ...")
                call_command("migrate", interactive=False, verbosity=0)
                yield
            finally:
                connection.close()
                configured["NAME"] = connection.settings_dict["NAME"] = usual
                server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(scratch)))


def create(server: "psycopg.Connection[Any]", name: str) -> None:
    try:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege as error:
        raise CommandError(
            f"The role {server.info.user!r} may not create databases, and the races need one of their own. Let a "
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


def found_races() -> dict[str, Race]:
    """The races of every app that has a `proving` module, in the order in which the apps are installed."""
    races: dict[str, Race] = {}
    for app in apps.get_app_configs():
        if module_has_submodule(app.module, "proving"):
            races |= import_module(f"{app.name}.proving").RACES
    return races
