"""How Medusa is asked for what a cursor stands for. It keeps finer instants than it tells. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime

from platforms import walking
from platforms.walking import Mode


@dataclass(frozen=True, slots=True)
class Cursor(walking.Cursor):
    """Where a reading of the shop's orders, or of its promotions, stands."""

    def params(self, stamp: str, *, page_size: int) -> dict[str, str]:
        """What to ask the shop for, where time is read from the field `stamp`."""
        order = "id" if self.mode is Mode.INSTANT else stamp
        bounds = between(stamp, after=self.after, before=self.before)
        return {"order": order, "limit": str(page_size), "offset": str(self.skip), **bounds}


def between(stamp: str, *, after: datetime | None, before: datetime | None) -> dict[str, str]:
    """Bounds in time as Medusa's filter of that field; neither end belongs to it."""
    bounds = {f"{stamp}[$gt]": after, f"{stamp}[$lt]": before}
    return {name: written(bound) for name, bound in bounds.items() if bound is not None}


def written(moment: datetime) -> str:
    """An instant as Medusa writes it."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
