"""Sending: at least once, ever more rarely, and one dead endpoint holds up no other."""

import json
from datetime import timedelta

import pytest

from loyalty.api.v1 import webhook_bodies
from loyalty.common import actors
from loyalty.events.models import Event
from loyalty.webhooks import endpoints, outbox, posting, sending
from loyalty.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookLane
from loyalty.webhooks.posting import Posted
from tests.factories.people import CustomerFactory
from tests.fakes.misbehaving import unused_port
from tests.webhooks.conftest import NOW, listening, send, waiting

pytestmark = pytest.mark.django_db(transaction=True)
NO = Posted(status=500, reason="The endpoint answered 500.", excerpt="Oops", milliseconds=7)
TAKEN = Posted(status=200)


def attempt(delivery: WebhookDelivery, posted: Posted, now) -> None:
    """One attempt that ends so, whenever it is due."""
    WebhookDelivery.objects.filter(pk=delivery.pk).update(due_at=now)
    WebhookEndpoint.objects.update(held_until=None)
    lane = outbox.claim(now=now)
    taken = outbox.take(lane=lane, now=now)
    assert taken == delivery
    outbox.record(delivery=taken, posted=posted, now=now)
    outbox.release(lane=lane)
    delivery.refresh_from_db()


def test_says_what_happened_in_smiles_shape_with_order_and_time(endpoint, receiver):
    delivery = waiting(endpoint, event_id=17, subject_id=5)

    send()

    (came,) = receiver.deliveries
    assert json.loads(came.body) == {
        "account_id": 1,
        "topic": "customer/updated",
        "data": {"customer": {"id": 5}},
        "ordering_key": "customer:5",
        "sequence": 17,
        "occurred_at": "2026-11-26T12:00:00.000Z",
    }
    assert came.headers["webhook-id"] == "msg_17_customer_updated"
    delivery.refresh_from_db()
    assert (delivery.state, delivery.status, delivery.closed_at is not None) == ("delivered", 200, True)
    assert WebhookAttempt.objects.get().status == 200


def test_says_the_whole_object_as_the_api_shows_it_now(receiver):
    anna = CustomerFactory(email="anna@example.com")
    waiting(listening(receiver.url, body="full"), subject_id=anna.pk)
    type(anna).objects.update(first_name="Anna Maria")

    send()

    customer = json.loads(receiver.deliveries[0].body)["data"]["customer"]
    assert customer["first_name"] == "Anna Maria"
    assert customer["points_balance"] == 0


def test_sends_under_the_same_id_until_it_is_taken(endpoint, receiver):
    receiver.answers[:] = [500, 500]
    delivery = waiting(endpoint)

    for day in range(3):
        send(NOW + timedelta(days=day))

    assert len({came.headers["webhook-id"] for came in receiver.deliveries}) == 1
    delivery.refresh_from_db()
    assert delivery.state == "delivered"
    assert [each.status for each in delivery.tried.order_by("id")] == [500, 500, 200]


def test_tries_again_for_three_days_at_growing_pauses_and_then_gives_up(endpoint):
    delivery = waiting(endpoint)
    now, pauses = NOW, []

    while delivery.state == "waiting":
        WebhookEndpoint.objects.update(failing_since=None)  # that it is not paused before
        attempt(delivery, NO, now)
        if delivery.due_at:
            pauses.append(delivery.due_at - now)
            now = delivery.due_at

    assert list(outbox.PAUSES) == sorted(outbox.PAUSES)
    assert timedelta(days=3) <= now - NOW < timedelta(days=3.75)
    for paused, planned in zip(pauses, outbox.PAUSES, strict=True):
        assert planned <= paused <= planned * (1 + outbox.JITTER)
    assert delivery.state == "failed"
    assert delivery.reason == "It was given up after 11 attempts. The last: The endpoint answered 500."


