"""Every change of the points, in the customer's words."""

import re

import pytest
from django.utils import timezone

from loyalty.common import actors
from loyalty.points import adjustments
from rewards import redemption
from tests.factories.people import CustomerFactory, ShippingAddressFactory
from tests.factories.points import give

pytestmark = pytest.mark.django_db

POINTS = "/points/"


def rows_on(page: str) -> list[str]:
    rows = re.findall(r"<tr>(.*?)</tr>", page.partition("<tbody>")[2], re.DOTALL)
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


def test_of_other_people_are_not_here(visitor, customer):
    give(CustomerFactory(), 777, now=timezone.now())

    assert "777" not in visitor.get(POINTS).content.decode()


def test_stand_in_pages_of_twenty_five(visitor, customer, django_assert_num_queries):
    for number in range(26):
        give(customer, number + 1, now=timezone.now())

    assert len(rows_on(visitor.get(POINTS).content.decode())) == 25
    assert rows_on(visitor.get(POINTS, {"page": "2"}).content.decode())[-1].endswith("+1,000")
    with django_assert_num_queries(8):
        visitor.get(POINTS)


def test_say_so_when_nothing_happened_yet(client, signed_up):
    CustomerFactory(email="anna@example.com")
    client.force_login(signed_up())

    assert "Nothing has happened yet" in client.get(POINTS).content.decode()
