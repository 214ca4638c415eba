"""Looks for a person's words in every text, JSON and binary column there is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from psycopg import sql

TEXTUAL = ("text", "character varying", "json", "jsonb", "bytea", "ARRAY")
COLUMNS = """
    SELECT column_name, table_name, data_type
    FROM information_schema.columns JOIN information_schema.tables USING (table_name, table_schema)
    WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' AND data_type = ANY(%s)
    ORDER BY table_name, ordinal_position
"""


@dataclass(frozen=True, slots=True)
class Column:
    table: str
    name: str
    kind: str

    def __str__(self) -> str:
        return f"{self.table}.{self.name}"


def columns() -> list[Column]:
    """Every column of the database that can hold words."""
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS, [list(TEXTUAL)])
        return [Column(table=table, name=name, kind=kind) for name, table, kind in cursor.fetchall()]


def search(words: Sequence[str]) -> Iterator[tuple[Column, int]]:
    """How many rows of each column hold one of the words, in any case. Reads every table whole, one after the other."""
    for column in columns():
        yield column, count(column, words) if words else 0


def count(column: Column, words: Sequence[str]) -> int:
    with connection.cursor() as cursor:
        place = sql.Identifier(column.name)
        test, values = holds(place, column.kind, words)
        query = sql.SQL("SELECT count(*) FROM {} WHERE {}").format(sql.Identifier(column.table), test)
        cursor.execute(query, values)
        return int(cursor.fetchone()[0])


def holds(place: sql.Composable, kind: str, words: Sequence[str]) -> tuple[sql.Composable, list[Any]]:
    """The condition that a column holds one of the words, and its values. A JSON column is read as its text."""
    if kind == "bytea":
        spellings = [word.encode() for each in words for word in dict.fromkeys([each, each.lower()])]
        return sql.SQL("EXISTS (SELECT FROM unnest(%s::bytea[]) AS word WHERE position(word IN {}) > 0)").format(
            place
        ), [spellings]
    return sql.SQL(
        "EXISTS (SELECT FROM unnest(%s::text[]) AS word WHERE position(lower(word) IN lower({}::text)) > 0)"
    ).format(place), [list(words)]
