"""Earning: every setting of the programme changes what a new lot promises, to the second, in the programme's zone."""

from datetime import UTC, datetime, timedelta

import pytest

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.merchant.models import ExpiryMode, Programme
from loyalty.points import earning, expiry, queries
from loyalty.points.models import PointsAccount, PointsLot, PointsTransaction, TransactionKind

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def programme(**settings):
    return Programme.objects.update_or_create(pk=1, defaults=settings)[0]


def earn(customer, *, when, points=100):
    earning.earn(
        customer_id=customer.pk, points=points, cause=Cause(CauseType.ORDER, 1), actor=SYSTEM,
        programme=Programme.objects.get(), earned_at=when, now=when, idempotency_key=f"order {when.isoformat()}",
    )  # fmt: skip
    return PointsLot.objects.latest("id")


def balance(customer, now):
    found = queries.balance(customer_id=customer.pk, now=now)
    return found.balance, found.pending


# Midnight between 24 and 25 March in Warsaw is at 23:00 UTC; in the zones of the edges of the world, at noon and at ten.
MIDNIGHTS = [
    ("Europe/Warsaw", "2026-03-24T23:00"),
    ("Etc/GMT+12", "2026-03-25T12:00"),
    ("Pacific/Kiritimati", "2026-03-24T10:00"),
]


@pytest.mark.parametrize(("zone", "midnight"), MIDNIGHTS)
@pytest.mark.parametrize(
    ("settings", "last_days"),
    [  # the last good day of what is earned a second before and a second after that midnight
        ({"expiry_mode": ExpiryMode.NEVER}, (None, None)),
        ({"expiry_mode": ExpiryMode.DAYS, "expiry_days": 1}, ("2026-03-25", "2026-03-26")),
        ({"expiry_mode": ExpiryMode.DAYS, "expiry_days": 365}, ("2027-03-24", "2027-03-25")),
        ({"expiry_mode": ExpiryMode.MONTH_END}, ("2026-03-31", "2026-03-31")),
        ({"expiry_mode": ExpiryMode.YEAR_END}, ("2026-12-31", "2026-12-31")),
        ({"expiry_mode": ExpiryMode.IDLE, "expiry_days": 2}, ("2026-03-26", "2026-03-27")),
    ],
)
def test_each_mode_ends_points_with_a_day_of_the_programmes_zone(customer, zone, midnight, settings, last_days):
    zone = programme(time_zone=zone, **settings).zone

    for instant, last_day in zip((at(midnight) - SECOND, at(midnight) + SECOND), last_days, strict=True):
        lot = earn(customer, when=instant)
        if last_day is None:
            assert lot.expires_at is None
            continue
        last = (lot.expires_at - MICROSECOND).astimezone(zone)
        assert (last.date().isoformat(), f"{last:%H:%M:%S.%f}") == (last_day, "23:59:59.999999")


@pytest.mark.parametrize(
    ("mode", "instant", "end"),
    [
        (ExpiryMode.MONTH_END, "2026-03-31T21:59:59", "2026-03-31T22:00"),  # Warsaw, summer time
        (ExpiryMode.MONTH_END, "2026-03-31T22:00:01", "2026-04-30T22:00"),
        (ExpiryMode.YEAR_END, "2026-12-31T22:59:59", "2026-12-31T23:00"),
        (ExpiryMode.YEAR_END, "2026-12-31T23:00:01", "2027-12-31T23:00"),
        (ExpiryMode.DAYS, "2026-03-28T22:59:59", "2026-03-29T22:00"),  # into the day of 23 hours
        (ExpiryMode.DAYS, "2026-10-23T22:00:01", "2026-10-25T23:00"),  # into the day of 25
    ],
)
def test_a_second_around_midnight_decides_about_a_month_a_year_and_a_day(customer, mode, instant, end):
    programme(time_zone="Europe/Warsaw", expiry_mode=mode, expiry_days=1)

    lot = earn(customer, when=at(instant))

    assert lot.expires_at == at(end)
    assert balance(customer, at(end) - MICROSECOND) == (100, 0)
    assert balance(customer, at(end)) == (0, 0)


def test_the_mode_is_read_each_time_so_that_a_change_flips_what_new_points_promise(customer):
    when, ends = at("2026-03-25T12:00"), []

    for mode in (ExpiryMode.NEVER, ExpiryMode.DAYS, ExpiryMode.MONTH_END, ExpiryMode.YEAR_END, ExpiryMode.IDLE):
        programme(expiry_mode=mode, expiry_days=10)
        when += SECOND
        earn(customer, when=when)
        lot = PointsLot.objects.latest("id")
        ends.append((lot.expires_at, lot.idle_days))

    assert ends == [
        (None, None),
        (at("2026-04-05T00:00"), None),
        (at("2026-04-01T00:00"), None),
        (at("2027-01-01T00:00"), None),
        (at("2026-04-05T00:00"), 10),
    ]


