"""What comes with the calendar, and with joining: birthdays, anniversaries and new members. Each once.

A day is the programme's own: it begins at midnight in its zone, whatever the clocks there do that night. Who was born
on 29 February has their birthday on the 28th in other years.
"""

import calendar
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from loyalty.common import clock
from loyalty.common.actors import SYSTEM
from loyalty.customers.models import Customer, CustomerState
from loyalty.events import reading
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import Programme
from loyalty.program.earning import awarding, mass_awarding, rules
from loyalty.program.earning.awarding import Happening
from loyalty.program.earning.facts import Terms
from loyalty.program.earning.models import OF_DAYS, EarningAward, RuleKind

DAYS_MADE_UP = 3  # a beat that was down for some days gives what it missed
READER = "earning"
JOINED = ("customer.enrolled", "customer.state_changed")
EVENTS_AT_ONCE = 500
FIRST_YEAR = 1970  # nobody joined before


def give_of_days(*, now: datetime) -> int:
    """Give what today, and a day missed lately, brings to whom; gives back how many got something.

    Exactly once a customer, rule and year, however often and beside itself it runs.
    """
    programme = merchant.programme()
    terms = rules.enabled(OF_DAYS)
    given = 0
    for day in _days(now, programme.zone) if terms else ():
        for rule in terms:
            for customer_id in _due(rule, day, programme.zone):
                given += _give(rule, customer_id, day, programme=programme, now=now)
    return given


def give_to_members(*, now: datetime) -> bool:
    """Give what becoming a member earns, to those who did since the last time; says whether there may be more.

    The reader's place moves in the same transaction, and each rule gives once to a customer whatever is read again.
    """
    with transaction.atomic():
        events, more = reading.take(reader=READER, kinds=JOINED, limit=EVENTS_AT_ONCE)
        terms = rules.enabled([RuleKind.SIGN_UP])
        joined = {event.customer_id: event.occurred_at for event in events if _became_member(event.data)}
        programme = merchant.programme()
        happenings = [
            _of(customer_id, RuleKind.SIGN_UP, at=joined[customer_id], what="sign_up")
            for customer_id in sorted(pk for pk in joined if pk is not None and terms)
        ]
        mass_awarding.award_many(happenings=happenings, terms=terms, programme=programme, actor=SYSTEM, now=now)
    return more


def celebrated_on(born: date, year: int) -> date:
    """The birthday in that year."""
    if (born.month, born.day) == (2, 29) and not calendar.isleap(year):
        return date(year, 2, 28)
    return born.replace(year=year)


def _became_member(data: dict[str, object]) -> bool:
    if "after" in data:
        return data["after"] == CustomerState.MEMBER and data.get("before") == CustomerState.CANDIDATE
    return data.get("state") == CustomerState.MEMBER


def _days(now: datetime, zone: ZoneInfo) -> Iterator[date]:
    today = now.astimezone(zone).date()
    return (today - timedelta(days=back) for back in reversed(range(DAYS_MADE_UP)))


def _due(rule: Terms, day: date, zone: ZoneInfo) -> list[int]:
    """Members whose day it is and who have nothing for it yet, by id."""
    begins = clock.midnight(day, zone)
    done = EarningAward.objects.filter(rule_id=rule.rule_id, customer_id=OuterRef("pk"), earned_at=begins)
    found = _celebrating(rule, day, zone).filter(~Exists(done), state=CustomerState.MEMBER)
    return list(found.order_by("pk").values_list("pk", flat=True))


def _celebrating(rule: Terms, day: date, zone: ZoneInfo) -> QuerySet[Customer]:
    dates = [(day.month, day.day)]
    if (day.month, day.day) == (2, 28) and not calendar.isleap(day.year):
        dates.append((2, 29))
    if rule.kind == RuleKind.BIRTHDAY:
        found = Q()
        for month, number in dates:
            found |= Q(date_of_birth__month=month, date_of_birth__day=number)
        return Customer.objects.filter(found)
    years = Q()
    for year in range(FIRST_YEAR, day.year):
        for month, number in dates:
            if (month, number) != (2, 29) or calendar.isleap(year):
                joined = date(year, month, number)
                years |= Q(
                    created_at__gte=clock.midnight(joined, zone),
                    created_at__lt=clock.midnight(joined + timedelta(days=1), zone),
                )
    return Customer.objects.filter(years)


def _give(rule: Terms, customer_id: int, day: date, *, programme: Programme, now: datetime) -> bool:
    happening = _of(customer_id, rule.kind, at=clock.midnight(day, programme.zone), what=f"{rule.kind}:{day.year}")
    outcome = awarding.award(happening=happening, terms=[rule], programme=programme, actor=SYSTEM, now=now)
    return bool(outcome.awards)


def _of(customer_id: int, kind: RuleKind, *, at: datetime, what: str) -> Happening:
    return Happening(
        customer_id=customer_id, kinds=frozenset({kind}), at=at, prefix=f"{what}:customer:{customer_id}", cause=None
    )
