from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("merchant", "0006_mails"),
    ]

    operations = [
        migrations.AddField(
            model_name="programme",
            name="open_to_all",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="Off: only customers who are known already can sign in.",
                verbose_name="anyone may become a member",
            ),
        ),
    ]
