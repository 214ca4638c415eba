"""Bringing again what was given up: by a person, as often as needed, with one effect."""

import json
from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from loyalty.common import actors
from loyalty.events.models import Event
from loyalty.hooks import inbox, processing, replay
from loyalty.hooks.models import InboundWebhook, InboxState
from loyalty.points.models import PointsTransaction
from loyalty.program.models import Order
from platforms import credentials
from tests.accounts.conftest import signed_in
from tests.concurrency.races import race, succeeded
from tests.factories.people import ConnectionFactory
from tests.factories.points import NOW
from tests.fakes.misbehaving import misbehaving_server, reply, unused_port

__all__ = ["signed_in"]

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
LIST = "/admin/hooks/inboundwebhook/"


@pytest.fixture
def shop():
    sealed = credentials.seal({"token": "t", "webhook_secret": "s"})
    return ConnectionFactory(base_url=f"http://127.0.0.1:{unused_port()}", credentials=sealed)


def failed(shop, order_id="1001", **facts):
    """A webhook about an order that was tried in vain."""
    told = {"attempts": 30, "result": "Given up after 30 tries: The shop did not answer."} | facts
    return InboundWebhook.objects.create(
        connection=shop, event_id=f"e-{order_id}", topic="order.updated", subject_id=order_id, body=b"{}",
        state=InboxState.FAILED, received_at=NOW, processed_at=NOW, **told,
    )  # fmt: skip


def order_told_by(shop):
    """The shop answers again, and tells the order."""
    order = {
        "id": "1001", "number": "#1001", "status": "completed", "total": "20.00", "currency": "USD",
        "placed_at": NOW.isoformat(), "updated_at": NOW.isoformat(), "email": "jo@example.com", "codes": [],
        "refunds": [],
    }  # fmt: skip
    return misbehaving_server(reply("200 OK", json.dumps(order).encode()), reply("200 OK", json.dumps(order).encode()))


def try_again(webhook, *, now=NOW + MINUTE):
    return replay.try_again(webhook_id=webhook.pk, actor=actors.staff(7), now=now)


def test_a_failed_one_waits_again_takes_effect_and_keeps_its_history(shop):
    webhook = failed(shop)

    try_again(webhook)
    with order_told_by(shop) as server:
        shop.base_url = server.url
        shop.save()
        processing.process(webhook_id=webhook.pk, now=NOW + MINUTE)

    webhook.refresh_from_db()
    assert (webhook.state, webhook.attempts, webhook.tries) == (InboxState.PROCESSED, 31, 1)
    assert Order.objects.get().external_id == "1001"
    event = Event.objects.get(kind=replay.AGAIN)
    assert (event.subject_type, event.subject_id, event.actor_kind, event.actor_id) == (
        inbox.SUBJECT, webhook.pk, "staff", 7,
    )  # fmt: skip
    assert event.data == {"attempts": 30, "reason": "Given up after 30 tries: The shop did not answer."}


def test_one_that_fails_again_gets_as_many_tries_and_ends_with_a_second_event(shop):
    webhook = failed(shop)
    try_again(webhook)

    now = NOW + MINUTE
    while (webhook := InboundWebhook.objects.get()).state == InboxState.RECEIVED:
        now = max(now, webhook.due_at)
        processing.process(webhook_id=webhook.pk, now=now)

    assert (webhook.state, webhook.attempts, webhook.tries) == (InboxState.FAILED, 60, 30)
    assert webhook.result.startswith("Given up after 30 tries: The shop ")  # at its address, or by name: left alone
    assert Event.objects.filter(kind=processing.GAVE_UP).values_list("data__attempts", flat=True).get() == 60


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"state": InboxState.RECEIVED, "due_at": NOW}, "It is waiting already"),
        ({"state": InboxState.PROCESSED}, "It took effect already"),
        ({"subject_id": "", "body_emptied_at": NOW}, "Its body was emptied"),
    ],
)
def test_one_that_has_nothing_to_try_is_refused_and_stays_as_it_is(shop, facts, sentence):
    webhook = failed(shop)
    InboundWebhook.objects.update(**facts)
    before = InboundWebhook.objects.values().get()

    with pytest.raises(replay.NotToBeTriedAgain, match=sentence):
        try_again(webhook)

    assert InboundWebhook.objects.values().get() == before
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_staff_who_try_again_at_the_same_moment_bring_it_once(shop):
    webhook = failed(shop)

    results = race(*[partial(try_again, webhook)] * 8)

    assert len(succeeded(results)) == 1
    assert {type(each) for each in results} == {InboundWebhook, replay.NotToBeTriedAgain}
    assert Event.objects.filter(kind=replay.AGAIN).count() == 1
    assert InboundWebhook.objects.get().attempts_before == 30


def test_two_webhooks_of_one_order_brought_again_have_one_effect(shop):
    first = failed(shop)
    second = failed(shop, order_id="1001b")
    InboundWebhook.objects.filter(pk=second.pk).update(subject_id="1001")

    with order_told_by(shop) as server:
        shop.base_url = server.url
        shop.save()
        for webhook in (first, second):
            try_again(webhook)
            processing.process(webhook_id=webhook.pk, now=NOW + MINUTE)

    assert set(InboundWebhook.objects.values_list("state", flat=True)) == {InboxState.PROCESSED}
    assert Order.objects.count() == 1
    assert PointsTransaction.objects.filter(kind="earning").count() == 1


def test_a_selection_is_brought_again_row_by_row_and_says_which_were_not(shop, signed_in):
    support = signed_in("support")
    waiting, done = failed(shop), failed(shop, order_id="1002")
    InboundWebhook.objects.filter(pk=done.pk).update(state=InboxState.PROCESSED)
    chosen = {"action": "try_again", "_selected_action": [waiting.pk, done.pk], "select_across": "0"}

    shown = support.post(LIST, chosen)
    told = support.post(LIST, chosen | {"confirmed": "yes", "shown": ""}, follow=True)

    assert b"A worker tries it in a moment." in shown.content
    assert b"It took effect already." in told.content
    assert sorted(InboundWebhook.objects.values_list("state", flat=True)) == ["processed", "received"]
    assert Event.objects.get(kind=replay.AGAIN).subject_id == waiting.pk


def test_all_of_a_filter_are_brought_again(shop, signed_in):
    rows = [failed(shop, order_id=str(number)) for number in range(60)]
    chosen = {"action": "try_again", "_selected_action": [rows[0].pk], "select_across": "1"}

    signed_in("support").post(f"{LIST}?state=failed", chosen | {"confirmed": "yes", "shown": ""})

    assert InboundWebhook.objects.filter(state=InboxState.RECEIVED).count() == 60


def test_the_page_says_why_what_to_do_and_what_happened(shop, signed_in):
    webhook = failed(shop)
    manager, viewer = signed_in("manager"), signed_in("viewer")
    page = f"{LIST}{webhook.pk}/change/"

    before = manager.get(page).content.decode()
    try_again(webhook, now=timezone.now())
    after = manager.get(page).content.decode()

    assert "Given up after 30 tries: The shop did not answer." in before
    assert "Put right what the reason says, then try it again" in before
    assert "act/try-again/" in before
    assert "act/try-again/" not in viewer.get(page).content.decode()
    assert "Tried again by" in after
    assert "act/try-again/" not in after
