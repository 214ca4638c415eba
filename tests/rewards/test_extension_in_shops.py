"""Extension in a shop: only what the shop shows counts, and whatever it does, the reward's end is told true."""

from datetime import timedelta

import pytest
from django.utils import timezone

from loyalty.common import actors
from loyalty.events.models import Event
from rewards import cancellation, extension, granting, issuing, queries, usage
from rewards.extension import ExtensionRefused
from rewards.models import CodeEvidence, CodeExtension, RedeemedReward
from tests.concurrency.races import race
from tests.factories.catalogue import RewardFactory
from tests.rewards.admin_rows import GRID, VIEW, staff, words

pytestmark = pytest.mark.django_db(transaction=True)

STAFF = actors.staff(1)
DAY = timedelta(days=1)


@pytest.fixture
def redeemed(connection, customer):
    """A code in the shop whose last day is tomorrow."""
    reward = RewardFactory(connection=connection, days_valid=1)
    now = timezone.now()
    granted = granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=STAFF, now=now)
    issuing.work(claim=issuing.take(redeemed_reward_id=granted.pk, now=now), now=now, patience=20)
    return RedeemedReward.objects.select_related("code", "connection").get(pk=granted.pk)


def extend(redeemed, *, days=10, now=None):
    return extension.extend(redeemed_reward_id=redeemed.pk, days=days, actor=STAFF, now=now or timezone.now())


def asked():
    return CodeExtension.objects.get()


def go_on(at):
    extension.proceed(extension_id=asked().pk, now=at)


def end_in(shop, redeemed):
    (code,) = shop.codes(redeemed.code.code)
    return code["expires_at"]


def end(redeemed):
    return RedeemedReward.objects.values_list("expires_at", flat=True).get(pk=redeemed.pk)


def test_moves_the_end_there_and_reads_it_back(shop, redeemed):
    before = redeemed.expires_at

    done = extend(redeemed)

    assert done.expires_at == before + 9 * DAY
    assert end_in(shop, redeemed).startswith(f"{done.expires_at:%Y-%m-%dT%H:%M}")
    assert asked().state == "extended"
    assert list(CodeEvidence.objects.order_by("-id").values_list("kind", "alive")[:2]) == [
        ("read_back", True),
        ("extended", True),
    ]
    assert list(Event.objects.order_by("id").values_list("kind", flat=True))[-2:] == [
        "reward.extending",
        "reward.extended",
    ]


def test_brings_an_expired_code_back_to_life(shop, redeemed):
    past = timezone.now() - DAY
    RedeemedReward.objects.update(expires_at=past)
    shop.call("POST", f"/api/codes/{redeemed.code.remote_id}/extend", {"expires_at": past.isoformat()})
    assert shop.codes(redeemed.code.code)[0]["alive"] is False

    extend(redeemed)

    assert shop.codes(redeemed.code.code)[0]["alive"] is True
    assert queries.status_of(redeemed=RedeemedReward.objects.get(), now=timezone.now()) == "issued"


def test_that_the_shop_refuses_changes_nothing_and_says_why(shop, redeemed):
    shop.fault("extend", "refuse")

    with pytest.raises(ExtensionRefused, match="The shop refuses this"):
        extend(redeemed)

    assert (end(redeemed), asked().state) == (redeemed.expires_at, "refused")
    extend(redeemed)  # it may be asked anew
    assert end(redeemed) == redeemed.expires_at + 9 * DAY


@pytest.mark.parametrize("fault", ["server_error_after_accepting", "drop_after_accepting", "garbage_after_accepting"])
def test_whose_answer_was_lost_counts_as_soon_as_the_shop_shows_it(shop, redeemed, fault):
    shop.fault("extend", fault)

    assert extend(redeemed).expires_at == redeemed.expires_at + 9 * DAY
    assert asked().state == "extended"


