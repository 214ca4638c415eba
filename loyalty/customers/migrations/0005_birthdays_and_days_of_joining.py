"""Every day the programme looks for birthdays and for the days on which people joined."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("customers", "0004_permission_to_forget")]

    operations = [
        migrations.AddIndex(
            model_name="customer",
            index=models.Index(fields=["created_at"], name="customer_created"),
        ),
        migrations.AddIndex(
            model_name="customer",
            index=models.Index(
                django.db.models.functions.datetime.ExtractMonth("date_of_birth"),
                django.db.models.functions.datetime.ExtractDay("date_of_birth"),
                name="customer_birthday",
            ),
        ),
    ]
