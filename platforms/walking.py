"""Where a reading of a shop's rows in the order of their time stamps stands. Pure.

Shops stamp a row before it becomes visible to us. So a reading that has caught up looks back a minute each time it polls.
While it catches up it moves from full page to full page by time. When the rows of one instant fill a page by
themselves, as after an import, they are listed by their ids and skipped by less than a page: one that changes meanwhile
leaves the instant, and must not push another out of sight.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Self

LOOK_BACK = timedelta(seconds=60)
SPARE = 5  # one in this many rows of a page is read again when skipping

_FORM = re.compile(r"(poll|page|instant|second) (\S{19,40}) (\d{1,9})", re.ASCII)
_EARLIER_WORDS = {"second": "instant"}  # of releases before this one, which wrote some instants without their zone, too


class NotACursor(ValueError):
    """The text is no cursor of ours."""


class Mode(StrEnum):
    """What the next reading asks for."""

    POLL = "poll"  # what changed since we caught up, and a minute before
    PAGE = "page"  # what changed from an instant on
    INSTANT = "instant"  # what changed in one instant, which fills more than a page


@dataclass(frozen=True, slots=True)
class Cursor:
    """A mode, the instant it counts from (None: the beginning), and how many rows of that instant to skip.

    The stamps of a shop are instants of a `tick` each; the rows of one are stamped before its beginning and `width`.
    """

    at: datetime | None = None
    mode: Mode = Mode.POLL
    skip: int = 0

    tick: ClassVar[timedelta] = timedelta(milliseconds=1)
    width: ClassVar[timedelta] = timedelta(
        milliseconds=2
    )  # instants reach us cut off, and the shop may keep finer ones

    @classmethod
    def parse(cls, text: str) -> Self:
        """The cursor a text stands for; the empty text means from the beginning. Raises NotACursor."""
        if not text:
            return cls()
        found = _FORM.fullmatch(text)
        if found is None:
            raise NotACursor(text)
        word, written, skip = found.groups()
        try:
            at = datetime.fromisoformat(written)
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
            cursor = cls(at, Mode(_EARLIER_WORDS.get(word, word)), int(skip))
            _ = cursor.after, cursor.before  # a year in which nothing can be looked back
        except (ValueError, OverflowError) as error:
            raise NotACursor(text) from error
        return cursor

    @property
    def caught_up(self) -> bool:
        return self.mode is Mode.POLL

    @property
    def after(self) -> datetime | None:
        """Only rows stamped after this come next; None for all."""
        if self.at is None:
            return None
        return self.at - (LOOK_BACK if self.mode is Mode.POLL else self.tick)

    @property
    def before(self) -> datetime | None:
        """Only rows stamped before this come next; None for all."""
        return self.at + self.width if self.at is not None and self.mode is Mode.INSTANT else None

    def following(self, *, full: bool, last: datetime | None, page_size: int) -> Self:
        """The cursor after a page, which may be full; its last row is stamped `last`, None when it held none."""
        here = type(self)
        if self.mode is Mode.INSTANT and self.at is not None:
            if full:
                return here(self.at, Mode.INSTANT, self.skip + page_size - page_size // SPARE)
            return here(self.at + self.width, Mode.PAGE)
        if last is None:
            return here(self.at)
        if not full:
            return here(last if self.at is None else max(self.at, last))
        if self.mode is Mode.PAGE and self.at is not None and last <= self.at:
            return here(self.at, Mode.INSTANT)
        return here(last, Mode.PAGE)

    def __str__(self) -> str:
        if self.at is None:
            return ""
        return f"{self.mode} {self.at.astimezone(UTC).isoformat(timespec='milliseconds')} {self.skip}"