def test_that_nobody_knows_of_stays_unknown_until_the_shop_is_asked_again(shop, redeemed):
    shop.fault("extend", "server_error_after_accepting")
    shop.fault("find", "server_error")

    assert extend(redeemed).expires_at == redeemed.expires_at
    assert asked().state == "unknown"
    assert extension.sweep(now=timezone.now()) == 0
    assert extension.sweep(now=timezone.now() + DAY) == 1
    go_on(timezone.now() + timedelta(minutes=5))

    assert (asked().state, asked().attempts) == ("extended", 2)
    assert end(redeemed) == redeemed.expires_at + 9 * DAY


def test_of_which_nothing_was_done_is_tried_again_later(shop, redeemed):
    shop.fault("extend", "throttle", seconds=30)

    extend(redeemed)

    assert (asked().state, end(redeemed)) == ("asking", redeemed.expires_at)
    assert asked().due_at - timezone.now() > timedelta(seconds=20)
    go_on(timezone.now())  # not its turn
    assert asked().attempts == 1
    go_on(timezone.now() + timedelta(minutes=1))
    assert asked().state == "extended"


def test_is_given_up_where_the_shop_was_never_reached(shop, redeemed, connection):
    connection.base_url = "http://127.0.0.1:9"
    connection.save()
    extend(redeemed)
    CodeExtension.objects.update(attempts=extension.MOST_ATTEMPTS - 1)

    go_on(timezone.now() + DAY)

    assert (asked().state, end(redeemed)) == ("refused", redeemed.expires_at)
    assert Event.objects.filter(kind="reward.extension_refused").count() == 1


def test_is_taken_over_from_a_holder_that_died_and_is_then_in_doubt(shop, redeemed):
    shop.fault("extend", "throttle")
    extend(redeemed)
    now = timezone.now() + timedelta(minutes=1)
    assert extension._take(asked().pk, now=now) is not None  # and dies
    assert extension._take(asked().pk, now=now) is None

    go_on(now + extension.LEASE)

    assert (asked().state, end(redeemed)) == ("extended", redeemed.expires_at + 9 * DAY)


def test_of_a_code_that_was_switched_off_there_is_refused(shop, redeemed):
    shop.disable_code(redeemed.code.code)

    with pytest.raises(ExtensionRefused, match="used or switched off"):
        extend(redeemed)

    assert end(redeemed) == redeemed.expires_at


@pytest.mark.parametrize("fate", ["used", "canceled"])
def test_is_overtaken_by_what_happens_meanwhile(shop, redeemed, fate):
    shop.fault("extend", "throttle")
    extend(redeemed)
    if fate == "used":
        usage.mark_used(redeemed_reward_id=redeemed.pk, actor=STAFF, now=timezone.now())
    else:
        cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=STAFF, now=timezone.now())

    go_on(timezone.now() + timedelta(minutes=1))

    assert (asked().state, end(redeemed)) == ("refused", redeemed.expires_at)
    if fate == "canceled":
        assert shop.codes(redeemed.code.code)[0]["alive"] is False


def test_asked_twice_is_one_and_another_end_waits_for_it(shop, redeemed):
    shop.fault("extend", "throttle")
    extend(redeemed)

    extend(redeemed)
    with pytest.raises(ExtensionRefused, match="is being extended already"):
        extend(redeemed, days=20)

    assert CodeExtension.objects.count() == 1


def test_from_many_sides_at_once_asks_for_one_end_and_moves_it_once(shop, redeemed):
    race(*[lambda: extend(redeemed)] * 8)

    assert CodeExtension.objects.count() == 1
    assert Event.objects.filter(kind="reward.extended").count() == 1
    assert end(redeemed) == redeemed.expires_at + 9 * DAY


def test_page_says_before_that_the_shop_is_asked_and_afterwards_what_it_said(shop, redeemed):
    RedeemedReward.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    client = staff(VIEW, "rewards.extend_redeemedreward")
    url = f"{GRID}{redeemed.pk}/act/extend/"
    shop.fault("extend", "throttle")

    assert "is asked to let its code live as long" in words(client.get(url))
    assert not CodeExtension.objects.exists()
    done = client.post(url, {"confirmed": "yes", "shown": "days=30", "days": "30"}, follow=True)

    assert "the shop has not answered yet. It is asked again by itself." in words(done)
    assert "The shop is asked again to let the code live longer" in words(done)
    assert "is being extended already" in words(done)
