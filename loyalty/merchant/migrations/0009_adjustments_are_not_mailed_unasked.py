from django.db import migrations

KIND = "points_adjusted"


def switch_off(apps, schema_editor):
    """A running programme begins to write to its customers about adjustments when somebody wants it, not by an upgrade."""
    for programme in apps.get_model("merchant", "Programme").objects.all():
        if KIND not in programme.mails_off:
            programme.mails_off = [*programme.mails_off, KIND]
            programme.save(update_fields=["mails_off"])


def forget(apps, schema_editor):
    """The previous release does not know the kind."""
    for programme in apps.get_model("merchant", "Programme").objects.all():
        programme.mails_off = [kind for kind in programme.mails_off if kind != KIND]
        programme.save(update_fields=["mails_off"])


class Migration(migrations.Migration):
    dependencies = [("merchant", "0008_further_mails")]

    operations = [migrations.RunPython(switch_off, forget)]
