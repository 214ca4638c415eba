"""What the migrations that it replaces come to, for a database that is new: in a third of their time."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


DEBIT = """
CREATE FUNCTION points_debit_v2(
    for_customer bigint, wanted bigint, of_kind text, of_cause text, of_cause_id bigint, by_kind text, by_id bigint,
    with_key text, instant timestamptz, is_activity boolean, customer_note text, staff_note text)
RETURNS TABLE (entry_id bigint, sum_after bigint) LANGUAGE plpgsql AS $$
DECLARE
    account points_pointsaccount;
    lot record;
    at timestamptz;
    missing bigint := wanted;
    before bigint;
    so_many int := 8;  -- hardly any needs more lots; a limit that is not known makes the plan read them in order
    share bigint;
BEGIN
    SELECT * INTO account FROM points_pointsaccount WHERE customer_id = for_customer FOR UPDATE;
    at := GREATEST(account.settled_at, instant);
    IF account.customer_id IS NULL OR account.balance < wanted OR account.next_edge_at <= at
            OR (is_activity AND account.has_idle_lots)
            OR EXISTS (SELECT FROM points_pointstransaction WHERE idempotency_key = with_key) THEN
        RETURN;
    END IF;
    sum_after := account.balance + account.pending + account.held - wanted;
    INSERT INTO points_pointstransaction (
        customer_id, kind, points_change, balance_after, cause_type, cause_id, actor_kind, actor_id, idempotency_key,
        effective_at, recorded_at)
    VALUES (
        for_customer, of_kind, -wanted, sum_after, of_cause, of_cause_id, by_kind, by_id, with_key, instant, instant)
    RETURNING id INTO entry_id;
    WHILE missing > 0 LOOP
        before := missing;
        FOR lot IN
            SELECT id, remaining FROM points_pointslot
            WHERE customer_id = for_customer AND open AND available_at <= at
            ORDER BY expires_at, created_at, id LIMIT so_many
        LOOP
            share := LEAST(lot.remaining, missing);
            UPDATE points_pointslot SET remaining = remaining - share, open = remaining > share WHERE id = lot.id;
            INSERT INTO points_pointsallocation (transaction_id, lot_id, points) VALUES (entry_id, lot.id, share);
            missing := missing - share;
            EXIT WHEN missing = 0;
        END LOOP;
        IF missing = before THEN
            RAISE EXCEPTION 'The lots of customer % hold % points fewer than the account says.', for_customer, missing;
        END IF;
        so_many := so_many * 8;
    END LOOP;
    IF customer_note <> '' OR staff_note <> '' THEN
        INSERT INTO points_pointstransactionnote (transaction_id, description, internal_note)
        VALUES (entry_id, customer_note, staff_note);
    END IF;
    UPDATE points_pointsaccount SET
        balance = balance - wanted, settled_at = at,
        last_activity_at = CASE WHEN is_activity THEN at ELSE last_activity_at END
    WHERE customer_id = for_customer;
    RETURN NEXT;
END $$
"""

HOLD = """
CREATE FUNCTION points_hold_v2(
    for_customer bigint, wanted bigint, of_cause text, of_cause_id bigint, by_kind text, by_id bigint, with_key text,
    instant timestamptz, ends_at timestamptz, customer_note text)
RETURNS TABLE (hold_id bigint) LANGUAGE plpgsql AS $$
DECLARE
    account points_pointsaccount;
    lot record;
    at timestamptz;
    missing bigint := wanted;
    before bigint;
    so_many int := 8;  -- hardly any needs more lots; a limit that is not known makes the plan read them in order
    share bigint;
