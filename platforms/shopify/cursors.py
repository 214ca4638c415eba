"""Where a reading of the shop's orders stands. Pure.

Shopify lists orders by their last change, and its search index runs behind. So a reading that has caught up looks back
ten minutes each time it polls. While it catches up it moves on by time; Shopify's own cursor is only used among orders
of one instant, because Shopify ends such a walk after 25,000 entries.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

LOOK_BACK = timedelta(minutes=10)

_FORM = re.compile(r"(poll|page) (\S{10,40})(?: ([!-~]{1,150}))?", re.ASCII)
_PLAIN = re.compile(r"[!-~]{1,150}", re.ASCII)  # what a row keeps beside our own part


class NotACursor(ValueError):
    """The text is no cursor of ours."""


class TooLong(ValueError):
    """Shopify's cursor cannot be kept."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The instant it counts from (None: the beginning), whether it has caught up, and Shopify's cursor within it."""

    at: datetime | None = None
    caught_up: bool = True
    after: str = ""

    @property
    def query(self) -> str:
        """The search for the orders that come next."""
        if self.at is None:
            return ""
        since = self.at - (LOOK_BACK if self.caught_up else timedelta())
        return f"updated_at:>='{since.strftime('%Y-%m-%dT%H:%M:%SZ')}'"

    def following(self, *, last: datetime | None, more: bool, end: str) -> "Cursor":
        """The cursor after a page whose last order changed at `last`. Raises TooLong."""
        if last is None:
            return Cursor(self.at)
        second = last.replace(microsecond=0)
        if not more:
            return Cursor(second if self.at is None else max(self.at, second))
        if self.at is None or self.caught_up or second > self.at:
            return Cursor(second, caught_up=False)
        if not _PLAIN.fullmatch(end):
            raise TooLong(end)
        return Cursor(self.at, caught_up=False, after=end)

    def __str__(self) -> str:
        if self.at is None:
            return ""
        return " ".join(filter(None, ("poll" if self.caught_up else "page", self.at.isoformat(), self.after)))


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
    return Cursor(at.astimezone(UTC), caught_up=found[1] == "poll", after=found[3] or "")
