"""Leave room in the pages of the two tables whose rows are updated, so that updates stay heap-only."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("points", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE points_pointsaccount SET (fillfactor = 80)",
            "ALTER TABLE points_pointsaccount RESET (fillfactor)",
        ),
        migrations.RunSQL(
            "ALTER TABLE points_pointslot SET (fillfactor = 85)",
            "ALTER TABLE points_pointslot RESET (fillfactor)",
        ),
    ]
