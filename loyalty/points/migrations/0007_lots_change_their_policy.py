
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('points', '0006_seals_by_stream_with_leaves'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='pointslot',
            name='lot_facts_fixed',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='pointslot',
            name='lot_end_explained',
        ),
        migrations.AddField(
            model_name='pointslotchange',
            name='idle_days_after',
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='pointslotchange',
            name='idle_days_before',
            field=models.PositiveIntegerField(null=True),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pointslot',
            trigger=pgtrigger.compiler.Trigger(name='lot_facts_fixed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."customer_id" IS DISTINCT FROM (NEW."customer_id") OR OLD."transaction_id" IS DISTINCT FROM (NEW."transaction_id") OR OLD."origin_id" IS DISTINCT FROM (NEW."origin_id") OR OLD."points" IS DISTINCT FROM (NEW."points") OR OLD."available_at" IS DISTINCT FROM (NEW."available_at") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='e5390dc9005baacb78ccfd8eb3aba7b6f6353649', operation='UPDATE', pgid='pgtrigger_lot_facts_fixed_cf5ba', table='points_pointslot', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pointslot',
            trigger=pgtrigger.compiler.Trigger(name='lot_end_explained', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."idle_days" IS DISTINCT FROM (NEW."idle_days") OR (OLD."expires_at" IS DISTINCT FROM (NEW."expires_at") AND OLD."idle_days" IS NULL))', func="\n                    IF NOT EXISTS (\n                        SELECT 1 FROM points_pointslotchange c\n                        WHERE c.lot_id = OLD.id AND c.expires_before IS NOT DISTINCT FROM OLD.expires_at\n                          AND c.expires_after IS NOT DISTINCT FROM NEW.expires_at\n                          AND c.idle_days_before IS NOT DISTINCT FROM OLD.idle_days\n                          AND c.idle_days_after IS NOT DISTINCT FROM NEW.idle_days\n                    ) THEN\n                        RAISE EXCEPTION 'The end of lot % moves only with a row that says why.', OLD.id;\n                    END IF;\n                    RETURN NEW;\n                    ", hash='b8a2f770317b95951d64eb3ad35a31f386148cf7', operation='UPDATE', pgid='pgtrigger_lot_end_explained_2453d', table='points_pointslot', when='BEFORE')),
        ),
    ]
