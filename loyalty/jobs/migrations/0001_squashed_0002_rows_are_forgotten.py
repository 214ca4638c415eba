"""What the migrations that it replaces come to, for a database that is new: in a third of their time."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [
        ('jobs', '0001_initial'),
        ('jobs', '0002_rows_are_forgotten'),
    ]

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Job',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=40)),
                ('task', models.CharField(editable=False, max_length=80)),
                ('title', models.CharField(max_length=200)),
                ('summary', models.CharField(blank=True, max_length=500)),
                ('plan', models.JSONField(default=dict)),
                ('step', models.CharField(choices=[('check', 'Check'), ('apply', 'Apply'), ('undo', 'Undo')], default='check', max_length=10)),
                ('state', models.CharField(choices=[('open', 'Under way'), ('paused', 'Paused'), ('cancelled', 'Canceled'), ('done', 'Done')], default='open', max_length=10)),
                ('rows_total', models.PositiveIntegerField(default=0)),
                ('rows_done', models.PositiveIntegerField(default=0)),
                ('position', models.PositiveIntegerField(default=0)),
                ('tally', models.JSONField(default=dict)),
                ('digest', models.CharField(blank=True, max_length=64)),
                ('note', models.CharField(blank=True, max_length=300)),
                ('actor_kind', models.CharField(max_length=20)),
                ('actor_id', models.BigIntegerField(null=True)),
                ('claim', models.UUIDField(null=True)),
                ('claimed_until', models.DateTimeField(null=True)),
                ('claimed_at_row', models.PositiveIntegerField(default=0)),
                ('stalls', models.PositiveSmallIntegerField(default=0)),
                ('due_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField()),
                ('step_began_at', models.DateTimeField()),
                ('step_ended_at', models.DateTimeField(null=True)),
                ('rows_forgotten_at', models.DateTimeField(null=True)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state', 'open')), fields=['due_at', 'id'], name='job_due'), models.Index(condition=models.Q(('digest', ''), _negated=True), fields=['digest'], name='job_digest'), models.Index(fields=['created_at', 'id'], name='job_created'), models.Index(condition=models.Q(('rows_forgotten_at__isnull', True), ('step_ended_at__isnull', False)), fields=['step_ended_at', 'id'], name='job_rows_to_forget')],
                'constraints': [models.CheckConstraint(condition=models.Q(('step__in', ['check', 'apply', 'undo'])), name='job_step_known'), models.CheckConstraint(condition=models.Q(('rows_done__lte', models.F('rows_total'))), name='job_rows_done_in_range'), models.CheckConstraint(condition=models.Q(models.Q(('due_at__isnull', False), ('state', 'open'), ('step_ended_at__isnull', True)), models.Q(('claim__isnull', True), ('due_at__isnull', True), ('state', 'paused'), ('step_ended_at__isnull', True)), models.Q(('claim__isnull', True), ('due_at__isnull', True), ('state__in', ['cancelled', 'done']), ('step_ended_at__isnull', False)), _connector='OR'), name='job_due_and_claimed_only_while_open'), models.CheckConstraint(condition=models.Q(models.Q(('claim__isnull', True), ('claimed_until__isnull', True)), models.Q(('claim__isnull', False), ('claimed_until__isnull', False)), _connector='OR'), name='job_claim_has_end'), models.CheckConstraint(condition=models.Q(('rows_forgotten_at__isnull', True), ('step', 'undo'), ('state__in', ['cancelled', 'done']), _connector='OR'), name='job_forgotten_rows_are_only_undone')],
            },
        ),
        migrations.CreateModel(
            name='JobRow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('data', models.JSONField()),
                ('job', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='rows', to='jobs.job')),
            ],
            options={
                'verbose_name': 'row of a job',
                'verbose_name_plural': 'rows of jobs',
                'constraints': [
                    models.UniqueConstraint(fields=('job', 'number'), name='job_row_once'),
                    models.CheckConstraint(condition=models.Q(('number__gt', 0)), name='job_row_number_positive'),
                ],
            },
        ),
        migrations.CreateModel(
            name='JobOutcome',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('step', models.CharField(choices=[('check', 'Check'), ('apply', 'Apply'), ('undo', 'Undo')], max_length=10)),
                ('number', models.PositiveIntegerField()),
                ('verdict', models.CharField(choices=[('ok', 'Done'), ('part', 'In part'), ('unchanged', 'No change'), ('refused', 'Refused')], max_length=10)),
                ('code', models.CharField(blank=True, max_length=40)),
                ('text', models.CharField(blank=True, max_length=400)),
                ('subject_id', models.BigIntegerField(null=True)),
                ('amount', models.BigIntegerField(null=True)),
                ('result_id', models.BigIntegerField(null=True)),
                ('job', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='outcomes', to='jobs.job')),
            ],
            options={
                'verbose_name': 'outcome of a row',
                'verbose_name_plural': 'outcomes of rows',
                'indexes': [models.Index(fields=['job', 'step', 'subject_id'], name='job_outcome_subject'), models.Index(condition=models.Q(('verdict', 'ok'), _negated=True), fields=['job', 'step', 'number'], name='job_outcome_not_ok')],
                'constraints': [models.UniqueConstraint(fields=('job', 'step', 'number'), name='job_outcome_once')],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='joboutcome',
            trigger=pgtrigger.compiler.Trigger(name='job_outcome_never_deleted', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='c4df926b2208d84c419697eb3f170e4e56376ed9', operation='DELETE', pgid='pgtrigger_job_outcome_never_deleted_6e62b', table='jobs_joboutcome', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='joboutcome',
            trigger=pgtrigger.compiler.Trigger(name='job_outcome_facts_fixed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."job_id" IS DISTINCT FROM (NEW."job_id") OR OLD."step" IS DISTINCT FROM (NEW."step") OR OLD."number" IS DISTINCT FROM (NEW."number") OR OLD."verdict" IS DISTINCT FROM (NEW."verdict") OR OLD."code" IS DISTINCT FROM (NEW."code") OR OLD."subject_id" IS DISTINCT FROM (NEW."subject_id") OR OLD."amount" IS DISTINCT FROM (NEW."amount") OR OLD."result_id" IS DISTINCT FROM (NEW."result_id"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='ff270135c0624a18dbf65c3ffad82b50d7cb6ded', operation='UPDATE', pgid='pgtrigger_job_outcome_facts_fixed_b3b5c', table='jobs_joboutcome', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='joboutcome',
            trigger=pgtrigger.compiler.Trigger(name='job_outcome_text_only_blanked', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."text" IS DISTINCT FROM (NEW."text") AND NOT (NEW."text" = \'\'))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='7ab4af89d0dfa17f6bce869346e4ec84411995b0', operation='UPDATE', pgid='pgtrigger_job_outcome_text_only_blanked_3167d', table='jobs_joboutcome', when='BEFORE')),
        ),
    ]
