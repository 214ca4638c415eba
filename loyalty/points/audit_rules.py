"""The rules of the audit, as SQL: each gives (customer, row, stored, recomputed) for every row that breaks it.

`[customer c]`, `[lot c]`, `[transaction c]` and `[hold c]` narrow a column to the rows of one customer; for the whole
ledger they say TRUE. They stand inside the sums too, so that auditing one customer reads only that customer's rows.
Instants are compared exactly and reported in seconds since 1970, 0 for none.
"""

import re

SCOPES = {
    "customer": "{column} = %(customer)s",
    "lot": "{column} IN (SELECT id FROM points_pointslot WHERE customer_id = %(customer)s)",
    "transaction": "{column} IN (SELECT id FROM points_pointstransaction WHERE customer_id = %(customer)s)",
    "hold": "{column} IN (SELECT id FROM points_pointshold WHERE customer_id = %(customer)s)",
}


def narrowed(sql: str, *, one_customer: bool) -> str:
    """A rule for the whole ledger, or for the customer that the parameter `customer` names."""

    def scope(found: re.Match[str]) -> str:
        return SCOPES[found[1]].format(column=found[2]) if one_customer else "TRUE"

    return re.sub(r"\[(customer|lot|transaction|hold) ([\w.]+)\]", scope, sql)


ACCOUNTS: dict[str, str] = {
    "Every customer with points has an account": """
        SELECT t.customer_id, 'customer ' || t.customer_id, 0, COUNT(*)
        FROM points_pointstransaction t
        WHERE [customer t.customer_id]
          AND NOT EXISTS (SELECT 1 FROM points_pointsaccount a WHERE a.customer_id = t.customer_id)
        GROUP BY t.customer_id""",
    "Sum of transactions = balance + pending + held": """
        SELECT a.customer_id, 'account', a.balance + a.pending + a.held, COALESCE(t.total, 0)
        FROM points_pointsaccount a
        LEFT JOIN (SELECT customer_id, SUM(points_change) AS total FROM points_pointstransaction
                   WHERE [customer customer_id] GROUP BY 1) t ON t.customer_id = a.customer_id
        WHERE [customer a.customer_id] AND a.balance + a.pending + a.held <> COALESCE(t.total, 0)""",
    "Balance = what remains in active lots": """
        SELECT a.customer_id, 'account balance', a.balance, COALESCE(l.points, 0)
        FROM points_pointsaccount a
        LEFT JOIN (SELECT b.customer_id, SUM(l.remaining) AS points FROM points_pointslot l
                   JOIN points_pointsaccount b ON b.customer_id = l.customer_id
                   WHERE [customer l.customer_id] AND l.open AND l.available_at <= b.settled_at GROUP BY 1) l
               ON l.customer_id = a.customer_id
        WHERE [customer a.customer_id] AND a.balance <> COALESCE(l.points, 0)""",
    "Pending = what remains in lots that are not available yet": """
        SELECT a.customer_id, 'account pending', a.pending, COALESCE(l.points, 0)
        FROM points_pointsaccount a
        LEFT JOIN (SELECT b.customer_id, SUM(l.remaining) AS points FROM points_pointslot l
                   JOIN points_pointsaccount b ON b.customer_id = l.customer_id
                   WHERE [customer l.customer_id] AND l.open AND l.available_at > b.settled_at GROUP BY 1) l
               ON l.customer_id = a.customer_id
        WHERE [customer a.customer_id] AND a.pending <> COALESCE(l.points, 0)""",
    "Held = open holds": """
        SELECT a.customer_id, 'account held', a.held, COALESCE(h.points, 0)
        FROM points_pointsaccount a
        LEFT JOIN (SELECT customer_id, SUM(points) AS points FROM points_pointshold
                   WHERE state = 'open' AND [customer customer_id] GROUP BY 1) h ON h.customer_id = a.customer_id
        WHERE [customer a.customer_id] AND a.held <> COALESCE(h.points, 0)""",
    "Owed = what open shortfalls lack": """
        SELECT a.customer_id, 'account owed', a.owed, COALESCE(s.points, 0)
        FROM points_pointsaccount a
        LEFT JOIN (SELECT customer_id, SUM("left") AS points FROM points_pointsshortfall
                   WHERE state = 'open' AND [customer customer_id] GROUP BY 1) s ON s.customer_id = a.customer_id
        WHERE [customer a.customer_id] AND a.owed <> COALESCE(s.points, 0)""",
    "The next edge comes no later than that of any open lot": """
        SELECT a.customer_id, 'account next edge', COALESCE(EXTRACT(epoch FROM a.next_edge_at)::bigint, 0),
               EXTRACT(epoch FROM e.edge_at)::bigint
        FROM points_pointsaccount a
        JOIN (SELECT l.customer_id,
                     MIN(LEAST(CASE WHEN l.available_at > b.settled_at THEN l.available_at END, l.expires_at))
                         AS edge_at
              FROM points_pointslot l JOIN points_pointsaccount b ON b.customer_id = l.customer_id
              WHERE l.open AND [customer l.customer_id] GROUP BY 1) e ON e.customer_id = a.customer_id
        WHERE e.edge_at < COALESCE(a.next_edge_at, 'infinity')""",
    "An account knows of its lots that end without activity": """
        SELECT a.customer_id, 'account', 0, COUNT(*)
        FROM points_pointsaccount a JOIN points_pointslot l ON l.customer_id = a.customer_id
        WHERE [customer a.customer_id] AND l.open AND l.idle_days IS NOT NULL AND NOT a.has_idle_lots
        GROUP BY a.customer_id""",
}

