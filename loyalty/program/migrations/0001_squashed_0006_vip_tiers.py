"""What the migrations that it replaces come to, for a database that is new: in a third of their time."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [
        ('program', '0001_initial'),
        ('program', '0002_orders_in_one_shape'),
        ('program', '0003_referrals'),
        ('program', '0004_earning_rules'),
        ('program', '0005_members_begin_with_those_to_come'),
        ('program', '0006_vip_tiers'),
    ]

    initial = True

    dependencies = [
        ('customers', '0001_squashed_0006_tiers_are_vip_tiers'),
        ('platforms', '0001_squashed_0008_storefronts'),
        ('points', '0001_squashed_0010_lots_in_spending_order'),
        ('rewards', '0001_squashed_0015_campaigns'),
    ]

    operations = [
        migrations.CreateModel(
            name='ReferralLink',
            fields=[
                ('customer', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='+', serialize=False, to='customers.customer')),
                ('code', models.CharField(max_length=16, unique=True)),
                ('created_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='VipTierChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('upward', models.BooleanField()),
                ('cause', models.CharField(choices=[('reached', 'Reached'), ('lost', 'No longer reached'), ('staff', 'By staff'), ('import', 'Imported')], max_length=10)),
                ('actor_kind', models.CharField(max_length=20)),
                ('actor_id', models.BigIntegerField(null=True)),
                ('basis', models.CharField(choices=[('points_earned', 'Points earned'), ('amount_spent', 'Amount spent')], max_length=15)),
                ('measured', models.DecimalField(decimal_places=2, max_digits=14, null=True)),
                ('threshold', models.DecimalField(decimal_places=2, max_digits=14, null=True)),
                ('window_from', models.DateTimeField(null=True)),
                ('window_until', models.DateTimeField(null=True)),
                ('held_until', models.DateTimeField(null=True)),
                ('changed_at', models.DateTimeField()),
                ('current_tier', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='customers.tier')),
                ('customer', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='tier_changes', to='customers.customer')),
                ('previous_tier', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='customers.tier')),
            ],
            options={
                'verbose_name': 'VIP tier change',
                'verbose_name_plural': 'VIP tier changes',
                'constraints': [
                    models.UniqueConstraint(fields=('customer', 'number'), name='tier_change_numbered'),
                    models.CheckConstraint(condition=models.Q(models.Q(('previous_tier', models.F('current_tier')), _negated=True), models.Q(('previous_tier__isnull', False), ('current_tier__isnull', False), _connector='OR')), name='tier_change_changes_something'),
                ],
                'indexes': [
                    models.Index(fields=['customer', 'id'], name='tier_change_customer'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Activity',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('token', models.CharField(max_length=80)),
                ('distinct_id', models.CharField(max_length=120, null=True)),
                ('created_on_origin_at', models.DateTimeField(null=True)),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('done', 'Evaluated')], default='waiting', max_length=10)),
                ('outcome', models.CharField(blank=True, max_length=40)),
                ('tries', models.PositiveSmallIntegerField(default=0)),
                ('due_at', models.DateTimeField(null=True)),
                ('actor_kind', models.CharField(max_length=20)),
                ('actor_id', models.BigIntegerField(null=True)),
                ('created_at', models.DateTimeField()),
                ('evaluated_at', models.DateTimeField(null=True)),
                ('customer', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='activities', to='customers.customer')),
            ],
            options={
                'verbose_name': 'activity',
                'verbose_name_plural': 'activities',
                'constraints': [
                    models.UniqueConstraint(fields=('token', 'distinct_id'), name='activity_told_once'),
                    models.CheckConstraint(condition=models.Q(('distinct_id', ''), _negated=True), name='activity_distinct_id_absent_not_empty'),
                    models.CheckConstraint(condition=models.Q(models.Q(('due_at__isnull', False), ('evaluated_at__isnull', True), ('state', 'waiting')), models.Q(('due_at__isnull', True), ('evaluated_at__isnull', False), ('state', 'done'), models.Q(('outcome', ''), _negated=True)), _connector='OR'), name='activity_state_fits'),
                ],
                'indexes': [
                    models.Index(fields=['customer', 'id'], name='activity_customer'),
                    models.Index(condition=models.Q(('state', 'waiting')), fields=['due_at'], name='activity_due'),
                ],
            },
        ),
        migrations.CreateModel(
            name='EarningRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='Customers read it.', max_length=80)),
                ('kind', models.CharField(choices=[('per_amount', 'Points for money spent'), ('per_order', 'Something for each order'), ('multiplier', 'More points for some products'), ('first_order', 'First order'), ('sign_up', 'Becoming a member'), ('birthday', 'Birthday'), ('anniversary', 'Anniversary of joining'), ('newsletter', 'Newsletter'), ('activity', 'Activity told by another system')], max_length=12)),
                ('enabled', models.BooleanField(db_default=False, default=False, verbose_name='switched on')),
                ('enabled_at', models.DateTimeField(editable=False, null=True)),
                ('points', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)])),
                ('per_amount', models.DecimalField(blank=True, decimal_places=2, help_text='Money: 1 for “2 points for each 1”.', max_digits=12, null=True, verbose_name='for each')),
                ('rounding', models.CharField(choices=[('whole', 'Only whole amounts count'), ('down', 'Down to whole points'), ('nearest', 'To the nearest point, halves up'), ('up', 'Up to whole points')], default='whole', max_length=10)),
                ('factor', models.DecimalField(blank=True, decimal_places=2, help_text='2 doubles what the items earn.', max_digits=5, null=True, verbose_name='times')),
                ('excludes_tax', models.BooleanField(db_default=False, default=False, verbose_name='tax earns nothing')),
                ('excludes_shipping', models.BooleanField(db_default=False, default=False, verbose_name='shipping earns nothing')),
                ('excluded_products', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=120), blank=True, default=list, help_text='As the shop names them, with commas between.', size=None, verbose_name='products that earn nothing')),
                ('excluded_categories', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=120), blank=True, default=list, size=None, verbose_name='categories that earn nothing')),
                ('products', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=120), blank=True, default=list, size=None, verbose_name='products')),
                ('categories', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=120), blank=True, default=list, size=None, verbose_name='categories')),
                ('minimum', models.DecimalField(blank=True, decimal_places=2, help_text='Of what may earn of the order.', max_digits=12, null=True, verbose_name='least amount')),
                ('currency', models.CharField(blank=True, help_text='Three letters. Empty: orders in any currency count.', max_length=3)),
                ('token', models.CharField(blank=True, help_text='The name under which the other system tells of it.', max_length=80, validators=[django.core.validators.RegexValidator('^[A-Za-z0-9][A-Za-z0-9._:-]*$', 'Letters, digits and . _ : - only, such as review_written.')])),
                ('action_text', models.CharField(blank=True, max_length=60, verbose_name='label of the link')),
                ('action_url', models.URLField(blank=True, verbose_name='link')),
                ('starts_at', models.DateTimeField(blank=True, null=True, verbose_name='from')),
                ('ends_at', models.DateTimeField(blank=True, help_text='Exclusive.', null=True, verbose_name='until')),
                ('tier_ids', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), blank=True, default=list, size=None, verbose_name='tiers')),
                ('most_times', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='at most')),
                ('period', models.CharField(blank=True, choices=[('day', 'Day'), ('week', 'Week'), ('month', 'Month'), ('year', 'Year')], max_length=5, verbose_name='times in each')),
                ('most_times_ever', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='at most, ever')),
                ('priority', models.PositiveSmallIntegerField(default=100, help_text='Lower numbers are judged first.')),
                ('is_last', models.BooleanField(default=False, help_text="When it applies, rules of higher numbers and the programme's own rate give nothing.", verbose_name='stops the rules after it')),
                ('delay_days', models.PositiveIntegerField(blank=True, help_text='Empty: as the programme says. What is refunded before then vanishes.', null=True, verbose_name='days until it can be used')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('reward', models.ForeignKey(blank=True, help_text='Instead of points.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='rewards.reward')),
            ],
            options={
                'verbose_name': 'earning rule',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(models.Q(('factor__gt', 1), ('kind', 'multiplier'), ('points__isnull', True), ('reward__isnull', True)), models.Q(models.Q(('kind', 'multiplier'), _negated=True), ('factor__isnull', True), ('points__gt', 0), ('reward__isnull', True)), models.Q(models.Q(('kind__in', ['multiplier', 'per_amount']), _negated=True), ('factor__isnull', True), ('points__isnull', True), ('reward__isnull', False)), _connector='OR'), name='rule_gives_one_thing'),
                    models.CheckConstraint(condition=models.Q(models.Q(('kind', 'per_amount'), ('per_amount__gt', 0)), models.Q(models.Q(('kind', 'per_amount'), _negated=True), ('per_amount__isnull', True)), _connector='OR'), name='rule_per_amount_fits_kind'),
                    models.CheckConstraint(condition=models.Q(models.Q(('kind', 'multiplier'), _negated=True), models.Q(('categories', []), ('products', []), _negated=True), _connector='OR'), name='rule_multiplies_something'),
                    models.CheckConstraint(condition=models.Q(models.Q(('kind', 'activity'), models.Q(('token', ''), _negated=True)), models.Q(models.Q(('kind', 'activity'), _negated=True), ('token', '')), _connector='OR'), name='rule_token_fits_kind'),
                    models.CheckConstraint(condition=models.Q(('starts_at__isnull', True), ('ends_at__isnull', True), ('ends_at__gt', models.F('starts_at')), _connector='OR'), name='rule_window_in_order'),
                    models.CheckConstraint(condition=models.Q(models.Q(('most_times__isnull', True), ('period', '')), models.Q(('most_times__gt', 0), models.Q(('period', ''), _negated=True)), _connector='OR'), name='rule_cap_has_period'),
                    models.CheckConstraint(condition=models.Q(('most_times_ever__isnull', True), ('most_times_ever__gt', 0), _connector='OR'), name='rule_cap_ever_positive'),
                    models.CheckConstraint(condition=models.Q(('enabled', False), ('enabled_at__isnull', False), _connector='OR'), name='rule_enabled_since'),
                    models.CheckConstraint(condition=models.Q(('currency', ''), ('currency__regex', '^[A-Z]{3}$'), _connector='OR'), name='rule_currency_code'),
                    models.CheckConstraint(condition=models.Q(('delay_days__isnull', True), ('delay_days__lte', 36500), _connector='OR'), name='rule_delay_has_a_limit'),
                ],
                'indexes': [
                    models.Index(condition=models.Q(('enabled', True)), fields=['kind', 'priority', 'id'], name='rule_enabled'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Order',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('external_id', models.CharField(max_length=120)),
                ('number', models.CharField(blank=True, max_length=60)),
                ('status', models.CharField(choices=[('placed', 'Placed'), ('completed', 'Completed'), ('cancelled', 'Canceled')], max_length=10)),
                ('total', models.DecimalField(decimal_places=2, max_digits=12)),
                ('refunded', models.DecimalField(decimal_places=2, default=0, max_digits=12)),
                ('rewardable_total', models.DecimalField(decimal_places=2, max_digits=12, null=True)),
                ('tax', models.DecimalField(decimal_places=2, max_digits=12, null=True)),
                ('shipping', models.DecimalField(decimal_places=2, max_digits=12, null=True)),
                ('discounts', models.DecimalField(decimal_places=2, max_digits=12, null=True)),
                ('payment_state', models.CharField(blank=True, choices=[('', 'Unknown'), ('pending', 'Not paid yet'), ('authorized', 'Authorized'), ('paid', 'Paid'), ('partially_refunded', 'Partly refunded'), ('refunded', 'Refunded'), ('voided', 'Voided')], db_default='', default='', max_length=20)),
                ('currency', models.CharField(max_length=3)),
                ('placed_at', models.DateTimeField()),
                ('changed_at', models.DateTimeField()),
                ('recorded_at', models.DateTimeField()),
                ('connection', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='platforms.storeconnection')),
                ('customer', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='orders', to='customers.customer')),
            ],
            options={
                'constraints': [
                    models.UniqueConstraint(fields=('connection', 'external_id'), name='order_unique_in_connection', nulls_distinct=False),
                    models.CheckConstraint(condition=models.Q(('total__gte', 0)), name='order_total_not_negative'),
                    models.CheckConstraint(condition=models.Q(('refunded__gte', 0), ('refunded__lte', models.F('total'))), name='order_refunded_in_range'),
                    models.CheckConstraint(condition=models.Q(('rewardable_total__isnull', True), models.Q(('rewardable_total__gte', 0), ('rewardable_total__lte', models.F('total'))), _connector='OR'), name='order_rewardable_in_range'),
                ],
                'indexes': [
                    models.Index(fields=['customer', 'placed_at', 'id'], name='order_customer'),
                    models.Index(fields=['placed_at', 'id'], name='order_placed'),
                ],
            },
        ),
        migrations.CreateModel(
            name='EarningAward',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=120, unique=True)),
                ('points', models.PositiveIntegerField(default=0)),
                ('terms', models.JSONField(default=dict)),
                ('state', models.CharField(choices=[('given', 'Given'), ('waiting', 'Waits'), ('refused', 'Could not be given'), ('undone', 'Taken back'), ('stands', 'Stands after a refund')], max_length=10)),
                ('outcome', models.CharField(blank=True, max_length=40)),
                ('earned_at', models.DateTimeField()),
                ('due_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(null=True)),
                ('activity', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='awards', to='program.activity')),
                ('customer', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='earning_awards', to='customers.customer')),
                ('redeemed_reward', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='earning_award', to='rewards.redeemedreward')),
                ('reward', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='rewards.reward')),
                ('transaction', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='earning_award', to='points.pointstransaction')),
                ('rule', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='awards', to='program.earningrule')),
                ('order', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='awards', to='program.order')),
            ],
            options={
                'verbose_name': 'earned',
                'verbose_name_plural': 'what was earned',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(models.Q(('points__gt', 0), ('reward__isnull', True)), models.Q(('points', 0), ('reward__isnull', False)), _connector='OR'), name='award_is_points_or_reward'),
                    models.CheckConstraint(condition=models.Q(models.Q(('state', 'given'), _negated=True), models.Q(('reward__isnull', True), ('transaction__isnull', False)), models.Q(('redeemed_reward__isnull', False), ('reward__isnull', False)), _connector='OR'), name='award_given_names_what'),
                    models.CheckConstraint(condition=models.Q(models.Q(('due_at__isnull', False), ('reward__isnull', False), ('state', 'waiting')), models.Q(models.Q(('state', 'waiting'), _negated=True), ('due_at__isnull', True)), _connector='OR'), name='award_waits_for_a_time'),
                    models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', False), ('state__in', ['undone', 'stands'])), models.Q(models.Q(('state__in', ['undone', 'stands']), _negated=True), ('closed_at__isnull', True)), _connector='OR'), name='award_closed_when_undone'),
                ],
                'indexes': [
                    models.Index(fields=['rule', 'customer', 'earned_at'], name='award_of_rule'),
                    models.Index(fields=['customer', 'id'], name='award_customer'),
                    models.Index(condition=models.Q(('state', 'waiting')), fields=['due_at'], name='award_due'),
                    models.Index(condition=models.Q(('state__in', ['refused', 'stands'])), fields=['state', 'id'], name='award_to_look_at'),
                ],
            },
        ),
        migrations.CreateModel(
            name='OrderCode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('canonical', models.CharField(max_length=60)),
                ('remote_id', models.CharField(blank=True, max_length=120)),
                ('discount', models.DecimalField(decimal_places=2, max_digits=12, null=True)),
                ('order', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='codes', to='program.order')),
            ],
            options={
                'verbose_name': 'code on an order',
                'constraints': [
                    models.UniqueConstraint(fields=('order', 'canonical'), name='order_code_once'),
                ],
                'indexes': [
                    models.Index(fields=['canonical'], name='order_code'),
                ],
            },
        ),
        migrations.CreateModel(
            name='OrderItem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveSmallIntegerField()),
                ('product', models.CharField(max_length=120)),
                ('categories', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=120), default=list, size=None)),
                ('quantity', models.PositiveIntegerField()),
                ('amount', models.DecimalField(decimal_places=2, max_digits=12)),
                ('order', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='items', to='program.order')),
            ],
            options={
                'verbose_name': 'item of an order',
                'verbose_name_plural': 'items of orders',
                'constraints': [
                    models.UniqueConstraint(fields=('order', 'position'), name='order_item_position'),
                    models.CheckConstraint(condition=models.Q(('amount__gte', 0)), name='order_item_amount_not_negative'),
                ],
            },
        ),
        migrations.CreateModel(
            name='OrderRefund',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('external_id', models.CharField(max_length=120)),
                ('amount', models.DecimalField(decimal_places=2, max_digits=12)),
                ('refunded_at', models.DateTimeField()),
                ('order', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='refunds', to='program.order')),
            ],
            options={
                'verbose_name': 'refund',
                'constraints': [
                    models.UniqueConstraint(fields=('order', 'external_id'), name='order_refund_once'),
                    models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='order_refund_positive'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Referral',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('pending', 'Pending'), ('completed', 'Completed'), ('blocked', 'Blocked'), ('cancelled', 'Canceled')], max_length=10)),
                ('block_reason', models.CharField(blank=True, choices=[('same_person', 'The friend is the customer'), ('similar_email', 'The e-mail addresses are similar'), ('same_name', 'Both have the same name'), ('same_address', 'Both have the same shipping address or phone'), ('many_from_one_address', 'Many friends came from one internet address within a week'), ('not_first_order', 'The friend had bought before')], max_length=24)),
                ('cancel_reason', models.CharField(blank=True, choices=[('order_refunded', "The friend's order was refunded or canceled"), ('sender_excluded', 'The customer is excluded from the programme'), ('by_staff', 'Canceled by staff')], max_length=24)),
                ('released_at', models.DateTimeField(null=True)),
                ('source', models.CharField(blank=True, max_length=64)),
                ('due_at', models.DateTimeField(null=True)),
                ('trouble', models.CharField(blank=True, max_length=500)),
                ('created_at', models.DateTimeField()),
                ('completed_at', models.DateTimeField(null=True)),
                ('updated_at', models.DateTimeField()),
                ('friend', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='referred_by', to='customers.customer')),
                ('friend_reward', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='rewards.redeemedreward')),
                ('order', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='referral', to='program.order')),
                ('sender', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='referrals', to='customers.customer')),
                ('sender_reward', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='rewards.redeemedreward')),
            ],
            options={
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('sender', models.F('friend')), _negated=True), name='referral_of_somebody_else'),
                    models.CheckConstraint(condition=models.Q(('state', 'blocked'), ('block_reason', ''), _connector='XOR'), name='referral_blocked_for_a_reason'),
                    models.CheckConstraint(condition=models.Q(('state', 'cancelled'), ('cancel_reason', ''), _connector='XOR'), name='referral_canceled_for_a_reason'),
                    models.CheckConstraint(condition=models.Q(models.Q(('state', 'completed'), _negated=True), models.Q(('completed_at__isnull', False), ('order__isnull', False)), _connector='OR'), name='referral_completed_by_an_order'),
                ],
                'indexes': [
                    models.Index(fields=['sender', 'id'], name='referral_sender'),
                    models.Index(fields=['updated_at', 'id'], name='referral_updated'),
                    models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='referral_due'),
                    models.Index(condition=models.Q(('source', ''), _negated=True), fields=['source', 'created_at'], name='referral_source'),
                ],
            },
        ),
        migrations.CreateModel(
            name='ReferralSettings',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('active', models.BooleanField(default=False, help_text='Off: links lead nowhere, and nobody is offered one.')),
                ('block_similar_emails', models.BooleanField(default=True, help_text='anna1@… recommends anna2@…', verbose_name='block similar e-mail addresses')),
                ('block_same_name', models.BooleanField(default=True, verbose_name='block the same name')),
                ('block_same_address', models.BooleanField(default=True, verbose_name='block the same shipping address or phone')),
                ('most_from_one_address', models.PositiveSmallIntegerField(default=10, help_text='So many in a week from one internet address; more are blocked. 0: any number.', verbose_name='friends from one place')),
                ('friend_reward', models.ForeignKey(blank=True, help_text='Given to the friend right away, for the first order.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='rewards.reward')),
                ('sender_reward', models.ForeignKey(blank=True, help_text="Given to the customer who recommended the shop, once the friend's first order is completed.", null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='rewards.reward')),
            ],
            options={
                'verbose_name': 'referral settings',
                'verbose_name_plural': 'referral settings',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('id', 1)), name='referral_settings_one_row'),
                ],
            },
        ),
        migrations.CreateModel(
            name='TierEntryReward',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reward', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='rewards.reward')),
                ('tier', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='entry_rewards', to='customers.tier')),
            ],
            options={
                'verbose_name': 'entry reward',
                'constraints': [
                    models.UniqueConstraint(fields=('tier', 'reward'), name='tier_entry_reward_once'),
                ],
            },
        ),
        migrations.CreateModel(
            name='TierRules',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('enabled', models.BooleanField(default=False, verbose_name='tiers are on')),
                ('basis', models.CharField(choices=[('points_earned', 'Points earned'), ('amount_spent', 'Amount spent')], default='points_earned', max_length=15)),
                ('period', models.CharField(choices=[('lifetime', 'All time'), ('calendar_year', 'Calendar year'), ('rolling', 'The last days')], default='calendar_year', max_length=15)),
                ('rolling_days', models.PositiveIntegerField(default=365, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(3650)])),
                ('kept_next_year', models.BooleanField(default=True, verbose_name='a tier lasts until the end of the next year')),
                ('starts_on', models.DateField(blank=True, null=True, verbose_name='counts from')),
                ('grace_days', models.PositiveSmallIntegerField(default=0, validators=[django.core.validators.MaxValueValidator(366)])),
                ('marked_on', models.DateField(editable=False, null=True)),
                ('mark_quietly', models.BooleanField(default=False, editable=False)),
                ('changed_at', models.DateTimeField(editable=False, null=True)),
            ],
            options={
                'verbose_name': 'VIP rules',
                'verbose_name_plural': 'VIP rules',
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='tier_rules_are_one_row'), models.CheckConstraint(condition=models.Q(('rolling_days__gte', 1), ('rolling_days__lte', 3650)), name='tier_rolling_days_in_range'), models.CheckConstraint(condition=models.Q(('grace_days__lte', 366)), name='tier_grace_days_in_range')],
            },
        ),
        migrations.CreateModel(
            name='TierStanding',
            fields=[
                ('customer', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='tier_standing', serialize=False, to='customers.customer')),
                ('since', models.DateTimeField(null=True)),
                ('changes', models.PositiveIntegerField(default=0)),
                ('value', models.DecimalField(decimal_places=2, default=0, max_digits=14)),
                ('value_before', models.DecimalField(decimal_places=2, default=0, max_digits=14)),
                ('measured_at', models.DateTimeField(null=True)),
                ('grace_until', models.DateTimeField(null=True)),
                ('held_as', models.CharField(blank=True, choices=[('floor', 'Not below'), ('ceiling', 'Not above')], max_length=10)),
                ('held_until', models.DateTimeField(null=True)),
                ('due_at', models.DateTimeField(null=True)),
                ('quiet', models.BooleanField(default=False)),
                ('held_tier', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='customers.tier')),
                ('tier', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='standings', to='customers.tier')),
            ],
            options={
                'verbose_name': 'standing in the tiers',
                'verbose_name_plural': 'standings in the tiers',
                'permissions': [('move_customer', 'Can move customers between tiers')],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(models.Q(('held_as', ''), ('held_tier__isnull', True), ('held_until__isnull', True)), models.Q(('held_as', 'ceiling'), ('held_until__isnull', False)), models.Q(('held_as', 'floor'), ('held_tier__isnull', False), ('held_until__isnull', False)), _connector='OR'), name='tier_standing_hold_is_whole'),
                    models.CheckConstraint(condition=models.Q(('grace_until__isnull', True), ('tier__isnull', False), _connector='OR'), name='tier_standing_grace_has_tier'),
                    models.CheckConstraint(condition=models.Q(('value__gte', 0), ('value_before__gte', 0)), name='tier_standing_value_not_negative'),
                ],
                'indexes': [
                    models.Index(condition=models.Q(('due_at__isnull', False)), fields=['customer'], name='tier_standing_due'),
                ],
            },
        ),
        migrations.CreateModel(
            name='TierTerms',
            fields=[
                ('tier', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='terms', serialize=False, to='customers.tier')),
                ('milestone', models.DecimalField(decimal_places=2, max_digits=14)),
                ('entry_points', models.PositiveIntegerField(default=0)),
                ('perks', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), blank=True, default=list, size=20)),
                ('image_url', models.URLField(blank=True, max_length=500)),
                ('active', models.BooleanField(default=True)),
            ],
            options={
                'verbose_name': 'terms of a tier',
                'verbose_name_plural': 'terms of tiers',
                'constraints': [models.UniqueConstraint(condition=models.Q(('active', True)), fields=('milestone',), name='tier_milestone_once'), models.CheckConstraint(condition=models.Q(('milestone__gte', 0)), name='tier_milestone_not_negative'), models.CheckConstraint(condition=models.Q(('entry_points__lte', 1000000)), name='tier_entry_points_in_range')],
            },
        ),
        migrations.CreateModel(
            name='VipTierChangeNote',
            fields=[
                ('change', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='note', serialize=False, to='program.viptierchange')),
                ('internal_note', models.CharField(max_length=1000)),
            ],
            options={
                'verbose_name': 'note on a tier change',
            },
        ),
        migrations.CreateModel(
            name='TierEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('period', models.CharField(max_length=20)),
                ('points', models.PositiveIntegerField()),
                ('reward_ids', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, size=None)),
                ('state', models.CharField(choices=[('due', 'Due'), ('given', 'Given'), ('refused', 'Refused')], default='due', max_length=10)),
                ('refusal', models.CharField(blank=True, max_length=500)),
                ('created_at', models.DateTimeField()),
                ('settled_at', models.DateTimeField(null=True)),
                ('customer', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='tier_entries', to='customers.customer')),
                ('tier', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='customers.tier')),
                ('change', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='entry', to='program.viptierchange')),
            ],
            options={
                'verbose_name': 'entry into a tier',
                'verbose_name_plural': 'entries into tiers',
                'permissions': [('give_tierentry', 'Can give refused entry rewards again')],
                'constraints': [
                    models.UniqueConstraint(fields=('customer', 'tier', 'period'), name='tier_entry_once_per_period'),
                    models.CheckConstraint(condition=models.Q(models.Q(('refusal', ''), ('settled_at__isnull', True), ('state', 'due')), models.Q(('refusal', ''), ('settled_at__isnull', False), ('state', 'given')), models.Q(('settled_at__isnull', False), ('state', 'refused'), models.Q(('refusal', ''), _negated=True)), _connector='OR'), name='tier_entry_state_fits'),
                ],
                'indexes': [
                    models.Index(condition=models.Q(('state', 'due')), fields=['id'], name='tier_entry_due'),
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='viptierchange',
            trigger=pgtrigger.compiler.Trigger(name='tier_change_insert_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='0b5ad112a7f3768e45b1e9e2fae4198ce12f855c', operation='UPDATE OR DELETE', pgid='pgtrigger_tier_change_insert_only_a7d8d', table='program_viptierchange', when='BEFORE')),
        ),
    ]
