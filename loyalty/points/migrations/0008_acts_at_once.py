"""The straightforward debit, hold and capture as one call each. `loyalty.points.statements` is their only caller.

Each locks the account in a statement of its own, and gives back no row, having written nothing, whenever anything about
the case is special; the ledger then does it step by step. A changed function gets a new name, so that old and new code
can run beside each other while a deployment is under way.
"""

from django.db import migrations

DEBIT = """
CREATE FUNCTION points_debit_v1(
    for_customer bigint, wanted bigint, of_kind text, of_cause text, of_cause_id bigint, by_kind text, by_id bigint,
    with_key text, instant timestamptz, is_activity boolean, customer_note text, staff_note text)
RETURNS TABLE (entry_id bigint, sum_after bigint) LANGUAGE plpgsql AS $$
DECLARE
    account points_pointsaccount;
    lot record;
    at timestamptz;
    missing bigint := wanted;
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
    FOR lot IN
        SELECT id, remaining FROM points_pointslot
        WHERE customer_id = for_customer AND open AND available_at <= at
        ORDER BY expires_at, created_at, id
    LOOP
        share := LEAST(lot.remaining, missing);
        UPDATE points_pointslot SET remaining = remaining - share, open = remaining > share WHERE id = lot.id;
        INSERT INTO points_pointsallocation (transaction_id, lot_id, points) VALUES (entry_id, lot.id, share);
        missing := missing - share;
        EXIT WHEN missing = 0;
    END LOOP;
    IF missing > 0 THEN
        RAISE EXCEPTION 'The lots of customer % hold % points fewer than the account says.', for_customer, missing;
    END IF;
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
CREATE FUNCTION points_hold_v1(
    for_customer bigint, wanted bigint, of_cause text, of_cause_id bigint, by_kind text, by_id bigint, with_key text,
    instant timestamptz, ends_at timestamptz, customer_note text)
RETURNS TABLE (hold_id bigint) LANGUAGE plpgsql AS $$
DECLARE
    account points_pointsaccount;
    lot record;
    at timestamptz;
    missing bigint := wanted;
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
    RETURNING id INTO points_hold_v1.hold_id;
    FOR lot IN
        SELECT id, remaining FROM points_pointslot
        WHERE customer_id = for_customer AND open AND available_at <= at
        ORDER BY expires_at, created_at, id
    LOOP
        share := LEAST(lot.remaining, missing);
        UPDATE points_pointslot SET remaining = remaining - share, open = remaining > share WHERE id = lot.id;
        INSERT INTO points_pointsholdcharge (hold_id, lot_id, points)
        VALUES (points_hold_v1.hold_id, lot.id, share);
        missing := missing - share;
        EXIT WHEN missing = 0;
    END LOOP;
    IF missing > 0 THEN
        RAISE EXCEPTION 'The lots of customer % hold % points fewer than the account says.', for_customer, missing;
    END IF;
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
    dependencies = [("points", "0007_lots_change_their_policy")]

    operations = [
        migrations.RunSQL(DEBIT, "DROP FUNCTION points_debit_v1"),
        migrations.RunSQL(HOLD, "DROP FUNCTION points_hold_v1"),
        migrations.RunSQL(CAPTURE, "DROP FUNCTION points_capture_v1"),
    ]