TRANSACTIONS: dict[str, str] = {
    "Sum after each transaction runs in id order": """
        SELECT customer_id, 'transaction ' || id, balance_after, running FROM (
            SELECT id, customer_id, balance_after,
                   SUM(points_change) OVER (PARTITION BY customer_id ORDER BY id) AS running
            FROM points_pointstransaction WHERE [customer customer_id]) t
        WHERE balance_after <> running""",
    "A debit = its allocations": """
        SELECT t.customer_id, 'transaction ' || t.id, -t.points_change, COALESCE(a.points, 0)
        FROM points_pointstransaction t
        LEFT JOIN (SELECT transaction_id, SUM(points) AS points FROM points_pointsallocation
                   WHERE [transaction transaction_id] GROUP BY 1) a ON a.transaction_id = t.id
        WHERE [customer t.customer_id] AND t.points_change < 0 AND -t.points_change <> COALESCE(a.points, 0)""",
    "Only a debit has allocations": """
        SELECT t.customer_id, 'allocation ' || a.id, a.points, 0
        FROM points_pointsallocation a JOIN points_pointstransaction t ON t.id = a.transaction_id
        WHERE [customer t.customer_id] AND t.points_change > 0""",
    "A debit takes from lots of its own customer": """
        SELECT t.customer_id, 'allocation ' || a.id, l.customer_id, t.customer_id
        FROM points_pointsallocation a
        JOIN points_pointstransaction t ON t.id = a.transaction_id JOIN points_pointslot l ON l.id = a.lot_id
        WHERE [customer t.customer_id] AND t.customer_id <> l.customer_id""",
    "A credit = its lots": """
        SELECT t.customer_id, 'transaction ' || t.id, t.points_change, COALESCE(l.points, 0)
        FROM points_pointstransaction t
        LEFT JOIN (SELECT transaction_id, SUM(points) AS points FROM points_pointslot
                   WHERE origin_id IS NULL AND [transaction transaction_id] GROUP BY 1) l ON l.transaction_id = t.id
        WHERE [customer t.customer_id] AND t.points_change > 0 AND t.kind <> 'reversal'
          AND t.points_change <> COALESCE(l.points, 0)""",
    "A reversal = its returns": """
        SELECT t.customer_id, 'transaction ' || t.id, t.points_change, COALESCE(r.points, 0)
        FROM points_pointstransaction t
        LEFT JOIN (SELECT transaction_id, SUM(points) AS points FROM points_pointsreturn
                   WHERE [transaction transaction_id] GROUP BY 1) r ON r.transaction_id = t.id
        WHERE [customer t.customer_id] AND t.kind = 'reversal' AND t.points_change <> COALESCE(r.points, 0)""",
    "A reversal undoes a debit, a cancellation a credit, of its own customer": """
        SELECT t.customer_id, 'transaction ' || t.id, t.points_change, o.points_change
        FROM points_pointstransaction t JOIN points_pointstransaction o ON o.id = t.reverses_id
        WHERE [customer t.customer_id]
          AND (o.customer_id <> t.customer_id OR sign(o.points_change) = sign(t.points_change))""",
    "A return gives back what its reversal names": """
        SELECT t.customer_id, 'return ' || r.id, COALESCE(t.reverses_id, 0), a.transaction_id
        FROM points_pointsreturn r
        JOIN points_pointstransaction t ON t.id = r.transaction_id
        JOIN points_pointsallocation a ON a.id = r.allocation_id
        WHERE [customer t.customer_id] AND (t.kind <> 'reversal' OR t.reverses_id <> a.transaction_id)""",
    "Returns never exceed the allocation": """
        SELECT l.customer_id, 'allocation ' || a.id, a.points, SUM(r.points)
        FROM points_pointsreturn r
        JOIN points_pointsallocation a ON a.id = r.allocation_id JOIN points_pointslot l ON l.id = a.lot_id
        WHERE [customer l.customer_id]
        GROUP BY l.customer_id, a.id, a.points HAVING SUM(r.points) > a.points""",
    "A cancellation takes from lots of its own credit": """
        WITH RECURSIVE back(customer_id, allocation_id, credit_id, lot_id) AS (
            SELECT t.customer_id, a.id, t.reverses_id, a.lot_id
            FROM points_pointstransaction t JOIN points_pointsallocation a ON a.transaction_id = t.id
            WHERE t.kind = 'cancellation' AND [customer t.customer_id]
          UNION
            SELECT b.customer_id, b.allocation_id, b.credit_id, l.origin_id
            FROM back b JOIN points_pointslot l ON l.id = b.lot_id WHERE l.origin_id IS NOT NULL)
        SELECT b.customer_id, 'allocation ' || b.allocation_id, l.transaction_id, b.credit_id
        FROM back b JOIN points_pointslot l ON l.id = b.lot_id
        WHERE l.origin_id IS NULL AND l.transaction_id <> b.credit_id""",
    "An expiry takes the lot it names": """
        SELECT t.customer_id, 'transaction ' || t.id, COALESCE(t.cause_id, 0), a.lot_id
        FROM points_pointstransaction t JOIN points_pointsallocation a ON a.transaction_id = t.id
        WHERE [customer t.customer_id] AND t.kind = 'expiry'
          AND (t.cause_type <> 'lot' OR t.cause_id IS DISTINCT FROM a.lot_id)""",
    "An adjustment = its transaction": """
        SELECT a.customer_id, 'adjustment ' || a.id, a.points, t.points_change
        FROM points_pointsadjustment a JOIN points_pointstransaction t ON t.id = a.transaction_id
        WHERE [customer a.customer_id] AND (a.points <> t.points_change OR a.customer_id <> t.customer_id)""",
    "Both sides of a transfer": """
        SELECT t.sender_id, 'transfer ' || t.id, t.points, LEAST(-d.points_change, c.points_change)
        FROM points_pointstransfer t
        JOIN points_pointstransaction d ON d.id = t.debit_id JOIN points_pointstransaction c ON c.id = t.credit_id
        WHERE ([customer t.sender_id] OR [customer t.receiver_id])
          AND (t.points <> -d.points_change OR t.points <> c.points_change
               OR d.customer_id <> t.sender_id OR c.customer_id <> t.receiver_id)""",
}

