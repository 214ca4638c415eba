"""Asking: instants as staff write them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from loyalty.insights.asking import UnclearInstant, past_instant

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
WARSAW = ZoneInfo("Europe/Warsaw")


def ask(text):
    return past_instant(text, zone=WARSAW, now=NOW)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-01", datetime(2026, 3, 1, 22, 59, 59, 999999, tzinfo=UTC)),  # the end of the day
        ("2026-10-25", datetime(2026, 10, 25, 22, 59, 59, 999999, tzinfo=UTC)),  # a day of 25 hours
        ("2026-03-01 14:30", datetime(2026, 3, 1, 13, 30, tzinfo=UTC)),
        ("2026-03-01T14:30:05Z", datetime(2026, 3, 1, 14, 30, 5, tzinfo=UTC)),
        ("2026-11-21", NOW),  # today is not over
    ],
)
def test_reads_a_day_as_its_end_and_a_time_as_that_moment(text, instant):
    assert ask(text) == instant


@pytest.mark.parametrize("text", ["2026-11-22", "2026-11-21 13:01", (NOW + timedelta(seconds=1)).isoformat()])
def test_refuses_the_future(text):
    with pytest.raises(UnclearInstant, match="lies in the future"):
        ask(text)


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", "1899-12-31", "9999-01-01", "0001-01-01 00:00"])
def test_refuses_what_is_no_date(text):
    with pytest.raises(UnclearInstant):
        ask(text)
