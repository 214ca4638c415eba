"""Where a listing of all coupons stands. Pure.

The shop knows no "after this number", only offsets, and a coupon that is deleted moves all later ones a place forward.
So each page begins with the last coupon of the page before, and when it does not, the listing goes back a page.
New coupons have higher numbers and come at the end, which is where a page tells nothing new: the shop leaves out what
the key may not read, so a page that is not full means nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_FORM = re.compile(r"(\d{1,12}) (\d{1,18})", re.ASCII)


class NotAPlace(ValueError):
    """The text is no cursor of ours."""


@dataclass(frozen=True, slots=True)
class Place:
    """How many coupons to skip, and the number of the last one that was told."""

    offset: int = 0
    last: int = 0

    @classmethod
    def parse(cls, cursor: str) -> "Place":
        """Raises NotAPlace."""
        if not cursor:
            return cls()
        found = _FORM.fullmatch(cursor)
        if found is None:
            raise NotAPlace(cursor)
        return cls(int(found[1]), int(found[2]))

    def after(self, numbers: Sequence[int], *, page_size: int) -> "Step":
        """What follows from the page at this place, which holds coupons of these numbers in rising order."""
        joins = self.offset == 0 or (bool(numbers) and numbers[0] <= self.last)
        if not joins:
            return Step(Place(max(0, self.offset - page_size), self.last), reads=False, more=True)
        last = max([self.last, *numbers])
        following = self.offset + max(0, len(numbers) - 1)
        return Step(Place(following, last), reads=True, more=last > self.last)

    def __str__(self) -> str:
        return f"{self.offset} {self.last}"


@dataclass(frozen=True, slots=True)
class Step:
    """The next place, whether the page counts, and whether another is ready."""

    place: Place
    reads: bool
    more: bool
