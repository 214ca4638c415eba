"""Recommending: the customer's link and what came of it; where a friend lands, and what nobody learns there."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from loyalty.customers.models import Customer
from loyalty.program.models import Referral, ReferralSettings
from loyalty.program.referrals import links
from rewards.models import RedeemedReward
from tests.factories.catalogue import RewardFactory, RewardTextFactory
from tests.factories.people import CustomerFactory

pytestmark = pytest.mark.django_db
FRIENDS = reverse("cockpit:friends")


@pytest.fixture
def rules():
    reward = RewardFactory(connection=None, type="custom", amount=None, action_url="https://shop.example/x")
    RewardTextFactory(reward=reward, language="en", name="A cup of tea")
    return ReferralSettings.objects.create(pk=1, active=True, friend_reward=reward, sender_reward=reward)


@pytest.fixture
def door(customer, rules):
    code = links.codes_of(customer_ids=[customer.pk], now=timezone.now())[customer.pk]
    return reverse("cockpit:recommended", args=[code])


def test_the_page_shows_the_link_and_what_it_brings(client, customer, rules, door):
    client.force_login(customer.user)

    page = client.get(FRIENDS).content.decode()

    assert door in page
    assert page.count("A cup of tea") == 2
    assert FRIENDS in client.get(reverse("cockpit:account")).content.decode()


def test_there_is_no_such_page_while_referrals_are_off(client, customer):
    client.force_login(customer.user)

    assert client.get(FRIENDS).status_code == 302
    assert FRIENDS not in client.get(reverse("cockpit:account")).content.decode()


def test_friends_are_named_by_half_an_address_and_a_blocked_one_reads_as_one_who_has_not_bought(client, customer, door):
    for email in ("ben@example.org", "ben+1@example.org"):
        client.post(door, {"email": email})
    Referral.objects.filter(friend__email="ben@example.org").update(state="blocked", block_reason="same_name")
    client.force_login(customer.user)

    page = client.get(FRIENDS).content.decode()

    assert page.count("b…@example.org") == 2
    assert "ben@" not in page
    assert page.count("Not bought yet") == 2


def test_a_friend_is_answered_alike_whoever_they_are(client, customer, door):
    CustomerFactory(email="known@example.org")
    answers = [
        client.post(door, {"email": email})
        for email in ("new@example.org", "known@example.org", "new@example.org", customer.email)
    ]

    said = {re.sub(r'value="[A-Za-z0-9]{64}"', "", answer.content.decode()) for answer in answers}
    assert {answer.status_code for answer in answers} == {200}
    assert len(said) == 1
    assert Referral.objects.count() == 2


def test_looking_at_the_link_changes_nothing(client, door):
    assert client.get(door).status_code == 200
    assert (Referral.objects.count(), Customer.objects.count(), RedeemedReward.objects.count()) == (0, 1, 0)


def test_an_address_that_is_none_is_refused_and_a_link_of_nobody_is_not_found(client, door):
    assert client.post(door, {"email": "ben"}).status_code == 422
    assert client.get(reverse("cockpit:recommended", args=["nobodys"])).status_code == 404


def test_one_address_may_not_try_for_ever(client, door):
    for number in range(20):
        assert client.post(door, {"email": f"friend{number}@example.org"}).status_code == 200

    assert client.post(door, {"email": "one.more@example.org"}).status_code == 429


def test_a_friend_reads_the_reward_in_the_language_of_the_page(client, rules, door):
    RewardTextFactory(reward=rules.friend_reward, language="de", name="Eine Tasse Tee")

    assert "Eine Tasse Tee" in client.get(door, headers={"accept-language": "de"}).content.decode()
    assert "A cup of tea" in client.get(door, headers={"accept-language": "en"}).content.decode()