def test_spreads_over_a_fifth_of_the_pause_what_failed_at_once(endpoint):
    failed = [waiting(endpoint, event_id=number, attempts=1) for number in range(30)]
    pause = outbox.PAUSES[0]

    for delivery in failed:
        outbox.record(delivery=delivery, posted=NO, now=NOW)

    pauses = sorted(due_at - NOW for due_at in WebhookDelivery.objects.values_list("due_at", flat=True))
    assert pause <= pauses[0] < pauses[-1] <= pause * 1.2
    assert len(set(pauses)) == len(failed)
    assert pauses[-1] - pauses[0] > pause * 0.1  # thirty in one half of it: once in 10 million runs


def test_waits_as_long_as_it_is_asked_to(endpoint):
    delivery = waiting(endpoint)

    attempt(delivery, Posted(status=429, reason="Slowly.", retry_after=900), NOW)

    assert delivery.due_at >= NOW + timedelta(minutes=15)
    endpoint.refresh_from_db()
    assert endpoint.held_until == NOW + timedelta(minutes=15)


def test_leaves_an_endpoint_in_trouble_alone_while_others_are_served(endpoint, receiver):
    dead = listening(f"http://127.0.0.1:{unused_port()}/")
    for number in range(40):
        waiting(dead, event_id=number, subject_id=number)
    mine = [waiting(endpoint, event_id=number, subject_id=number) for number in range(8)]

    send()

    assert len(receiver.deliveries) == len(mine)
    assert WebhookAttempt.objects.filter(delivery__endpoint=dead).count() <= 4  # one a lane at most, not forty
    dead.refresh_from_db()
    assert dead.held_until > NOW


def test_tries_an_endpoint_that_failed_by_one_message_at_a_time(endpoint):
    for number in range(4):
        waiting(endpoint, event_id=number, subject_id=number)
    WebhookEndpoint.objects.update(failures=3, held_until=NOW)

    assert outbox.claim(now=NOW) is not None
    assert outbox.claim(now=NOW) is None


def test_sends_what_waits_at_once_when_the_endpoint_is_well_again(endpoint, receiver):
    late = waiting(endpoint)
    attempt(late, NO, NOW)
    attempt(late, NO, NOW)
    waiting(endpoint, event_id=2)
    WebhookDelivery.objects.filter(pk=late.pk).update(due_at=NOW + timedelta(hours=20))

    send(NOW + timedelta(minutes=11))

    late.refresh_from_db()
    assert late.state == "delivered"


def test_pauses_an_endpoint_that_answers_410_and_keeps_what_waits(endpoint):
    delivery = waiting(endpoint)

    attempt(delivery, Posted(status=410, reason="The endpoint answered 410: it wants no more messages."), NOW)

    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.paused_at) == ("paused", NOW)
    assert "410" in endpoint.pause_reason
    assert delivery.state == "waiting"
    assert outbox.claim(now=NOW + timedelta(days=9)) is None
    assert Event.objects.filter(kind="webhook_endpoint.paused", subject_id=endpoint.pk).exists()


def test_pauses_an_endpoint_that_took_nothing_for_three_days_and_no_sooner(endpoint):
    delivery = waiting(endpoint)
    attempt(delivery, NO, NOW)

    attempt(delivery, NO, NOW + timedelta(days=3, seconds=-1))
    endpoint.refresh_from_db()
    assert endpoint.state == "active"
    attempt(delivery, NO, NOW + timedelta(days=3))

    endpoint.refresh_from_db()
    assert endpoint.state == "paused"
    assert endpoint.pause_reason == "For 3 days it took no message. The last: The endpoint answered 500."


def test_does_not_pause_an_endpoint_that_takes_others(endpoint):
    poison, good = waiting(endpoint), waiting(endpoint, event_id=2)
    refused = Posted(status=400, reason="The endpoint answered 400.")
    attempt(poison, refused, NOW)
    WebhookDelivery.objects.filter(pk=poison.pk).update(due_at=NOW + timedelta(days=9))
    attempt(good, TAKEN, NOW + timedelta(days=2))

    attempt(poison, refused, NOW + timedelta(days=4))

    endpoint.refresh_from_db()
    assert endpoint.state == "active"


