"""What staff see of a value code, and how they give a part back: once, and only those who may."""

from decimal import Decimal

import pytest

from loyalty.common import actors
from rewards import granting, value_codes
from rewards.models import ValueCodeUse
from tests.factories.catalogue import ValueCodeFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW
from tests.rewards.admin_rows import GRID, VIEW, staff, words

pytestmark = pytest.mark.django_db

GIVE_BACK = "rewards.reverse_valuecodeuse"


@pytest.fixture
def held():
    return granting.grant(
        customer_id=CustomerFactory().pk, reward_id=ValueCodeFactory().pk, actor=actors.SYSTEM, now=NOW
    )


def spend(held, amount):
    return value_codes.spend(
        redeemed_reward_id=held.pk, amount=Decimal(amount), actor=actors.SYSTEM, now=NOW, order_id="till-1"
    )


def back(held, use):
    return f"{GRID}{held.pk}/value/{use.pk}/back/"


def test_page_shows_what_is_left_and_each_part(held):
    spend(held, "7.50")

    page = words(staff(VIEW).get(f"{GRID}{held.pk}/change/"))

    assert "$12.50 of $20.00 left." in page or "12.50 USD of 20.00 USD left." in page
    assert "till-1" in page
    assert "Give back" not in page


def test_part_is_given_back_after_a_confirmation_and_once(held):
    use = spend(held, "7.50")
    client = staff(VIEW, GIVE_BACK)
    assert back(held, use) in client.get(f"{GRID}{held.pk}/change/").content.decode()

    asked = client.get(back(held, use))
    assert "20.00 USD can be spent afterwards" in words(asked)
    done = client.post(back(held, use), follow=True)
    again = client.post(back(held, use), follow=True)

    assert "7.50 USD are on “Value code” again: 20.00 USD can be spent." in words(done)
    assert back(held, use) not in again.content.decode()
    assert "were given back already" in words(client.get(back(held, use), follow=True))
    assert ValueCodeUse.objects.filter(reversal_of=use).count() == 1


def test_part_is_not_given_back_by_others_nor_to_another_reward(held):
    use = spend(held, "7.50")

    assert staff(VIEW, "rewards.mark_unused").post(back(held, use)).status_code == 403
    assert staff(VIEW, GIVE_BACK).post(f"{GRID}{held.pk + 1}/value/{use.pk}/back/").status_code == 404
    assert ValueCodeUse.objects.count() == 1
