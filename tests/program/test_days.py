"""Birthdays, anniversaries and new members: each once, on the day as the programme's zone has it."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from loyalty.common import actors
from loyalty.customers import enrollment, profile
from loyalty.customers.models import Customer, CustomerState
from loyalty.events.models import Event
from loyalty.merchant.models import Programme
from loyalty.program.earning import days
from loyalty.program.earning.models import EarningAward
from tests.factories.earning import RuleFactory
from tests.factories.people import CustomerFactory

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _zone():
    in_zone("UTC")


def in_zone(name):
    Programme.objects.update_or_create(pk=1, defaults={"time_zone": name})


def rule(kind, **terms):
    return RuleFactory(**{"kind": kind, "points": 50, "enabled_at": LONG_AGO, **terms})


def born(*day):
    return CustomerFactory(date_of_birth=date(*day))


def awarded():
    return list(EarningAward.objects.order_by("pk").values_list("customer_id", "earned_at"))


def noon(*day):
    return datetime(*day, 12, tzinfo=UTC)


def test_a_birthday_earns_once_a_year_however_often_the_beat_runs():
    anna = born(1990, 11, 21)
    born(1990, 11, 25)
    rule("birthday")

    assert days.give_of_days(now=noon(2026, 11, 21)) == 1
    assert days.give_of_days(now=noon(2026, 11, 21)) == 0
    assert days.give_of_days(now=noon(2026, 11, 23)) == 0
    assert days.give_of_days(now=noon(2027, 11, 21)) == 1

    assert [customer for customer, _ in awarded()] == [anna.pk, anna.pk]


def test_a_birthday_moved_after_it_earned_earns_nothing_more_that_year():
    anna = born(1990, 11, 21)
    rule("birthday")
    days.give_of_days(now=noon(2026, 11, 21))
    Customer.objects.filter(pk=anna.pk).update(date_of_birth=date(1990, 12, 24))

    assert days.give_of_days(now=noon(2026, 12, 24)) == 0


def test_a_birthday_without_a_year_counts():
    born(1004, 11, 21)
    rule("birthday")

    assert days.give_of_days(now=noon(2026, 11, 21)) == 1


@pytest.mark.parametrize(
    ("today", "expected"),
    [((2028, 2, 28), 0), ((2028, 2, 29), 1), ((2027, 2, 27), 0), ((2027, 2, 28), 1), ((2027, 3, 1), 1)],
)
def test_who_was_born_on_the_29th_of_february_has_it_on_the_28th_in_other_years(today, expected):
    born(2000, 2, 29)
    rule("birthday")

    assert days.give_of_days(now=noon(*today)) == expected


def test_celebrated_on_names_that_day():
    assert days.celebrated_on(date(2000, 2, 29), 2027) == date(2027, 2, 28)
    assert days.celebrated_on(date(2000, 2, 29), 2028) == date(2028, 2, 29)
    assert days.celebrated_on(date(1004, 5, 1), 2027) == date(2027, 5, 1)


def test_a_day_that_the_beat_missed_is_made_up_and_an_older_one_is_not():
    born(1990, 11, 21)
    rule("birthday")

    assert days.give_of_days(now=noon(2026, 11, 24)) == 0
    assert days.give_of_days(now=noon(2026, 11, 23)) == 1


@pytest.mark.parametrize(
    ("zone", "day", "before", "after"),
    [
        ("Europe/Berlin", (2026, 3, 29), "2026-03-28T22:59:59", "2026-03-28T23:00:00"),  # the clock goes on that night
        ("Europe/Berlin", (2026, 10, 25), "2026-10-24T21:59:59", "2026-10-24T22:00:00"),  # and back
        ("America/Santiago", (2026, 9, 6), "2026-09-06T03:59:59", "2026-09-06T04:00:00"),  # 00:00 does not exist
        ("Pacific/Kiritimati", (2026, 6, 1), "2026-05-31T09:59:59", "2026-05-31T10:00:00"),  # UTC+14
    ],
)
def test_a_day_begins_at_midnight_of_the_programmes_zone(zone, day, before, after):
    in_zone(zone)
    born(1990, *day[1:])
    rule("birthday")

    assert days.give_of_days(now=datetime.fromisoformat(before).replace(tzinfo=UTC)) == 0
    assert days.give_of_days(now=datetime.fromisoformat(after).replace(tzinfo=UTC)) == 1
    assert awarded()[0][1].astimezone(ZoneInfo(zone)).date() == date(*day)


@pytest.mark.parametrize("state", [CustomerState.CANDIDATE, CustomerState.DISABLED])
def test_only_members_have_days(state):
    CustomerFactory(date_of_birth=date(1990, 11, 21), state=state)
    rule("birthday")

    assert days.give_of_days(now=noon(2026, 11, 21)) == 0


def test_a_rule_that_was_switched_on_later_gives_nothing_for_the_day_before():
    born(1990, 11, 21)
    rule("birthday", enabled_at=noon(2026, 11, 21))

    assert days.give_of_days(now=noon(2026, 11, 22)) == 0


def test_the_day_of_joining_comes_each_year_and_not_at_once():
    anna = CustomerFactory()
    Customer.objects.filter(pk=anna.pk).update(created_at=datetime(2024, 2, 29, 23, 30, tzinfo=UTC))
    rule("anniversary")

    assert days.give_of_days(now=noon(2024, 2, 29)) == 0
    assert days.give_of_days(now=noon(2025, 2, 28)) == 1
    assert days.give_of_days(now=noon(2028, 2, 29)) == 1
    assert days.give_of_days(now=noon(2028, 2, 29)) == 0


def joined(monkeypatch, *customers):
    """The events of these customers, as the reader would give them."""
    events = list(
        Event.objects.filter(kind__in=days.JOINED, customer_id__in=[each.pk for each in customers]).order_by("pk")
    )
    monkeypatch.setattr(days.reading, "take", lambda **given: (events, False))


def test_a_new_member_earns_once_and_a_guest_when_they_become_one(monkeypatch):
    rule("sign_up")
    now = noon(2026, 11, 21)
    anna = enrollment.enroll(email="a@example.com", now=now, actor=actors.SYSTEM)
    guest = enrollment.enroll(email="g@example.com", state="candidate", now=now, actor=actors.SYSTEM)
    joined(monkeypatch, anna, guest)
    days.give_to_members(now=now)
    days.give_to_members(now=now)
    assert [customer for customer, _ in awarded()] == [anna.pk]

    profile.update(customer_id=guest.pk, state="member", now=now + timedelta(hours=1), actor=actors.SYSTEM)
    joined(monkeypatch, anna, guest)
    days.give_to_members(now=now + timedelta(hours=1))

    assert [customer for customer, _ in awarded()] == [anna.pk, guest.pk]
