"""A database that is migrated once, of which every run's own test database is a copy: a third of a second for half a minute.

It lives in the server as long as the migrations are these; `migrate` still runs over each copy, and finds nothing to do.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from django.apps import apps
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "tests_begin_with_"


def name_of_migrations() -> str:
    """A name no other set of migrations has, nor the same set in other words."""
    digest = hashlib.sha256()
    for app in sorted(apps.get_app_configs(), key=lambda each: each.label):
        for file in sorted((Path(app.path) / "migrations").glob("*.py")):
            digest.update(f"{app.label}/{file.name}\n".encode() + file.read_bytes())
    return PREFIX + digest.hexdigest()[:20]


def prepared(server: psycopg.Connection, *, lock: int) -> str:
    """The name of the template; made now unless it is there, and those of other migrations are dropped.

    `server` is a session in autocommit. Whoever else asks with the same `lock` meanwhile waits.
    """
    name = name_of_migrations()
    server.execute("SELECT pg_advisory_lock(%s)", [lock])
    try:
        if not _exists(server, name):
            _make(server, name)
    finally:
        server.execute("SELECT pg_advisory_unlock(%s)", [lock])
    return name


def _exists(server: psycopg.Connection, name: str) -> bool:
    return server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def _make(server: psycopg.Connection, name: str) -> None:
    older = server.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [PREFIX]).fetchall()
    for (each,) in older:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(each)))
    unfinished = f"{PREFIX}unfinished"
    server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(unfinished)))
    address = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{unfinished}").geturl()
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity=0"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": address},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"`manage.py migrate` of an empty database failed:\n{done.stdout}{done.stderr}")
    change = sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(unfinished), sql.Identifier(name))
    server.execute(change)
