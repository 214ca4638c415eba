"""Where a reading of the shop's orders stands. Pure.

WooCommerce stamps changes in whole seconds and before they become visible, and lists what changed *after* a second. So
a reading that has caught up looks back a minute each time it polls. While it catches up it moves from full page to full
page by time, each beginning a second before the last one ended. When the orders of one second fill a page by
themselves, as after an import, they are listed by their numbers and skipped by less than a page: one that changes
meanwhile leaves the second, and must not push another out of sight.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

LOOK_BACK = timedelta(seconds=60)
TICK = timedelta(seconds=1)
SPARE = 5  # one in this many orders of a page is read again when skipping

_FORM = re.compile(r"(poll|page|second) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d) (\d{1,9})", re.ASCII)


class NotACursor(ValueError):
    """The text is no cursor of ours."""


class Mode(StrEnum):
    """What the next reading asks for."""

    POLL = "poll"  # what changed since we caught up, and a minute before
    PAGE = "page"  # what changed from a second on
    SECOND = "second"  # what changed within one second, which fills more than a page


@dataclass(frozen=True, slots=True)
class Cursor:
    """A mode, the second it counts from (None: the beginning), and how many orders of that second to skip."""

    at: datetime | None = None
    mode: Mode = Mode.POLL
    skip: int = 0

    @property
    def caught_up(self) -> bool:
        return self.mode is Mode.POLL

    @property
    def after(self) -> datetime | None:
        """Only orders changed after this second come next; None for all."""
        if self.at is None:
            return None
        return self.at - (LOOK_BACK if self.mode is Mode.POLL else TICK)

    def params(self, *, page_size: int) -> dict[str, str]:
        """What to ask the shop for."""
        found = {"per_page": str(page_size), "order": "asc", "dates_are_gmt": "true"}
        if self.after is not None:
            found["modified_after"] = _written(self.after)
        if self.mode is Mode.SECOND and self.at is not None:
            return found | {"modified_before": _written(self.at + TICK), "orderby": "id", "offset": str(self.skip)}
        return found | {"orderby": "modified"}

    def following(self, *, last: datetime | None, is_full: bool, page_size: int) -> "Cursor":
        """The cursor after a page whose last order changed at `last`; None when it held none."""
        if self.mode is Mode.SECOND and self.at is not None:
            if is_full:
                return Cursor(self.at, Mode.SECOND, self.skip + page_size - page_size // SPARE)
            return Cursor(self.at + TICK, Mode.PAGE)
        if last is None:
            return Cursor(self.at)
        if not is_full:
            return Cursor(last if self.at is None else max(self.at, last))
        if self.mode is Mode.PAGE and self.at is not None and last <= self.at:
            return Cursor(self.at, Mode.SECOND)
        return Cursor(last, Mode.PAGE)

    def __str__(self) -> str:
        return "" if self.at is None else f"{self.mode} {_written(self.at)} {self.skip}"


def parse(text: str) -> Cursor:
    """The cursor a text stands for; the empty text means from the beginning. Raises NotACursor."""
    if not text:
        return Cursor()
    found = _FORM.fullmatch(text)
    if found is None:
        raise NotACursor(text)
    try:
        at = datetime.fromisoformat(found[2]).replace(tzinfo=UTC)
        Cursor(at).params(page_size=1)  # a year in which nothing can be looked back
    except (ValueError, OverflowError) as error:
        raise NotACursor(text) from error
    return Cursor(at, Mode(found[1]), int(found[3]))


def _written(moment: datetime) -> str:
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}"
