"""Referrals that are judged, ended and settled at the same moment."""

import pytest

from loyalty.common.actors import SYSTEM
from loyalty.events.models import Event
from loyalty.merchant import queries as merchant
from loyalty.program.models import Order, Referral, ReferralSettings
from loyalty.program.referrals import judging, settling
from rewards.models import FulfillmentStatus, RedeemedReward, Reward
from tests.concurrency.races import in_the_midst, succeeded
from tests.factories.catalogue import CustomFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _programme(transactional_db):
    """It is there before anybody begins."""
    merchant.programme()


@pytest.fixture
def referral():
    """Somebody's friend, who bought; nobody has judged that yet."""
    ReferralSettings.objects.create(pk=1, active=True, friend_reward=CustomFactory(), sender_reward=CustomFactory())
    friend = CustomerFactory(first_name="Ben")
    Order.objects.create(
        external_id="1", number="1", customer=friend, status="completed", total=10, currency="USD",
        placed_at=NOW, changed_at=NOW, recorded_at=NOW,
    )  # fmt: skip
    return Referral.objects.create(
        sender=CustomerFactory(), friend=friend, state="pending", due_at=NOW, created_at=NOW, updated_at=NOW
    )


def alive():
    return RedeemedReward.objects.exclude(fulfillment_status=FulfillmentStatus.CANCELLED).count()


def test_what_staff_ended_while_it_was_judged_stays_ended(referral, monkeypatch):
    ended = in_the_midst(
        monkeypatch, (judging, "_first_order"), lambda: judging.cancel(referral_id=referral.pk, actor=SYSTEM, now=NOW)
    )

    judging.by_orders(friend_id=referral.friend_id, now=NOW)

    assert succeeded([ended()])
    referral.refresh_from_db()
    assert referral.state == "cancelled"
    assert list(Event.objects.filter(subject_type="referral").order_by("pk").values_list("kind", flat=True)) == [
        "referral.completed",
        "referral.cancelled",
    ]


def test_what_is_given_while_staff_end_it_is_undone_by_the_next_worker(referral, monkeypatch):
    """Also where the clock of the one who ended it is behind."""
    ended = in_the_midst(
        monkeypatch, (settling, "_give"), lambda: judging.cancel(referral_id=referral.pk, actor=SYSTEM, now=NOW)
    )

    settling.settle(referral_id=referral.pk, now=NOW)

    assert succeeded([ended()])
    assert alive() == 1
    settling.settle(referral_id=referral.pk, now=NOW)
    referral.refresh_from_db()
    assert (alive(), referral.state, referral.due_at, referral.trouble) == (0, "cancelled", None, "")


def test_of_two_workers_at_once_the_note_for_a_person_tells_what_was_done(referral, monkeypatch):
    reward = ReferralSettings.objects.get().friend_reward
    Reward.objects.filter(pk=reward.pk).update(enabled=False)

    def offered_again():
        Reward.objects.filter(pk=reward.pk).update(enabled=True)
        settling.settle(referral_id=referral.pk, now=NOW)

    other = in_the_midst(monkeypatch, (settling, "_undo"), offered_again)  # the sender's side, after the friend's

    settling.settle(referral_id=referral.pk, now=NOW)

    assert other() is None
    referral.refresh_from_db()
    assert (referral.trouble[:22], alive()) == ("The friend did not get", 0)
