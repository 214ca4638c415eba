"""Edges of days: the first instant of the next one, whatever the clocks of a zone do around midnight."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loyalty.common import clock

MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
ZONES = sorted(available_timezones())

zones = st.sampled_from(ZONES).map(ZoneInfo)
instants = st.integers(-(70 * 366) * 86_400, 130 * 365 * 86_400).map(lambda seconds: EPOCH + timedelta(seconds=seconds))


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local_day(instant, zone):
    return instant.astimezone(zone).date()


@given(zone=zones, instant=instants)
@example(zone=ZoneInfo("Pacific/Apia"), instant=at("2011-12-30T09:59:59"))
@example(zone=ZoneInfo("Pacific/Kwajalein"), instant=at("1993-08-21T11:59:59"))
@example(zone=ZoneInfo("America/Havana"), instant=at("2024-11-03T03:59:59"))
@example(zone=ZoneInfo("America/St_Johns"), instant=at("2010-11-07T02:30:30"))
@example(zone=ZoneInfo("America/Toronto"), instant=at("1919-03-31T04:29:59"))
def test_a_day_ends_at_the_first_instant_of_the_following_one(zone, instant):
    day = local_day(instant, zone)

    end = clock.end_of_day(instant, 0, zone)

    assert end > instant
    assert end.utcoffset() == timedelta(0)
    assert local_day(end - MICROSECOND, zone) <= day
    following = [local_day(end + step * HALF_HOUR, zone) for step in range(50)]
    assert min(following) > day, "the calendar turned back"
    assert following[0] == day + timedelta(days=1) or is_skipped(day + timedelta(days=1), zone)


def is_skipped(day, zone):
    """A day the zone never had: no wall clock ever showed its noon."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone)
    return local_day(noon.astimezone(UTC), zone) != day


@given(zone=zones, instant=instants, days=st.integers(0, 800))
def test_n_days_later_ends_that_day_and_never_before_the_days_are_over(zone, instant, days):
    end = clock.end_of_day(instant, days, zone)

    last = local_day(instant, zone) + timedelta(days=days)
    assert end == clock.midnight(last + timedelta(days=1), zone)
    assert local_day(end - MICROSECOND, zone) <= last < local_day(end, zone)
    assert clock.start_of_day(instant, days + 1, zone) == end
    assert end <= clock.end_of_day(instant, days + 1, zone)


@given(zone=zones, instant=instants)
def test_a_month_and_a_year_end_at_the_first_instant_of_the_next(zone, instant):
    today = local_day(instant, zone)

    month, year = clock.end_of_month(instant, zone), clock.end_of_year(instant, zone)

    assert instant < month <= year
    before, after = local_day(month - MICROSECOND, zone), local_day(month, zone)
    assert (before.year, before.month) <= (today.year, today.month) < (after.year, after.month)
    assert local_day(year - MICROSECOND, zone).year <= today.year < local_day(year, zone).year


@pytest.mark.parametrize(
    ("name", "instant", "end"),
    [
        ("Etc/GMT+12", "2026-03-01T11:59:59", "2026-03-01T12:00"),  # UTC-12, the last to see a day
        ("Etc/GMT+12", "2026-03-01T12:00:00", "2026-03-02T12:00"),
        ("Pacific/Kiritimati", "2026-03-01T09:59:59", "2026-03-01T10:00"),  # UTC+14, the first
        ("Pacific/Kiritimati", "2026-03-01T10:00:00", "2026-03-02T10:00"),
        ("Asia/Kathmandu", "2026-03-01T18:14:59", "2026-03-01T18:15"),  # a quarter of an hour off
        ("Europe/Warsaw", "2026-03-28T22:59:59", "2026-03-28T23:00"),
        ("Europe/Warsaw", "2026-03-28T23:00:00", "2026-03-29T22:00"),  # 23 hours long
        ("Europe/Warsaw", "2026-10-24T22:00:00", "2026-10-25T23:00"),  # 25 hours long
        ("Australia/Lord_Howe", "2026-04-04T13:00:00", "2026-04-05T13:30"),  # set back by half an hour
    ],
)
def test_a_day_is_as_long_as_the_zone_says(name, instant, end):
    assert clock.end_of_day(at(instant), 0, ZoneInfo(name)) == at(end)


@pytest.mark.parametrize(
    ("name", "day", "begins", "reads"),
    [
        ("Africa/Cairo", date(2023, 4, 28), "2023-04-27T22:00", "01:00"),
        ("Asia/Beirut", date(2022, 3, 27), "2022-03-26T22:00", "01:00"),
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00", "01:00"),
        ("America/Toronto", date(1919, 3, 31), "1919-03-31T04:30", "00:30"),  # 23:30 became 00:30
    ],
)
def test_a_day_whose_midnight_does_not_exist_begins_at_its_first_time_that_does(name, day, begins, reads):
    zone = ZoneInfo(name)

    midnight = clock.midnight(day, zone)

    assert midnight == at(begins)
    assert f"{midnight.astimezone(zone):%H:%M}" == reads
    assert clock.end_of_day(midnight - MICROSECOND, 0, zone) == midnight


