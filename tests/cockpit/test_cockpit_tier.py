"""The tier on the home page."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests.factories.tiers import judge, switch_on, tier

pytestmark = pytest.mark.django_db(transaction=True)  # events are read once they are committed

SPOKEN = {"accept-language": "en"}


def words(answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def test_says_the_tier_what_is_missing_until_when_and_what_it_brings(visitor, customer):
    now = timezone.now()
    tier("Silver", 900, now=now, perks=["Free coffee"])
    tier("Gold", 1600, now=now)
    switch_on(now=now)
    judge(customer, now=now)

    visitor.get(reverse("cockpit:home"), headers=SPOKEN)
    with CaptureQueriesContext(connection) as asked:
        page = words(visitor.get(reverse("cockpit:home"), headers=SPOKEN))

    assert "Your status Silver" in page
    assert f"1,000 of 1,600 points to Gold, by Dec. 31, {now.year}" in page
    assert f"Silver lasts until Dec. 31, {now.year + 1}." in page
    assert "Free coffee" in page
    assert len(asked) <= 6


def test_money_is_written_as_money(visitor, customer):
    now = timezone.now()
    tier("Silver", "120.50", now=now)
    switch_on(now=now, basis="amount_spent", period="lifetime")
    judge(customer, now=now)

    page = words(visitor.get(reverse("cockpit:home"), headers=SPOKEN))

    assert "Your status No tier yet" in page
    assert "$0 of $120.50 to Silver" in page.replace("$0.00", "$0")


def test_says_nothing_of_tiers_that_are_off(visitor):
    tier("Silver", 100, now=timezone.now())

    assert "Your status" not in words(visitor.get(reverse("cockpit:home"), headers=SPOKEN))


def test_who_has_reached_a_tier_and_is_not_judged_yet_is_told_so(visitor, customer):
    now = timezone.now()
    tier("Seedling", 0, now=now)
    switch_on(now=now)

    page = words(visitor.get(reverse("cockpit:home"), headers=SPOKEN))

    assert "You have reached Seedling: it is yours in a moment." in page
    assert " of 0 points" not in page