def test_points_never_expire_without_a_mode_however_long_the_sweep_looks(customer):
    programme(expiry_mode=ExpiryMode.NEVER, expiry_days=1)
    earn(customer, when=at("2026-03-25T12:00"))

    expiry.settle_due(now=at("2126-03-25T12:00"))

    assert balance(customer, at("2126-03-25T12:00")) == (100, 0)


@pytest.mark.parametrize(("zone", "midnight"), MIDNIGHTS)
def test_pending_points_are_active_from_the_midnight_that_begins_their_day(customer, zone, midnight):
    programme(time_zone=zone, pending_days=2)
    edge, day = at(midnight), timedelta(days=1)

    earn(customer, when=edge - SECOND, points=1)
    earn(customer, when=edge + SECOND, points=10)

    assert balance(customer, edge + day - MICROSECOND) == (0, 11)
    assert balance(customer, edge + day) == (1, 10)
    assert balance(customer, edge + 2 * day - MICROSECOND) == (1, 10)
    assert balance(customer, edge + 2 * day) == (11, 0)


def test_points_are_active_at_once_without_a_waiting_time(customer):
    programme(pending_days=0)
    when = at("2026-03-25T12:00")

    assert earn(customer, when=when).available_at == when
    assert balance(customer, when) == (100, 0)


def test_the_days_until_expiry_count_from_when_points_can_be_spent(customer):
    programme(pending_days=14, expiry_mode=ExpiryMode.DAYS, expiry_days=30)

    lot = earn(customer, when=at("2026-03-01T12:00"))

    assert lot.available_at == at("2026-03-15T00:00")
    assert lot.expires_at == at("2026-04-15T00:00")


def test_pending_over_the_year_end_expires_with_the_next_year(customer):
    programme(pending_days=5, expiry_mode=ExpiryMode.YEAR_END)

    assert earn(customer, when=at("2026-12-30T12:00")).expires_at == at("2028-01-01T00:00")


@pytest.mark.parametrize(
    ("zone", "earned", "available", "expires"),
    [
        # 00:00 of 28 April 2023 does not exist in Cairo: the day begins at 01:00 summer time.
        ("Africa/Cairo", "2023-04-26T12:00", "2023-04-27T22:00", "2023-04-29T21:00"),
        # The clock of Sao Paulo went from 24:00 back to 23:00: 17 February 2018 took 25 hours.
        ("America/Sao_Paulo", "2018-02-14T12:00", "2018-02-16T02:00", "2018-02-18T03:00"),
        # Apia went from the 29th to the 31st of December 2011: the skipped day counts, and takes no time.
        ("Pacific/Apia", "2011-12-27T12:00", "2011-12-29T10:00", "2011-12-30T10:00"),
    ],
)
def test_works_where_the_calendar_does_not(zone, earned, available, expires):
    found = programme(time_zone=zone, pending_days=2, expiry_mode=ExpiryMode.DAYS, expiry_days=1)

    lot = earning.new_lot(programme=found, points=1, earned_at=at(earned))

    assert (lot.available_at, lot.expires_at) == (at(available), at(expires))


def test_points_that_came_too_late_to_be_worth_anything_expire_at_once(customer):
    """Peers import old orders with a balance that vanishes at the next midnight; here the ledger says so at once."""
    programme(expiry_mode=ExpiryMode.DAYS, expiry_days=10)

    earning.earn(
        customer_id=customer.pk, points=100, cause=Cause(CauseType.ORDER, 1), actor=SYSTEM,
        programme=Programme.objects.get(), earned_at=at("2026-01-01T12:00"), now=at("2026-03-01T12:00"),
        idempotency_key="old order",
    )  # fmt: skip

    assert balance(customer, at("2026-03-01T12:00")) == (0, 0)
    assert list(PointsTransaction.objects.order_by("id").values_list("kind", "effective_at")) == [
        (TransactionKind.EARNING, at("2026-01-01T12:00")),
        (TransactionKind.EXPIRY, at("2026-01-12T00:00")),
    ]


def test_all_dates_stand_in_the_schedule_and_not_the_next_alone(customer):
    programme(expiry_mode=ExpiryMode.DAYS, expiry_days=10)
    for day in (1, 2, 3):
        earn(customer, when=at(f"2026-03-0{day}T12:00"), points=day)

    schedule = queries.expiring(customer_id=customer.pk, now=at("2026-03-03T12:00"))

    assert [(group.expires_at, group.points) for group in schedule] == [
        (at("2026-03-12T00:00"), 1),
        (at("2026-03-13T00:00"), 2),
        (at("2026-03-14T00:00"), 3),
    ]


def test_the_same_key_earns_once_whatever_the_programme_says_by_then(customer):
    programme(expiry_mode=ExpiryMode.DAYS, expiry_days=10)
    first = earn(customer, when=at("2026-03-25T12:00"))
    programme(expiry_mode=ExpiryMode.NEVER)

    earn(customer, when=at("2026-03-25T12:00"), points=999)

    assert PointsLot.objects.get() == first
    assert PointsLot.objects.get().expires_at == at("2026-04-05T00:00")
    assert PointsAccount.objects.get().balance == 100