LOTS: dict[str, str] = {
    "What remains of a lot = points - allocations - charges + returns": """
        SELECT l.customer_id, 'lot ' || l.id, l.remaining,
               l.points - COALESCE(taken.points, 0) - COALESCE(charged.points, 0)
                        - COALESCE(moved.points, 0) + COALESCE(returned.points, 0)
        FROM points_pointslot l
        LEFT JOIN (SELECT lot_id, SUM(points) AS points FROM points_pointsallocation
                   WHERE [lot lot_id] GROUP BY 1) taken ON taken.lot_id = l.id
        LEFT JOIN (SELECT c.lot_id, SUM(c.points) AS points FROM points_pointsholdcharge c
                   JOIN points_pointshold h ON h.id = c.hold_id
                   WHERE h.state = 'open' AND [lot c.lot_id] GROUP BY 1) charged ON charged.lot_id = l.id
        LEFT JOIN (SELECT c.lot_id, SUM(r.points) AS points FROM points_pointsholdrelease r
                   JOIN points_pointsholdcharge c ON c.id = r.charge_id
                   WHERE r.lot_id <> c.lot_id AND [lot c.lot_id] GROUP BY 1) moved ON moved.lot_id = l.id
        LEFT JOIN (SELECT r.lot_id, SUM(r.points) AS points FROM points_pointsreturn r
                   JOIN points_pointsallocation a ON a.id = r.allocation_id
                   WHERE r.lot_id = a.lot_id AND [lot r.lot_id] GROUP BY 1) returned ON returned.lot_id = l.id
        WHERE [customer l.customer_id]
          AND l.remaining <> l.points - COALESCE(taken.points, 0) - COALESCE(charged.points, 0)
                                      - COALESCE(moved.points, 0) + COALESCE(returned.points, 0)""",
    "No lot is open past its end once its account is settled": """
        SELECT l.customer_id, 'lot ' || l.id, l.remaining, 0
        FROM points_pointslot l JOIN points_pointsaccount a ON a.customer_id = l.customer_id
        WHERE [customer l.customer_id] AND l.open AND l.expires_at <= a.settled_at""",
    "A lot belongs to the customer of its transaction": """
        SELECT l.customer_id, 'lot ' || l.id, l.customer_id, t.customer_id
        FROM points_pointslot l JOIN points_pointstransaction t ON t.id = l.transaction_id
        WHERE [customer l.customer_id] AND l.customer_id <> t.customer_id""",
    "A lot is opened by a credit, or stands in for another": """
        SELECT l.customer_id, 'lot ' || l.id, l.points, 0
        FROM points_pointslot l JOIN points_pointstransaction t ON t.id = l.transaction_id
        WHERE [customer l.customer_id] AND (t.points_change < 0 OR (t.kind = 'reversal' AND l.origin_id IS NULL))""",
    "A lot that stands in = what was returned or released into it": """
        SELECT l.customer_id, 'lot ' || l.id, l.points, COALESCE(r.points, 0) + COALESCE(h.points, 0)
        FROM points_pointslot l
        LEFT JOIN (SELECT r.lot_id, SUM(r.points) AS points FROM points_pointsreturn r
                   JOIN points_pointsallocation a ON a.id = r.allocation_id
                   WHERE r.lot_id <> a.lot_id AND [lot r.lot_id] GROUP BY 1) r ON r.lot_id = l.id
        LEFT JOIN (SELECT r.lot_id, SUM(r.points) AS points FROM points_pointsholdrelease r
                   JOIN points_pointsholdcharge c ON c.id = r.charge_id
                   WHERE r.lot_id <> c.lot_id AND [lot r.lot_id] GROUP BY 1) h ON h.lot_id = l.id
        WHERE [customer l.customer_id] AND l.origin_id IS NOT NULL
          AND l.points <> COALESCE(r.points, 0) + COALESCE(h.points, 0)""",
    "Points come back to their own lot or to one that stands in for it": """
        SELECT l.customer_id, 'return ' || r.id, COALESCE(l.origin_id, 0), a.lot_id
        FROM points_pointsreturn r
        JOIN points_pointsallocation a ON a.id = r.allocation_id JOIN points_pointslot l ON l.id = r.lot_id
        WHERE [customer l.customer_id] AND r.lot_id <> a.lot_id AND l.origin_id IS DISTINCT FROM a.lot_id
        UNION ALL
        SELECT l.customer_id, 'release ' || r.id, COALESCE(l.origin_id, 0), c.lot_id
        FROM points_pointsholdrelease r
        JOIN points_pointsholdcharge c ON c.id = r.charge_id JOIN points_pointslot l ON l.id = r.lot_id
        WHERE [customer l.customer_id] AND r.lot_id <> c.lot_id AND l.origin_id IS DISTINCT FROM c.lot_id""",
    "A lot ends where the changes of its end say": """
        SELECT customer_id, 'change ' || id, COALESCE(EXTRACT(epoch FROM expires_after)::bigint, 0),
               COALESCE(EXTRACT(epoch FROM goes_on_at)::bigint, 0)
        FROM (SELECT l.customer_id, c.id, c.expires_after,
                     CASE WHEN LEAD(c.id) OVER w IS NULL THEN l.expires_at ELSE LEAD(c.expires_before) OVER w END
                         AS goes_on_at
              FROM points_pointslotchange c JOIN points_pointslot l ON l.id = c.lot_id
              WHERE [customer l.customer_id] AND l.idle_days IS NULL
              WINDOW w AS (PARTITION BY c.lot_id ORDER BY c.id)) c
        WHERE expires_after IS DISTINCT FROM goes_on_at""",
}