def test_sends_what_waited_with_all_its_attempts_once_it_is_switched_on(endpoint, receiver):
    delivery = waiting(endpoint)
    attempt(delivery, Posted(status=410, reason="Gone."), NOW)

    endpoints.switch_on(endpoint_id=endpoint.pk, actor=actors.staff(1), now=NOW + timedelta(days=6))
    send(NOW + timedelta(days=6))

    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("delivered", 1)
    assert len(receiver.deliveries) == 1


def test_sends_again_what_a_dead_worker_had_in_hand(endpoint, receiver):
    delivery = waiting(endpoint)
    outbox.take(lane=outbox.claim(now=NOW), now=NOW)  # and no more is heard of it

    send(NOW + timedelta(seconds=59))
    assert receiver.deliveries == []
    send(NOW + timedelta(seconds=60))

    delivery.refresh_from_db()
    assert delivery.state == "delivered"


def test_whoever_lost_its_lane_takes_nothing_from_it_and_records_no_end(endpoint):
    delivery = waiting(endpoint)
    slow = outbox.claim(now=NOW)
    in_hand = outbox.take(lane=slow, now=NOW)
    later = NOW + timedelta(minutes=2)
    other = outbox.claim(now=later)
    again = outbox.take(lane=other, now=later)

    outbox.record(delivery=in_hand, posted=NO, now=later)

    assert outbox.take(lane=slow, now=later) is None
    delivery.refresh_from_db()
    assert delivery.claim == again.claim
    assert delivery.tried.count() == 1  # what was said is in the log all the same


def test_works_on_no_more_lanes_at_once_than_it_may(endpoint, settings):
    settings.WEBHOOKS_AT_ONCE = 3
    for number in range(4):
        waiting(endpoint, event_id=number, subject_id=number)

    assert [outbox.claim(now=NOW) is not None for _ in range(4)] == [True, True, True, False]


def test_gives_every_endpoint_its_turn(receiver, settings):
    settings.WEBHOOKS_AT_ONCE = 1
    busy, quiet = listening(receiver.url), listening(receiver.url)
    waiting(busy)
    lane = outbox.claim(now=NOW)
    outbox.release(lane=lane)
    waiting(quiet)

    assert outbox.claim(now=NOW + timedelta(seconds=1)).endpoint == quiet


def test_opens_no_transaction_while_it_sends(endpoint, monkeypatch):
    from django.db import connection

    seen = []

    def watched(**given):
        seen.append(connection.in_atomic_block)
        return TAKEN

    waiting(endpoint)
    monkeypatch.setattr(posting, "post", watched)

    send()

    assert seen == [False]


def test_a_test_says_nothing_of_anybody(endpoint, receiver):
    endpoints.send_test(endpoint_id=endpoint.pk, actor=actors.staff(1), now=NOW)

    send()

    said = json.loads(receiver.deliveries[0].body)
    assert (said["topic"], said["data"], said["sequence"]) == ("ping", {}, None)


def test_an_endpoint_that_is_off_gets_no_test(endpoint):
    endpoints.switch_off(endpoint_id=endpoint.pk, actor=actors.staff(1), now=NOW)

    with pytest.raises(endpoints.EndpointRefused, match="Switch it on first"):
        endpoints.send_test(endpoint_id=endpoint.pk, actor=actors.staff(1), now=NOW)

    assert not WebhookDelivery.objects.exists()


def test_sends_again_one_or_a_range_under_the_ids_they_had(endpoint, receiver):
    rows = [waiting(endpoint, event_id=n, occurred_at=NOW + timedelta(hours=n)) for n in range(3)]
    send()

    outbox.resend(delivery_id=rows[0].pk, actor=actors.staff(1), now=NOW)
    send()
    count = outbox.resend_range(
        endpoint_id=endpoint.pk,
        since=NOW + timedelta(hours=1),
        until=NOW + timedelta(hours=2),
        failed_only=False,
        actor=actors.staff(1),
        now=NOW,
    )
    send()

    assert count == 1
    ids = [came.headers["webhook-id"] for came in receiver.deliveries]
    assert ids[3:] == ["msg_0_customer_updated", "msg_1_customer_updated"]


