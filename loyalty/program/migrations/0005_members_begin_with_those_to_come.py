"""Who became a member before there were rules for it earns nothing by them."""

from django.db import migrations

BEGIN = """
INSERT INTO events_eventreader (name, transaction_id, event_id, foreign_until, floor_id)
SELECT 'earning', transaction_id, id, 0, 0 FROM events_event
WHERE transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
ORDER BY transaction_id DESC, id DESC LIMIT 1
ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("program", '0004_earning_rules'), ("events", "0002_reading_in_order")]

    operations = [migrations.RunSQL(BEGIN, "DELETE FROM events_eventreader WHERE name = 'earning'")]
