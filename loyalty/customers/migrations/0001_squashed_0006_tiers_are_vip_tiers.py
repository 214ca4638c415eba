"""What the migrations that it replaces come to, for a database that is new: in a third of their time."""

import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

import loyalty.common.extensions


class Migration(migrations.Migration):

    replaces = [
        ('customers', '0001_initial'),
        ('customers', '0002_sign_in_links'),
        ('customers', '0003_erasure_requests'),
        ('customers', '0004_permission_to_forget'),
        ('customers', '0005_birthdays_and_days_of_joining'),
        ('customers', '0006_tiers_are_vip_tiers'),
    ]

    initial = True

    dependencies = [
        ('platforms', '0001_squashed_0008_storefronts'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        loyalty.common.extensions.Trigrams(),
        migrations.CreateModel(
            name='Tier',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60, unique=True)),
                ('rank', models.PositiveSmallIntegerField(unique=True)),
            ],
            options={
                'verbose_name': 'VIP tier',
                'verbose_name_plural': 'VIP tiers',
            },
        ),
        migrations.CreateModel(
            name='Customer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('email', models.EmailField(blank=True, max_length=254, null=True, verbose_name='e-mail')),
                ('phone', models.CharField(blank=True, max_length=32, null=True)),
                ('first_name', models.CharField(blank=True, max_length=80)),
                ('last_name', models.CharField(blank=True, max_length=80, verbose_name='surname')),
                ('state', models.CharField(choices=[('candidate', 'Guest'), ('member', 'Member'), ('disabled', 'Excluded')], default='candidate', max_length=10)),
                ('language', models.CharField(blank=True, help_text="Empty: the programme's language.", max_length=10)),
                ('date_of_birth', models.DateField(blank=True, help_text='Year 1004 when only day and month are known.', null=True)),
                ('search', models.GeneratedField(db_persist=True, expression=django.db.models.functions.text.Lower(django.db.models.functions.text.Concat(django.db.models.functions.comparison.Coalesce(models.F('email'), models.Value('')), models.Value(' '), django.db.models.functions.comparison.Coalesce(models.F('phone'), models.Value('')), models.Value(' '), models.F('first_name'), models.Value(' '), models.F('last_name'))), output_field=models.TextField())),
                ('anonymised_at', models.DateTimeField(editable=False, null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('user', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='customer', to=settings.AUTH_USER_MODEL)),
                ('tier', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='customers.tier')),
            ],
            options={
                'permissions': [('anonymise_customer', 'Can forget who a customer is')],
                'constraints': [
                    models.UniqueConstraint(django.db.models.functions.text.Lower('email'), name='customer_email_unique_ignoring_case'),
                    models.CheckConstraint(condition=models.Q(('email', ''), _negated=True), name='customer_email_absent_not_empty'),
                    models.CheckConstraint(condition=models.Q(('phone', ''), _negated=True), name='customer_phone_absent_not_empty'),
                    models.CheckConstraint(condition=models.Q(('state__in', ['candidate', 'member', 'disabled'])), name='customer_state_known'),
                ],
                'indexes': [
                    django.contrib.postgres.indexes.GinIndex(fields=['search'], name='customer_search', opclasses=['gin_trgm_ops']),
                    models.Index(fields=['updated_at', 'id'], name='customer_updated'),
                    models.Index(fields=['phone'], name='customer_phone'),
                    models.Index(fields=['created_at'], name='customer_created'),
                    models.Index(django.db.models.functions.datetime.ExtractMonth('date_of_birth'), django.db.models.functions.datetime.ExtractDay('date_of_birth'), name='customer_birthday'),
                ],
            },
        ),
        migrations.CreateModel(
            name='ShippingAddress',
            fields=[
                ('customer', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='shipping_address', serialize=False, to='customers.customer')),
                ('recipient', models.CharField(blank=True, max_length=160)),
                ('line_1', models.CharField(max_length=200, verbose_name='street')),
                ('line_2', models.CharField(blank=True, max_length=200, verbose_name='additional line')),
                ('postal_code', models.CharField(blank=True, max_length=20)),
                ('city', models.CharField(max_length=100)),
                ('region', models.CharField(blank=True, max_length=100)),
                ('country', models.CharField(help_text='Two letters, such as PL.', max_length=2)),
            ],
            options={
                'verbose_name': 'shipping address',
                'constraints': [models.CheckConstraint(condition=models.Q(('country__regex', '^[A-Z]{2}$')), name='address_country_code')],
            },
        ),
        migrations.CreateModel(
            name='CustomerIdentity',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('external_id', models.CharField(max_length=120)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('connection', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to='platforms.storeconnection')),
                ('customer', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='identities', to='customers.customer')),
            ],
            options={
                'verbose_name': 'identity in a shop',
                'verbose_name_plural': 'identities in shops',
                'constraints': [models.UniqueConstraint(fields=('connection', 'external_id'), name='identity_unique_in_connection', nulls_distinct=False), models.CheckConstraint(condition=models.Q(('external_id', ''), _negated=True), name='identity_not_empty')],
            },
        ),
        migrations.CreateModel(
            name='ErasureRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('requested_at', models.DateTimeField()),
                ('withdrawn_at', models.DateTimeField(null=True)),
                ('customer', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='erasure_requests', to='customers.customer')),
            ],
            options={
                'verbose_name': 'request to be forgotten',
                'verbose_name_plural': 'requests to be forgotten',
                'indexes': [models.Index(fields=['customer', 'id'], name='erasure_request_customer')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('withdrawn_at__isnull', True)), fields=('customer',), name='erasure_request_open_once'), models.CheckConstraint(condition=models.Q(('withdrawn_at__isnull', True), ('withdrawn_at__gte', models.F('requested_at')), _connector='OR'), name='erasure_request_withdrawn_afterwards')],
            },
        ),
        migrations.CreateModel(
            name='SignInLink',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('used_at', models.DateTimeField(null=True)),
                ('customer', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='customers.customer')),
            ],
            options={
                'verbose_name': 'sign-in link',
                'constraints': [models.CheckConstraint(condition=models.Q(('expires_at__gt', models.F('created_at'))), name='sign_in_link_lives'), models.CheckConstraint(condition=models.Q(('used_at__isnull', True), models.Q(('used_at__gte', models.F('created_at')), ('used_at__lt', models.F('expires_at'))), _connector='OR'), name='sign_in_link_used_while_it_lives')],
            },
        ),
    ]
