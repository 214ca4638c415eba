"""How long a commit waits for the disk."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def unhurried() -> Iterator[None]:
    """Commits of this session do not wait for the disk; they get there in order, within a second or with the next that waits.

    For work whose queue is in the same database: a power cut takes the newest commits back, and with them the word that
    their work is done, so it is done again. Whoever tells the world of it commits first, and that one waits.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    try:
        yield
    finally:
        if connection.connection is not None and not connection.needs_rollback:
            with connection.cursor() as cursor:
                cursor.execute("RESET synchronous_commit")
