"""The programme's one row, with the defaults of a new installation."""

from django.db import migrations


def make(apps, schema_editor):
    apps.get_model("merchant", "Programme").objects.get_or_create(id=1)


class Migration(migrations.Migration):
    dependencies = [("merchant", "0001_initial")]

    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
