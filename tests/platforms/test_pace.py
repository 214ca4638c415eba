"""The pace of the calls to a shop: one budget for all processes, which waits, is told, and outlives Valkey."""

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.conf import settings

from platforms import http, pace
from platforms.adapter import Access, Outcome
from platforms.pace import SHARE, Pace
from tests.fakes.contract import nowhere

DEAD = "redis://127.0.0.1:1/0"
CALLER = """
import sys
from platforms import http, pace
from platforms.adapter import Access
base_url, name, valkey, rate, calls = sys.argv[1:]
its_pace = pace.of(name, rate=float(rate), url=valkey)
access = Access(base_url=base_url, credentials={}, webhook_secrets=(), currency="USD", allow_private_addresses=True,
                pace=its_pace)
print("ready", flush=True)
sys.stdin.readline()
print(sum(http.call(access, "GET", "/").ok for _ in range(int(calls))))
"""


@pytest.fixture(params=["shared", "alone", "valkey is down"])
def make(request: pytest.FixtureRequest, django_db_modify_db_settings: None) -> Callable[..., Pace]:
    """The pace of a new shop with this rate: kept in Valkey, in this process, or here because Valkey is down."""
    name = uuid.uuid4().hex
    url = {"shared": settings.REDIS_URL, "alone": "", "valkey is down": DEAD}[request.param]

    def with_rate(rate: float | None) -> Pace:
        return pace.of(name, rate=rate, url=url)

    return with_rate


@pytest.fixture
def arrivals() -> Iterator[tuple[str, list[float]]]:
    """A shop's address, and the times at which calls came there."""
    times: list[float] = []

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            times.append(time.monotonic())
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", times
    server.shutdown()
    server.server_close()


def test_two_processes_together_never_call_faster_than_the_shop_bears(
    arrivals: tuple[str, list[float]], django_db_modify_db_settings: None
) -> None:
    base_url, times = arrivals
    words = (base_url, uuid.uuid4().hex, settings.REDIS_URL, "40", "25")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": os.environ | {"PYTHONPATH": "."}}
    callers = [subprocess.Popen([sys.executable, "-c", CALLER, *words], **pipes) for _ in range(2)]  # type: ignore[call-overload]
    for caller in callers:
        assert caller.stdout.readline() == "ready\n"
    began = time.monotonic()

    answered = [int(caller.communicate("go\n", timeout=60)[0]) for caller in callers]

    assert (answered, len(times)) == ([25, 25], 50)
    assert times[-1] - began >= 49 / 40  # the first has its turn at once
    for count, at in enumerate(times):  # nor at any moment before, however late a call was delivered
        assert count <= (at - began) * 40 + 1


def test_gives_turns_at_the_rate_and_not_faster(make: Callable[..., Pace]) -> None:
    its = make(50)
    began = time.monotonic()

    assert [its.enter(patience=5) for _ in range(11)] == [0.0] * 11

    assert time.monotonic() - began >= 10 / 50


def test_gives_no_turn_that_is_too_far_away_and_takes_it_from_nobody(make: Callable[..., Pace]) -> None:
    its = make(1)
    assert its.enter(patience=0.1) == 0.0

    away = [its.enter(patience=0.1) for _ in range(3)]

    assert all(0.5 < seconds < 1.1 for seconds in away)


def test_holds_nobody_back_while_nothing_is_known(make: Callable[..., Pace]) -> None:
    its = make(None)
    began = time.monotonic()

    assert [its.enter(patience=0.0) for _ in range(200)] == [0.0] * 200

    assert time.monotonic() - began < 1.5  # Valkey is asked once, and not 200 times


def test_slows_down_as_the_shops_answers_say_and_only_so_long(make: Callable[..., Pace]) -> None:
    its = make(None)
    its.tell(rate=1 / SHARE, seconds=0.4)

    assert its.enter(patience=0.1) == 0.0
    assert its.enter(patience=0.1) > 0.5
    time.sleep(0.4)
    assert its.enter(patience=0.1) == 0.0


def test_asks_no_faster_than_staff_entered_whatever_the_shop_says(make: Callable[..., Pace]) -> None:
    its = make(1)
    its.tell(rate=1000, seconds=5)

    assert [its.enter(patience=0.1) > 0 for _ in range(2)] == [False, True]


def test_calls_that_all_wake_late_do_not_come_together_with_those_whose_turn_it_is(
    make: Callable[..., Pace], monkeypatch: pytest.MonkeyPatch
) -> None:
    its = make(20)
    stalled_until = time.monotonic() + 0.5
    sleep = time.sleep
    monkeypatch.setattr(pace.time, "sleep", lambda seconds: sleep(max(seconds, stalled_until - time.monotonic())))
    entered: list[float] = []

    def call() -> None:
        its.enter(patience=5)
        entered.append(time.monotonic())

    callers = [threading.Thread(target=call) for _ in range(9)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    together = [each for each in entered if stalled_until <= each < stalled_until + 0.1]
    assert len(together) <= 4


def test_keeps_still_when_the_shop_asks_for_time_for_the_next_moments(make: Callable[..., Pace]) -> None:
    its = make(None)

    its.rest(seconds=90)

    assert 1.0 < its.enter(patience=0.1) <= pace.LONGEST_REST


def test_keeps_all_processes_still(django_db_modify_db_settings: None) -> None:
    name = uuid.uuid4().hex
    one, other = (
        Pace(pace.Shared(name, valkey=pace.Valkey(settings.REDIS_URL), own=pace.Own()), rate=None) for _ in range(2)
    )

    one.rest(seconds=2)

    assert other.enter(patience=0.1) > 1.0


def test_a_call_whose_turn_is_too_far_away_is_not_sent_and_says_when_to_come_again() -> None:
    its = pace.of(uuid.uuid4().hex, rate=0.1, url="")
    its.enter(patience=1)
    place = nowhere()
    access = Access(
        base_url=place.base_url, credentials={}, webhook_secrets=(), currency="USD", allow_private_addresses=True,
        timeout=2, pace=its,
    )  # fmt: skip

    answer = http.call(access, "GET", "/")

    assert (answer.outcome, answer.status) == (Outcome.THROTTLED, None)
    assert 9 < (answer.retry_after or 0) < 11
    assert answer.reason.endswith("nothing was sent yet.")
