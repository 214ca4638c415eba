"""What the migrations that it replaces come to, for a database that is new: in a third of their time."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import loyalty.merchant.models
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [
        ('merchant', '0001_initial'),
        ('merchant', '0002_shortfalls_and_idle_expiry'),
        ('merchant', '0003_days_have_a_limit'),
        ('merchant', '0004_customers_cancel_by_themselves'),
        ('merchant', '0005_notice_before_rewards_expire'),
        ('merchant', '0006_mails'),
        ('merchant', '0007_closed_programmes'),
        ('merchant', '0008_further_mails'),
        ('merchant', '0009_adjustments_are_not_mailed_unasked'),
        ('merchant', '0010_look'),
    ]

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Programme',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(default='Rewards', max_length=100)),
                ('support_email', models.EmailField(blank=True, help_text='Where customers write when something is wrong.', max_length=254)),
                ('time_zone', models.CharField(default='UTC', max_length=64, validators=[loyalty.merchant.models.validate_time_zone])),
                ('currency', models.CharField(default='USD', help_text='Three letters, such as EUR.', max_length=3)),
                ('language', models.CharField(default='en', help_text='Language of texts without a translation.', max_length=10)),
                ('points_label_one', models.CharField(default='point', max_length=30)),
                ('points_label_other', models.CharField(default='points', max_length=30)),
                ('points_per_unit', models.PositiveIntegerField(default=1, help_text='Points earned per whole unit of currency.')),
                ('expiry_mode', models.CharField(choices=[('never', 'Points never expire'), ('days', 'Days after earning'), ('month_end', 'End of the month'), ('year_end', 'End of the year'), ('idle', 'Days without activity')], default='never', max_length=10)),
                ('expiry_days', models.PositiveIntegerField(default=365, help_text='For “days after earning” and “days without activity”.', validators=[django.core.validators.MaxValueValidator(36500)])),
                ('pending_days', models.PositiveIntegerField(default=0, help_text='Days before earned points can be spent.', validators=[django.core.validators.MaxValueValidator(36500)])),
                ('return_policy', models.CharField(choices=[('grace', 'Give them some days of grace'), ('strict', 'They expire at once'), ('original', 'Give them the life they had left when they were spent')], default='grace', max_length=10)),
                ('grace_days', models.PositiveIntegerField(default=30, validators=[django.core.validators.MaxValueValidator(36500)])),
                ('shortfall_policy', models.CharField(choices=[('open', 'Leave it open, for a person to decide'), ('collect', 'Collect it from the next points earned'), ('waive', 'Waive it')], default='open', max_length=10)),
                ('shortfall_blocks', models.BooleanField(default=False, help_text='The balance is shown less what is owed, below zero if need be, and nothing can be redeemed until nothing is owed.', verbose_name='open shortfalls count against the balance')),
                ('transfers_allowed', models.BooleanField(default=False, help_text="Customers' points may be moved between them.")),
                ('open_to_all', models.BooleanField(db_default=True, default=True, help_text='Off: only customers who are known already can sign in.', verbose_name='anyone may become a member')),
                ('self_cancel_minutes', models.PositiveIntegerField(blank=True, help_text='An unused reward that was redeemed for points. Empty: customers cannot cancel by themselves.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(43200)], verbose_name='minutes in which customers may cancel')),
                ('expiry_notice_days', models.PositiveSmallIntegerField(db_default=7, default=7, help_text='0: nothing is told ahead.', validators=[django.core.validators.MaxValueValidator(365)], verbose_name='days before its end that a reward is told of')),
                ('points_notice_days', models.PositiveSmallIntegerField(db_default=7, default=7, help_text='0: nothing is told ahead.', validators=[django.core.validators.MaxValueValidator(365)], verbose_name='days before their end that points are told of')),
                ('adjustment_text', models.CharField(blank=True, help_text='What customers read of an adjustment without a note of its own.', max_length=200)),
                ('office_emails', django.contrib.postgres.fields.ArrayField(base_field=models.EmailField(max_length=254), blank=True, db_default=[], default=list, help_text='Where e-mails to staff go.', size=10, verbose_name='back office')),
                ('mails_off', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=loyalty.merchant.models.mail_kinds, max_length=20), blank=True, db_default=['points_adjusted'], default=loyalty.merchant.models.off_at_first, size=None, verbose_name='e-mails that are not sent')),
                ('reply_to', models.EmailField(blank=True, db_default='', default='', help_text='Empty: to the address of support.', max_length=254, verbose_name='answers go to')),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'verbose_name': 'programme',
                'verbose_name_plural': 'programme',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('id', 1)), name='programme_is_one_row'),
                    models.CheckConstraint(condition=models.Q(('currency__regex', '^[A-Z]{3}$')), name='programme_currency_code'),
                    models.CheckConstraint(condition=models.Q(('expiry_days__gte', 1)), name='programme_expiry_days_positive'),
                    models.CheckConstraint(condition=models.Q(('grace_days__gte', 1)), name='programme_grace_days_positive'),
                    models.CheckConstraint(condition=models.Q(('expiry_days__lte', 36500), ('grace_days__lte', 36500), ('pending_days__lte', 36500)), name='programme_days_have_a_limit'),
                    models.CheckConstraint(condition=models.Q(('self_cancel_minutes__isnull', True), models.Q(('self_cancel_minutes__gte', 1), ('self_cancel_minutes__lte', 43200)), _connector='OR'), name='programme_self_cancel_in_range'),
                    models.CheckConstraint(condition=models.Q(('expiry_notice_days__lte', 365)), name='programme_notice_in_range'),
                    models.CheckConstraint(condition=models.Q(('points_notice_days__lte', 365)), name='programme_points_notice_in_range'),
                    models.CheckConstraint(condition=models.Q(('office_emails__len__lte', 10)), name='programme_offices_have_a_limit'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Brand',
            fields=[
                ('programme', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='brand', serialize=False, to='merchant.programme')),
                ('accent', models.CharField(blank=True, max_length=7, verbose_name='colour')),
                ('accent_dark', models.CharField(blank=True, max_length=7, verbose_name='colour on dark pages')),
                ('home_text', models.CharField(blank=True, max_length=400, verbose_name='text on the first page')),
                ('logo', models.BinaryField(blank=True, default=bytes)),
                ('logo_kind', models.CharField(blank=True, max_length=4)),
                ('logo_digest', models.CharField(blank=True, max_length=20)),
                ('logo_width', models.PositiveSmallIntegerField(default=0)),
                ('logo_height', models.PositiveSmallIntegerField(default=0)),
                ('changed_at', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'look',
                'verbose_name_plural': 'look',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('accent__regex', '^(#[0-9a-f]{6})?$')), name='brand_accent_is_colour'),
                    models.CheckConstraint(condition=models.Q(('accent_dark__regex', '^(#[0-9a-f]{6})?$')), name='brand_dark_accent_is_colour'),
                    models.CheckConstraint(condition=models.Q(models.Q(('logo', b''), ('logo_digest', ''), ('logo_kind', '')), models.Q(('logo_kind__in', ['png', 'jpeg', 'webp']), models.Q(('logo_digest', ''), _negated=True), models.Q(('logo', b''), _negated=True)), _connector='OR'), name='brand_logo_is_whole'),
                ],
            },
        ),
    ]
