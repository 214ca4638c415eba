"""Prepared statements: what goes in comes out again, whatever it looks like, and wherever the statement stands."""

from datetime import UTC, datetime

import pytest
from django.db import transaction

from loyalty.common.prepared import Statement

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = ["", "NULL", "null", "{a,b}", 'say "so"', "it's", "back\\slash", "\\", "a,b", " spaces ", "zwölf\n\t", None]
ECHO = Statement(
    "echo",
    "SELECT %(texts)s::text[], %(blobs)s::bytea[], %(numbers)s::int8[], %(at)s::timestamptz",
    types={"texts": "text[]", "blobs": "bytea[]", "numbers": "int8[]", "at": "timestamptz"},
)


def test_lists_come_back_as_they_were():
    blobs, at = [b"", b'"\\\x00\xff{},', None], datetime(2026, 1, 2, tzinfo=UTC)
    values = {"texts": TEXTS, "blobs": blobs, "numbers": [1, None, -3], "at": at}

    alone = ECHO.run(values)
    with transaction.atomic():
        first, later = ECHO.run(values), ECHO.run(values)

    assert alone == first == later == [(TEXTS, blobs, [1, None, -3], at)]
