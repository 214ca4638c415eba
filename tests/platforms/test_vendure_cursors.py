"""Paging through the orders of a Vendure shop: none is missed, whatever moves meanwhile."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from platforms import walking
from platforms.adapter import Outcome, Refusal
from platforms.vendure import cursors
from tests.fakes import vendure as fake

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)


def test_refuses_a_cursor_that_is_not_ours():
    answer = fake.adapter_for().orders_since("yesterday")

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)


@pytest.mark.parametrize(
    "cursor",
    [
        cursors.Cursor(),
        cursors.Cursor(at=NOW),
        cursors.Cursor(at=NOW + timedelta(milliseconds=7), mode=walking.Mode.PAGE),
        cursors.Cursor(at=NOW, mode=walking.Mode.INSTANT, skip=80),
    ],
)
def test_keeps_its_place_in_a_short_text(cursor: cursors.Cursor):
    assert cursors.Cursor.parse(str(cursor)) == cursor
    assert len(str(cursor)) < 100


class ListingOfOrders:
    """Orders by number and the instant of their last change, listed as the shop does: ties come in any order."""

    def __init__(self, changed: dict[int, datetime]) -> None:
        self.changed = changed
        self.dice = random.Random(1)

    def page(self, cursor: cursors.Cursor, *, size: int) -> list[tuple[datetime, int]]:
        rows = [(changed, number) for number, changed in self.changed.items()]
        self.dice.shuffle(rows)
        rows.sort(key=lambda row: row[1] if "id" in cursor.sort_by("updatedAt") else row[0])
        found = [
            row
            for row in rows
            if (cursor.after is None or row[0] > cursor.after) and (cursor.before is None or row[0] < cursor.before)
        ]
        # The API cuts off what is finer than a millisecond.
        return [
            (changed.replace(microsecond=changed.microsecond // 1000 * 1000), number)
            for changed, number in found[cursor.skip : cursor.skip + size]
        ]


def read_to_the_end(listing: ListingOfOrders, cursor: cursors.Cursor, *, size: int, meanwhile: Any = None):
    """The numbers of the orders seen, and the cursor once it has caught up."""
    seen: list[int] = []
    for _round in range(500):
        rows = listing.page(cursor, size=size)
        seen += [number for _changed, number in rows]
        cursor = cursors.Cursor.parse(
            str(cursor.following(full=len(rows) >= size, last=rows[-1][0] if rows else None, page_size=size))
        )
        if cursor.caught_up:
            return seen, cursor
        if meanwhile is not None:
            meanwhile()
    pytest.fail("The reading does not come to an end.")


GAPS = [timedelta(seconds=1), timedelta(milliseconds=1), timedelta(microseconds=137), timedelta(microseconds=1)]


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("together", [1, 3, 10, 25, 100])
def test_reads_every_order_whatever_number_share_an_instant(together: int, gap: timedelta):
    listing = ListingOfOrders({number: NOW + gap * (number // together) for number in range(100)})

    seen, cursor = read_to_the_end(listing, cursors.Cursor(), size=10)

    assert set(seen) == set(range(100))
    newest = NOW + gap * (99 // together)
    assert cursor.at is not None
    assert newest - cursors.Cursor.tick < cursor.at < newest + walking.LOOK_BACK / 1000


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("together", [1, 3, 10, 25, 100])
def test_misses_no_order_while_others_change_between_pages(together: int, gap: timedelta):
    listing = ListingOfOrders({number: NOW + gap * (number // together) for number in range(100)})
    moving = iter(range(100))

    def one_changes() -> None:
        if (number := next(moving, None)) is not None:
            listing.changed[number] = NOW + timedelta(seconds=1000 + number)

    seen, _cursor = read_to_the_end(listing, cursors.Cursor(), size=10, meanwhile=one_changes)

    assert set(seen) == set(range(100))


def test_reads_nothing_twice_over_a_long_history_but_the_edges_of_pages():
    listing = ListingOfOrders({number: NOW + timedelta(seconds=number) for number in range(100)})

    seen, _cursor = read_to_the_end(listing, cursors.Cursor(), size=10)

    assert len(seen) < 115


def test_sees_a_change_that_became_visible_late():
    listing = ListingOfOrders({1: NOW + timedelta(seconds=100)})
    _seen, cursor = read_to_the_end(listing, cursors.Cursor(), size=10)

    listing.changed[2] = NOW + timedelta(seconds=41)

    seen, _cursor = read_to_the_end(listing, cursor, size=10)
    assert 2 in seen
