"""Recompute every running figure from the rows that explain it, and name what differs."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection


@dataclass(frozen=True, slots=True)
class Difference:
    """One broken rule: which, for which row, and the two figures that should agree."""

    rule: str
    customer_id: int
    row: str
    stored: int
    recomputed: int

    def __str__(self) -> str:
        return (
            f"{self.rule}: customer {self.customer_id}, {self.row}: stored {self.stored}, recomputed {self.recomputed}"
        )


# Each query gives (customer_id, row, stored, recomputed) for every row that breaks its rule.
# %(customer)s is null for the whole ledger.
RULES: dict[str, str] = {
    "Sum of transactions = balance + pending + held": """
        SELECT a.customer_id, 'account', a.balance + a.pending + a.held, COALESCE(t.total, 0)
        FROM points_pointsaccount a
        LEFT JOIN (SELECT customer_id, SUM(points_change) AS total FROM points_pointstransaction GROUP BY 1) t
               ON t.customer_id = a.customer_id
        WHERE (%(customer)s::bigint IS NULL OR a.customer_id = %(customer)s::bigint)
          AND a.balance + a.pending + a.held <> COALESCE(t.total, 0)""",
    "Sum after each transaction runs in id order": """
        SELECT customer_id, 'transaction ' || id, balance_after, running FROM (
            SELECT id, customer_id, balance_after,
                   SUM(points_change) OVER (PARTITION BY customer_id ORDER BY id) AS running
            FROM points_pointstransaction
            WHERE %(customer)s::bigint IS NULL OR customer_id = %(customer)s::bigint) t
        WHERE balance_after <> running""",
    "Balance = what remains in active lots": """
        SELECT a.customer_id, 'account balance', a.balance, COALESCE(l.points, 0)
        FROM points_pointsaccount a
        LEFT JOIN (SELECT b.customer_id, SUM(l.remaining) AS points FROM points_pointslot l
                   JOIN points_pointsaccount b ON b.customer_id = l.customer_id
                   WHERE l.open AND l.available_at <= b.settled_at GROUP BY 1) l ON l.customer_id = a.customer_id
        WHERE (%(customer)s::bigint IS NULL OR a.customer_id = %(customer)s::bigint)
          AND a.balance <> COALESCE(l.points, 0)""",
    "Pending = what remains in lots that are not available yet": """
        SELECT a.customer_id, 'account pending', a.pending, COALESCE(l.points, 0)
        FROM points_pointsaccount a
        LEFT JOIN (SELECT b.customer_id, SUM(l.remaining) AS points FROM points_pointslot l
                   JOIN points_pointsaccount b ON b.customer_id = l.customer_id
                   WHERE l.open AND l.available_at > b.settled_at GROUP BY 1) l ON l.customer_id = a.customer_id
        WHERE (%(customer)s::bigint IS NULL OR a.customer_id = %(customer)s::bigint)
          AND a.pending <> COALESCE(l.points, 0)""",
    "Held = open holds": """
        SELECT a.customer_id, 'account held', a.held, COALESCE(h.points, 0)
        FROM points_pointsaccount a
        LEFT JOIN (SELECT customer_id, SUM(points) AS points FROM points_pointshold WHERE state = 'open' GROUP BY 1) h
               ON h.customer_id = a.customer_id
        WHERE (%(customer)s::bigint IS NULL OR a.customer_id = %(customer)s::bigint)
          AND a.held <> COALESCE(h.points, 0)""",
    "No lot is open past its end once its account is settled": """
        SELECT l.customer_id, 'lot ' || l.id, l.remaining, 0
        FROM points_pointslot l JOIN points_pointsaccount a ON a.customer_id = l.customer_id
        WHERE (%(customer)s::bigint IS NULL OR l.customer_id = %(customer)s::bigint)
          AND l.open AND l.expires_at <= a.settled_at""",
    "What remains of a lot = points - allocations - charges + returns": """
        SELECT l.customer_id, 'lot ' || l.id, l.remaining,
               l.points - COALESCE(taken.points, 0) - COALESCE(charged.points, 0)
                        - COALESCE(moved.points, 0) + COALESCE(returned.points, 0)
        FROM points_pointslot l
        LEFT JOIN (SELECT lot_id, SUM(points) AS points FROM points_pointsallocation GROUP BY 1) taken
               ON taken.lot_id = l.id
        LEFT JOIN (SELECT c.lot_id, SUM(c.points) AS points FROM points_pointsholdcharge c
                   JOIN points_pointshold h ON h.id = c.hold_id WHERE h.state = 'open' GROUP BY 1) charged
               ON charged.lot_id = l.id
        LEFT JOIN (SELECT c.lot_id, SUM(r.points) AS points FROM points_pointsholdrelease r
                   JOIN points_pointsholdcharge c ON c.id = r.charge_id WHERE r.lot_id <> c.lot_id GROUP BY 1) moved
               ON moved.lot_id = l.id
        LEFT JOIN (SELECT r.lot_id, SUM(r.points) AS points FROM points_pointsreturn r
                   JOIN points_pointsallocation a ON a.id = r.allocation_id WHERE r.lot_id = a.lot_id GROUP BY 1) returned
               ON returned.lot_id = l.id
        WHERE (%(customer)s::bigint IS NULL OR l.customer_id = %(customer)s::bigint)
          AND l.remaining <> l.points - COALESCE(taken.points, 0) - COALESCE(charged.points, 0)
                                      - COALESCE(moved.points, 0) + COALESCE(returned.points, 0)""",
    "A debit = its allocations": """
        SELECT t.customer_id, 'transaction ' || t.id, -t.points_change, COALESCE(a.points, 0)
        FROM points_pointstransaction t
        LEFT JOIN (SELECT transaction_id, SUM(points) AS points FROM points_pointsallocation GROUP BY 1) a
               ON a.transaction_id = t.id
        WHERE (%(customer)s::bigint IS NULL OR t.customer_id = %(customer)s::bigint)
          AND t.points_change < 0 AND -t.points_change <> COALESCE(a.points, 0)""",
    "A credit = its lots": """
        SELECT t.customer_id, 'transaction ' || t.id, t.points_change, COALESCE(l.points, 0)
        FROM points_pointstransaction t
        LEFT JOIN (SELECT transaction_id, SUM(points) AS points FROM points_pointslot WHERE origin_id IS NULL GROUP BY 1) l
               ON l.transaction_id = t.id
        WHERE (%(customer)s::bigint IS NULL OR t.customer_id = %(customer)s::bigint)
          AND t.points_change > 0 AND t.kind <> 'reversal' AND t.points_change <> COALESCE(l.points, 0)""",
    "A reversal = its returns": """
        SELECT t.customer_id, 'transaction ' || t.id, t.points_change, COALESCE(r.points, 0)
        FROM points_pointstransaction t
        LEFT JOIN (SELECT transaction_id, SUM(points) AS points FROM points_pointsreturn GROUP BY 1) r
               ON r.transaction_id = t.id
        WHERE (%(customer)s::bigint IS NULL OR t.customer_id = %(customer)s::bigint)
          AND t.kind = 'reversal' AND t.points_change <> COALESCE(r.points, 0)""",
    "Returns never exceed the allocation": """
        SELECT l.customer_id, 'allocation ' || a.id, a.points, SUM(r.points)
        FROM points_pointsreturn r
        JOIN points_pointsallocation a ON a.id = r.allocation_id JOIN points_pointslot l ON l.id = a.lot_id
        WHERE %(customer)s::bigint IS NULL OR l.customer_id = %(customer)s::bigint
        GROUP BY l.customer_id, a.id, a.points HAVING SUM(r.points) > a.points""",
    "A lot that stands in = what was returned or released into it": """
        SELECT l.customer_id, 'lot ' || l.id, l.points, COALESCE(r.points, 0) + COALESCE(h.points, 0)
        FROM points_pointslot l
        LEFT JOIN (SELECT lot_id, SUM(points) AS points FROM points_pointsreturn GROUP BY 1) r ON r.lot_id = l.id
        LEFT JOIN (SELECT lot_id, SUM(points) AS points FROM points_pointsholdrelease GROUP BY 1) h ON h.lot_id = l.id
        WHERE (%(customer)s::bigint IS NULL OR l.customer_id = %(customer)s::bigint)
          AND l.origin_id IS NOT NULL AND l.points <> COALESCE(r.points, 0) + COALESCE(h.points, 0)""",
    "Owed = what open shortfalls lack": """
        SELECT a.customer_id, 'account owed', a.owed, COALESCE(s.points, 0)
        FROM points_pointsaccount a
        LEFT JOIN (SELECT customer_id, SUM("left") AS points FROM points_pointsshortfall WHERE state = 'open'
                   GROUP BY 1) s ON s.customer_id = a.customer_id
        WHERE (%(customer)s::bigint IS NULL OR a.customer_id = %(customer)s::bigint)
          AND a.owed <> COALESCE(s.points, 0)""",
    "What a shortfall lacks = points - payments": """
        SELECT s.customer_id, 'shortfall ' || s.id, s."left", s.points - COALESCE(p.points, 0)
        FROM points_pointsshortfall s
        LEFT JOIN (SELECT shortfall_id, SUM(points) AS points FROM points_pointsshortfallpayment GROUP BY 1) p
               ON p.shortfall_id = s.id
        WHERE (%(customer)s::bigint IS NULL OR s.customer_id = %(customer)s::bigint)
          AND s."left" <> s.points - COALESCE(p.points, 0)""",
    "What clawbacks of an earning took and lack = what was due": """
        SELECT MAX(c.customer_id), 'earning ' || c.earning_id, MAX(c.due), SUM(c.taken + c.short)
        FROM points_pointsclawback c
        WHERE %(customer)s::bigint IS NULL OR c.customer_id = %(customer)s::bigint
        GROUP BY c.earning_id HAVING MAX(c.due) <> SUM(c.taken + c.short)""",
    "Both sides of a transfer": """
        SELECT t.sender_id, 'transfer ' || t.id, t.points, LEAST(-d.points_change, c.points_change)
        FROM points_pointstransfer t
        JOIN points_pointstransaction d ON d.id = t.debit_id JOIN points_pointstransaction c ON c.id = t.credit_id
        WHERE (%(customer)s::bigint IS NULL OR %(customer)s::bigint IN (t.sender_id, t.receiver_id))
          AND (t.points <> -d.points_change OR t.points <> c.points_change
               OR d.customer_id <> t.sender_id OR c.customer_id <> t.receiver_id)""",
    "A hold = its charges": """
        SELECT h.customer_id, 'hold ' || h.id, h.points, COALESCE(c.points, 0)
        FROM points_pointshold h
        LEFT JOIN (SELECT hold_id, SUM(points) AS points FROM points_pointsholdcharge GROUP BY 1) c ON c.hold_id = h.id
        WHERE (%(customer)s::bigint IS NULL OR h.customer_id = %(customer)s::bigint)
          AND h.points <> COALESCE(c.points, 0)""",
    "A closed hold = its debit and its releases": """
        SELECT h.customer_id, 'hold ' || h.id, h.points, COALESCE(-t.points_change, 0) + COALESCE(r.points, 0)
        FROM points_pointshold h
        LEFT JOIN points_pointstransaction t ON t.id = h.transaction_id
        LEFT JOIN (SELECT c.hold_id, SUM(r.points) AS points FROM points_pointsholdrelease r
                   JOIN points_pointsholdcharge c ON c.id = r.charge_id GROUP BY 1) r ON r.hold_id = h.id
        WHERE (%(customer)s::bigint IS NULL OR h.customer_id = %(customer)s::bigint)
          AND h.state <> 'open' AND h.points <> COALESCE(-t.points_change, 0) + COALESCE(r.points, 0)""",
    "An adjustment = its transaction": """
        SELECT a.customer_id, 'adjustment ' || a.id, a.points, t.points_change
        FROM points_pointsadjustment a JOIN points_pointstransaction t ON t.id = a.transaction_id
        WHERE (%(customer)s::bigint IS NULL OR a.customer_id = %(customer)s::bigint)
          AND (a.points <> t.points_change OR a.customer_id <> t.customer_id)""",
}


def differences(*, customer_id: int | None = None, most_per_rule: int = 20) -> Iterator[Difference]:
    """Every broken rule, for one customer or the whole ledger; at most so many rows of each rule."""
    for rule, sql in RULES.items():
        with connection.cursor() as cursor:
            cursor.execute(sql, {"customer": customer_id})
            for owner, row, stored, recomputed in cursor.fetchmany(most_per_rule):
                yield Difference(rule, owner, row, int(stored), int(recomputed))
