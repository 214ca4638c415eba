"""Files out of the database: what reads them decides how long that takes."""

from zoneinfo import ZoneInfo

from django.db import connection

from loyalty.common import copying


def test_a_file_may_take_longer_than_a_question(db):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 50")

    with copying.copied("COPY (SELECT pg_sleep(0.2), 7) TO STDOUT", None, zone=ZoneInfo("UTC")) as lines:
        assert b"".join(map(bytes, lines)).endswith(b"7\n")
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("50ms",)
