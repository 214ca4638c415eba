"""Processing: what waits in the inbox takes effect once, poison comes to an end, and a poll holds up nothing."""

import hashlib
import hmac
import json
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loyalty.common import actors, queue
from loyalty.common.clock import Stopwatch
from loyalty.hooks import inbox, processing
from loyalty.hooks.inbox import Letter
from loyalty.hooks.models import InboundWebhook, InboxState
from loyalty.program import orders
from loyalty.program.models import Order
from platforms import credentials
from platforms.adapter import WebhookMessage
from rewards import claim, issuing
from rewards.models import Origin, RedeemedReward, UsageStatus
from tests.concurrency.races import race
from tests.factories.catalogue import RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import NOW
from tests.fakes.misbehaving import misbehaving_server, reply, unused_port

pytestmark = pytest.mark.django_db

SECRET = "a webhook secret"
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def shop():
    sealed = credentials.seal({"token": "t", "webhook_secret": SECRET})
    return ConnectionFactory(base_url=f"http://127.0.0.1:{unused_port()}", credentials=sealed)


def told(**changes):
    order = {
        "id": "1001", "number": "#1001", "status": "completed", "total": "20.00", "currency": "USD",
        "placed_at": NOW.isoformat(), "updated_at": NOW.isoformat(), "email": "jo@example.com", "codes": [],
        "refunds": [],
    }  # fmt: skip
    return order | changes


def store(shop, body, headers, *, order_id):
    message = WebhookMessage(event_id="event-1", topic="order.updated", occurred_at=NOW, order_external_id=order_id)
    letter = Letter(connection_id=shop.pk, message=message, headers=headers, body=body)
    [kept] = inbox.store([letter], now=NOW)
    return InboundWebhook.objects.get(pk=kept)


def received(shop, **order):
    """A webhook of the sandbox shop in the inbox."""
    data = {"event_id": "event-1", "topic": "order.updated", "occurred_at": NOW.isoformat(), "order": told(**order)}
    body, stamp = json.dumps(data).encode(), str(int(NOW.timestamp()))
    digest = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    headers = {"x-sandbox-timestamp": stamp, "x-sandbox-signature": f"v1={digest}"}
    return store(shop, body, headers, order_id=data["order"]["id"])


def hint(base_url):
    """A webhook in the inbox that only names an order, of a shop at this address."""
    sealed = credentials.seal({"api_key": "k", "webhook_secret": SECRET})
    shop = ConnectionFactory(platform="vendure", base_url=base_url, credentials=sealed)
    body = json.dumps({"id": "e", "type": "order.placed", "created": NOW.isoformat(), "order": {"id": "7"}}).encode()
    stamp = str(int(NOW.timestamp()))
    digest = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return store(shop, body, {"x-vendure-signature": f"t={stamp},v1={digest}"}, order_id="7")


def pending(shop):
    """A reward that is still being generated."""
    return claim.save(
        customer=CustomerFactory(), reward=RewardFactory(connection=shop), product=None, origin=Origin.STAFF,
        actor=actors.SYSTEM, now=NOW, cost=0, balance_after=0, idempotency_key=None,
    )  # fmt: skip


def carrying(redeemed):
    return [{"code": redeemed.code.code, "id": "c1", "discount": "1.00"}]


def process(webhook, *, now):
    processing.process(webhook_id=webhook.pk, now=now)
    webhook.refresh_from_db()
    return webhook


def test_a_sweep_rings_for_what_is_due_until_it_is_taken(shop):
    webhook = received(shop)

    assert processing.sweep(now=NOW - SECOND) == 0
    assert processing.sweep(now=NOW) == 1
    assert processing.sweep(now=NOW + SECOND) == 1
    process(webhook, now=NOW + 2 * SECOND)

    assert webhook.state == InboxState.PROCESSED
    assert processing.sweep(now=NOW + MINUTE) == 0


def test_a_worker_whose_clock_is_a_little_behind_the_doors_takes_it_all_the_same(shop):
    assert process(received(shop), now=NOW - SECOND).state == InboxState.PROCESSED


def test_a_sweep_finds_what_a_killed_worker_left(shop):
    webhook = received(shop)
    InboundWebhook.objects.update(attempts=1, due_at=NOW + processing.LEASE)

    assert processing.sweep(now=NOW + processing.LEASE) == 1
    process(webhook, now=NOW + processing.LEASE)

    assert webhook.state == InboxState.PROCESSED
    assert Order.objects.count() == 1


def test_many_rings_for_one_webhook_are_one_try():
    webhook = hint(f"http://127.0.0.1:{unused_port()}")

    for _ in range(20):
        process(webhook, now=NOW)

    assert (webhook.attempts, webhook.state) == (1, InboxState.RECEIVED)
    assert "could not be asked" in webhook.result


