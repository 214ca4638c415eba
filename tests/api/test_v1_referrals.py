"""Referrals over the wire: Smile's object, who sent whom, and what both sides get."""

from datetime import timedelta

import pytest
from django.utils import timezone

from loyalty.program.models import Referral, ReferralSettings
from loyalty.program.referrals import claiming, links, settling
from tests.factories.catalogue import RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.program.test_orders import record, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def referral():
    """Anna recommended the shop to Ben, who has not bought yet."""
    custom = {"connection": None, "type": "custom", "amount": None, "action_url": "https://shop.example/x"}
    ReferralSettings.objects.create(
        active=True, friend_reward=RewardFactory(**custom, name="Welcome"), sender_reward=RewardFactory(**custom)
    )
    sender = CustomerFactory(email="anna@example.com")
    now = timezone.now()
    code = links.codes_of(customer_ids=[sender.pk], now=now)[sender.pk]
    found = claiming.claim(code=code, email="ben@example.org", internet_address="198.51.100.7", now=now)
    settling.settle(referral_id=found.pk, now=now + timedelta(seconds=1))
    return found


def buys(referral):
    later = referral.created_at + timedelta(hours=1)
    order = told(customer_email="ben@example.org", placed_at=later, updated_at=later)
    record(ConnectionFactory(), order, now=later)
    settling.settle(referral_id=referral.pk, now=later)


def test_shows_the_friend_by_address_alone_until_they_have_bought(api, referral):
    told_first = api.get(f"/referrals/{referral.pk}").json()["referral"]
    assert told_first["receiver_customer"] is None
    assert told_first["receiver_customer_email"] == "ben@example.org"
    assert told_first["receiver_reward_fulfillment"]["name"] == "Welcome"
    assert told_first["sender_reward_fulfillment"] is None
    assert told_first["state"] == "pending"

    buys(referral)
    told_then = api.get(f"/referrals/{referral.pk}").json()["referral"]
    assert told_then["receiver_customer"]["email"] == "ben@example.org"
    assert told_then["sender_reward_fulfillment"]["fulfillment_status"] == "issued"
    assert told_then["state"] == "completed"


def test_lists_narrowed_by_sender_state_and_change(api, referral):
    def found(**query):
        return [each["id"] for each in api.get("/referrals", **query).json()["referrals"]]

    assert found() == found(sender_customer_id=referral.sender_id) == found(state="pending") == [referral.pk]
    assert found(sender_customer_id=referral.friend_id) == found(state="blocked") == []
    assert found(updated_at_min="2999-01-01T00:00:00Z") == []


def test_takes_the_same_queries_however_many_there_are(api, referral, django_assert_max_num_queries):
    for number in range(3):
        Referral.objects.create(
            sender=referral.sender,
            friend=CustomerFactory(),
            state="pending",
            created_at=referral.created_at,
            updated_at=referral.created_at,
        )
        with django_assert_max_num_queries(14):
            assert len(api.get("/referrals").json()["referrals"]) == number + 2


def test_tells_what_both_sides_get_and_whether_it_is_on(api, referral):
    told_on = api.get("/referral_settings").json()["referral_settings"]
    assert (told_on["status"], told_on["receiver_reward"]["name"]) == ("active", "Welcome")

    ReferralSettings.objects.all().delete()
    assert api.get("/referral_settings").json()["referral_settings"] == {
        "status": "inactive", "sender_reward": None, "receiver_reward": None,
    }  # fmt: skip


def test_a_customer_carries_the_link_while_referrals_are_on(api, referral):
    path = f"/customers/{referral.sender_id}"
    assert "/r/" in api.get(path).json()["customer"]["referral_url"]

    ReferralSettings.objects.update(active=False)
    assert api.get(path).json()["customer"]["referral_url"] == ""