HOLDS: dict[str, str] = {
    "A hold = its charges": """
        SELECT h.customer_id, 'hold ' || h.id, h.points, COALESCE(c.points, 0)
        FROM points_pointshold h
        LEFT JOIN (SELECT hold_id, SUM(points) AS points FROM points_pointsholdcharge
                   WHERE [hold hold_id] GROUP BY 1) c ON c.hold_id = h.id
        WHERE [customer h.customer_id] AND h.points <> COALESCE(c.points, 0)""",
    "A hold charges lots of its own customer": """
        SELECT h.customer_id, 'charge ' || c.id, l.customer_id, h.customer_id
        FROM points_pointsholdcharge c
        JOIN points_pointshold h ON h.id = c.hold_id JOIN points_pointslot l ON l.id = c.lot_id
        WHERE [customer h.customer_id] AND h.customer_id <> l.customer_id""",
    "A closed hold = its debit and its releases": """
        SELECT h.customer_id, 'hold ' || h.id, h.points, COALESCE(-t.points_change, 0) + COALESCE(r.points, 0)
        FROM points_pointshold h
        LEFT JOIN points_pointstransaction t ON t.id = h.transaction_id
        LEFT JOIN (SELECT c.hold_id, SUM(r.points) AS points FROM points_pointsholdrelease r
                   JOIN points_pointsholdcharge c ON c.id = r.charge_id
                   WHERE [hold c.hold_id] GROUP BY 1) r ON r.hold_id = h.id
        WHERE [customer h.customer_id] AND h.state <> 'open'
          AND h.points <> COALESCE(-t.points_change, 0) + COALESCE(r.points, 0)""",
    "A captured hold took from each lot what it charged and did not release": """
        SELECT h.customer_id, 'charge ' || c.id, c.points - COALESCE(r.points, 0), COALESCE(a.points, 0)
        FROM points_pointsholdcharge c
        JOIN points_pointshold h ON h.id = c.hold_id
        LEFT JOIN points_pointsholdrelease r ON r.charge_id = c.id
        LEFT JOIN points_pointsallocation a ON a.transaction_id = h.transaction_id AND a.lot_id = c.lot_id
        WHERE [customer h.customer_id] AND h.state = 'captured'
          AND c.points - COALESCE(r.points, 0) <> COALESCE(a.points, 0)""",
    "An open hold has released nothing": """
        SELECT h.customer_id, 'hold ' || h.id, 0, SUM(r.points)
        FROM points_pointsholdrelease r
        JOIN points_pointsholdcharge c ON c.id = r.charge_id JOIN points_pointshold h ON h.id = c.hold_id
        WHERE [customer h.customer_id] AND h.state = 'open' GROUP BY h.customer_id, h.id""",
    "A release gives back at most its charge": """
        SELECT h.customer_id, 'release ' || r.id, r.points, c.points
        FROM points_pointsholdrelease r
        JOIN points_pointsholdcharge c ON c.id = r.charge_id JOIN points_pointshold h ON h.id = c.hold_id
        WHERE [customer h.customer_id] AND r.points > c.points""",
}

