"""A list as a file: the database writes the lines of one instant, and no row is an object of ours."""

from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import F, Func, QuerySet, TextField
from django.db.models.expressions import Combinable

from loyalty.api import errors
from loyalty.common import copying
from loyalty.common.spreadsheets import defused_column

LOCK_SPACE = 0x10AE  # ours among the advisory locks of a database: one export of a system at a time
UTC = ZoneInfo("UTC")


class ExportUnderWay(errors.RequestError):
    code = "export_under_way"
    status = 429


class Instant(Func):
    """An instant as the wire has it: 2024-12-07T20:15:27.893Z."""

    template = """to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""
    output_field = TextField()


class End(Func):
    """An exclusive end as its last millisecond."""

    template = (
        "to_char((%(expressions)s - interval '1 millisecond') AT TIME ZONE 'UTC', "
        """'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""
    )
    output_field = TextField()


def text(name: str) -> Combinable:
    """Words of people, which no spreadsheet takes for a formula."""
    return defused_column(F(name))


def begin(rows: QuerySet, columns: Mapping[str, Combinable], *, system: int) -> Iterator[bytes]:
    """The file of a system's export: a header, then newest first. Raises ExportUnderWay before anything is sent."""
    lines = _lines(rows.order_by("-pk").values_list(*columns.values()), header=",".join(columns) + "\n", system=system)
    first = next(lines)
    return _after(first, lines)


def _after(first: bytes, lines: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from lines


def _lines(rows: QuerySet, *, header: str, system: int) -> Iterator[bytes]:
    try:
        sql, params = rows.query.get_compiler(connection=connection).as_sql()
    except EmptyResultSet:  # nothing can fit these filters
        yield header.encode()
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [LOCK_SPACE, system % 2**31])
            if not cursor.fetchone()[0]:
                raise ExportUnderWay("Another export of your system is under way. Read it to its end, or close it.")
        yield header.encode()
        with copying.copied(f"COPY ({sql}) TO STDOUT (FORMAT csv)", params, zone=UTC) as lines:
            yield from copying.in_blocks(lines)
