"""Occasions: what happened calls for mails, each once, and acts know nothing of it."""

from datetime import timedelta

import pytest

from loyalty.common import actors
from loyalty.common.actors import SYSTEM
from loyalty.events import log
from loyalty.events.models import Event, EventReader
from loyalty.messages import occasions
from loyalty.messages.models import Mail
from rewards import delivery, expiry, extension, usage
from tests.concurrency.races import race
from tests.factories.catalogue import GiftFactory, RewardFactory
from tests.fakes.events import settle
from tests.messages.conftest import NOW, OFFICE

pytestmark = pytest.mark.django_db(transaction=True)
STAFF = actors.staff(1)


def tell(kind: str, subject_id: int, *, subject_type: str = "redeemed_reward", customer_id=None, now=NOW, **data):
    log.record(
        kind=kind, subject_type=subject_type, subject_id=subject_id, customer_id=customer_id, actor=SYSTEM, now=now,
        **data,
    )  # fmt: skip


def test_a_redeemed_reward_is_confirmed_to_its_customer(redeemed, anna, read):
    redeemed()

    assert read() == [("redeemed", f"customer:{anna.pk}")]


def test_a_reward_that_was_given_is_told_as_ready(granted, anna, read):
    granted()

    assert read() == [("ready", f"customer:{anna.pk}")]


def test_a_gift_is_told_to_the_customer_and_to_each_address_of_the_back_office(redeemed, programme, anna, read):
    programme.office_emails = [OFFICE, "packing@example.com"]
    programme.save()

    redeemed(GiftFactory())

    assert read() == [
        ("gift_redeemed", OFFICE),
        ("gift_redeemed", "packing@example.com"),
        ("redeemed", f"customer:{anna.pk}"),
    ]


def test_without_a_back_office_the_outbox_says_why_nobody_was_told(redeemed, programme, read):
    programme.office_emails = []
    programme.save()
    redeemed(GiftFactory())

    read()

    skipped = Mail.objects.get(kind="gift_redeemed")
    assert (skipped.state, skipped.reason) == ("skipped", occasions.NO_OFFICE)


def test_a_gift_that_is_shipped_again_is_told_again(redeemed, anna, read):
    gift = redeemed(GiftFactory())
    usage.mark_used(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW)
    for _ in range(2):
        delivery.ship(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW, carrier="DHL")
        delivery.ship(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW, carrier="DHL")
        delivery.came_back(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW)
        delivery.order_again(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW)

    assert read().count(("shipped", f"customer:{anna.pk}")) == 2


def test_an_end_that_is_near_is_told_once_and_anew_after_an_extension(granted, anna, read):
    reward = granted(RewardFactory(days_valid=5))
    for days in (2, 3):
        expiry.sweep(now=NOW + timedelta(days=days))
    assert read().count(("expiring", f"customer:{anna.pk}")) == 1

    extension.extend(redeemed_reward_id=reward.pk, days=6, actor=STAFF, now=NOW + timedelta(days=6))
    expiry.sweep(now=NOW + timedelta(days=7))

    assert read().count(("expiring", f"customer:{anna.pk}")) == 2


def test_the_end_itself_is_told_to_nobody(granted, anna, read):
    reward = granted(RewardFactory(days_valid=5))
    before = read()

    tell("reward.expired", reward.pk, customer_id=anna.pk)

    assert read() == before


@pytest.mark.parametrize("kind", occasions.ALERTS)
def test_what_went_wrong_is_told_to_the_back_office_each_time(kind, granted, anna, read):
    reward = granted()
    tell(kind, reward.pk, customer_id=anna.pk)
    tell(kind, reward.pk, customer_id=anna.pk)

    assert read().count(("alert", OFFICE)) == 2


def test_a_pool_that_runs_low_is_told_to_the_back_office(programme, read):
    tell("pool.low", RewardFactory().pk, subject_type="reward", free=3, warn_below=10)

    assert read() == [("codes_low", OFFICE)]


def test_events_read_twice_make_each_mail_once(redeemed, read):
    redeemed(GiftFactory())
    first = read()

    EventReader.objects.all().delete()

    assert read() == first
    assert Mail.objects.count() == 2


def test_readers_at_the_same_moment_make_each_mail_once(redeemed, read):
    for _ in range(5):
        redeemed(GiftFactory())
    settle()

    results = race(*[lambda: occasions.read(now=NOW)] * 4)

    assert all(isinstance(result, bool) for result in results)
    assert Mail.objects.count() == 10


def test_a_mail_and_the_place_of_the_reader_are_written_together(redeemed, read, monkeypatch):
    redeemed()
    settle()
    with monkeypatch.context() as broken:
        broken.setattr(occasions.outbox, "put", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            occasions.read(now=NOW)
    assert not Mail.objects.exists()

    assert len(read()) == 1


def test_what_happened_days_ago_is_not_sent_any_more_and_says_so(granted, read):
    granted()
    settle()

    occasions.read(now=NOW + timedelta(days=4))

    mail = Mail.objects.get()
    assert (mail.state, mail.reason) == ("skipped", occasions.LATE)


def test_events_hold_no_word_of_mails(redeemed, read):
    redeemed(GiftFactory())
    read()

    assert not Event.objects.filter(kind__startswith="mail").exists()
