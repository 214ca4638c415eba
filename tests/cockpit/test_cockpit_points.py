"""Every change of the points, in the customer's words."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from loyalty.common import actors
from loyalty.merchant import queries as merchant
from loyalty.points import adjustments
from rewards import redemption
from tests.factories.people import CustomerFactory, ShippingAddressFactory
from tests.factories.points import give

pytestmark = pytest.mark.django_db

POINTS = "/points/"


def rows_on(page: str) -> list[str]:
    rows = re.findall(r"<tr>(.*?)</tr>", page.partition("newest first</caption>")[2].partition("<tbody>")[2], re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]


def test_say_what_happened_and_how_much(visitor, customer, gift):
    now = timezone.now()
    adjustments.adjust(
        customer_id=customer.pk,
        points=-50,
        actor=actors.SYSTEM,
        now=now,
        internal_note="the customer lied",
        description="Points booked twice",
    )
    ShippingAddressFactory(customer=customer)
    redemption.redeem(customer_id=customer.pk, points_product_id=gift.pk, actor=actors.customer(customer.pk), now=now)

    page = visitor.get(POINTS).content.decode()

    rows = [re.sub(r" \w+\.? \d+, \d{4}", "", row) for row in rows_on(page)]
    assert rows == [
        "Reward redeemed “A stoneware mug” −400",
        "Points booked twice −50",
        "Points earned +1,000",
    ]
    assert "the customer lied" not in page


def lots_on(page: str) -> list[str]:
    found = [
        table.partition("<tbody>")[2] for table in re.findall(r'<table class="lots">(.*?)</table>', page, re.DOTALL)
    ]
    rows = re.findall(r"<tr>(.*?)</tr>", "".join(found), re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]


def test_show_every_lot_with_its_last_day_soonest_first_and_those_that_wait(visitor, customer):
    programme = merchant.programme()
    programme.time_zone = "Europe/Warsaw"
    programme.save()
    with time_machine.travel(datetime(2031, 3, 1, 12, tzinfo=UTC), tick=False):
        now = timezone.now()
        waits = datetime(2031, 3, 9, 23, tzinfo=UTC)  # midnight in Warsaw: from the 10th on
        give(customer, 9, now=now, expires_at=datetime(2031, 12, 31, 23, tzinfo=UTC))
        give(customer, 8, now=now, expires_at=datetime(2031, 3, 3, 23, tzinfo=UTC))
        give(customer, 7, now=now, available_at=waits, expires_at=datetime(2032, 1, 31, 23, tzinfo=UTC))
        visitor.force_login(customer.user)

        page = visitor.get(POINTS).content.decode()

    began = "Points earned March 1, 2031"
    assert lots_on(page)[:3] == [
        f"8 {began} March 3, 2031 2 days left",
        f"9 {began} Dec. 31, 2031",
        f"7 {began} Jan. 31, 2032 can be spent from March 10, 2031 on",
    ]
    assert lots_on(page)[3].endswith("never expire")
    assert "<strong>1,017</strong> active points" in page


def test_draw_the_ends_as_columns_and_the_farthest_as_one(visitor, customer):
    with time_machine.travel(datetime(2031, 3, 1, 12, tzinfo=UTC), tick=False):
        for day in range(1, 9):
            give(customer, 100, now=timezone.now(), expires_at=datetime(2031, 5, day, tzinfo=UTC))
        visitor.force_login(customer.user)

        page = visitor.get(POINTS).content.decode()

    chart = page.partition('<svg class="chart"')[2].partition("</svg>")[0]
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", chart)
    assert texts[:4] == ["100", "Apr 30", "100", "May 1"]
    assert texts[-4:] == ["300", "later", "1,000", "no end"]
    heights = [int(height) for height in re.findall(r'<rect [^>]*height="(\d+)"', chart)]
    assert heights == [10] * 5 + [29, 96]
    assert "style=" not in page
    assert len(lots_on(page)) == 9


def test_of_other_people_are_not_here(visitor, customer):
    give(CustomerFactory(), 777, now=timezone.now())

    assert "777" not in visitor.get(POINTS).content.decode()


def test_stand_in_pages_of_twenty_five(visitor, customer, django_assert_num_queries):
    for number in range(26):
        give(customer, number + 1, now=timezone.now())

    assert len(rows_on(visitor.get(POINTS).content.decode())) == 25
    assert rows_on(visitor.get(POINTS, {"page": "2"}).content.decode())[-1].endswith("+1,000")
    with django_assert_num_queries(6):
        visitor.get(POINTS, headers={"accept-language": "en"})


def test_say_so_when_nothing_happened_yet(client, signed_up):
    CustomerFactory(email="anna@example.com")
    client.force_login(signed_up())

    assert "Nothing has happened yet" in client.get(POINTS).content.decode()


def test_stand_by_the_day_they_count_from_whenever_they_were_written(visitor, customer):
    now = timezone.now()
    give(customer, 70, now=now - timedelta(days=400))

    rows = rows_on(visitor.get(POINTS).content.decode())

    assert [row.split()[-1] for row in rows] == ["+1,000", "+70"]
