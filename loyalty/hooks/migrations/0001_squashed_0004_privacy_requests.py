"""What the migrations that it replaces come to, for a database that is new: in a third of their time."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [
        ('hooks', '0001_initial'),
        ('hooks', '0002_webhooks_of_payout_accounts'),
        ('hooks', '0003_replay_and_retention'),
        ('hooks', '0004_privacy_requests'),
    ]

    initial = True

    dependencies = [
        ('customers', '0001_squashed_0006_tiers_are_vip_tiers'),
        ('platforms', '0001_squashed_0008_storefronts'),
    ]

    operations = [
        migrations.CreateModel(
            name='InboundWebhook',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('event_id', models.CharField(max_length=120)),
                ('topic', models.CharField(max_length=80)),
                ('subject_id', models.CharField(max_length=120, null=True)),
                ('body', models.BinaryField()),
                ('headers', models.JSONField(default=dict)),
                ('state', models.CharField(choices=[('received', 'Waiting'), ('processed', 'Processed'), ('failed', 'Failed')], default='received', max_length=10)),
                ('received_at', models.DateTimeField()),
                ('processed_at', models.DateTimeField(null=True)),
                ('due_at', models.DateTimeField(null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('attempts_before', models.PositiveSmallIntegerField(db_default=0, default=0)),
                ('body_emptied_at', models.DateTimeField(null=True)),
                ('result', models.CharField(blank=True, max_length=300)),
                ('connection', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='platforms.storeconnection')),
                ('payout_account', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='platforms.payoutaccount')),
            ],
            options={
                'verbose_name': 'webhook in',
                'verbose_name_plural': 'webhooks in',
                'permissions': [('try_again_inboundwebhook', 'Can try webhooks again that failed')],
                'constraints': [
                    models.UniqueConstraint(fields=('connection', 'event_id'), name='inbox_event_once'),
                    models.UniqueConstraint(fields=('payout_account', 'event_id'), name='inbox_payout_event_once'),
                    models.CheckConstraint(condition=models.Q(models.Q(('connection__isnull', False), ('payout_account__isnull', True)), models.Q(('connection__isnull', True), ('payout_account__isnull', False)), _connector='OR'), name='inbox_has_one_sender'),
                    models.CheckConstraint(condition=models.Q(models.Q(('due_at__isnull', False), ('state', 'received')), models.Q(models.Q(('state', 'received'), _negated=True), ('due_at__isnull', True)), _connector='OR'), name='inbox_waiting_has_due_time'),
                ],
                'indexes': [
                    models.Index(condition=models.Q(('state', 'received')), fields=['due_at'], name='inbox_due'),
                    models.Index(fields=['received_at', 'id'], name='inbox_received'),
                    models.Index(condition=models.Q(('state', 'failed')), fields=['received_at', 'id'], name='inbox_failed'),
                    models.Index(condition=models.Q(('body_emptied_at__isnull', True)), fields=['received_at', 'id'], name='inbox_bodies'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PrivacyRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('data_request', "Show somebody's data"), ('erase_customer', "Erase somebody's data"), ('erase_shop', "Erase a shop's data")], max_length=20)),
                ('customer_external_id', models.CharField(blank=True, max_length=120)),
                ('orders', models.JSONField(default=list)),
                ('asked_at', models.DateTimeField()),
                ('due_at', models.DateTimeField()),
                ('bodies_emptied', models.PositiveIntegerField(default=0)),
                ('settled_at', models.DateTimeField(null=True)),
                ('settled_by', models.BigIntegerField(null=True)),
                ('note', models.CharField(blank=True, max_length=500)),
                ('connection', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='platforms.storeconnection')),
                ('customer', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='customers.customer')),
                ('webhook', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, to='hooks.inboundwebhook')),
            ],
            options={
                'verbose_name': 'privacy request',
                'verbose_name_plural': 'privacy requests',
                'permissions': [('settle_privacyrequest', 'Can settle privacy requests')],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('kind__in', ['data_request', 'erase_customer', 'erase_shop'])), name='privacy_kind_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('note', ''), ('settled_at__isnull', True), ('settled_by__isnull', True)), models.Q(('settled_at__isnull', False), ('settled_by__isnull', False), models.Q(('note', ''), _negated=True)), _connector='OR'), name='privacy_settled_by_somebody_with_words'),
                    models.CheckConstraint(condition=models.Q(('due_at__gt', models.F('asked_at'))), name='privacy_due_after_asked'),
                ],
                'indexes': [
                    models.Index(condition=models.Q(('settled_at__isnull', True)), fields=['due_at', 'id'], name='privacy_open'),
                    models.Index(fields=['connection', 'id'], name='privacy_of_shop'),
                ],
            },
        ),
    ]
