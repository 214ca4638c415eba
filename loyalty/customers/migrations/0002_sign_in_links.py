import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="SignInLink",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="customers.customer"
                    ),
                ),
            ],
            options={
                "verbose_name": "sign-in link",
                "constraints": [
                    models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="sign_in_link_lives"),
                    models.CheckConstraint(
                        condition=Q(used_at__isnull=True)
                        | Q(used_at__gte=F("created_at"), used_at__lt=F("expires_at")),
                        name="sign_in_link_used_while_it_lives",
                    ),
                ],
            },
        ),
    ]
