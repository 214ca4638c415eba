"""Ring the doorbell: tell a worker, after commit, that a row is waiting for it.

The row is the work; the message only cuts the wait. A broker that is down, or hangs, loses nothing and holds up nobody: a
sweep finds the row. It gets a second; after that this process leaves it alone for a while.
"""

import logging
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from threading import Lock

from celery import current_app
from django.db import transaction
from kombu.exceptions import KombuError
from kombu.pools import ProducerPool

logger = logging.getLogger(__name__)

PATIENCE = 1.0  # seconds for the broker to take a connection, and for each of its answers
SILENCE = 5.0  # seconds it is left alone after it failed
RINGS_A_SECOND = 5  # of one task, where a sweep rings for many at once: each costs as much as the row itself
LINES = 10  # connections of one process

# Only for ringing: workers wait for the broker much longer. What a kind of broker does not know, it passes over.
IMPATIENT = {
    "socket_connect_timeout": PATIENCE,
    "socket_timeout": PATIENCE,
    "read_timeout": PATIENCE,
    "write_timeout": PATIENCE,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
}


@dataclass(slots=True)
class _Bell:
    """The broker, as this process knows it."""

    producers: ProducerPool
    silent_until: float = 0.0  # on the monotonic clock
    second: int = 0
    rung: Counter[str] = field(default_factory=Counter)  # in that second, by task
    lock: Lock = field(default_factory=Lock)

    def may_ring(self, task: str, *, now: float) -> bool:
        """Whether this task was rung for seldom enough in this second; counts the ring."""
        with self.lock:
            if int(now) != self.second:
                self.second = int(now)
                self.rung.clear()
            self.rung[task] += 1
            return self.rung[task] <= RINGS_A_SECOND


_bells: dict[tuple[int, str, str], _Bell] = {}


def enqueue(task: str, **ids: int) -> None:
    """Queue a task by name once the present transaction has committed. Never raises for a broker that is down."""
    transaction.on_commit(lambda: _send(_bell(), task, ids), robust=True)


def ring(task: str, **ids: int) -> None:
    """The same for what comes in bursts: beyond `RINGS_A_SECOND` of this process, the task's sweep has to find the row."""
    transaction.on_commit(lambda: ring_now(task, **ids), robust=True)


def ring_now(task: str, **ids: int) -> None:
    """The same for a row that is committed already, by whoever has no session of the database."""
    bell = _bell()
    if bell.may_ring(task, now=time.monotonic()):
        _send(bell, task, ids)


def _send(bell: _Bell, task: str, ids: dict[str, int]) -> None:
    if time.monotonic() < bell.silent_until:
        return
    try:
        with bell.producers.acquire(block=True, timeout=PATIENCE) as producer:
            current_app.send_task(task, kwargs=ids, producer=producer, retry=False, ignore_result=True)
    except (KombuError, OSError) as error:
        bell.silent_until = time.monotonic() + SILENCE
        logger.warning(
            "The broker did not take %s %s (%s): the sweep will find the row. It is left alone for %.0f s.",
            task,
            ids,
            error,
            SILENCE,
        )


def _bell() -> _Bell:
    """This process's own: connections are not shared with the process that it was forked from, nor between prefixes."""
    options = current_app.conf.broker_transport_options or {}
    url = str(current_app.conf.broker_write_url or current_app.conf.broker_url)
    place = (os.getpid(), url, str(options.get("global_keyprefix", "")))
    known = _bells.get(place)
    if known is None:
        line = current_app.connection_for_write(connect_timeout=PATIENCE, transport_options={**options, **IMPATIENT})
        known = _bells.setdefault(place, _Bell(ProducerPool(line.Pool(limit=LINES), limit=LINES)))
    return known
