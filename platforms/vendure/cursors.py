"""Where a reading of the shop's orders, or of its codes, stands. Pure.

Vendure lists orders by `updatedAt`, which may have a resolution of one second and is written before the change becomes
visible. So a reading that has caught up looks back a minute each time it polls. While it catches up it moves from full
page to full page by time. Orders of one instant come in no certain order (Vendure sorts by one field reliably), so when
more of them than fill a page share an instant, they are listed by id, and skipped by less than a page: an order that
changes meanwhile leaves the instant, and must not push another one out of sight.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

LOOK_BACK = timedelta(seconds=60)
# Instants reach us cut to milliseconds, while the shop compares what it stores, which may be finer.
TICK = timedelta(milliseconds=1)
SPARE = 5  # one in this many orders of a page is read again when skipping

_FORM = re.compile(r"(poll|page|instant) (\S+) (\d{1,9})", re.ASCII)


class NotACursor(ValueError):
    """The text is no cursor of ours."""


class Mode(StrEnum):
    """What the next reading asks for."""

    POLL = "poll"  # what changed since we caught up, and a minute before
    PAGE = "page"  # what changed from an instant on
    INSTANT = "instant"  # what changed in one instant, which fills more than a page


@dataclass(frozen=True, slots=True)
class Cursor:
    """A mode, the instant it counts from (None: the beginning), and how many orders of the instant to skip."""

    at: datetime | None = None
    mode: Mode = Mode.POLL
    skip: int = 0

    @property
    def after(self) -> datetime | None:
        """Only orders changed after this come next; None for all."""
        if self.at is None:
            return None
        return self.at - (LOOK_BACK if self.mode is Mode.POLL else TICK)

    @property
    def before(self) -> datetime | None:
        """Only orders changed before this come next; None for all."""
        return self.at + 2 * TICK if self.at is not None and self.mode is Mode.INSTANT else None

    def sort_by(self, field: str) -> dict[str, str]:
        """The one field to sort by, where time is read from this one."""
        return {"id": "ASC"} if self.mode is Mode.INSTANT else {field: "ASC"}

    @property
    def caught_up(self) -> bool:
        return self.mode is Mode.POLL

    def following(self, *, read: int, last: datetime | None, page_size: int) -> "Cursor":
        """The cursor after a page of `read` orders, the last of which changed at `last`."""
        full = read >= page_size
        if self.mode is Mode.INSTANT and self.at is not None:
            if full:
                return Cursor(self.at, Mode.INSTANT, self.skip + page_size - page_size // SPARE)
            return Cursor(self.at + 2 * TICK, Mode.PAGE)
        if last is None:
            return Cursor(self.at)
        if not full:
            return Cursor(last if self.at is None else max(self.at, last))
        if self.mode is Mode.PAGE and self.at is not None and last <= self.at:
            return Cursor(self.at, Mode.INSTANT)
        return Cursor(last, Mode.PAGE)

    def __str__(self) -> str:
        if self.at is None:
            return ""
        return f"{self.mode} {self.at.isoformat(timespec='milliseconds')} {self.skip}"


def parse(text: str) -> Cursor:
    """The cursor a text stands for; the empty text means from the beginning. Raises NotACursor."""
    if not text:
        return Cursor()
    found = _FORM.fullmatch(text)
    try:
        at = datetime.fromisoformat(found[2]) if found else None
    except ValueError:
        at = None
    if found is None or at is None or at.tzinfo is None:
        raise NotACursor(text)
    return Cursor(at.astimezone(UTC), Mode(found[1]), int(found[3]))
