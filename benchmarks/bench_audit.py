"""Audit, seal and verify a ledger of 1,000,000 transactions, and hold them to their promises.

Usage: make bench-audit     (TRANSACTIONS=200000 in the environment for fewer)

Promises: the ledger is proved and its seals hold; each of the three takes no more than 1.2 times the memory it takes
for a tenth of the rows; auditing one customer reads that customer's rows only. Exits with 1 when one is broken. The
last report is kept in reports/audit.txt.

The rows are written by SQL, with the triggers off: of each customer's 20 transactions 10 are credits, 8 debits (half of
them captured holds) and 2 reversals.
"""

import os
import sys
from pathlib import Path

import psycopg
from scratch import Run, machine, managed, scratch

REPORT = Path(__file__).resolve().parent / "reports" / "audit.txt"
EACH = 20
MOST_GROWTH = 1.2
MOST_SECONDS_FOR_ONE = 5.0

# CUSTOMERS is how many there are. The rows of one customer lie far apart, as they do when everybody is active.
ROWS = """
SET session_replication_role = replica;
INSERT INTO customers_customer (id, email, first_name, last_name, state, language, created_at, updated_at)
    SELECT c, 'c' || c || '@example.com', '', '', 'member', '', now(), now() FROM generate_series(1, CUSTOMERS) c;
INSERT INTO points_pointsaccount (customer_id, balance, pending, held, owed, settled_at, has_idle_lots)
    SELECT c, 780, 0, 0, 0, '2026-03-01Z', false FROM generate_series(1, CUSTOMERS) c;
INSERT INTO points_pointstransaction (id, customer_id, kind, points_change, balance_after, reverses_id, cause_type,
                                      cause_id, actor_kind, effective_at, recorded_at)
    SELECT (s - 1) * CUSTOMERS + c, c,
           CASE WHEN s <= 10 THEN 'earning' WHEN s <= 18 THEN 'redemption' ELSE 'reversal' END,
           CASE WHEN s <= 10 THEN 100 WHEN s <= 18 THEN -30 ELSE 10 END,
           CASE WHEN s <= 10 THEN 100 * s WHEN s <= 18 THEN 1000 - 30 * (s - 10) ELSE 760 + 10 * (s - 18) END,
           CASE WHEN s > 18 THEN (s - 9) * CUSTOMERS + c END,
           'order', s, 'system', at, at
    FROM generate_series(1, 20) s, generate_series(1, CUSTOMERS) c,
         LATERAL (SELECT '2026-01-01Z'::timestamptz + s * interval '1 day' AS at) t;
INSERT INTO points_pointslot (id, customer_id, transaction_id, points, remaining, open, available_at, created_at)
    SELECT id, customer_id, id, 100, CASE WHEN cause_id <= 2 THEN 80 WHEN cause_id <= 8 THEN 70 ELSE 100 END, true,
           recorded_at, recorded_at
    FROM points_pointstransaction WHERE kind = 'earning';
INSERT INTO points_pointsallocation (id, transaction_id, lot_id, points)
    SELECT id - 10 * CUSTOMERS, id, id - 10 * CUSTOMERS, 30 FROM points_pointstransaction WHERE kind = 'redemption';
INSERT INTO points_pointsreturn (id, transaction_id, allocation_id, lot_id, points)
    SELECT id - 18 * CUSTOMERS, id, id - 18 * CUSTOMERS, id - 18 * CUSTOMERS, 10
    FROM points_pointstransaction WHERE kind = 'reversal';
INSERT INTO points_pointshold (id, customer_id, points, state, cause_type, cause_id, actor_kind, transaction_id,
                               created_at, closed_at, description)
    SELECT id - 10 * CUSTOMERS, customer_id, 30, 'captured', 'api', id, 'system', id, recorded_at, recorded_at, ''
    FROM points_pointstransaction WHERE kind = 'redemption' AND cause_id <= 14;
INSERT INTO points_pointsholdcharge (id, hold_id, lot_id, points) SELECT id, id, id, 30 FROM points_pointshold;
"""


def main() -> int:
    transactions = int(os.environ.get("TRANSACTIONS", "1000000"))
    part, whole = measured(transactions // 10), measured(transactions)
    report, kept = verdict(transactions, part, whole)
    print(report)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report, encoding="utf-8")
    return 0 if kept else 1


def measured(transactions: int) -> dict[str, Run]:
    """Each command on a ledger of that size, as a process of its own."""
    with scratch("audit") as url:
        fill(url, customers=transactions // EACH)
        return {
            "audit_ledger": managed(url, "audit_ledger"),
            "audit_ledger --customer": managed(url, "audit_ledger", "--customer", "7"),
            "seal_ledger": managed(url, "seal_ledger"),
            "verify_ledger": managed(url, "verify_ledger"),
        }


def fill(url: str, *, customers: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(ROWS.replace("CUSTOMERS", str(customers)))  # type: ignore[arg-type]
        connection.execute("VACUUM ANALYZE")


def verdict(transactions: int, part: dict[str, Run], whole: dict[str, Run]) -> tuple[str, bool]:
    """The report, and whether every promise was kept."""
    promises = {f"{name}: {whole[name].said.strip().splitlines()[0]}": not whole[name].code for name in whole}
    for name in ("audit_ledger", "seal_ledger", "verify_ledger"):
        growth = whole[name].peak_mib / part[name].peak_mib
        promises[
            f"{name}: peak memory {part[name].peak_mib:.0f} MiB at 10 %, {whole[name].peak_mib:.0f} MiB at 100 %: "
            f"{growth:.2f} times (promise: at most {MOST_GROWTH})"
        ] = growth <= MOST_GROWTH
    one = whole["audit_ledger --customer"].seconds
    promises[f"one customer: {one:.1f} s (promise: at most {MOST_SECONDS_FOR_ONE:.0f} s, starting included)"] = (
        one <= MOST_SECONDS_FOR_ONE
    )
    lines = [
        f"Audit, seals and their verification over {transactions:,} transactions",
        "",
        machine(),
        "",
        *(
            f"{name}: {run.seconds:.1f} s, {transactions / run.seconds:,.0f} transactions a second"
            for name, run in whole.items()
            if name != "audit_ledger --customer"
        ),
        "",
        *(f"{'kept  ' if kept else 'BROKEN'}  {promise}" for promise, kept in promises.items()),
    ]
    return "\n".join(lines) + "\n", all(promises.values())


if __name__ == "__main__":
    sys.exit(main())