def test_sends_again_only_what_was_given_up_where_that_is_asked(endpoint, receiver):
    failed, fine = waiting(endpoint, event_id=1), waiting(endpoint, event_id=2)
    closed = {"due_at": None, "closed_at": NOW}
    WebhookDelivery.objects.filter(pk=failed.pk).update(state="failed", reason="It did not answer.", **closed)
    WebhookDelivery.objects.filter(pk=fine.pk).update(state="delivered", **closed)
    asked = {"since": NOW, "until": NOW + timedelta(hours=1), "actor": actors.staff(1), "now": NOW}

    assert outbox.resend_range(endpoint_id=endpoint.pk, failed_only=True, **asked) == 1

    failed.refresh_from_db()
    assert (failed.state, failed.attempts, failed.reason) == ("waiting", 0, "")


def test_does_not_send_again_to_an_endpoint_that_is_not_active(endpoint):
    delivery = waiting(endpoint)
    endpoints.remove(endpoint_id=endpoint.pk, actor=actors.staff(1), now=NOW)

    with pytest.raises(endpoints.EndpointRefused):
        outbox.resend(delivery_id=delivery.pk, actor=actors.staff(1), now=NOW)


def test_forgets_what_ended_long_ago_and_nothing_that_is_to_be_sent(endpoint, settings):
    settings.WEBHOOKS_KEPT_DAYS = 30
    other = listening("https://other.example.com/")
    ended = waiting(endpoint)
    attempt(ended, TAKEN, NOW)
    young = waiting(endpoint, event_id=2)
    attempt(young, TAKEN, NOW + timedelta(days=10))
    active, stuck = waiting(endpoint, event_id=3), waiting(other)
    endpoints.switch_off(endpoint_id=other.pk, actor=actors.staff(1), now=NOW)

    outbox.forget(now=NOW + timedelta(days=31))

    assert set(WebhookDelivery.objects.values_list("pk", "state")) == {
        (young.pk, "delivered"),
        (active.pk, "waiting"),
        (stuck.pk, "failed"),
    }
    assert WebhookAttempt.objects.count() == 1


def test_a_secret_that_cannot_be_read_is_a_failure_that_says_so(endpoint):
    delivery = waiting(endpoint)
    WebhookEndpoint.objects.update(secret="nonsense")

    send()

    delivery.refresh_from_db()
    assert delivery.state == "waiting"
    assert "CREDENTIALS_KEYS" in delivery.reason


def test_a_backlog_is_taken_one_message_at_a_time(endpoint, django_assert_max_num_queries):
    """However many wait, a step costs the same: nothing reads them all."""
    for number in range(300):
        waiting(endpoint, event_id=number, subject_id=4)

    with django_assert_max_num_queries(14):
        lane = outbox.claim(now=NOW)
        outbox.take(lane=lane, now=NOW)

    assert WebhookLane.objects.filter(claim__isnull=False).count() == 1


def test_every_topic_has_its_shape(endpoint):
    from loyalty.webhooks import topics

    for topic in topics.ALL:
        thin = webhook_bodies.data(topic.name, 9, "thin", NOW)
        assert list(thin) == [topic.thing.value]
        assert webhook_bodies.data(topic.name, 9, "full", NOW) == thin  # there is none with this id
        assert topic.thing in webhook_bodies.SHAPES
        assert topic.thing in webhook_bodies.SCOPES


def test_the_id_of_a_message_is_fit_to_be_signed():
    named = WebhookDelivery(pk=1, event_id=5, topic="points_hold/captured")

    assert sending.message_id(named) == "msg_5_points_hold_captured"
    assert "." not in sending.message_id(WebhookDelivery(pk=3, topic="ping"))
