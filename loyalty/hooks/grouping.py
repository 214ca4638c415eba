"""What arrives while the database commits is kept in the next commit: one thread, one session, one statement for all.

Nobody is answered before the commit that holds their delivery. When it is quiet a group is one delivery, which waits for
nothing. What can be verified before its turn is verified while the database is busy.
"""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from django.db import connection

from loyalty.hooks import door, inbox
from loyalty.hooks.door import Delivery, Knock, Reply

logger = logging.getLogger(__name__)

LARGEST_GROUP = 200
RING_SECONDS = 0.5  # between two messages to the workers: each costs as much as many a delivery
MOST_WAITING_BYTES = 64_000_000  # of bodies; more could not be answered in time anyway

Waiting = tuple[Knock, asyncio.Future[Reply]]


class Groups:
    """The deliveries of one event loop on their way into the inbox."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._is_writing = False
        self._turn = Lock()  # of those two, which the loop and the writer's thread share
        self._bytes = 0
        self._ring_at = 0.0  # the earliest moment of the next message, on the clock of the loop
        self._bell: asyncio.Handle | None = None  # of the message that is yet to come
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="webhooks")
        self._ringer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ring")

    async def take(self, delivery: Delivery) -> Reply:
        """The answer to a delivery, once its group is in the database."""
        if self._bytes + len(delivery.body) > MOST_WAITING_BYTES:
            return door.refused(503, "unavailable")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Reply] = loop.create_future()
        self._bytes += len(delivery.body)
        knock = door.knock(delivery)
        with self._turn:
            self._waiting.append((knock, answer))
            starts, self._is_writing = not self._is_writing, True
        if starts:
            self._writer.submit(self._work_off, loop)
        return await answer

    def _work_off(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the writer's thread: one group after the other, until nothing waits. The loop answers meanwhile."""
        while True:
            with self._turn:
                group, self._waiting = self._waiting[:LARGEST_GROUP], self._waiting[LARGEST_GROUP:]
                self._is_writing = bool(group)
            if not group:
                return
            replies = _received([knock for knock, _ in group])
            loop.call_soon_threadsafe(self._give, loop, group, replies)

    def _give(self, loop: asyncio.AbstractEventLoop, group: Sequence[Waiting], replies: Sequence[Reply]) -> None:
        for (knock, answer), reply in zip(group, replies, strict=True):
            self._bytes -= len(knock.delivery.body)
            if not answer.done():  # whoever hung up meanwhile waits for no answer
                answer.set_result(reply)
        if any(reply.status == 200 for reply in replies):
            self._ring(loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake a worker soon. The broker may take its time, so that is done in a thread of its own."""
        if self._bell is None:
            self._bell = loop.call_at(max(loop.time(), self._ring_at), self._send, loop)

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        self._bell, self._ring_at = None, loop.time() + RING_SECONDS
        self._ringer.submit(inbox.ring_now)


def _received(knocks: Sequence[Knock]) -> list[Reply]:
    """In the writer's thread. A delivery that breaks the door takes no other with it."""
    try:
        return door.receive_all(knocks)
    except Exception:
        if len(knocks) > 1:
            return [reply for each in knocks for reply in _received([each])]
        logger.exception("A webhook could not be taken")
        return [door.refused(500, "failed")]
    finally:
        if not connection.in_atomic_block:  # else it is whoever's that began the transaction
            connection.close_if_unusable_or_obsolete()


def end_session() -> None:
    """Close the session of the thread that asks."""
    connection.close()
