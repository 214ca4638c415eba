"""How the database is emptied after a test that committed: in some milliseconds, where Django's flush takes a third of a second.

The flush truncates every table, which makes new files for each of their indexes, and then makes all content types and
permissions again. Here the rows are deleted instead, and content types and permissions stay.
"""

from functools import cache

from django.db import connection
from django.test import TransactionTestCase

KEPT = {"django_migrations", "django_content_type", "auth_permission"}
LARGE = 131_072  # bytes, from which on truncating a table is quicker than reading over its dead rows from now on

EMPTY = """
DO $$
DECLARE
    each text;
BEGIN
    LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE;  -- what another session has begun ends first
    SET LOCAL session_replication_role = replica;  -- no foreign keys, and no triggers that forbid to delete
    FOREACH each IN ARRAY ARRAY[{names}] LOOP
        IF pg_relation_size(each::regclass) > {large} THEN
            EXECUTE format('TRUNCATE %s CASCADE', each);
        ELSE
            EXECUTE format('DELETE FROM %s', each);
        END IF;
    END LOOP;
END
$$
"""


def take_over() -> None:
    """Let tests that commit leave an empty database in this way."""
    TransactionTestCase._fixture_teardown = _teardown  # type: ignore[attr-defined]


def _teardown(case: TransactionTestCase) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_statement())


@cache
def _statement() -> str:
    tables = sorted(set(connection.introspection.django_table_names(only_existing=True)) - KEPT)
    quoted = [connection.ops.quote_name(table) for table in tables]
    return EMPTY.format(tables=", ".join(quoted), names=", ".join(f"'{table}'" for table in quoted), large=LARGE)
