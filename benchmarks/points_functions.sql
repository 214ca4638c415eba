-- The baseline: each path as one function, which writes the rows that the domain writes and refuses what it refuses.

CREATE FUNCTION bench_debit(customer bigint, wanted int, key text, reward bigint DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    account points_pointsaccount;
    lot record;
    entry bigint;
    missing int := wanted;
    few int := 8;  -- as a variable, so that the plan reads the lots in order
    share int;
BEGIN
    SELECT * INTO account FROM points_pointsaccount WHERE customer_id = customer FOR UPDATE;
    IF account.next_edge_at <= now() OR account.balance < wanted THEN
        RAISE EXCEPTION 'Not prepared for this customer.';
    END IF;
    SELECT id INTO entry FROM points_pointstransaction WHERE idempotency_key = key;
    IF FOUND THEN
        RETURN entry;
    END IF;
    INSERT INTO points_pointstransaction (
        customer_id, kind, points_change, balance_after, cause_type, cause_id, actor_kind, idempotency_key,
        effective_at, recorded_at)
    VALUES (
        customer, 'redemption', -wanted, account.balance + account.pending + account.held - wanted, 'api', 1, 'system',
        key, now(), now())
    RETURNING id INTO entry;
    FOR lot IN
        SELECT id, remaining FROM points_pointslot
        WHERE customer_id = customer AND open AND available_at <= now()
        ORDER BY expires_at, created_at, id LIMIT few
    LOOP
        share := LEAST(lot.remaining, missing);
        UPDATE points_pointslot SET remaining = remaining - share, open = remaining > share WHERE id = lot.id;
        INSERT INTO points_pointsallocation (transaction_id, lot_id, points) VALUES (entry, lot.id, share);
        missing := missing - share;
        EXIT WHEN missing = 0;
    END LOOP;
    IF missing > 0 THEN
        RAISE EXCEPTION 'Not prepared for such small lots.';
    END IF;
    UPDATE points_pointsaccount SET balance = balance - wanted, settled_at = now(), last_activity_at = now()
    WHERE customer_id = customer;
    IF reward IS NOT NULL THEN
        PERFORM limit_total FROM rewards_reward WHERE id = reward FOR KEY SHARE;  -- nobody changes the total meanwhile
        UPDATE rewards_rewardstock SET "left" = "left" - 1 WHERE id = (
            SELECT id FROM rewards_rewardstock WHERE reward_id = reward AND "left" > 0
            ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED);
        IF NOT FOUND THEN
            UPDATE rewards_rewardstock SET "left" = "left" - 1 WHERE id = (
                SELECT id FROM rewards_rewardstock WHERE reward_id = reward AND "left" > 0
                ORDER BY random() LIMIT 1 FOR UPDATE);
        END IF;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'Sold out.';
        END IF;
    END IF;
    RETURN entry;
END $$;

CREATE FUNCTION bench_hold_and_capture(customer bigint, wanted int, cause bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    account points_pointsaccount;
    lot record;
    hold bigint;
    entry bigint;
    missing int := wanted;
    few int := 8;  -- as a variable, so that the plan reads the lots in order
    share int;
BEGIN
    SELECT * INTO account FROM points_pointsaccount WHERE customer_id = customer FOR UPDATE;
    IF account.next_edge_at <= now() OR account.balance < wanted THEN
        RAISE EXCEPTION 'Not prepared for this customer.';
    END IF;
    INSERT INTO points_pointshold (
        customer_id, points, state, cause_type, cause_id, actor_kind, created_at, description)
    VALUES (customer, wanted, 'open', 'redeemed_reward', cause, 'system', now(), '')
    RETURNING id INTO hold;
    FOR lot IN
        SELECT id, remaining FROM points_pointslot
        WHERE customer_id = customer AND open AND available_at <= now()
        ORDER BY expires_at, created_at, id LIMIT few
    LOOP
        share := LEAST(lot.remaining, missing);
        UPDATE points_pointslot SET remaining = remaining - share, open = remaining > share WHERE id = lot.id;
        INSERT INTO points_pointsholdcharge (hold_id, lot_id, points) VALUES (hold, lot.id, share);
        missing := missing - share;
        EXIT WHEN missing = 0;
    END LOOP;
    IF missing > 0 THEN
        RAISE EXCEPTION 'Not prepared for such small lots.';
    END IF;
    UPDATE points_pointsaccount SET balance = balance - wanted, held = held + wanted, settled_at = now()
    WHERE customer_id = customer;

    INSERT INTO points_pointstransaction (
        customer_id, kind, points_change, balance_after, cause_type, cause_id, actor_kind, effective_at, recorded_at)
    VALUES (
        customer, 'redemption', -wanted, account.balance + account.pending + account.held - wanted, 'redeemed_reward',
        cause, 'system', now(), now())
    RETURNING id INTO entry;
    INSERT INTO points_pointsallocation (transaction_id, lot_id, points)
    SELECT entry, lot_id, points FROM points_pointsholdcharge WHERE hold_id = hold ORDER BY id;
    UPDATE points_pointshold SET state = 'captured', transaction_id = entry, closed_at = now() WHERE id = hold;
    UPDATE points_pointsaccount SET held = held - wanted, last_activity_at = now() WHERE customer_id = customer;
    RETURN entry;
END $$;

-- Expiry of everything that is due, in one statement over all accounts and without a thought for anybody else.
CREATE FUNCTION bench_expire(instant timestamptz) RETURNS bigint LANGUAGE sql AS $$
    WITH due AS MATERIALIZED (
        SELECT nextval('points_pointstransaction_id_seq') AS entry_id, d.* FROM (
            SELECT l.id AS lot_id, l.customer_id, l.remaining, l.expires_at,
                   a.balance + a.pending + a.held - SUM(l.remaining) OVER (
                       PARTITION BY l.customer_id ORDER BY l.expires_at, l.created_at, l.id) AS total_after
            FROM points_pointslot l JOIN points_pointsaccount a ON a.customer_id = l.customer_id
            WHERE l.open AND l.expires_at <= instant
            ORDER BY l.customer_id, l.expires_at, l.created_at, l.id) d),
    entry AS (
        INSERT INTO points_pointstransaction (
            id, customer_id, kind, points_change, balance_after, cause_type, cause_id, actor_kind, effective_at,
            recorded_at)
        SELECT entry_id, customer_id, 'expiry', -remaining, total_after, 'lot', lot_id, 'system', expires_at, instant
        FROM due),
    allocated AS (
        INSERT INTO points_pointsallocation (transaction_id, lot_id, points)
        SELECT entry_id, lot_id, remaining FROM due),
    emptied AS (
        UPDATE points_pointslot l SET remaining = 0, open = false FROM due WHERE l.id = due.lot_id),
    lost AS MATERIALIZED (
        SELECT customer_id, SUM(remaining) AS points, COUNT(*) AS lots, MIN(entry_id) AS first, MAX(entry_id) AS last
        FROM due GROUP BY customer_id),
    event AS (
        INSERT INTO events_event (kind, occurred_at, actor_kind, subject_type, subject_id, customer_id, data)
        SELECT 'points.expired', instant, 'system', 'customer', customer_id, customer_id, jsonb_build_object(
                   'points', points, 'lots', lots, 'first_transaction_id', first, 'last_transaction_id', last)
        FROM lost),
    living AS (
        SELECT customer_id, MIN(expires_at) AS next_end FROM points_pointslot
        WHERE open AND expires_at > instant GROUP BY customer_id),
    figures AS (
        UPDATE points_pointsaccount a SET
            balance = a.balance - lost.points, settled_at = instant, next_edge_at = living.next_end
        FROM lost LEFT JOIN living ON living.customer_id = lost.customer_id WHERE a.customer_id = lost.customer_id)
    SELECT COUNT(*) FROM due
$$;
