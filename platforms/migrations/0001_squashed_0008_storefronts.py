"""What the migrations that it replaces come to, for a database that is new: in a third of their time."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import platforms.models
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [
        ('platforms', '0001_initial'),
        ('platforms', '0002_payout_accounts'),
        ('platforms', '0003_platforms_by_function'),
        ('platforms', '0004_shops_have_a_health'),
        ('platforms', '0005_incidents_of_shops'),
        ('platforms', '0006_payout_accounts_name_their_shop'),
        ('platforms', '0007_pace_of_shops'),
        ('platforms', '0008_storefronts'),
    ]

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='PayoutAccount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100)),
                ('provider', models.CharField(choices=platforms.models.payout_providers, max_length=20)),
                ('base_url', models.URLField(blank=True, max_length=300, verbose_name='address')),
                ('currency', models.CharField(default='USD', max_length=3)),
                ('enabled', models.BooleanField(default=True, help_text='Switched off, nothing new is paid out; what was sent is still asked about.')),
                ('credentials', models.TextField(blank=True, editable=False)),
                ('webhook_key', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'verbose_name': 'payout account',
            },
        ),
        migrations.CreateModel(
            name='StoreConnection',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100)),
                ('platform', models.CharField(choices=platforms.models.platforms, max_length=20)),
                ('base_url', models.URLField(max_length=300, verbose_name='shop address')),
                ('currency', models.CharField(default='USD', max_length=3)),
                ('storefronts', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=270), blank=True, db_default=[], default=list, size=10, verbose_name='pages that show the customers’ pages')),
                ('enabled', models.BooleanField(default=True)),
                ('calls_per_second', models.PositiveSmallIntegerField(blank=True, help_text='How many calls a second the shop bears from us, all workers together. Empty: as many as its answers allow.', null=True, validators=[django.core.validators.MinValueValidator(1)])),
                ('credentials', models.TextField(blank=True, editable=False)),
                ('webhook_key', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('orders_cursor', models.CharField(blank=True, editable=False, max_length=200)),
                ('polled_at', models.DateTimeField(editable=False, null=True)),
                ('poll_error', models.CharField(blank=True, editable=False, max_length=300)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'verbose_name': 'shop',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('currency__regex', '^[A-Z]{3}$')), name='connection_currency_code'),
                    models.UniqueConstraint(fields=('name',), name='connection_name_unique'),
                    models.CheckConstraint(condition=models.Q(('calls_per_second', 0), _negated=True), name='connection_asked_at_all'),
                ],
            },
        ),
        migrations.CreateModel(
            name='ShopIncident',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('unreachable', 'Does not answer'), ('refused', 'Refuses our credentials'), ('waiting', 'Rewards wait too long'), ('failing', 'Many rewards fail')], max_length=12)),
                ('began_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('detail', models.CharField(max_length=300)),
            ],
            options={
                'verbose_name': 'incident of a shop',
                'verbose_name_plural': 'incidents of shops',
            },
        ),
        migrations.CreateModel(
            name='ShopHealth',
            fields=[
                ('connection', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='health', serialize=False, to='platforms.storeconnection')),
                ('ok_at', models.DateTimeField(null=True)),
                ('throttled_at', models.DateTimeField(null=True)),
                ('failed_at', models.DateTimeField(null=True)),
                ('failure', models.CharField(blank=True, max_length=300)),
                ('failures', models.PositiveIntegerField(default=0)),
                ('failing_since', models.DateTimeField(null=True)),
                ('opened_at', models.DateTimeField(null=True)),
                ('ask_at', models.DateTimeField(null=True)),
                ('probe_until', models.DateTimeField(null=True)),
                ('pauses', models.PositiveSmallIntegerField(default=0)),
                ('closed_at', models.DateTimeField(null=True)),
                ('refusals', models.PositiveIntegerField(default=0)),
                ('refused_since', models.DateTimeField(null=True)),
                ('refused_at', models.DateTimeField(null=True)),
                ('refusal', models.CharField(blank=True, max_length=300)),
                ('webhooks_checked_at', models.DateTimeField(null=True)),
                ('webhooks_problem', models.CharField(blank=True, max_length=300)),
            ],
            options={
                'verbose_name': 'health of a shop',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(models.Q(('ask_at__isnull', True), ('opened_at__isnull', True)), models.Q(('ask_at__isnull', False), ('opened_at__isnull', False)), _connector='OR'), name='health_open_says_when_to_ask'),
                    models.CheckConstraint(condition=models.Q(('probe_until__isnull', True), ('opened_at__isnull', False), _connector='OR'), name='health_probed_only_while_open'),
                    models.CheckConstraint(condition=models.Q(models.Q(('failing_since__isnull', True), ('failures', 0)), models.Q(('failing_since__isnull', False), ('failures__gt', 0)), _connector='OR'), name='health_failing_since_when'),
                    models.CheckConstraint(condition=models.Q(models.Q(('refusals', 0), ('refused_since__isnull', True)), models.Q(('refusals__gt', 0), ('refused_since__isnull', False)), _connector='OR'), name='health_refused_since_when'),
                    models.CheckConstraint(condition=models.Q(('opened_at__isnull', True), ('failures__gt', 0), _connector='OR'), name='health_open_has_failures'),
                ],
            },
        ),
        migrations.AddField(
            model_name='payoutaccount',
            name='shop',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='platforms.storeconnection'),
        ),
        migrations.AddField(
            model_name='shopincident',
            name='connection',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='incidents', to='platforms.storeconnection'),
        ),
        migrations.AddConstraint(
            model_name='payoutaccount',
            constraint=models.CheckConstraint(condition=models.Q(('currency__regex', '^[A-Z]{3}$')), name='payout_account_currency'),
        ),
        migrations.AddConstraint(
            model_name='payoutaccount',
            constraint=models.UniqueConstraint(fields=('name',), name='payout_account_name_unique'),
        ),
        migrations.AddConstraint(
            model_name='payoutaccount',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('provider', 'shopify_credit'), ('shop__isnull', False)), models.Q(models.Q(('provider', 'shopify_credit'), _negated=True), ('shop__isnull', True)), _connector='OR'), name='payout_account_shop_fits'),
        ),
        migrations.AddIndex(
            model_name='shopincident',
            index=models.Index(fields=['connection', 'began_at', 'id'], name='incident_of_shop'),
        ),
        migrations.AddConstraint(
            model_name='shopincident',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True)), fields=('connection', 'kind'), name='incident_open_once'),
        ),
        migrations.AddConstraint(
            model_name='shopincident',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['unreachable', 'refused', 'waiting', 'failing'])), name='incident_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='shopincident',
            constraint=models.CheckConstraint(condition=models.Q(('ended_at__isnull', True), ('ended_at__gte', models.F('began_at')), _connector='OR'), name='incident_ends_after_it_began'),
        ),
    ]
