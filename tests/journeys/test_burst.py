"""A burst of webhooks at the real servers: answered in time whatever else is down, kept, and taken once."""

import signal
import time

import pytest
from django.conf import settings
from django.utils import timezone

from loyalty.hooks import processing
from loyalty.hooks.models import InboundWebhook, InboxState
from loyalty.points import audit
from loyalty.points.models import PointsTransaction
from loyalty.program.models import Order
from platforms import credentials
from tests.factories.people import ConnectionFactory
from tests.fakes import deliveries
from tests.fakes.misbehaving import unused_port
from tests.journeys.web import running_web

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

STOP_SECONDS = 15.0  # less than half of what the service `hooks` is given
LIMIT_SECONDS = 5.0  # within which the strictest platform wants its answer


@pytest.fixture
def shop():
    return ConnectionFactory(credentials=credentials.seal({"token": "t", "webhook_secret": deliveries.SECRET}))


@pytest.fixture
def environment(process_environment):
    """Of a web server whose broker is not there, and beside which no worker runs."""
    nowhere = f"redis://127.0.0.1:{unused_port()}/0"
    keys = ",".join(settings.CREDENTIALS_KEYS)
    return process_environment | {"REDIS_URL": nowhere, "CELERY_BROKER_URL": nowhere, "CREDENTIALS_KEYS": keys}


def address(web, shop):
    return f"{web.url}/hooks/{shop.webhook_key}/"


def test_a_burst_without_workers_and_broker_is_answered_in_time_and_takes_effect_once(shop, environment, tmp_path):
    events = [(f"event-{number}", number % 40) for number in range(60)]
    repeated = events + events[:20]
    with running_web(tmp_path, environment, workers=1) as web:
        load = deliveries.send(address(web, shop), repeated, connections=16)

    assert {answer.status for answer in load.answers} == {200}
    assert max(answer.seconds for answer in load.answers) < LIMIT_SECONDS
    assert InboundWebhook.objects.filter(state=InboxState.RECEIVED).count() == 60

    while processing.drain(now=timezone.now()):
        pass

    assert set(InboundWebhook.objects.values_list("state", flat=True)) == {InboxState.PROCESSED}
    assert Order.objects.count() == 40
    assert PointsTransaction.objects.filter(kind="earning").count() == 40
    assert list(audit.differences()) == []


def test_every_acknowledged_delivery_is_kept_although_the_server_is_killed(shop, environment, tmp_path):
    events = [(f"event-{number}", number) for number in range(200)]
    with running_web(tmp_path, environment, workers=1, service="hooks") as web:

        def kill(answered):
            if answered == 60:
                web.kill()

        load = deliveries.send(address(web, shop), events, connections=8, answered=kill)

    acknowledged = load.acknowledged()
    assert 60 <= len(acknowledged) < 200
    assert acknowledged <= set(InboundWebhook.objects.values_list("event_id", flat=True))


def test_a_server_that_is_asked_to_stop_after_a_burst_answers_what_was_begun(shop, environment, tmp_path):
    events = [(f"event-{number}", number) for number in range(2_000)]
    raw = deliveries.request(f"http://desk/hooks/{shop.webhook_key}/", "last", order=1)
    with running_web(tmp_path, environment, service="hooks") as web:
        load = deliveries.send(address(web, shop), events, connections=64)
        with web.connection() as idle, web.connection() as begun:
            begun.sendall(raw[:-10])
            time.sleep(0.2)
            web.ask_to_stop()
            assert idle.recv(100) == b""
            begun.sendall(raw[-10:])
            answer = begun.recv(1_000)
        assert web.ended(within=STOP_SECONDS) == -signal.SIGTERM  # as a container engine expects

    assert load.acknowledged() == {event for event, _ in events}
    assert max(each.seconds for each in load.answers) < LIMIT_SECONDS
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nconnection: close\r\n" in answer
    assert set(InboundWebhook.objects.values_list("event_id", flat=True)) == load.acknowledged() | {"last"}
    assert "/hooks/" not in web.log.read_text()  # a line for each would be half of what one costs
