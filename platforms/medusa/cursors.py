"""Where a reading of the shop's orders, or of its promotions, stands. Pure.

Medusa lists by a time stamp that is written before the row becomes visible. So a reading that has caught up looks back
a minute each time it polls. While it catches up it moves from full page to full page by time. When the rows of one
instant fill a page by themselves, as after an import, they are listed by their ids and skipped by less than a page: one
that changes meanwhile leaves the instant, and must not push another out of sight.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

LOOK_BACK = timedelta(seconds=60)
TICK = timedelta(milliseconds=1)  # instants reach us cut to milliseconds, and the database may keep finer ones
SPARE = 5  # one in this many rows of a page is read again when skipping

_FORM = re.compile(r"(poll|page|instant) (\S{1,40}) (\d{1,9})", re.ASCII)


class NotACursor(ValueError):
    """The text is no cursor of ours."""


class Mode(StrEnum):
    """What the next reading asks for."""

    POLL = "poll"  # what changed since we caught up, and a minute before
    PAGE = "page"  # what changed from an instant on
    INSTANT = "instant"  # what changed in one instant, which fills more than a page


@dataclass(frozen=True, slots=True)
class Cursor:
    """A mode, the instant it counts from (None: the beginning), and how many rows of that instant to skip."""

    at: datetime | None = None
    mode: Mode = Mode.POLL
    skip: int = 0

    @property
    def caught_up(self) -> bool:
        return self.mode is Mode.POLL

    @property
    def after(self) -> datetime | None:
        """Only rows stamped after this come next; None for all."""
        if self.at is None:
            return None
        return self.at - (LOOK_BACK if self.mode is Mode.POLL else TICK)

    @property
    def before(self) -> datetime | None:
        """Only rows stamped before this come next; None for all."""
        return self.at + 2 * TICK if self.at is not None and self.mode is Mode.INSTANT else None

    def params(self, stamp: str, *, page_size: int) -> dict[str, str]:
        """What to ask the shop for, where time is read from the field `stamp`."""
        order = "id" if self.mode is Mode.INSTANT else stamp
        bounds = between(stamp, after=self.after, before=self.before)
        return {"order": order, "limit": str(page_size), "offset": str(self.skip), **bounds}

    def following(self, *, read: int, last: datetime | None, page_size: int) -> "Cursor":
        """The cursor after a page of `read` rows, the last of which is stamped `last`."""
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
        return "" if self.at is None else f"{self.mode} {written(self.at)} {self.skip}"


def between(stamp: str, *, after: datetime | None, before: datetime | None) -> dict[str, str]:
    """Bounds in time as Medusa's filter of that field; neither end belongs to it."""
    bounds = {f"{stamp}[$gt]": after, f"{stamp}[$lt]": before}
    return {name: written(bound) for name, bound in bounds.items() if bound is not None}


def written(moment: datetime) -> str:
    """An instant as Medusa writes it."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def parse(text: str) -> Cursor:
    """The cursor a text stands for; the empty text means from the beginning. Raises NotACursor."""
    if not text:
        return Cursor()
    found = _FORM.fullmatch(text)
    if found is None:
        raise NotACursor(text)
    try:
        at = datetime.fromisoformat(found[2])
        cursor = Cursor(at, Mode(found[1]), int(found[3]))
        cursor.params("at", page_size=1)  # a year in which nothing can be looked back
    except (ValueError, OverflowError) as error:
        raise NotACursor(text) from error
    if at.tzinfo is None:
        raise NotACursor(text)
    return cursor
