"""Where a reading of the shop's orders stands. Pure.

BigCommerce lists orders by `date_modified`, which counts whole seconds, and may show an order only after its second has
passed. So a reading that has caught up looks back two minutes each time. While it catches up it goes on from the last
second it saw, never by page numbers: an order that changes meanwhile moves to the end and would push another out of
sight. When more orders than fill a page share a second they are read by their ids. Whether the shop's bounds include
themselves is not documented: each reading begins a second early.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

LOOK_BACK = timedelta(minutes=2)
SECOND = timedelta(seconds=1)

_FORM = re.compile(r"(poll|page|second) (\S{1,40}) (\d{1,18})", re.ASCII)


class NotACursor(ValueError):
    """The text is no cursor of ours."""


class Mode(StrEnum):
    """What the next reading asks for."""

    POLL = "poll"  # what changed since we caught up, and two minutes before
    PAGE = "page"  # what changed from a second on
    SECOND = "second"  # what changed in one second, which fills more than a page


@dataclass(frozen=True, slots=True)
class Cursor:
    """A mode, the second it counts from (None: the beginning), and from which id on its orders are read."""

    at: datetime | None = None
    mode: Mode = Mode.POLL
    min_id: int = 0

    @property
    def params(self) -> dict[str, str]:
        """What to ask the shop for."""
        if self.at is None:
            return {"sort": "date_modified:asc"}
        if self.mode is Mode.SECOND:
            bounds = {"min_date_modified": _written(self.at - SECOND), "max_date_modified": _written(self.at + SECOND)}
            return {**bounds, "min_id": str(self.min_id), "sort": "id:asc"}
        back = LOOK_BACK if self.mode is Mode.POLL else SECOND
        return {"min_date_modified": _written(self.at - back), "sort": "date_modified:asc"}

    @property
    def caught_up(self) -> bool:
        return self.mode is Mode.POLL

    def following(self, *, full: bool, last: datetime | None, last_id: int) -> "Cursor":
        """The cursor after a page; `last` and `last_id` are of its last order."""
        if self.mode is Mode.SECOND and self.at is not None:
            return Cursor(self.at, Mode.SECOND, last_id + 1) if full else Cursor(self.at + SECOND, Mode.PAGE)
        if last is None:
            return Cursor(self.at)
        if not full:
            return Cursor(last if self.at is None else max(self.at, last))
        if self.mode is Mode.PAGE and self.at is not None and last <= self.at:
            return Cursor(self.at, Mode.SECOND)
        return Cursor(last, Mode.PAGE)

    def __str__(self) -> str:
        return "" if self.at is None else f"{self.mode} {self.at.isoformat(timespec='seconds')} {self.min_id}"


def parse(text: str) -> Cursor:
    """The cursor a text stands for; the empty text means from the beginning. Raises NotACursor."""
    if not text:
        return Cursor()
    found = _FORM.fullmatch(text)
    try:
        at = datetime.fromisoformat(found[2]) if found else None
        if found is None or at is None or at.tzinfo is None:
            raise NotACursor(text)
        at = at.astimezone(UTC)
        cursor = Cursor(at, Mode(found[1]), int(found[3]))
        _ = cursor.params, at + LOOK_BACK  # one at the end of time cannot be asked for
    except (ValueError, OverflowError):
        raise NotACursor(text) from None
    return cursor


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
