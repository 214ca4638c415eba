"""Trying again at once: staff bring forward what waits for a shop or a provider, and nothing else."""

import uuid
from datetime import timedelta

import pytest

from loyalty.common import actors, queue
from loyalty.events.models import Event
from platforms.models import ShopHealth
from rewards import issuing, retrying
from rewards.models import Cancellation, CodeExtension, IssueLane, IssueWork, Payout
from rewards.retrying import NothingToRetry
from tests.factories.people import ConnectionFactory, PayoutAccountFactory
from tests.rewards.admin_rows import AT, GRID, VIEW, attempt, row, staff, words

pytestmark = pytest.mark.django_db
STAFF = actors.staff(7)
LATER = AT + timedelta(hours=3)


@pytest.fixture
def rung(monkeypatch):
    """The tasks a worker is told of, and what they are given."""
    found = []
    monkeypatch.setattr(queue, "enqueue", lambda task, **ids: found.append((task, ids)))
    return found


def pending(*, shop=None, **work):
    waiting = row(fulfillment_status="pending", connection=shop)
    IssueWork.objects.create(redeemed_reward=waiting, due_at=LATER, **work)
    return waiting


def test_a_reward_in_its_pause_is_tried_at_once_and_its_tries_begin_anew(rung):
    waiting = pending(attempts=11)
    assert issuing.take(redeemed_reward_id=waiting.pk, now=AT) is None

    retrying.retry(redeemed_reward_id=waiting.pk, actor=STAFF, now=AT)

    assert rung == [("rewards.issue", {"redeemed_reward_id": waiting.pk})]
    assert IssueWork.objects.get().attempts == 0
    assert issuing.take(redeemed_reward_id=waiting.pk, now=AT) is not None
    assert Event.objects.filter(kind="reward.retried", subject_id=waiting.pk, actor_id=7).count() == 1


def test_a_reward_of_a_shop_is_the_next_of_those_who_issue_there(rung):
    shop = ConnectionFactory()
    waiting = pending(shop=shop, connection=shop, turn=6)

    retrying.retry(redeemed_reward_id=waiting.pk, actor=STAFF, now=AT)

    assert rung == [("rewards.issue_waiting", {"connection_id": shop.pk})]
    assert IssueWork.objects.get().turn == 0


def test_says_beforehand_that_a_silent_shop_is_not_asked_at_once():
    shop = ConnectionFactory()
    waiting = pending(shop=shop)
    ShopHealth.objects.create(
        connection=shop, failures=5, failing_since=AT, opened_at=AT, ask_at=AT + timedelta(minutes=5)
    )

    effects, refusal = retrying.plan(redeemed_reward_id=waiting.pk, now=AT)

    assert refusal == ""
    assert effects[-1].startswith(f"Not at once after all: the shop “{shop.name}” has not answered since")
    assert retrying.plan(redeemed_reward_id=waiting.pk, now=AT + timedelta(minutes=5))[0] == effects[:-1]


def test_says_beforehand_until_when_a_shop_has_asked_for_time():
    waiting = pending(shop=ConnectionFactory())
    IssueLane.objects.create(connection=waiting.connection, number=1, free_at=AT + timedelta(minutes=2))

    effects, _ = retrying.plan(redeemed_reward_id=waiting.pk, now=AT)

    assert effects[-1] == "Not at once after all: the shop has asked for time until 12:02:00 UTC."


def test_a_doubt_stays_a_doubt_so_the_code_is_looked_up_before_anything_is_sent(rung):
    waiting = pending(in_doubt_since=AT - timedelta(minutes=9))

    retrying.retry(redeemed_reward_id=waiting.pk, actor=STAFF, now=AT)

    assert IssueWork.objects.get().in_doubt_since == AT - timedelta(minutes=9)


def test_what_a_worker_is_at_is_left_to_it(rung):
    waiting = pending(claim=uuid.uuid4(), claimed_until=AT + timedelta(seconds=30))

    with pytest.raises(NothingToRetry, match="being worked on this moment"):
        retrying.retry(redeemed_reward_id=waiting.pk, actor=STAFF, now=AT)

    assert rung == []
    assert IssueWork.objects.get().due_at == LATER


def test_a_claim_that_ran_out_is_taken_over(rung):
    waiting = pending(claim=uuid.uuid4(), claimed_until=AT - timedelta(seconds=1))

    retrying.retry(redeemed_reward_id=waiting.pk, actor=STAFF, now=AT)

    assert IssueWork.objects.get().due_at == AT


def test_a_cancellation_and_an_extension_that_wait_are_tried_too(rung):
    both = row()
    canceling = Cancellation.objects.create(redeemed_reward=both, return_points=True, created_at=AT, due_at=LATER)
    longer = CodeExtension.objects.create(
        redeemed_reward=both, before=AT, until=LATER, actor_kind="staff", created_at=AT, due_at=LATER
    )

    effects, refusal = retrying.plan(redeemed_reward_id=both.pk, now=AT)
    retrying.retry(redeemed_reward_id=both.pk, actor=STAFF, now=AT)

    assert (len(effects), refusal) == (2, "")
    assert rung == [
        ("rewards.cancel", {"cancellation_id": canceling.pk}),
        ("rewards.extend", {"extension_id": longer.pk}),
    ]
    canceling.refresh_from_db()
    longer.refresh_from_db()
    assert canceling.due_at == longer.due_at == AT


@pytest.mark.parametrize(
    ("make", "sentence"),
    [(row, "Nothing waits for a shop or a provider here"), (attempt, "failed for good: nobody asks about it any more")],
)
def test_what_is_decided_is_refused_with_the_reason(rung, make, sentence):
    decided = make()

    assert sentence in retrying.plan(redeemed_reward_id=decided.pk, now=AT)[1]
    with pytest.raises(NothingToRetry, match=sentence):
        retrying.retry(redeemed_reward_id=decided.pk, actor=STAFF, now=AT)


def test_staff_press_the_button_on_the_page_of_a_pending_reward(rung):
    waiting = pending()
    client = staff(VIEW, "rewards.reissue_redeemedreward")
    url = f"{GRID}{waiting.pk}/act/retry/"

    assert url in client.get(f"{GRID}{waiting.pk}/change/").content.decode()
    page = client.get(url)
    assert "The shop is asked at once to make the code" in words(page)
    answer = client.post(url, {"confirm": "1", "token": page.context.get("token", "")}, follow=True)

    assert "being tried again" in words(answer)
    assert rung == [("rewards.issue", {"redeemed_reward_id": waiting.pk})]


def test_money_on_its_way_is_asked_about_at_once_and_what_staff_pay_by_hand_is_nobodys_turn(rung):
    asked, by_hand = row(), row()
    for each, state, due in ((asked, "pending", LATER), (by_hand, "init", None)):
        Payout.objects.create(
            redeemed_reward=each,
            account=PayoutAccountFactory(),
            reference=f"rr-{each.pk}",
            amount=5,
            currency="USD",
            state=state,
            attempts=1,
            next_attempt_at=due,
            created_at=AT,
        )

    retrying.retry(redeemed_reward_id=asked.pk, actor=STAFF, now=AT)

    assert rung == [("rewards.pay", {"redeemed_reward_id": asked.pk})]
    assert Payout.objects.get(redeemed_reward=asked).next_attempt_at == AT
    with pytest.raises(NothingToRetry, match="Nothing waits"):
        retrying.retry(redeemed_reward_id=by_hand.pk, actor=STAFF, now=AT)
