"""What the migrations that it replaces come to, for a database that is new: in a third of their time."""

import django.db.models.functions.comparison
import loyalty.events.models
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [
        ('events', '0001_initial'),
        ('events', '0002_reading_in_order'),
    ]

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='EventReader',
            fields=[
                ('name', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('transaction_id', models.BigIntegerField(default=0)),
                ('event_id', models.BigIntegerField(default=0)),
                ('foreign_until', models.BigIntegerField(default=0)),
                ('floor_id', models.BigIntegerField(default=0)),
            ],
            options={
                'verbose_name': 'reader of events',
                'verbose_name_plural': 'readers of events',
            },
        ),
        migrations.CreateModel(
            name='Event',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=60)),
                ('occurred_at', models.DateTimeField()),
                ('actor_kind', models.CharField(max_length=20)),
                ('actor_id', models.BigIntegerField(null=True)),
                ('subject_type', models.CharField(max_length=40)),
                ('subject_id', models.BigIntegerField()),
                ('customer_id', models.BigIntegerField(null=True)),
                ('data', models.JSONField(default=dict)),
                ('transaction_id', models.BigIntegerField(db_default=django.db.models.functions.comparison.Cast(django.db.models.functions.comparison.Cast(loyalty.events.models.CurrentTransaction(), models.TextField()), models.BigIntegerField()), editable=False)),
            ],
            options={
                'indexes': [models.Index(fields=['subject_type', 'subject_id', 'id'], name='event_subject'), models.Index(fields=['customer_id', 'id'], name='event_customer'), models.Index(fields=['transaction_id', 'id'], name='event_reading')],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='event',
            trigger=pgtrigger.compiler.Trigger(name='event_insert_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='1940b0e71089a74c2593e782574804860d31f3c4', operation='UPDATE OR DELETE', pgid='pgtrigger_event_insert_only_834f1', table='events_event', when='BEFORE')),
        ),
    ]
