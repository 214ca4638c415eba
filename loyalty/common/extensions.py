"""Extensions of PostgreSQL that the tables need, made by the migrations or refused with what to do."""

from typing import Any

from django.contrib.postgres.operations import TrigramExtension
from django.core.management.base import CommandError
from django.db import DatabaseError, transaction


class Trigrams(TrigramExtension):
    """pg_trgm, which finds customers by part of a name. It is trusted: whoever may CREATE in the database may make it."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        try:
            with transaction.atomic(using=schema_editor.connection.alias):
                super().database_forwards(app_label, schema_editor, from_state, to_state)
        except DatabaseError as error:
            name = schema_editor.connection.settings_dict["NAME"]
            raise CommandError(
                f"The extension pg_trgm could not be made in the database {name}: {str(error).splitlines()[0]} "
                "Let the owner of the database run the migrations, or have an administrator run once, in this "
                "database: CREATE EXTENSION pg_trgm; (where it is not available, install PostgreSQL's contrib package)."
            ) from error
