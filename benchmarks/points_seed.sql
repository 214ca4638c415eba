-- Customers with points, as the ledger would have left them: one earning each, whose lots are still whole.
-- Gives the id of the first; they stand in a row.
CREATE FUNCTION bench_customers(customers int, lots int, points_each int, first_end timestamptz, apart interval)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz := now() - interval '1 year';
    first bigint;
BEGIN
    SELECT COALESCE(MAX(id), 0) + 1 INTO first FROM customers_customer;
    INSERT INTO customers_customer (id, first_name, last_name, state, language, created_at, updated_at)
    OVERRIDING SYSTEM VALUE
    SELECT first + n, 'Anna', 'Nowak', 'member', '', began, began FROM generate_series(0, customers - 1) n;
    PERFORM setval(pg_get_serial_sequence('customers_customer', 'id'), first + customers);

    INSERT INTO points_pointsaccount (
        customer_id, balance, pending, held, owed, settled_at, next_edge_at, has_idle_lots)
    SELECT first + n, lots * points_each, 0, 0, 0, began, first_end, false FROM generate_series(0, customers - 1) n;

    WITH entry AS (
        INSERT INTO points_pointstransaction (
            customer_id, kind, points_change, balance_after, cause_type, cause_id, actor_kind, effective_at, recorded_at)
        SELECT first + n, 'earning', lots * points_each, lots * points_each, 'order', n, 'system', began, began
        FROM generate_series(0, customers - 1) n
        RETURNING id, customer_id)
    INSERT INTO points_pointslot (
        customer_id, transaction_id, points, remaining, open, available_at, expires_at, created_at)
    SELECT entry.customer_id, entry.id, points_each, points_each, true, began, first_end + apart * k, began
    FROM entry, generate_series(0, lots - 1) k;
    RETURN first;
END $$;
