"""Statements that run thousands of times a second: prepared once in a session, executed past the cursor.

Django's and psycopg's cursors cost several times what a short statement does; see `make bench-points`. Everything else
in the project goes through the ORM.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.db import transaction
from psycopg import errors, postgres
from psycopg.adapt import Transformer
from psycopg.pq import Escaping, ExecStatus, TransactionStatus

ANSWERS = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
BINARY = 1

_PLACE = re.compile(r"%\((\w+)\)s")
_prepared: WeakKeyDictionary[Any, set[bytes]] = WeakKeyDictionary()  # what each session knows already

Values = Mapping[str, Any]


class Statement:
    """SQL with places `%(name)s`, and the PostgreSQL type of each name: `int8`, `bool`, `text`, `bytea`, `timestamptz`.

    Any of them may be a list: `int8[]`.

    `types` may tell of more names than the statement has. The name is its own in the process.
    """

    def __init__(self, name: str, sql: str, *, types: Mapping[str, str]) -> None:
        self.name = f"desk_{name}".encode()
        self.sql = sql
        self.places = list(dict.fromkeys(_PLACE.findall(sql)))
        numbered = {place: f"${number}" for number, place in enumerate(self.places, start=1)}
        self._text = _PLACE.sub(lambda found: numbered[found[1]], sql).encode()
        self._oids = [_oid(types[place]) for place in self.places]

    def run(self, values: Values) -> list[tuple[Any, ...]]:
        """Execute it in the session of the default database, and give back its rows. Raises django.db.DatabaseError.

        Values are None, whole numbers, booleans, texts, bytes, instants, and flat lists of these. Whoever listens to the
        queries of the connection (tests do) is told of it, as of any other.
        """
        database = transaction.get_connection()
        database.ensure_connection()
        if database.queries_logged or database.execute_wrappers:
            with database.cursor() as cursor:
                cursor.execute(self.sql, dict(values))
                return list(cursor.fetchall())
        database.validate_no_broken_transaction()
        with database.wrap_database_errors:
            session = database.connection
            self._prepare(session)
            if not session.autocommit and session.pgconn.transaction_status == TransactionStatus.IDLE:
                answer = session.pgconn.exec_(b"BEGIN;" + self._as_sql(values, Escaping(session.pgconn)))
            else:
                written = [_written(values[place]) for place in self.places]
                answer = session.pgconn.exec_prepared(self.name, written, None, BINARY)
            reader = Transformer(session)
            reader.set_pgresult(_checked(session, answer))
            return reader.load_rows(0, answer.ntuples, tuple)

    def _prepare(self, session: Any) -> None:
        known = _prepared.setdefault(session, set())
        if self.name not in known:
            _checked(session, session.pgconn.prepare(self.name, self._text, self._oids))
            known.add(self.name)

    def _as_sql(self, values: Values, escaping: Any) -> bytes:
        """Its execution in words: the first one of a transaction goes in one message with the beginning of it."""
        return b"EXECUTE %b(%b)" % (self.name, b",".join(_literal(values[place], escaping) for place in self.places))


def _oid(type_name: str) -> int:
    element = postgres.types[type_name.removesuffix("[]")]
    return element.array_oid if type_name.endswith("[]") else element.oid


def _checked(session: Any, answer: Any) -> Any:
    if answer.status in ANSWERS:
        return answer
    if session.broken:
        raise psycopg.OperationalError(answer.error_message.decode(errors="replace"))
    raise errors.error_from_result(answer)


def _text(value: str) -> bytes:
    text = value.encode()
    if b"\0" in text:
        raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    return text


def _array(values: list[Any]) -> bytes:
    return b"{%b}" % b",".join([_element(value) for value in values])


def _element(value: Any) -> bytes:
    if value is None:
        return b"NULL"
    if type(value) is int:
        return b"%d" % value
    return b'"%b"' % WRITERS[type(value)](value).replace(b"\\", b"\\\\").replace(b'"', b'\\"')


WRITERS: dict[type, Callable[[Any], bytes]] = {
    int: lambda number: b"%d" % number,
    bool: lambda truth: b"t" if truth else b"f",
    str: _text,
    datetime: lambda instant: instant.isoformat().encode(),
    bytes: lambda content: b"\\x" + content.hex().encode(),
    list: _array,
}


def _written(value: Any) -> bytes | None:
    """A value as PostgreSQL reads it. Raises KeyError for types that no statement takes."""
    return None if value is None else WRITERS[type(value)](value)


def _literal(value: Any, escaping: Any) -> bytes:
    if value is None:
        return b"NULL"
    written = WRITERS[type(value)](value)
    if type(value) in {str, list}:  # a list may hold texts
        return bytes(escaping.escape_literal(written))
    return b"'%b'" % written
