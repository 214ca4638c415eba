from django.db import migrations, models

import platforms.models


class Migration(migrations.Migration):
    dependencies = [
        ("platforms", "0002_payout_accounts"),
    ]

    operations = [
        migrations.AlterField(
            model_name="storeconnection",
            name="platform",
            field=models.CharField(choices=platforms.models.platforms, max_length=20),
        ),
    ]
