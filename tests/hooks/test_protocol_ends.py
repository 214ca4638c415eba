"""How a connection to the server for webhooks ends: by the clock, by the caller, and when the server is told to stop."""

import select
import threading
import time
from dataclasses import dataclass, field

import pytest

from loyalty.hooks import door, own_server, protocol
from platforms import credentials
from tests.factories.people import ConnectionFactory
from tests.hooks.serving import HEALTH, Running, request
from tests.hooks.test_own_server import kept
from tests.hooks.test_protocol import POST, statuses, webhook
from tests.hooks.test_webhook_door import SECRET


@pytest.fixture(scope="module")
def running():
    with Running() as server:
        yield server


@pytest.fixture
def shop():
    return ConnectionFactory(credentials=credentials.seal({"token": "t", "webhook_secret": SECRET}))


@dataclass(frozen=True)
class Held:
    """The door, which lets nothing through until it may."""

    is_asked: threading.Event = field(default_factory=threading.Event)
    may_go_on: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def held(monkeypatch):
    receive_all, made = door.receive_all, Held()

    def receive(knocks):
        made.is_asked.set()
        assert made.may_go_on.wait(10)
        return receive_all(knocks)

    monkeypatch.setattr(door, "receive_all", receive)
    return made


@pytest.mark.parametrize("begun", [b"POST", POST, b"\r\n", HEALTH + POST])
def test_whoever_takes_too_long_over_a_head_is_told_and_hung_up_on(begun, running, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)

    answers = running.caller().send(begun).hear_all()

    assert statuses(answers) == [200] * begun.count(HEALTH) + [400]
    assert answers[-1].body == b"The head of the request took too long."


def test_whoever_takes_too_long_over_a_body_is_told_and_hung_up_on(running, monkeypatch):
    monkeypatch.setattr(own_server, "READ_SECONDS", 0.2)
    monkeypatch.setattr(own_server, "LINGER_SECONDS", 0.2)

    answers = running.caller().send(request("/hooks/a-key/", b"{}")[:-1]).hear_all()

    assert [(answer.status, answer.code) for answer in answers] == [(408, "too_slow")]
    assert answers[0].headers["connection"] == "close"


def test_a_byte_now_and_then_buys_no_time(running, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    caller = running.caller()

    began = time.monotonic()
    caller.send(POST)
    while not select.select([caller.line], [], [], 0.05)[0] and time.monotonic() - began < 3:
        caller.send(b"x-a: b\r\n")

    assert caller.hear().status == 400
    assert time.monotonic() - began < 2


def test_bytes_of_a_body_that_nobody_wants_buy_no_time(running, monkeypatch):
    monkeypatch.setattr(own_server, "LINGER_SECONDS", 0.3)
    caller = running.caller()

    assert caller.ask(request("/elsewhere", headers={"content-length": "900000000000"})).status == 404
    with pytest.raises(ConnectionError):
        trickle(caller, seconds=5)


def trickle(caller, *, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        caller.send(b"x" * 100)
        time.sleep(0.05)


def test_a_connection_on_which_nothing_is_asked_is_closed_without_a_word(running, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.4)
    monkeypatch.setattr(running.config, "timeout_keep_alive", 0.2)
    silent, asked = running.caller(), running.caller()

    assert asked.ask(HEALTH).status == 200
    assert [asked.hear(), silent.hear()] == [None, None]


@pytest.mark.django_db(transaction=True)
def test_a_delivery_that_waits_for_the_database_is_not_hung_up_on(shop, running, monkeypatch):
    receive_all = door.receive_all
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(own_server, "READ_SECONDS", 0.2)
    monkeypatch.setattr(running.config, "timeout_keep_alive", 0.1)
    monkeypatch.setattr(door, "receive_all", lambda knocks: time.sleep(0.6) or receive_all(knocks))

    assert running.caller().ask(webhook(shop, "a")).status == 200


@pytest.mark.django_db(transaction=True)
def test_whoever_hangs_up_unanswered_has_said_it_and_takes_no_answer_from_others(shop, running, held):
    first, leaving, staying = running.caller(), running.caller(), running.caller()
    first.send(webhook(shop, "a"))
    assert held.is_asked.wait(10)
    leaving.send(webhook(shop, "b"))
    staying.send(webhook(shop, "c"))
    time.sleep(0.2)
    leaving.line.close()
    time.sleep(0.2)
    held.may_go_on.set()

    assert statuses([first.hear(), staying.hear()]) == [200, 200]
    assert kept() == ["a", "b", "c"]


@pytest.mark.django_db(transaction=True)
def test_a_stop_answers_what_was_begun_and_takes_nothing_new(shop, held):
    with Running() as running:
        idle, silent, waiting, sending = (running.caller() for _ in range(4))
        assert idle.ask(HEALTH).status == 200
        waiting.send(webhook(shop, "a"))
        sending.send(webhook(shop, "b")[:-1])
        assert held.is_asked.wait(10)
        running.stop()
        assert [idle.hear(), silent.hear()] == [None, None]
        with pytest.raises(ConnectionError):
            running.caller()
        held.may_go_on.set()
        sending.send(webhook(shop, "b")[-1:])
        answers = [*waiting.hear_all(), *sending.hear_all()]

    assert [(answer.status, answer.headers["connection"]) for answer in answers] == [(200, "close")] * 2
    assert kept() == ["a", "b"]