def test_the_pauses_grow_while_the_shop_does_not_tell_the_order_and_staff_read_the_end():
    webhook = hint(f"http://127.0.0.1:{unused_port()}")
    now, pauses = NOW, []

    while webhook.state == InboxState.RECEIVED:
        began = now
        process(webhook, now=began)
        if webhook.due_at is not None:
            pauses.append(round((webhook.due_at - began).total_seconds()))
            now = webhook.due_at

    assert pauses[:3] == [10, 20, 40]
    assert max(pauses) == 3600
    assert now - NOW > timedelta(hours=20)
    assert webhook.state == InboxState.FAILED
    assert webhook.result.startswith(
        f"Given up after {processing.MOST_ATTEMPTS} tries: The shop “{webhook.connection.name}” has not"
    )


def test_the_shop_says_when_to_ask_again():
    with misbehaving_server(reply("429 Too Many Requests", b"", "Retry-After: 900")) as server:
        webhook = process(hint(server.url), now=NOW)

    assert 900 <= (webhook.due_at - NOW).total_seconds() < 910


def test_a_webhook_that_breaks_the_worker_each_time_ends_and_holds_up_no_other(shop, monkeypatch):
    webhook = received(shop)

    def crash(**_):
        raise ZeroDivisionError

    monkeypatch.setattr(orders, "record", crash)
    now = NOW
    for _ in range(processing.MOST_ATTEMPTS):
        with pytest.raises(ZeroDivisionError):
            process(webhook, now=now)
        assert processing.sweep(now=now + SECOND) == 0
        now += processing.LEASE

    process(webhook, now=now)

    assert (webhook.state, webhook.due_at) == (InboxState.FAILED, None)
    assert "the worker broke off each time" in webhook.result


def test_credentials_that_cannot_be_read_now_are_no_end(shop):
    webhook = received(shop)
    sealed = shop.credentials
    shop.credentials = "sealed with a key that is gone"
    shop.save()

    assert process(webhook, now=NOW).state == InboxState.RECEIVED
    shop.credentials = sealed
    shop.save()

    assert process(webhook, now=NOW + MINUTE).state == InboxState.PROCESSED


def test_what_was_verified_at_the_door_is_asked_about_when_its_secret_is_gone_by_now(shop):
    webhook = received(shop)
    with misbehaving_server(reply("200 OK", json.dumps(told(total="30.00")).encode())) as server:
        shop.base_url = server.url
        shop.credentials = credentials.seal({"token": "t", "webhook_secret": "another"})
        shop.save()

        process(webhook, now=NOW)

    assert webhook.result == "Order #1001: completed, no code."
    assert Order.objects.get().total == 30


def test_one_kept_by_an_earlier_release_is_read_as_it_was_then(shop):
    webhook = received(shop)
    InboundWebhook.objects.update(subject_id=None)

    assert process(webhook, now=NOW).state == InboxState.PROCESSED
    assert Order.objects.get().external_id == "1001"


@pytest.mark.parametrize("late", ["fails", "succeeds"])
def test_a_worker_that_lost_its_claim_does_not_overwrite_what_the_next_one_wrote(shop, monkeypatch, late):
    webhook = received(shop)
    record = orders.record

    def slowly(**given):
        """While the first is at it, its lease ends and another does the same work."""
        monkeypatch.setattr(orders, "record", record)
        processing.process(webhook_id=webhook.pk, now=NOW + processing.LEASE)
        if late == "fails":
            raise orders.OrderUnusable("Too late.")
        return record(**given)

    monkeypatch.setattr(orders, "record", slowly)
    process(webhook, now=NOW)

    assert (webhook.state, webhook.attempts) == (InboxState.PROCESSED, 2)
    assert (webhook.processed_at - NOW).total_seconds() >= processing.LEASE.total_seconds()


def test_an_order_that_cannot_be_kept_ends_with_the_reason(shop):
    webhook = process(received(shop, total="99999999999.00"), now=NOW)

    assert webhook.state == InboxState.FAILED
    assert webhook.result == "Order #1001: an amount is negative or too large. Look at it in the shop."


def test_an_order_that_came_before_its_reward_was_ready_uses_it_later(shop):
    redeemed = pending(shop)
    webhook = process(received(shop, codes=carrying(redeemed)), now=NOW)
    assert (webhook.state, webhook.result) == (InboxState.RECEIVED, "A reward on this order is still being generated.")

    issuing.record_issued(redeemed=redeemed, now=NOW)
    process(webhook, now=NOW + MINUTE)

    assert webhook.state == InboxState.PROCESSED
    assert RedeemedReward.objects.get().usage_status == UsageStatus.USED


def several(shop, count):
    """Webhooks that name no order, the last one due first."""
    for number in range(count):
        message = WebhookMessage(event_id=f"e-{number}", topic="app/uninstalled", occurred_at=NOW)
        letter = Letter(connection_id=shop.pk, message=message, headers={}, body=b"{}")
        inbox.store([letter], now=NOW - number * SECOND)


def test_a_sweep_rings_for_a_batch_of_those_that_are_due(shop, monkeypatch):
    rung = []
    monkeypatch.setattr(queue, "enqueue", lambda task, **ids: rung.append(task))
    several(shop, processing.BATCH + 1)

    assert processing.sweep(now=NOW) == processing.BATCH + 1
    assert rung == ["hooks.drain"] * 2


