"""What the migrations that it replaces come to, for a database that is new: in a third of their time."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [
        ('api', '0001_initial'),
        ('api', '0002_rate_window'),
        ('api', '0003_rotated_keys'),
    ]

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80)),
                ('prefix', models.CharField(max_length=12)),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), size=None)),
                ('networks', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=43), db_default=[], default=list, size=None)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('last_used_at', models.DateTimeField(blank=True, null=True)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL)),
                ('origin', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='api.apikey')),
                ('replaces', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='replaced_by', to='api.apikey')),
            ],
            options={
                'verbose_name': 'API key',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(models.Q(('origin__isnull', True), ('replaces__isnull', True)), models.Q(('origin__isnull', False), ('replaces__isnull', False)), _connector='OR'), name='api_key_replacement_has_origin'),
                ],
            },
        ),
        migrations.CreateModel(
            name='RateWindow',
            fields=[
                ('api_key', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, serialize=False, to='api.apikey')),
                ('second', models.BigIntegerField()),
                ('requests', models.PositiveIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='IdempotencyRecord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=255)),
                ('request_digest', models.CharField(max_length=64)),
                ('status', models.PositiveSmallIntegerField(null=True)),
                ('body', models.JSONField(null=True)),
                ('locked_until', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField()),
                ('api_key', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='api.apikey')),
            ],
            options={
                'constraints': [
                    models.UniqueConstraint(fields=('api_key', 'key'), name='idempotency_key_once'),
                    models.CheckConstraint(condition=models.Q(models.Q(('body__isnull', True), ('status__isnull', True)), models.Q(('body__isnull', False), ('status__isnull', False)), _connector='OR'), name='idempotency_answer_whole'),
                ],
                'indexes': [
                    models.Index(fields=['created_at'], name='idempotency_created'),
                ],
            },
        ),
    ]
