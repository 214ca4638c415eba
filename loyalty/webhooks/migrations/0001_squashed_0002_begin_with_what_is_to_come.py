"""What the migrations that it replaces come to, for a database that is new: in a third of their time."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [
        ('webhooks', '0001_initial'),
        ('webhooks', '0002_begin_with_what_is_to_come'),
    ]

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='WebhookEndpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80)),
                ('url', models.CharField(max_length=500)),
                ('topics', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), size=None)),
                ('body', models.CharField(choices=[('thin', 'Thin: ids only'), ('full', 'Full: the whole object, as the API shows it')], default='thin', max_length=10)),
                ('state', models.CharField(choices=[('active', 'Active'), ('off', 'Switched off'), ('paused', 'Paused'), ('removed', 'Removed')], default='active', max_length=10)),
                ('secret', models.TextField()),
                ('previous_secret', models.TextField(blank=True)),
                ('previous_until', models.DateTimeField(null=True)),
                ('failures', models.PositiveIntegerField(default=0)),
                ('failing_since', models.DateTimeField(null=True)),
                ('held_until', models.DateTimeField(null=True)),
                ('paused_at', models.DateTimeField(null=True)),
                ('pause_reason', models.CharField(blank=True, max_length=500)),
                ('created_at', models.DateTimeField()),
                ('updated_at', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'webhook endpoint',
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['active', 'off', 'paused', 'removed'])), name='webhook_endpoint_state_known'), models.CheckConstraint(condition=models.Q(('body__in', ['thin', 'full'])), name='webhook_endpoint_body_known'), models.CheckConstraint(condition=models.Q(models.Q(('paused_at__isnull', False), ('state', 'paused')), models.Q(models.Q(('state', 'paused'), _negated=True), ('paused_at__isnull', True)), _connector='OR'), name='webhook_endpoint_paused_has_time'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'paused'), _negated=True), models.Q(('pause_reason', ''), _negated=True), _connector='OR'), name='webhook_endpoint_pause_is_explained'), models.CheckConstraint(condition=models.Q(models.Q(('previous_secret', ''), ('previous_until__isnull', True)), models.Q(models.Q(('previous_secret', ''), _negated=True), ('previous_until__isnull', False)), _connector='OR'), name='webhook_endpoint_old_secret_ends'), models.CheckConstraint(condition=models.Q(('state', 'removed'), models.Q(('secret', ''), _negated=True), _connector='OR'), name='webhook_endpoint_has_secret')],
            },
        ),
        migrations.CreateModel(
            name='WebhookDelivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('event_id', models.BigIntegerField(null=True)),
                ('topic', models.CharField(max_length=60)),
                ('subject_id', models.BigIntegerField(null=True)),
                ('lane', models.PositiveSmallIntegerField(default=0)),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('delivered', 'Delivered'), ('failed', 'Given up')], default='waiting', max_length=10)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('due_at', models.DateTimeField(null=True)),
                ('claim', models.UUIDField(null=True)),
                ('occurred_at', models.DateTimeField()),
                ('created_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(null=True)),
                ('status', models.PositiveSmallIntegerField(null=True)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('endpoint', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='webhooks.webhookendpoint')),
            ],
            options={
                'verbose_name': 'webhook out',
                'verbose_name_plural': 'webhooks out',
                'constraints': [
                    models.UniqueConstraint(fields=('endpoint', 'event_id', 'topic'), name='webhook_delivery_stands_once'),
                    models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'delivered', 'failed'])), name='webhook_delivery_state_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('due_at__isnull', False), ('state', 'waiting')), models.Q(models.Q(('state', 'waiting'), _negated=True), ('claim__isnull', True), ('closed_at__isnull', False), ('due_at__isnull', True)), _connector='OR'), name='webhook_delivery_due_while_waiting'),
                    models.CheckConstraint(condition=models.Q(models.Q(('state', 'failed'), _negated=True), models.Q(('reason', ''), _negated=True), _connector='OR'), name='webhook_delivery_end_explained'),
                    models.CheckConstraint(condition=models.Q(('lane__lt', 4)), name='webhook_delivery_lane_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('event_id__isnull', True), ('subject_id__isnull', True)), models.Q(('event_id__isnull', False), ('subject_id__isnull', False)), _connector='OR'), name='webhook_delivery_of_event_has_subject'),
                ],
                'indexes': [
                    models.Index(condition=models.Q(('state', 'waiting')), fields=['endpoint', 'lane', 'due_at', 'id'], name='webhook_delivery_due'),
                    models.Index(fields=['endpoint', 'occurred_at'], name='webhook_delivery_occurred'),
                    models.Index(fields=['endpoint', '-id'], name='webhook_delivery_endpoint'),
                    models.Index(fields=['state', '-id'], name='webhook_delivery_state'),
                    models.Index(models.OrderBy(models.F('closed_at')), condition=models.Q(('closed_at__isnull', False)), name='webhook_delivery_closed'),
                ],
            },
        ),
        migrations.CreateModel(
            name='WebhookLane',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveSmallIntegerField()),
                ('claim', models.UUIDField(null=True)),
                ('claimed_until', models.DateTimeField(null=True)),
                ('worked_at', models.DateTimeField(null=True)),
                ('endpoint', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='lanes', to='webhooks.webhookendpoint')),
            ],
            options={
                'constraints': [
                    models.UniqueConstraint(fields=('endpoint', 'number'), name='webhook_lane_once'),
                    models.CheckConstraint(condition=models.Q(models.Q(('claim__isnull', True), ('claimed_until__isnull', True)), models.Q(('claim__isnull', False), ('claimed_until__isnull', False)), _connector='OR'), name='webhook_lane_claim_ends'),
                ],
            },
        ),
        migrations.CreateModel(
            name='WebhookAttempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('attempted_at', models.DateTimeField()),
                ('milliseconds', models.PositiveIntegerField()),
                ('status', models.PositiveSmallIntegerField(null=True)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('excerpt', models.CharField(blank=True, max_length=500)),
                ('delivery', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='tried', to='webhooks.webhookdelivery')),
            ],
            options={
                'indexes': [models.Index(fields=['delivery', 'id'], name='webhook_attempt_delivery')],
            },
        ),
    ]
