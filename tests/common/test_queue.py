"""Ringing for workers: nobody waits for a broker that is down or hangs, and bursts leave the rest to the sweep."""

import json
import socket
import time
from types import SimpleNamespace

import pytest
import redis
from celery import current_app
from django.conf import settings

from loyalty.common import queue
from loyalty.points.management import doorbell
from tests.fakes.misbehaving import unused_port

pytestmark = pytest.mark.django_db(transaction=True)  # so that everything commits, and rings


@pytest.fixture(autouse=True)
def no_bell_yet(monkeypatch):
    """Lets no test hear of what another rang a moment ago."""
    monkeypatch.setattr(queue, "_bells", {})


@pytest.fixture
def broker():
    found = redis.Redis.from_url(settings.REDIS_URL)
    found.delete("celery")
    return found


@pytest.fixture
def ring_at(monkeypatch):
    """Lets this process take another address for its broker."""

    def move(port):
        monkeypatch.setattr(current_app.conf, "broker_url", f"redis://127.0.0.1:{port}/0")

    return move


@pytest.fixture
def hanging():
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def seconds_of(act, *, times=1):
    began = time.monotonic()
    for _ in range(times):
        act()
    return time.monotonic() - began


def rung(broker):
    return [json.loads(message)["headers"]["task"] for message in broker.lrange("celery", 0, -1)]


def test_a_ring_names_the_task_and_the_row(broker):
    queue.enqueue("hooks.process", webhook_id=7)

    assert rung(broker) == ["hooks.process"]


def test_rings_where_it_is_heard_again_after_a_proof_that_rang_unheard(broker):
    with doorbell.unheard():
        queue.enqueue("hooks.process", webhook_id=7)
    queue.enqueue("hooks.process", webhook_id=8)

    assert len(rung(broker)) == 1


def test_a_broker_that_is_down_holds_up_nobody(ring_at):
    ring_at(unused_port())

    assert seconds_of(lambda: queue.enqueue("hooks.process", webhook_id=7), times=50) < 2.5


def test_a_broker_that_hangs_holds_up_one_for_a_moment_and_nobody_after_that(ring_at, hanging):
    ring_at(hanging)

    assert seconds_of(lambda: queue.enqueue("hooks.process", webhook_id=7)) < 4
    assert seconds_of(lambda: queue.enqueue("hooks.process", webhook_id=7), times=50) < 0.5


@pytest.fixture
def clock(monkeypatch):
    """The clock that the bell goes by: a list with its present reading."""
    now = [time.monotonic()]
    monkeypatch.setattr(queue, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_a_broker_that_failed_is_left_alone_for_a_while_and_rung_again_then(broker, clock, monkeypatch):
    monkeypatch.setattr(queue._bell(), "silent_until", clock[0] + queue.SILENCE)
    queue.enqueue("hooks.process", webhook_id=7)
    left_alone = rung(broker)

    clock[0] += queue.SILENCE
    queue.enqueue("hooks.process", webhook_id=8)

    assert (left_alone, rung(broker)) == ([], ["hooks.process"])


def test_a_burst_rings_some_times_a_second_and_the_next_second_again(broker, clock):
    for number in range(100):
        queue.ring("hooks.process", webhook_id=number)
    first = len(rung(broker))

    clock[0] += 1
    queue.ring("hooks.process", webhook_id=100)

    assert (first, len(rung(broker))) == (queue.RINGS_A_SECOND, queue.RINGS_A_SECOND + 1)
