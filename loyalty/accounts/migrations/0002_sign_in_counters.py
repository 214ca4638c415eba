"""The table behind the default cache: counters of sign-in attempts, kept in PostgreSQL so that they hold without a broker."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.RunSQL(
            """
            CREATE TABLE sign_in_counters (
                cache_key varchar(255) NOT NULL PRIMARY KEY,
                value text NOT NULL,
                expires timestamp with time zone NOT NULL
            );
            CREATE INDEX sign_in_counters_expires ON sign_in_counters (expires);
            """,
            "DROP TABLE sign_in_counters",
        ),
    ]