BEGIN
    SELECT * INTO account FROM points_pointsaccount WHERE customer_id = for_customer FOR UPDATE;
    at := GREATEST(account.settled_at, instant);
    IF account.customer_id IS NULL OR account.balance < wanted OR account.next_edge_at <= at
            OR EXISTS (SELECT FROM points_pointshold WHERE idempotency_key = with_key) THEN
        RETURN;
    END IF;
    INSERT INTO points_pointshold (
        customer_id, points, state, cause_type, cause_id, actor_kind, actor_id, created_at, expires_at,
        idempotency_key, description)
    VALUES (
        for_customer, wanted, 'open', of_cause, of_cause_id, by_kind, by_id, instant, ends_at, with_key, customer_note)
    RETURNING id INTO points_hold_v2.hold_id;
    WHILE missing > 0 LOOP
        before := missing;
        FOR lot IN
            SELECT id, remaining FROM points_pointslot
            WHERE customer_id = for_customer AND open AND available_at <= at
            ORDER BY expires_at, created_at, id LIMIT so_many
        LOOP
            share := LEAST(lot.remaining, missing);
            UPDATE points_pointslot SET remaining = remaining - share, open = remaining > share WHERE id = lot.id;
            INSERT INTO points_pointsholdcharge (hold_id, lot_id, points)
            VALUES (points_hold_v2.hold_id, lot.id, share);
            missing := missing - share;
            EXIT WHEN missing = 0;
        END LOOP;
        IF missing = before THEN
            RAISE EXCEPTION 'The lots of customer % hold % points fewer than the account says.', for_customer, missing;
        END IF;
        so_many := so_many * 8;
    END LOOP;
    UPDATE points_pointsaccount SET balance = balance - wanted, held = held + wanted, settled_at = at
    WHERE customer_id = for_customer;
    RETURN NEXT;
END $$
"""

CAPTURE = """
CREATE FUNCTION points_capture_v1(
    of_hold bigint, wanted bigint, of_kind text, by_kind text, by_id bigint, instant timestamptz, is_activity boolean,
    customer_note text, staff_note text)
RETURNS TABLE (
    entry_id bigint, sum_after bigint, customer bigint, spent bigint, cause text, cause_number bigint, told text)
LANGUAGE plpgsql AS $$
DECLARE
    account points_pointsaccount;
    held points_pointshold;
    at timestamptz;
BEGIN
    -- Whose hold it is never changes; its state is read once the account is locked.
    SELECT h.customer_id INTO customer FROM points_pointshold h WHERE h.id = of_hold;
    SELECT * INTO account FROM points_pointsaccount WHERE customer_id = customer FOR UPDATE;
    SELECT * INTO held FROM points_pointshold h WHERE h.id = of_hold;
    at := GREATEST(account.settled_at, instant);
    IF account.customer_id IS NULL OR held.state <> 'open' OR held.points <> wanted OR account.next_edge_at <= at
            OR (is_activity AND account.has_idle_lots) THEN
        RETURN;
    END IF;
    spent := held.points;
    cause := held.cause_type;
    cause_number := held.cause_id;
    told := COALESCE(NULLIF(customer_note, ''), held.description);
    sum_after := account.balance + account.pending + account.held - spent;
    INSERT INTO points_pointstransaction (
        customer_id, kind, points_change, balance_after, cause_type, cause_id, actor_kind, actor_id, effective_at,
        recorded_at)
    VALUES (customer, of_kind, -spent, sum_after, cause, cause_number, by_kind, by_id, instant, instant)
    RETURNING id INTO entry_id;
    INSERT INTO points_pointsallocation (transaction_id, lot_id, points)
    SELECT entry_id, c.lot_id, c.points FROM points_pointsholdcharge c WHERE c.hold_id = of_hold ORDER BY c.id;
    UPDATE points_pointshold SET state = 'captured', transaction_id = entry_id, closed_at = instant WHERE id = of_hold;
    IF told <> '' OR staff_note <> '' THEN
        INSERT INTO points_pointstransactionnote (transaction_id, description, internal_note)
        VALUES (entry_id, told, staff_note);
    END IF;
    UPDATE points_pointsaccount SET
        held = points_pointsaccount.held - spent, settled_at = at,
        last_activity_at = CASE WHEN is_activity THEN at ELSE last_activity_at END
    WHERE customer_id = customer;
    RETURN NEXT;
