import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0002_sign_in_links"),
    ]

    operations = [
        migrations.CreateModel(
            name="ErasureRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("requested_at", models.DateTimeField()),
                ("withdrawn_at", models.DateTimeField(null=True)),
                (
                    "customer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="erasure_requests",
                        to="customers.customer",
                    ),
                ),
            ],
            options={
                "verbose_name": "request to be forgotten",
                "verbose_name_plural": "requests to be forgotten",
                "indexes": [models.Index(fields=["customer", "id"], name="erasure_request_customer")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=Q(withdrawn_at__isnull=True), fields=("customer",), name="erasure_request_open_once"
                    ),
                    models.CheckConstraint(
                        condition=Q(withdrawn_at__isnull=True) | Q(withdrawn_at__gte=F("requested_at")),
                        name="erasure_request_withdrawn_afterwards",
                    ),
                ],
            },
        ),
    ]
