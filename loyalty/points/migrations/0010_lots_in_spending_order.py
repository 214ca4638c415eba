"""Debits and holds read a customer's lots in spending order from the index, however many there are.

Without a limit the planner sorts all of them, which a customer with thousands pays for at every redemption; and of lots
without an end only the whole order in the index tells which is next. The functions of before stay for code that still
calls them while a deployment is under way.
"""

from django.db import migrations, models
from django.db.models import Q

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


class Migration(migrations.Migration):
    dependencies = [("points", "0009_clawbacks_keep_four_decimals")]

    operations = [
        migrations.RemoveIndex("pointslot", "lot_open_of_customer"),
        migrations.AddIndex(
            "pointslot",
            models.Index(
                fields=["customer", "expires_at", "created_at", "id"],
                name="lot_open_in_spending_order",
                condition=Q(open=True),
            ),
        ),
        migrations.RunSQL(DEBIT, "DROP FUNCTION points_debit_v2"),
        migrations.RunSQL(HOLD, "DROP FUNCTION points_hold_v2"),
    ]
