"""The rewards a customer has: what they may see, in words, and nothing of anybody else."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from loyalty.common import actors
from loyalty.customers.models import Customer
from rewards import delivery, queries, redemption, usage
from rewards.models import Cancellation, FulfillmentStatus, Origin, RedeemedReward, RewardCode, UsageStatus
from tests.factories.people import CustomerFactory, ShippingAddressFactory

pytestmark = pytest.mark.django_db

MINE = "/my-rewards/"


@pytest.fixture
def have(customer: Customer, gift: Any):
    """Puts a redeemed reward in any state straight into the table."""

    def make(name: str, *, owner: Customer = customer, **fields: Any) -> RedeemedReward:
        now = timezone.now()
        facts = {
            "origin": Origin.STAFF,
            "on_profile": True,
            "fulfillment_status": FulfillmentStatus.ISSUED,
            "usage_status": UsageStatus.UNUSED,
            "redeemed_at": now - timedelta(days=9),
            "issued_at": now - timedelta(days=9),
            "type": "discount_code",
            "cost_in_points": 0,
            "balance_after": 0,
            "currency": "USD",
            "actor_kind": "system",
            "updated_at": now,
        }
        return RedeemedReward.objects.create(customer=owner, reward=gift.reward, name=name, **(facts | fields))

    return make


def in_every_state(have: Any) -> None:
    now = timezone.now()
    have("It is issued")
    have("It is used", usage_status="used", used_at=now)
    have("It is expired", expires_at=now - timedelta(days=1))
    have("It is pending", fulfillment_status="pending", issued_at=None)
    have("It is failed", fulfillment_status="failed", issued_at=None, takes_place=False)
    have("It is canceled", fulfillment_status="cancelled", cancelled_at=now, takes_place=False)
    ending = have("It is canceling")
    Cancellation.objects.create(
        redeemed_reward=ending, return_points=True, actor_kind="staff", created_at=now, due_at=now
    )
    have(
        "It is an attempt",
        origin=Origin.REDEMPTION,
        on_profile=False,
        fulfillment_status="pending",
        issued_at=None,
    )


def names_on(page: str) -> set[str]:
    return {row.name for row in RedeemedReward.objects.all() if row.name in page}


def test_are_the_issued_and_used_ones(visitor, have):
    in_every_state(have)

    assert names_on(visitor.get(MINE).content.decode()) == {"It is issued", "It is used"}


def test_are_expired_among_the_past_ones(visitor, have):
    in_every_state(have)

    assert names_on(visitor.get(MINE, {"show": "past"}).content.decode()) == {"It is expired"}


def test_each_have_a_page_exactly_when_they_are_seen(visitor, have):
    in_every_state(have)

    seen = {row.name for row in RedeemedReward.objects.all() if visitor.get(f"{MINE}{row.pk}/").status_code == 200}

    assert seen == {"It is issued", "It is used", "It is expired"}


def test_of_other_people_do_not_exist(visitor, have):
    theirs = have("Not yours", owner=CustomerFactory())

    assert visitor.get(f"{MINE}{theirs.pk}/").status_code == 404
    assert "Not yours" not in visitor.get(MINE).content.decode()


@pytest.mark.parametrize("number", [0, 2**63, 10**40])
def test_with_strange_numbers_do_not_exist(visitor, number):
    assert visitor.get(f"{MINE}{number}/").status_code == 404


def test_say_how_long_they_are_good(visitor, have):
    have("Ends soon", expires_at=timezone.now() + timedelta(days=3, hours=1))

    page = visitor.get(MINE).content.decode()

    assert "Valid until" in page
    assert "days left" in page


def test_stand_in_pages_of_twenty(visitor, have):
    for number in range(21):
        have(f"Reward number {number:02}", redeemed_at=timezone.now() - timedelta(minutes=number))

    first, second = visitor.get(MINE).content.decode(), visitor.get(MINE, {"page": "2"}).content.decode()

    assert names_on(second) == {"Reward number 20"}
    assert len(names_on(first)) == 20
    assert 'href="?page=2"' in first
    assert visitor.get(MINE, {"page": "nonsense"}).status_code == 200


def test_cost_the_same_questions_however_many(visitor, have, django_assert_num_queries):
    for number in range(15):
        have(f"Reward {number}")
    visitor.get(MINE)

    with django_assert_num_queries(5):
        visitor.get(MINE, headers={"accept-language": "en"})


def test_show_the_code_only_while_it_can_be_used(visitor, customer, have):
    code = RewardCode.objects.create(code="SPRING-7KQ2M9", canonical="SPRING-7KQ2M9", created_at=timezone.now())
    row = have("With a code", code=code)
    page = f"{MINE}{row.pk}/"
    assert f'data-copy="code-{row.pk}"' in visitor.get(page).content.decode()

    RedeemedReward.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(days=1))

    assert "data-copy" not in visitor.get(page).content.decode()
    assert "data-copy" not in visitor.get(MINE, {"show": "past"}).content.decode()


def test_link_to_the_shop_and_to_nothing_else(visitor, have):
    good = have("Good", action_url="https://shop.example/sale", action_text="To the sale")
    bad = have("Bad", action_url="javascript:alert(1)", action_text="To the trick")

    assert 'href="https://shop.example/sale"' in visitor.get(f"{MINE}{good.pk}/").content.decode()
    assert "javascript:" not in visitor.get(f"{MINE}{bad.pk}/").content.decode()


def test_show_where_a_gift_is(visitor, customer, gift):
    now = timezone.now()
    ShippingAddressFactory(customer=customer)
    got = redemption.redeem(
        customer_id=customer.pk, points_product_id=gift.pk, actor=actors.customer(customer.pk), now=now
    )
    act = {"redeemed_reward_id": got.pk, "actor": actors.SYSTEM, "now": now}

    def seen() -> str:
        pages = [visitor.get(MINE).content.decode(), visitor.get(f"{MINE}{got.pk}/").content.decode()]
        badges = [
            word
            for word in ("Being prepared", "Ordered", "Shipped", "Delivered", "Delivery canceled")
            if all(f">{word}</span>" in page for page in pages)
        ]
        assert len(badges) == 1, badges
        return badges[0]

    assert seen() == "Being prepared"
    usage.mark_used(**act)
    assert seen() == "Ordered"
    delivery.ship(**act, carrier="DHL", tracking_number="JD0146", tracking_url="https://track.example/JD0146")
    assert seen() == "Shipped"
    assert 'href="https://track.example/JD0146"' in visitor.get(f"{MINE}{got.pk}/").content.decode()
    assert "On its way to you" in visitor.get(MINE).content.decode()
    delivery.deliver(**act)
    assert seen() == "Delivered"
    assert queries.status_of(redeemed=got, now=now) == queries.Status.USED


def test_say_so_when_there_are_none(visitor):
    assert "You have no rewards yet" in visitor.get(MINE).content.decode()
    assert "Nothing has expired" in visitor.get(MINE, {"show": "past"}).content.decode()


def test_an_invitation_shows_its_code_to_the_eye_and_to_the_reader_at_the_door(visitor, have):
    now = timezone.now()
    code = RewardCode.objects.create(code="GREEN-7KQ2M9XWPB", canonical="GREEN-7KQ2M9XWPB", created_at=now)
    invitation = have("Garden evening", type="event_invitation", code=code)
    other = have("$5 off", code=RewardCode.objects.create(code="FIVE", canonical="FIVE", created_at=now))

    page = visitor.get(f"{MINE}{invitation.pk}/").content.decode()

    assert '<svg class="qr" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="QR code GREEN-7KQ2M9XWPB"' in page
    assert "GREEN-7KQ2M9XWPB</code>" in page
    assert '<svg class="qr"' not in visitor.get(f"{MINE}{other.pk}/").content.decode()


def test_a_value_code_says_what_is_left_on_it(visitor, have):
    code = RewardCode.objects.create(code="TILL", canonical="TILL", created_at=timezone.now())
    redeemed = have("Value", type="value_code", amount=20, remaining="12.50", code=code)

    page = visitor.get(f"{MINE}{redeemed.pk}/").content.decode()

    assert "12.50 of 20.00 USD are left on it." in page