def test_a_batch_brings_those_that_have_been_due_longest_and_ends(shop):
    several(shop, 5)

    assert processing.drain(now=NOW, limit=3) == 3

    left = InboundWebhook.objects.filter(state=InboxState.RECEIVED).order_by("pk")
    assert list(left.values_list("event_id", flat=True)) == ["e-0", "e-1"]
    assert processing.drain(now=NOW) == 2
    assert processing.drain(now=NOW) == 0


def test_a_batch_begins_no_more_once_its_time_is_over(shop):
    several(shop, 3)

    assert processing.drain(now=NOW, patience=0.0) == 0
    assert InboundWebhook.objects.filter(attempts=0).count() == 3


def test_what_a_batch_has_no_time_for_is_left_untried(shop, monkeypatch):
    several(shop, 5)
    now = iter([NOW, *[NOW + 30 * SECOND] * 20])
    monkeypatch.setattr(Stopwatch, "now", property(lambda self: next(now)))

    assert processing.drain(now=NOW) == 1

    waiting = InboundWebhook.objects.filter(state=InboxState.RECEIVED)
    assert set(waiting.values_list("attempts", "due_at")) == {(0, NOW + 30 * SECOND)}
    assert waiting.count() == 4


def test_one_that_breaks_the_worker_takes_no_other_of_its_batch_with_it(shop, monkeypatch):
    received(shop)
    several(shop, 3)
    monkeypatch.setattr(orders, "record", lambda **_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        processing.drain(now=NOW)
    processing.drain(now=NOW + SECOND)

    assert set(InboundWebhook.objects.values_list("attempts", flat=True)) == {1}
    assert InboundWebhook.objects.get(state=InboxState.RECEIVED).event_id == "event-1"


def test_one_that_was_tried_before_is_claimed_alone(shop):
    several(shop, 4)
    InboundWebhook.objects.filter(event_id="e-3").update(attempts=1)  # due longest

    with CaptureQueriesContext(connection) as queries:
        assert processing.drain(now=NOW) == 4

    claims = [query for query in queries if 'attempts" + 1' in query["sql"]]
    assert len(claims) == 2


def test_a_batch_leaves_the_session_as_it_was(shop):
    several(shop, 1)

    processing.drain(now=NOW)

    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)


@pytest.mark.django_db(transaction=True)
def test_batches_beside_each_other_take_none_twice(shop):
    several(shop, 24)

    results = race(*[partial(processing.drain, now=NOW)] * 6)

    assert sum(results) == 24
    assert set(InboundWebhook.objects.values_list("attempts", "state")) == {(1, InboxState.PROCESSED)}


def page(*listed, cursor="7", more=False):
    return reply("200 OK", json.dumps({"orders": listed, "cursor": cursor, "more": more}).encode())


def poll(shop, server, *, now=NOW):
    shop.base_url = server.url
    shop.save()
    seen = processing.poll(connection_id=shop.pk, now=now)
    shop.refresh_from_db()
    return seen


def test_a_poll_goes_on_past_an_order_that_must_wait_or_cannot_be_kept_or_understood(shop):
    redeemed = pending(shop)
    listed = (
        told(codes=carrying(redeemed)),
        told(id="1002", total="99999999999.00"),
        told(id="1003", total="a lot"),
        told(id="1004"),
    )

    with misbehaving_server(page(*listed)) as server:
        seen = poll(shop, server)
        again = poll(shop, server, now=NOW + MINUTE)

    assert (seen, again, shop.orders_cursor) == (4, 4, "7")
    assert sorted(Order.objects.values_list("external_id", flat=True)) == ["1001", "1004"]
    waiting = InboundWebhook.objects.order_by("pk").values_list("topic", "body", "result")
    assert [(topic, bytes(body), result) for topic, body, result in waiting] == [
        ("polled order", b"1001", "A reward on this order is still being generated."),
        ("polled order", b"1002", "Order #1001: an amount is negative or too large. Look at it in the shop."),
        ("polled order", b"1003", "The shop's order could not be understood: total is not an amount."),
    ]


def test_an_order_that_a_poll_put_off_is_asked_for_again(shop):
    redeemed = pending(shop)
    order = told(codes=carrying(redeemed))
    with misbehaving_server(page(order)) as server:
        poll(shop, server)
    issuing.record_issued(redeemed=redeemed, now=NOW)

    with misbehaving_server(reply("200 OK", json.dumps(order).encode())) as server:
        shop.base_url = server.url
        shop.save()
        webhook = process(InboundWebhook.objects.get(), now=NOW + MINUTE)

    assert webhook.result == "Order #1001: completed, used."
    assert RedeemedReward.objects.get().usage_status == UsageStatus.USED


def test_a_slow_poll_does_not_put_back_the_place_another_has_reached(shop, monkeypatch):
    record = orders.record

    def record_while_another_polls(**given):
        type(shop).objects.filter(pk=shop.pk).update(orders_cursor="9")
        return record(**given)

    monkeypatch.setattr(orders, "record", record_while_another_polls)
    with misbehaving_server(page(told(), more=True)) as server:
        seen = poll(shop, server)

    assert (seen, shop.orders_cursor) == (1, "9")