END $$
"""


class Migration(migrations.Migration):

    replaces = [
        ('points', '0001_initial'),
        ('points', '0002_fillfactor'),
        ('points', '0003_index_for_kinds'),
        ('points', '0004_clawbacks_transfers_requests_seals'),
        ('points', '0005_requests_sent_once_and_permissions_to_undo'),
        ('points', '0006_seals_by_stream_with_leaves'),
        ('points', '0007_lots_change_their_policy'),
        ('points', '0008_acts_at_once'),
        ('points', '0009_clawbacks_keep_four_decimals'),
        ('points', '0010_lots_in_spending_order'),
    ]

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('customers', '0001_squashed_0006_tiers_are_vip_tiers'),
    ]

    operations = [
        migrations.CreateModel(
            name='AdjustmentCeiling',
            fields=[
                ('role', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='adjustment_ceiling', serialize=False, to='auth.group')),
                ('points', models.PositiveIntegerField()),
            ],
            options={
                'verbose_name': 'adjustment ceiling',
            },
        ),
        migrations.CreateModel(
            name='PointsTransaction',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('earning', 'Earned'), ('redemption', 'Redeemed'), ('adjustment', 'Adjusted'), ('expiry', 'Expired'), ('reversal', 'Returned'), ('clawback', 'Taken back'), ('transfer', 'Moved'), ('cancellation', 'Credit canceled')], max_length=12)),
                ('points_change', models.IntegerField(verbose_name='points')),
                ('balance_after', models.PositiveIntegerField(verbose_name='sum after')),
                ('cause_type', models.CharField(max_length=20)),
                ('cause_id', models.BigIntegerField(null=True)),
                ('actor_kind', models.CharField(max_length=20)),
                ('actor_id', models.BigIntegerField(null=True)),
                ('idempotency_key', models.CharField(max_length=120, null=True, unique=True)),
                ('effective_at', models.DateTimeField()),
                ('recorded_at', models.DateTimeField()),
                ('customer', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='points_transactions', to='customers.customer')),
                ('reverses', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='reversals', to='points.pointstransaction')),
            ],
            options={
                'verbose_name': 'points transaction',
                'permissions': [('cancel_credit', 'Can cancel credits that were a mistake'), ('reverse_transaction', 'Can return points that were taken')],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('points_change', 0), _negated=True), name='transaction_changes_something'),
                    models.CheckConstraint(condition=models.Q(('balance_after__gte', 0)), name='transaction_sum_not_negative'),
                    models.CheckConstraint(condition=models.Q(models.Q(('kind__in', ['earning', 'reversal']), ('points_change__gt', 0)), models.Q(('kind__in', ['redemption', 'expiry', 'clawback', 'cancellation']), ('points_change__lt', 0)), ('kind__in', ['adjustment', 'transfer']), _connector='OR'), name='transaction_sign_fits_kind'),
                    models.CheckConstraint(condition=models.Q(models.Q(('kind__in', ['reversal', 'cancellation']), ('reverses__isnull', False)), models.Q(models.Q(('kind__in', ['reversal', 'cancellation']), _negated=True), ('reverses__isnull', True)), _connector='OR'), name='transaction_reversal_names_what'),
                    models.UniqueConstraint(condition=models.Q(('kind', 'cancellation')), fields=('reverses',), name='transaction_credit_cancelled_once'),
                    models.CheckConstraint(condition=models.Q(('reverses', models.F('id')), _negated=True), name='transaction_not_its_own_reversal'),
                ],
                'indexes': [
                    models.Index(fields=['customer', 'id'], name='transaction_customer'),
                    models.Index(fields=['cause_type', 'cause_id'], name='transaction_cause'),
                    models.Index(fields=['recorded_at', 'id'], name='transaction_recorded'),
                    models.Index(fields=['kind', 'recorded_at', 'id'], name='transaction_kind'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PointsAccount',
            fields=[
                ('customer', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='points_account', serialize=False, to='customers.customer')),
                ('balance', models.PositiveIntegerField(default=0)),
                ('pending', models.PositiveIntegerField(default=0)),
                ('held', models.PositiveIntegerField(default=0)),
                ('owed', models.PositiveIntegerField(default=0)),
                ('settled_at', models.DateTimeField()),
                ('next_edge_at', models.DateTimeField(null=True)),
                ('last_activity_at', models.DateTimeField(null=True)),
                ('has_idle_lots', models.BooleanField(default=False)),
            ],
            options={
                'verbose_name': 'points account',
                'indexes': [models.Index(condition=models.Q(('next_edge_at__isnull', False)), fields=['next_edge_at'], name='account_due'), models.Index(condition=models.Q(('owed__gt', 0)), fields=['customer'], name='account_owing')],
                'constraints': [models.CheckConstraint(condition=models.Q(('balance__gte', 0)), name='account_balance_not_negative'), models.CheckConstraint(condition=models.Q(('pending__gte', 0)), name='account_pending_not_negative'), models.CheckConstraint(condition=models.Q(('held__gte', 0)), name='account_held_not_negative'), models.CheckConstraint(condition=models.Q(('owed__gte', 0)), name='account_owed_not_negative')],
            },
        ),
        migrations.CreateModel(
            name='PointsAdjustment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('points', models.IntegerField(verbose_name='points adjustment')),
                ('reason', models.CharField(blank=True, choices=[('goodwill', 'Goodwill'), ('correction', 'Correction of a mistake'), ('missing_purchase', 'Purchase without points'), ('promotion', 'Promotion'), ('other', 'Other')], max_length=20)),
                ('created_at', models.DateTimeField()),
                ('customer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='points_adjustments', to='customers.customer')),
                ('transaction', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='adjustment', to='points.pointstransaction')),
            ],
            options={
                'verbose_name': 'points adjustment',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('points', 0), _negated=True), name='adjustment_changes_something'),
                ],
            },
        ),
        migrations.CreateModel(
            name='AdjustmentRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('points', models.IntegerField(verbose_name='points adjustment')),
                ('reason', models.CharField(blank=True, choices=[('goodwill', 'Goodwill'), ('correction', 'Correction of a mistake'), ('missing_purchase', 'Purchase without points'), ('promotion', 'Promotion'), ('other', 'Other')], max_length=20)),
                ('internal_note', models.CharField(blank=True, max_length=1000)),
                ('description', models.CharField(blank=True, max_length=500, verbose_name='customer note')),
                ('expires_at', models.DateTimeField(null=True)),
                ('state', models.CharField(choices=[('waiting', 'Waiting for a second person'), ('approved', 'Approved'), ('rejected', 'Rejected'), ('withdrawn', 'Withdrawn')], default='waiting', max_length=10)),
                ('requested_by', models.BigIntegerField()),
                ('decided_by', models.BigIntegerField(null=True)),
                ('decision_note', models.CharField(blank=True, max_length=1000)),
                ('idempotency_key', models.CharField(max_length=120, null=True, unique=True)),
                ('created_at', models.DateTimeField()),
                ('updated_at', models.DateTimeField()),
                ('decided_at', models.DateTimeField(null=True)),
                ('customer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='adjustment_requests', to='customers.customer')),
                ('adjustment', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='request', to='points.pointsadjustment')),
            ],
            options={
                'verbose_name': 'adjustment request',
                'permissions': [('approve_adjustment', 'Can approve adjustments of others')],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('points', 0), _negated=True), name='request_changes_something'),
                    models.CheckConstraint(condition=models.Q(models.Q(('decided_at__isnull', True), ('state', 'waiting')), models.Q(models.Q(('state', 'waiting'), _negated=True), ('decided_at__isnull', False)), _connector='OR'), name='request_decided_has_time'),
                    models.CheckConstraint(condition=models.Q(models.Q(('adjustment__isnull', False), ('state', 'approved')), models.Q(models.Q(('state', 'approved'), _negated=True), ('adjustment__isnull', True)), _connector='OR'), name='request_approved_has_adjustment'),
                    models.CheckConstraint(condition=models.Q(models.Q(('state', 'approved'), _negated=True), models.Q(('decided_by', models.F('requested_by')), _negated=True), _connector='OR'), name='request_approved_by_another'),
                ],
                'indexes': [
                    models.Index(condition=models.Q(('state', 'waiting')), fields=['created_at', 'id'], name='request_waiting'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PointsClawback',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('refunded', models.DecimalField(decimal_places=4, max_digits=16)),
                ('total', models.DecimalField(decimal_places=4, max_digits=16)),
                ('due', models.PositiveIntegerField()),
                ('taken', models.PositiveIntegerField()),
                ('short', models.PositiveIntegerField()),
                ('created_at', models.DateTimeField()),
                ('customer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='points_clawbacks', to='customers.customer')),
                ('earning', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='clawbacks', to='points.pointstransaction')),
                ('transaction', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='clawback', to='points.pointstransaction')),
            ],
            options={
                'verbose_name': 'clawback',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('total__gt', 0), ('refunded__gt', 0), ('refunded__lte', models.F('total'))), name='clawback_share_in_range'),
                    models.CheckConstraint(condition=models.Q(models.Q(('taken__gt', 0), ('transaction__isnull', False)), models.Q(('taken', 0), ('transaction__isnull', True)), _connector='OR'), name='clawback_taken_has_transaction'),
                    models.UniqueConstraint(fields=('earning', 'due'), name='clawback_once_per_refund'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PointsHold',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('points', models.PositiveIntegerField()),
                ('state', models.CharField(choices=[('open', 'Held'), ('captured', 'Spent'), ('released', 'Released')], default='open', max_length=10)),
                ('cause_type', models.CharField(max_length=20)),
                ('cause_id', models.BigIntegerField()),
                ('actor_kind', models.CharField(max_length=20)),
                ('actor_id', models.BigIntegerField(null=True)),
                ('created_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(null=True)),
                ('expires_at', models.DateTimeField(null=True)),
                ('idempotency_key', models.CharField(max_length=120, null=True, unique=True)),
                ('description', models.CharField(blank=True, max_length=500)),
                ('customer', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='points_holds', to='customers.customer')),
                ('transaction', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='hold', to='points.pointstransaction')),
            ],
            options={
                'verbose_name': 'hold',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('points__gt', 0)), name='hold_positive'),
                    models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('state', 'open'), ('transaction__isnull', True)), models.Q(('closed_at__isnull', False), ('state', 'captured'), ('transaction__isnull', False)), models.Q(('closed_at__isnull', False), ('state', 'released'), ('transaction__isnull', True)), _connector='OR'), name='hold_state_fits'),
                    models.UniqueConstraint(condition=models.Q(('state', 'open')), fields=('cause_type', 'cause_id'), name='hold_open_once_per_cause'),
                ],
                'indexes': [
                    models.Index(fields=['customer', 'id'], name='hold_customer'),
                    models.Index(fields=['cause_type', 'cause_id'], name='hold_cause'),
                    models.Index(condition=models.Q(('expires_at__isnull', False), ('state', 'open')), fields=['expires_at'], name='hold_due'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PointsHoldCharge',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('points', models.PositiveIntegerField()),
                ('hold', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='charges', to='points.pointshold')),
            ],
            options={
                'verbose_name': 'charge of a hold',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('points__gt', 0)), name='hold_charge_positive'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PointsLot',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('points', models.PositiveIntegerField()),
                ('remaining', models.PositiveIntegerField()),
                ('open', models.BooleanField(default=True)),
                ('available_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField(null=True)),
                ('idle_days', models.PositiveIntegerField(null=True)),
                ('created_at', models.DateTimeField()),
                ('customer', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='points_lots', to='customers.customer')),
                ('origin', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='successors', to='points.pointslot')),
                ('transaction', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='lots', to='points.pointstransaction')),
            ],
            options={
                'verbose_name': 'points lot',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('points__gt', 0)), name='lot_points_positive'),
                    models.CheckConstraint(condition=models.Q(('remaining__gte', 0), ('remaining__lte', models.F('points'))), name='lot_remaining_in_range'),
                    models.CheckConstraint(condition=models.Q(models.Q(('open', True), ('remaining__gt', 0)), models.Q(('open', False), ('remaining', 0)), _connector='OR'), name='lot_open_when_some_remains'),
                    models.CheckConstraint(condition=models.Q(('expires_at__isnull', True), ('expires_at__gt', models.F('available_at')), _connector='OR'), name='lot_expires_after_available'),
                    models.CheckConstraint(condition=models.Q(('idle_days__isnull', True), ('expires_at__isnull', False), _connector='OR'), name='lot_idle_has_end'),
                ],
                'indexes': [
                    models.Index(condition=models.Q(('open', True)), fields=['customer', 'expires_at', 'created_at', 'id'], name='lot_open_in_spending_order'),
                    models.Index(condition=models.Q(('open', True)), fields=['expires_at'], name='lot_open_expiring'),
                    models.Index(fields=['customer', 'id'], name='lot_customer'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PointsHoldRelease',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('points', models.PositiveIntegerField()),
                ('charge', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='release', to='points.pointsholdcharge')),
                ('lot', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='hold_releases', to='points.pointslot')),
            ],
            options={
                'verbose_name': 'release of a hold',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('points__gt', 0)), name='hold_release_positive'),
                ],
            },
        ),
        migrations.AddField(
            model_name='pointsholdcharge',
            name='lot',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='hold_charges', to='points.pointslot'),
        ),
        migrations.CreateModel(
            name='PointsAllocation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('points', models.PositiveIntegerField()),
                ('lot', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='allocations', to='points.pointslot')),
                ('transaction', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='allocations', to='points.pointstransaction')),
            ],
            options={
                'verbose_name': 'allocation',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('points__gt', 0)), name='allocation_positive'),
                    models.UniqueConstraint(fields=('transaction', 'lot'), name='allocation_once_per_lot'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PointsLotChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('expires_before', models.DateTimeField(null=True)),
                ('expires_after', models.DateTimeField(null=True)),
                ('idle_days_before', models.PositiveIntegerField(null=True)),
                ('idle_days_after', models.PositiveIntegerField(null=True)),
                ('actor_kind', models.CharField(max_length=20)),
                ('actor_id', models.BigIntegerField(null=True)),
                ('created_at', models.DateTimeField()),
                ('lot', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='changes', to='points.pointslot')),
            ],
            options={
                'verbose_name': "change of a lot's end",
            },
        ),
        migrations.CreateModel(
            name='PointsShortfall',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('points', models.PositiveIntegerField()),
                ('left', models.PositiveIntegerField()),
                ('state', models.CharField(choices=[('open', 'Open'), ('collected', 'Collected'), ('waived', 'Waived')], default='open', max_length=10)),
                ('actor_kind', models.CharField(blank=True, max_length=20)),
                ('actor_id', models.BigIntegerField(null=True)),
                ('internal_note', models.CharField(blank=True, max_length=1000)),
                ('created_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(null=True)),
                ('clawback', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='shortfall', to='points.pointsclawback')),
                ('customer', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='points_shortfalls', to='customers.customer')),
            ],
            options={
                'verbose_name': 'shortfall',
                'permissions': [('waive_shortfall', 'Can waive and collect shortfalls')],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('points__gt', 0), ('left__lte', models.F('points'))), name='shortfall_in_range'),
                    models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('left__gt', 0), ('state', 'open')), models.Q(('closed_at__isnull', False), ('left', 0), ('state', 'collected')), models.Q(('closed_at__isnull', False), ('left__gt', 0), ('state', 'waived')), _connector='OR'), name='shortfall_state_fits'),
                ],
                'indexes': [
                    models.Index(fields=['customer', 'id'], name='shortfall_customer'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PointsTransactionNote',
            fields=[
                ('transaction', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='note', serialize=False, to='points.pointstransaction')),
                ('description', models.CharField(blank=True, max_length=500, verbose_name='customer note')),
                ('internal_note', models.CharField(blank=True, max_length=1000)),
            ],
            options={
                'verbose_name': 'note on a transaction',
            },
        ),
        migrations.CreateModel(
            name='PointsShortfallPayment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('points', models.PositiveIntegerField()),
                ('shortfall', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payments', to='points.pointsshortfall')),
                ('transaction', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='shortfall_payments', to='points.pointstransaction')),
            ],
            options={
                'verbose_name': 'collected part of a shortfall',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('points__gt', 0)), name='shortfall_payment_positive'),
                    models.UniqueConstraint(fields=('shortfall', 'transaction'), name='shortfall_payment_once'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PointsReturn',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('points', models.PositiveIntegerField()),
                ('allocation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='returns', to='points.pointsallocation')),
                ('lot', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='returns', to='points.pointslot')),
                ('transaction', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='returns', to='points.pointstransaction')),
            ],
            options={
                'verbose_name': 'return',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('points__gt', 0)), name='return_positive'),
                    models.UniqueConstraint(fields=('transaction', 'allocation'), name='return_once_per_allocation'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PointsTransfer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('points', models.PositiveIntegerField()),
                ('created_at', models.DateTimeField()),
                ('credit', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='transfer_in', to='points.pointstransaction')),
                ('debit', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='transfer_out', to='points.pointstransaction')),
                ('receiver', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='points_received', to='customers.customer')),
                ('sender', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='points_sent', to='customers.customer')),
            ],
            options={
                'verbose_name': 'transfer',
                'permissions': [('transfer_points', 'Can move points between customers')],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('points__gt', 0)), name='transfer_positive'),
                    models.CheckConstraint(condition=models.Q(('sender', models.F('receiver')), _negated=True), name='transfer_between_two'),
                ],
            },
        ),
        migrations.CreateModel(
            name='LedgerSeal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('stream', models.CharField(choices=[('transaction', 'Transactions'), ('charge', 'Charges of holds'), ('release', 'Releases of holds')], default='transaction', max_length=12)),
                ('first_id', models.BigIntegerField()),
                ('last_id', models.BigIntegerField()),
                ('rows', models.PositiveIntegerField()),
                ('leaves', models.BinaryField(default=bytes)),
                ('digest', models.CharField(max_length=64)),
                ('sealed_at', models.DateTimeField()),
                ('previous', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='following', to='points.ledgerseal')),
            ],
            options={
                'verbose_name': 'seal',
                'constraints': [models.CheckConstraint(condition=models.Q(('last_id__gte', models.F('first_id'))), name='seal_in_order'), models.UniqueConstraint(fields=('stream', 'last_id'), name='seal_once'), models.UniqueConstraint(condition=models.Q(('previous__isnull', True)), fields=('previous',), name='seal_begins_once', nulls_distinct=False)],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='ledgerseal',
            trigger=pgtrigger.compiler.Trigger(name='seal_insert_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='948f6ec7a2095a2c8d558fb31afb9f56c6dd03d3', operation='UPDATE OR DELETE', pgid='pgtrigger_seal_insert_only_49715', table='points_ledgerseal', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pointsholdrelease',
            trigger=pgtrigger.compiler.Trigger(name='hold_release_insert_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='8bc9194a4646f7b17348089163cf55e7d6df8dac', operation='UPDATE OR DELETE', pgid='pgtrigger_hold_release_insert_only_8a6f6', table='points_pointsholdrelease', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='pointsholdcharge',
            constraint=models.UniqueConstraint(fields=('hold', 'lot'), name='hold_charge_once_per_lot'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pointsholdcharge',
            trigger=pgtrigger.compiler.Trigger(name='hold_charge_insert_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='df65893f068d297df6a621c14ae7d3027e4d7a7c', operation='UPDATE OR DELETE', pgid='pgtrigger_hold_charge_insert_only_cce22', table='points_pointsholdcharge', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pointslotchange',
            trigger=pgtrigger.compiler.Trigger(name='lot_change_insert_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='df7cab67131c45c3ef328f81d64748f68b2ec46a', operation='UPDATE OR DELETE', pgid='pgtrigger_lot_change_insert_only_f973e', table='points_pointslotchange', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pointstransaction',
            trigger=pgtrigger.compiler.Trigger(name='transaction_insert_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='59ceb3d934d059954407fa64f4df8f7cd7610924', operation='UPDATE OR DELETE', pgid='pgtrigger_transaction_insert_only_1d810', table='points_pointstransaction', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pointsshortfallpayment',
            trigger=pgtrigger.compiler.Trigger(name='shortfall_payment_insert_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='e2eb0753b58e5dc0274d24c4a244db387f59e051', operation='UPDATE OR DELETE', pgid='pgtrigger_shortfall_payment_insert_only_25e31', table='points_pointsshortfallpayment', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pointsreturn',
            trigger=pgtrigger.compiler.Trigger(name='return_insert_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='08a833f90e0f537a536c470e4e7ff680666ce8a5', operation='UPDATE OR DELETE', pgid='pgtrigger_return_insert_only_761c5', table='points_pointsreturn', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pointslot',
            trigger=pgtrigger.compiler.Trigger(name='lot_never_deleted', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='9562d4e4e12a05b31d06b490e0a8fefcd405a6ea', operation='DELETE', pgid='pgtrigger_lot_never_deleted_38119', table='points_pointslot', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pointslot',
            trigger=pgtrigger.compiler.Trigger(name='lot_facts_fixed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."customer_id" IS DISTINCT FROM (NEW."customer_id") OR OLD."transaction_id" IS DISTINCT FROM (NEW."transaction_id") OR OLD."origin_id" IS DISTINCT FROM (NEW."origin_id") OR OLD."points" IS DISTINCT FROM (NEW."points") OR OLD."available_at" IS DISTINCT FROM (NEW."available_at") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='e5390dc9005baacb78ccfd8eb3aba7b6f6353649', operation='UPDATE', pgid='pgtrigger_lot_facts_fixed_cf5ba', table='points_pointslot', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pointslot',
            trigger=pgtrigger.compiler.Trigger(name='lot_end_explained', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."idle_days" IS DISTINCT FROM (NEW."idle_days") OR (OLD."expires_at" IS DISTINCT FROM (NEW."expires_at") AND OLD."idle_days" IS NULL))', func="\n                    IF NOT EXISTS (\n                        SELECT 1 FROM points_pointslotchange c\n                        WHERE c.lot_id = OLD.id AND c.expires_before IS NOT DISTINCT FROM OLD.expires_at\n                          AND c.expires_after IS NOT DISTINCT FROM NEW.expires_at\n                          AND c.idle_days_before IS NOT DISTINCT FROM OLD.idle_days\n                          AND c.idle_days_after IS NOT DISTINCT FROM NEW.idle_days\n                    ) THEN\n                        RAISE EXCEPTION 'The end of lot % moves only with a row that says why.', OLD.id;\n                    END IF;\n                    RETURN NEW;\n                    ", hash='b8a2f770317b95951d64eb3ad35a31f386148cf7', operation='UPDATE', pgid='pgtrigger_lot_end_explained_2453d', table='points_pointslot', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pointsclawback',
            trigger=pgtrigger.compiler.Trigger(name='clawback_insert_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='cd94303f7d628880604dcece6152ff576915a2b8', operation='UPDATE OR DELETE', pgid='pgtrigger_clawback_insert_only_b8dd8', table='points_pointsclawback', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pointsallocation',
            trigger=pgtrigger.compiler.Trigger(name='allocation_insert_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='351316876c53acdf804c698a4624741f60c7f917', operation='UPDATE OR DELETE', pgid='pgtrigger_allocation_insert_only_79f00', table='points_pointsallocation', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pointsadjustment',
            trigger=pgtrigger.compiler.Trigger(name='adjustment_insert_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='3bb468a02ae86ce204b432275f60046049149fdb', operation='UPDATE OR DELETE', pgid='pgtrigger_adjustment_insert_only_42ad5', table='points_pointsadjustment', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pointstransfer',
            trigger=pgtrigger.compiler.Trigger(name='transfer_insert_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='a0e4bdeb020380ea5c39f80524960939b369b455', operation='UPDATE OR DELETE', pgid='pgtrigger_transfer_insert_only_95386', table='points_pointstransfer', when='BEFORE')),
        ),
        migrations.RunSQL(
            "ALTER TABLE points_pointsaccount SET (fillfactor = 80)",
            "ALTER TABLE points_pointsaccount RESET (fillfactor)",
        ),
        migrations.RunSQL(
            "ALTER TABLE points_pointslot SET (fillfactor = 85)",
            "ALTER TABLE points_pointslot RESET (fillfactor)",
        ),
        migrations.RunSQL(DEBIT, "DROP FUNCTION points_debit_v2"),
        migrations.RunSQL(HOLD, "DROP FUNCTION points_hold_v2"),
        migrations.RunSQL(CAPTURE, "DROP FUNCTION points_capture_v1"),
    ]
