"""The note a staff member leaves when granting a reward."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("rewards", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="redeemedreward",
            name="internal_note",
            field=models.CharField(blank=True, max_length=1000),
        ),
    ]
