"""pg_trgm: made by whoever may create in the database, refused with what to do where that is not allowed."""

import pytest
from django.core.management.base import CommandError
from django.db import connection

from loyalty.common.extensions import Trigrams

ROLE = "may_create_nothing"


def make():
    with connection.schema_editor(atomic=False) as editor:
        Trigrams().database_forwards("customers", editor, None, None)


def exists():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'")
        return cursor.fetchone()[0] == 1


@pytest.fixture
def without(db):
    """The extension taken out, until the end of the test."""
    with connection.cursor() as cursor:
        cursor.execute("DROP EXTENSION pg_trgm CASCADE")
        cursor.execute(f"CREATE ROLE {ROLE} NOLOGIN")
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {ROLE}")


def test_is_made_where_it_is_missing_and_left_alone_where_it_is_not(without):
    make()
    make()

    assert exists()


def test_a_role_that_owns_the_database_makes_it_without_being_an_administrator(without):
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT CREATE ON DATABASE {connection.settings_dict['NAME']} TO {ROLE}")
        cursor.execute(f"GRANT CREATE ON SCHEMA public TO {ROLE}")
        cursor.execute(f"SET ROLE {ROLE}")
        make()
        cursor.execute("RESET ROLE")

    assert exists()


def test_a_role_that_may_not_is_told_what_to_do(without):
    with connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {ROLE}")
        with pytest.raises(CommandError) as refusal:
            make()
        cursor.execute("RESET ROLE")

    assert "permission denied to create extension" in str(refusal.value)
    assert "CREATE EXTENSION pg_trgm;" in str(refusal.value)
    assert not exists()