def test_a_midnight_that_comes_twice_within_the_day_counts_the_first_time():
    havana = ZoneInfo("America/Havana")  # on 3 November 2024, 01:00 became 00:00

    assert clock.midnight(date(2024, 11, 3), havana) == at("2024-11-03T04:00")
    assert clock.end_of_day(at("2024-11-03T04:00"), 0, havana) == at("2024-11-04T05:00")
    assert clock.end_of_day(at("2024-11-03T05:00"), 0, havana) == at("2024-11-04T05:00")


@pytest.mark.parametrize(
    ("name", "day", "begins"),
    [
        ("America/Sao_Paulo", date(2018, 2, 18), "2018-02-18T03:00"),  # 00:00 became 23:00
        ("Africa/Cairo", date(2023, 10, 27), "2023-10-26T22:00"),
        ("America/St_Johns", date(2010, 11, 7), "2010-11-07T03:30"),  # 00:01 became 23:01: midnight came twice
    ],
)
def test_a_day_that_the_clock_was_set_back_into_ends_when_it_is_over_for_good(name, day, begins):
    zone = ZoneInfo(name)
    yesterday = day - timedelta(days=1)

    assert clock.midnight(day, zone) == at(begins)
    for minutes in (1, 30, 59):
        instant = at(begins) - timedelta(minutes=minutes)
        assert local_day(instant, zone) == yesterday
        assert clock.end_of_day(instant, 0, zone) == at(begins)


@pytest.mark.parametrize(
    ("name", "skipped", "begins"),
    [
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00"),
        ("Pacific/Kwajalein", date(1993, 8, 21), "1993-08-21T12:00"),
    ],
)
def test_a_day_that_a_zone_skipped_is_empty(name, skipped, begins):
    zone, day = ZoneInfo(name), timedelta(days=1)

    assert clock.midnight(skipped, zone) == clock.midnight(skipped + day, zone) == at(begins)
    assert local_day(at(begins) - MICROSECOND, zone) == skipped - day
    assert clock.end_of_day(at(begins) - MICROSECOND, 0, zone) == at(begins)
    assert clock.end_of_day(at(begins) - MICROSECOND, 1, zone) == at(begins)
    assert clock.end_of_day(at(begins) - MICROSECOND, 2, zone) == at(begins) + day
    assert clock.end_of_day(at(begins), 0, zone) == at(begins) + day


@pytest.mark.parametrize(
    ("instant", "days", "end"),
    [
        ("2028-02-28T12:00", 0, "2028-02-29T00:00"),
        ("2028-02-28T12:00", 1, "2028-03-01T00:00"),
        ("2028-02-29T12:00", 365, "2029-03-01T00:00"),
        ("2026-02-28T12:00", 0, "2026-03-01T00:00"),
        ("2026-12-31T23:59:59", 0, "2027-01-01T00:00"),
        ("2099-12-31T12:00", 60, "2100-03-02T00:00"),  # 2100 is no leap year
    ],
)
def test_counts_leap_days_and_year_ends_like_a_calendar(instant, days, end):
    assert clock.end_of_day(at(instant), days, ZoneInfo("UTC")) == at(end)


@pytest.mark.parametrize(
    ("instant", "month", "year"),
    [
        ("2028-02-29T23:59:59", "2028-03-01T00:00", "2029-01-01T00:00"),
        ("2026-11-30T00:00", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("2026-12-31T23:59:59", "2027-01-01T00:00", "2027-01-01T00:00"),
        ("2027-01-01T00:00", "2027-02-01T00:00", "2028-01-01T00:00"),
    ],
)
def test_months_and_years_end_exclusively(instant, month, year):
    utc = ZoneInfo("UTC")

    assert (clock.end_of_month(at(instant), utc), clock.end_of_year(at(instant), utc)) == (at(month), at(year))


@pytest.mark.parametrize(
    ("name", "instant", "year"),
    [
        ("Etc/GMT+12", "2027-01-01T11:59:59", "2027-01-01T12:00"),  # still the old year there
        ("Pacific/Kiritimati", "2026-12-31T10:00:00", "2027-12-31T10:00"),  # the new one already
    ],
)
def test_a_year_ends_by_the_zone_and_not_by_utc(name, instant, year):
    zone = ZoneInfo(name)

    assert clock.end_of_year(at(instant), zone) == at(year)
    assert clock.end_of_month(at(instant), zone) == (at(year) if name == "Etc/GMT+12" else at("2027-01-31T10:00"))
