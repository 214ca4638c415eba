"""What a simulation came to, by the names that stand in the file: two runs are the same where their digests are."""

import hashlib
from typing import NamedTuple

from django.db import connection

# Named by customer and order as in the file; no ids, and no times at which we wrote something down.
PARTS = {
    "balances": """
        SELECT who.external_id, account.balance, account.pending, account.held, account.owed, tier.name
        FROM customers_customeridentity who
        JOIN customers_customer person ON person.id = who.customer_id
        LEFT JOIN points_pointsaccount account ON account.customer_id = who.customer_id
        LEFT JOIN customers_tier tier ON tier.id = person.tier_id""",
    "lots": """
        SELECT who.external_id, lot.points, lot.remaining, lot.available_at, lot.expires_at
        FROM points_pointslot lot JOIN customers_customeridentity who USING (customer_id)""",
    "transactions": """
        SELECT who.external_id, entry.kind, entry.points_change, entry.effective_at, entry.cause_type
        FROM points_pointstransaction entry JOIN customers_customeridentity who USING (customer_id)""",
    "awards": """
        SELECT who.external_id, o.external_id, rule.name, award.points, award.state, award.earned_at, award.terms::text
        FROM program_earningaward award JOIN customers_customeridentity who USING (customer_id)
        LEFT JOIN program_order o ON o.id = award.order_id
        LEFT JOIN program_earningrule rule ON rule.id = award.rule_id""",
    "tier changes": """
        SELECT who.external_id, change.number, before.name, after.name, change.measured, change.changed_at
        FROM program_viptierchange change JOIN customers_customeridentity who USING (customer_id)
        LEFT JOIN customers_tier before ON before.id = change.previous_tier_id
        LEFT JOIN customers_tier after ON after.id = change.current_tier_id""",
    "tier entries": """
        SELECT who.external_id, tier.name, entry.period, entry.points, entry.state
        FROM program_tierentry entry JOIN customers_customeridentity who USING (customer_id)
        JOIN customers_tier tier ON tier.id = entry.tier_id""",
    "rewards": """
        SELECT who.external_id, given.name, given.fulfillment_status, given.usage_status
        FROM rewards_redeemedreward given JOIN customers_customeridentity who USING (customer_id)""",
}
COUNTED = (
    "customers_customer", "program_order", "program_orderrefund", "program_earningaward", "program_viptierchange",
    "program_tierentry", "points_pointstransaction", "points_pointslot", "points_pointsallocation",
    "rewards_redeemedreward", "events_event",
)  # fmt: skip


class State(NamedTuple):
    """The digest of each part, and how many rows each table has."""

    parts: dict[str, str]
    rows: dict[str, int]

    @property
    def digest(self) -> str:
        """One for all parts."""
        return hashlib.sha256("\n".join(self.parts.values()).encode()).hexdigest()[:32]


def read() -> State:
    """As it is now; takes some seconds for a hundred thousand orders, and their room in memory."""
    with connection.cursor() as cursor:
        parts = {}
        for name, sql in PARTS.items():
            cursor.execute(sql)
            lines = sorted(repr(row) for row in cursor.fetchall())
            parts[name] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        rows = {}
        for table in COUNTED:
            cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 (names of ours)
            rows[table] = cursor.fetchone()[0]
    return State(parts=parts, rows=rows)
