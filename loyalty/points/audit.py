"""Recompute every running figure from the rows that explain it, and name what differs."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection, transaction

from loyalty.points import audit_rules

RULES = audit_rules.RULES


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


def differences(*, customer_id: int | None = None, most_per_rule: int = 20) -> Iterator[Difference]:
    """Every broken rule, for one customer or the whole ledger; of each rule so many rows, the first by customer and id.

    The sums are made by the database and only what differs comes here: the memory used does not grow with the ledger.
    """
    for rule, sql in RULES.items():
        for owner, row, stored, recomputed in _broken(sql, customer_id=customer_id, most=most_per_rule):
            yield Difference(rule, owner, row, int(stored), int(recomputed))


@transaction.atomic
def _broken(sql: str, *, customer_id: int | None, most: int) -> list[tuple[int, str, int, int]]:
    whole = customer_id is None
    with connection.cursor() as cursor:
        if whole:  # every row is read anyway: one wrong guess of the planner, and each is looked up for each
            cursor.execute("SET LOCAL enable_nestloop = off")
        cursor.execute(
            # The rules are constants of ours; what narrows them is a parameter.
            f"SELECT * FROM ({audit_rules.narrowed(sql, one_customer=not whole)}) "  # noqa: S608
            'AS broken(customer_id, "row", stored, recomputed) '
            'ORDER BY customer_id, length("row"), "row" LIMIT %(most)s',
            {"customer": customer_id, "most": most},
        )
        found: list[tuple[int, str, int, int]] = cursor.fetchall()
        if whole:
            cursor.execute("SET LOCAL enable_nestloop TO DEFAULT")
    return found
