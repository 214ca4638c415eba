"""How Vendure is asked for what a cursor stands for. Pure.

Its `updatedAt` may have a resolution of one second, and is told cut to milliseconds while finer ones are compared. It
sorts by one field reliably: orders of one instant come in no certain order.
"""

from dataclasses import dataclass

from platforms import walking
from platforms.walking import Mode


@dataclass(frozen=True, slots=True)
class Cursor(walking.Cursor):
    """Where a reading of the shop's orders, or of its codes, stands."""

    def sort_by(self, field: str) -> dict[str, str]:
        """The one field to sort by, where time is read from this one."""
        return {"id": "ASC"} if self.mode is Mode.INSTANT else {field: "ASC"}

    def within(self, field: str) -> dict[str, dict[str, str]]:
        """The bounds in time as a filter of that field, neither end included; none from the beginning."""
        bounds = {"after": self.after, "before": self.before}
        set_bounds = {
            name: bound.isoformat(timespec="milliseconds") for name, bound in bounds.items() if bound is not None
        }
        return {field: set_bounds} if set_bounds else {}
