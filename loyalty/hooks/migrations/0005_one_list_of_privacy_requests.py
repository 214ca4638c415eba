from django.db import migrations, models

VIEW = """
CREATE VIEW hooks_privacywish AS
SELECT 'shop-' || asked.id AS key,
       asked.id AS request_id,
       NULL::bigint AS own_id,
       asked.kind::text AS kind,
       asked.customer_id,
       asked.connection_id,
       asked.asked_at,
       asked.due_at,
       asked.settled_at AS closed_at,
       CASE WHEN asked.settled_at IS NULL THEN '' ELSE 'settled' END AS outcome
FROM hooks_privacyrequest asked
UNION ALL
SELECT 'own-' || own.id,
       NULL,
       own.id,
       'erase_customer',
       own.customer_id,
       NULL,
       own.requested_at,
       own.requested_at + interval '720 hours',
       coalesce(own.withdrawn_at, customer.anonymised_at),
       CASE
           WHEN own.withdrawn_at IS NOT NULL THEN 'withdrawn'
           WHEN customer.anonymised_at IS NOT NULL THEN 'forgotten'
           ELSE ''
       END
FROM customers_erasurerequest own JOIN customers_customer customer ON customer.id = own.customer_id
"""

KINDS = [
    ("data_request", "Show somebody's data"),
    ("erase_customer", "Erase somebody's data"),
    ("erase_shop", "Erase a shop's data"),
]
OUTCOMES = [("settled", "Settled"), ("withdrawn", "Taken back"), ("forgotten", "Forgotten")]


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0003_erasure_requests"),
        ("hooks", "0004_privacy_requests"),
    ]

    operations = [
        migrations.RunSQL(VIEW, "DROP VIEW hooks_privacywish"),
        migrations.CreateModel(
            name="PrivacyWish",
            fields=[
                ("key", models.CharField(max_length=30, primary_key=True, serialize=False)),
                ("kind", models.CharField(choices=KINDS, max_length=20)),
                ("asked_at", models.DateTimeField()),
                ("due_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(null=True)),
                ("outcome", models.CharField(blank=True, choices=OUTCOMES, max_length=10)),
            ],
            options={
                "verbose_name": "privacy request",
                "verbose_name_plural": "privacy requests",
                "db_table": "hooks_privacywish",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="PrivacyReminder",
            fields=[
                ("wish", models.CharField(max_length=30, primary_key=True, serialize=False)),
                ("reminded_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "reminder of a privacy request",
                "verbose_name_plural": "reminders of privacy requests",
            },
        ),
    ]
