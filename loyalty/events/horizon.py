"""Below which transaction id nothing of ours can appear any more.

PostgreSQL says it for the whole server: the oldest transaction under way in any of its databases. Only a transaction of
our own database can write our events, so those alone are waited for. It takes statements in this order:

1. forget what this transaction read of the sessions before, as PostgreSQL would show that again;
2. the next id to come, by the snapshot of the statement, and then, as it runs, the ids that sessions of our database hold;
3. the caller's: the rows below the lower of the two, by a snapshot of its own.

Whoever has an id below the first was given it before that snapshot. A transaction still under way at the third statement
was under way all the time between, so its session was seen with its id, and its rows are not below. One that was not
seen was over when the sessions were looked at, so the third snapshot has its rows, if it has any. A session gives its id
back only when its transaction is over for every later snapshot, and one that gets an id later gets a higher one.

Where that does not hold the whole server is waited for, as of the statement's own snapshot: in a transaction that keeps one
snapshot for all its statements, on a server that only follows another, where transactions can be prepared and left by
their session, and where a session of our database belongs to a role whose doings ours may not see.
"""

from django.db import connection

_FORGET = "SELECT pg_stat_clear_snapshot()"
# Sessions tell the lower half of an id: what lies less than half a turn before the next one to come is below it.
_OLDEST = """
    WITH server AS (
        SELECT pg_snapshot_xmin(snapshot)::text::bigint AS oldest, pg_snapshot_xmax(snapshot)::text::bigint AS next
        FROM pg_current_snapshot() AS snapshot
    ), sessions AS (
        SELECT (server.next - backend_xid::text::bigint) & 4294967295 AS behind,
            usesysid IS NOT NULL AND query = '<insufficient privilege>' AS hidden
        FROM pg_stat_activity, server WHERE datname = current_database()
    ), ours AS (
        SELECT max(behind) FILTER (WHERE behind < 2147483648) AS behind, coalesce(bool_or(hidden), true) AS hidden
        FROM sessions
    )
    SELECT CASE
        WHEN ours.hidden OR pg_is_in_recovery() OR current_setting('max_prepared_transactions')::int > 0
            OR current_setting('transaction_isolation') <> 'read committed' THEN server.oldest
        ELSE server.next - coalesce(ours.behind, 0)
    END
    FROM server, ours
"""


def oldest_under_way() -> int:
    """The id. A statement that begins afterwards sees all that was, and will ever be, committed below it."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET)
        cursor.execute(_OLDEST)
        row = cursor.fetchone()
    return int(row[0])