CLAWBACKS: dict[str, str] = {
    "What clawbacks of an earning took and lack = what was due": """
        SELECT customer_id, 'clawback ' || id, due, running FROM (
            SELECT customer_id, id, due, SUM(taken + short) OVER (PARTITION BY earning_id ORDER BY due) AS running
            FROM points_pointsclawback WHERE [customer customer_id]) c
        WHERE due <> running""",
    "A clawback concerns an earning of its own customer, and never more than it": """
        SELECT c.customer_id, 'clawback ' || c.id, c.due, e.points_change
        FROM points_pointsclawback c JOIN points_pointstransaction e ON e.id = c.earning_id
        WHERE [customer c.customer_id]
          AND (e.kind <> 'earning' OR e.customer_id <> c.customer_id OR c.due > e.points_change)""",
    "What a clawback took = its transaction": """
        SELECT c.customer_id, 'clawback ' || c.id, c.taken, -t.points_change
        FROM points_pointsclawback c JOIN points_pointstransaction t ON t.id = c.transaction_id
        WHERE [customer c.customer_id]
          AND (t.kind <> 'clawback' OR t.customer_id <> c.customer_id OR c.taken <> -t.points_change)""",
    "What a clawback lacks = its shortfall": """
        SELECT c.customer_id, 'clawback ' || c.id, c.short, COALESCE(s.points, 0)
        FROM points_pointsclawback c LEFT JOIN points_pointsshortfall s ON s.clawback_id = c.id
        WHERE [customer c.customer_id]
          AND (c.short <> COALESCE(s.points, 0) OR COALESCE(s.customer_id, c.customer_id) <> c.customer_id)""",
    "What a shortfall lacks = points - payments": """
        SELECT s.customer_id, 'shortfall ' || s.id, s."left", s.points - COALESCE(p.points, 0)
        FROM points_pointsshortfall s
        LEFT JOIN (SELECT shortfall_id, SUM(points) AS points FROM points_pointsshortfallpayment
                   WHERE [transaction transaction_id] GROUP BY 1) p ON p.shortfall_id = s.id
        WHERE [customer s.customer_id] AND s."left" <> s.points - COALESCE(p.points, 0)""",
    "A debit that collected = what it paid of shortfalls": """
        SELECT t.customer_id, 'transaction ' || t.id, -t.points_change, SUM(p.points)
        FROM points_pointsshortfallpayment p JOIN points_pointstransaction t ON t.id = p.transaction_id
        WHERE [customer t.customer_id]
        GROUP BY t.customer_id, t.id, t.points_change HAVING SUM(p.points) <> -t.points_change""",
}

RULES: dict[str, str] = ACCOUNTS | TRANSACTIONS | LOTS | HOLDS | CLAWBACKS
