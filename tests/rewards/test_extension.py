"""Extension: an expired reward lives again, in its shop too; nothing is ever cut short."""

import dataclasses
from datetime import timedelta

import pytest

from loyalty.common import actors
from loyalty.events.models import Event
from platforms.sandbox.adapter import SandboxAdapter
from rewards import extension, granting, queries, usage
from rewards.extension import ExtensionRefused
from rewards.models import RedeemedReward
from tests.factories.catalogue import RewardFactory
from tests.factories.people import ConnectionFactory
from tests.factories.points import NOW
from tests.rewards.admin_rows import GRID, VIEW, row, staff, words

pytestmark = pytest.mark.django_db

STAFF = actors.staff(1)
DAY = timedelta(days=1)


@pytest.fixture
def expired(customer):
    """A code of our own whose day is over."""
    granted = granting.grant(customer_id=customer.pk, reward_id=RewardFactory(days_valid=1).pk, actor=STAFF, now=NOW)
    assert queries.status_of(redeemed=granted, now=NOW + 3 * DAY) == "expired"
    return granted


def extend(redeemed, *, days=10, now=NOW + 3 * DAY):
    return extension.extend(redeemed_reward_id=redeemed.pk, days=days, actor=STAFF, now=now)


def test_of_an_expired_reward_makes_it_usable_to_the_end_of_a_day(expired):
    done = extend(expired)

    assert done.expires_at == NOW.replace(hour=0) + 14 * DAY
    assert queries.status_of(redeemed=RedeemedReward.objects.get(), now=NOW + 3 * DAY) == "issued"
    assert usage.mark_used(redeemed_reward_id=done.pk, actor=STAFF, now=NOW + 4 * DAY).usage_status == "used"


def test_twice_on_one_day_is_told_once(expired):
    extend(expired)
    extend(expired)

    assert Event.objects.filter(kind="reward.extended").count() == 1


def test_cuts_nothing_short(expired):
    extend(expired, days=10)

    with pytest.raises(ExtensionRefused, match="never cut short"):
        extend(expired, days=9)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"usage_status": "used", "expires_at": NOW}, "was used"),
        ({"fulfillment_status": "cancelled", "expires_at": NOW}, "is canceled"),
        ({}, "never expires"),
    ],
)
def test_is_refused_where_there_is_nothing_to_extend(fields, sentence):
    with pytest.raises(ExtensionRefused, match=sentence):
        extend(row(**fields))


def test_is_refused_where_a_shop_keeps_the_last_day(monkeypatch):
    can = dataclasses.replace(SandboxAdapter.capabilities, extends=False)
    monkeypatch.setattr(SandboxAdapter, "capabilities", can)
    redeemed = row(connection=ConnectionFactory(name="Roastery"), code="A-2345", expires_at=NOW)

    with pytest.raises(ExtensionRefused, match="Roastery keeps the last day"):
        extend(redeemed)
    page = staff(VIEW, "rewards.extend_redeemedreward").get(f"{GRID}{redeemed.pk}/change/")
    assert "Extend is not possible now. Roastery keeps the last day of its codes" in words(page)
    assert RedeemedReward.objects.get().expires_at == NOW


def test_of_one_that_ended_is_refused_where_it_would_pass_the_value_outstanding(customer):
    reward = RewardFactory(days_valid=1, amount=5, liability_limit=5)
    ended, living = (
        granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=STAFF, now=now)
        for now in (NOW, NOW + 3 * DAY)
    )

    with pytest.raises(ExtensionRefused, match="limit of value outstanding"):
        extend(ended)
    assert extend(living).expires_at > living.expires_at  # it counted before, and counts no more now

    usage.mark_used(redeemed_reward_id=living.pk, actor=STAFF, now=NOW + 3 * DAY)
    assert extend(ended).expires_at > ended.expires_at


@pytest.mark.parametrize("days", [0, -1, 3_651, 10**9])
def test_by_days_that_make_no_sense_is_refused(expired, days):
    with pytest.raises(ExtensionRefused, match="choose from 1 to 3650"):
        extend(expired, days=days)


def test_page_shows_the_new_end_before_and_does_it(expired):
    client = staff(VIEW, "rewards.extend_redeemedreward")
    RedeemedReward.objects.update(expires_at=NOW - 400 * DAY)
    url = f"{GRID}{expired.pk}/act/extend/"

    shown = client.get(url)
    assert "Its end: 17 Oct 2025, 12:00 →" in words(shown)
    assert not Event.objects.filter(kind="reward.extended").exists()
    client.post(url, {"confirmed": "yes", "shown": "days=30", "days": "30"}, follow=True)

    assert Event.objects.filter(kind="reward.extended").count() == 1
