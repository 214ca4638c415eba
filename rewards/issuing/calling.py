"""Threads that ask one shop at the same time, each over a connection it keeps. They touch no database."""

import gc
import logging
import sys
import threading
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from loyalty.common.clock import Stopwatch
from platforms import lines
from platforms.adapter import Adapter
from rewards.claim import Claim
from rewards.issuing import asking
from rewards.issuing.asking import Exchange, Question
from rewards.models import RedeemedReward

logger = logging.getLogger(__name__)

GATHER = 0.01  # seconds: less than any call takes, and every caller has its next errand meanwhile
# Seconds for which the thread that keeps the books may compute while a caller has its answer in hand. A call changes
# hands some five times, and at Python's usual 0.005 each of them may cost that much.
SWITCH_AFTER = 0.0005
# To look through all that a process has loaded for rubbish stops every caller meanwhile, for as long as a call may take.
# So what was there before is left out, and what came since is looked through after so many new objects: a run is short.
COLLECT_AFTER = (20_000, 20, 100)


@dataclass(frozen=True, slots=True)
class Item:
    """One reward that is asked about, and our claim on it."""

    claim: Claim
    redeemed: RedeemedReward
    question: Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One call that may begin as long as our claims last: about one reward, or about several to be made together."""

    items: tuple[Item, ...]
    adapter: Adapter
    ends_at: float  # on the monotonic clock: not asked from then on
    in_bulk: bool = False  # their codes share one discount


@dataclass(frozen=True, slots=True)
class Asked:
    """What the shop said to a question; nothing when it was not asked, in time or at all."""

    item: Item
    exchanges: tuple[Exchange, ...]


class Callers:
    """So many threads at most. Errands that all of them are too busy for wait here."""

    def __init__(self, width: int, watch: Stopwatch) -> None:
        self.width = width
        self.busy = 0  # errands given and not collected yet
        self.halted = False  # the shop has asked for time: nothing more is asked until somebody takes this back
        self.alone = False  # the shop did not take several at once, or did not answer: from now on one by one
        self._watch = watch
        self._errands: SimpleQueue[Errand | None] = SimpleQueue()
        self._answers: SimpleQueue[tuple[Asked, ...]] = SimpleQueue()  # one entry an errand
        self._threads: list[threading.Thread] = []
        self._switched_after, self._collected_after = sys.getswitchinterval(), gc.get_threshold()

    def __enter__(self) -> "Callers":
        sys.setswitchinterval(SWITCH_AFTER)
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        return self

    def __exit__(self, *_: object) -> None:
        for _each in self._threads:
            self._errands.put(None)
        for thread in self._threads:
            thread.join()
        sys.setswitchinterval(self._switched_after)
        gc.unfreeze()
        gc.set_threshold(*self._collected_after)

    def give(self, errand: Errand) -> None:
        if len(self._threads) < min(self.width, self.busy + 1):
            thread = threading.Thread(target=self._serve, name="issuing", daemon=True)
            self._threads.append(thread)
            thread.start()
        self.busy += 1
        self._errands.put(errand)

    def collect(self, *, seconds: float) -> list[Asked]:
        """Wait so long for a first answer, and take all that are there a moment later.

        What went wrong is logged and left out.
        """
        found: list[Asked] = []
        try:
            answer = self._answers.get(timeout=max(seconds, 0.001))
            time.sleep(GATHER)
            while True:
                self.busy -= 1
                found += answer
                answer = self._answers.get_nowait()
        except Empty:
            return found

    def take_back(self) -> list[Errand]:
        """The errands that nobody has begun."""
        found: list[Errand] = []
        try:
            while True:
                errand = self._errands.get_nowait()
                if errand is not None:
                    found.append(errand)
                    self.busy -= 1
        except Empty:
            return found

    def _serve(self) -> None:
        with lines.kept():
            while (errand := self._errands.get()) is not None:
                try:
                    self._answers.put(self._ask(errand))
                except Exception:
                    # A mistake of ours: the claims run out, and whoever comes next looks the codes up.
                    logger.exception("Redeemed rewards %s could not be asked about", _ids(errand))
                    self._answers.put(())

    def _ask(self, errand: Errand) -> tuple[Asked, ...]:
        items, adapter = errand.items, errand.adapter
        told: tuple[tuple[Exchange, ...], ...] = tuple(() for _ in items)
        if not self.halted and time.monotonic() < errand.ends_at:
            if errand.in_bulk:
                told = asking.ask_in_bulk(adapter, [item.question for item in items], self._watch)
            elif len(items) == 1:
                told = (asking.ask(adapter, items[0].question, self._watch),)
            elif not self.alone:
                bulk: Any = adapter  # its capabilities say that it is a BulkAdapter
                told, alone = asking.ask_together(bulk, [item.question for item in items], self._watch)
                self.alone |= alone
        self.halted |= any(exchange.wait for each in told for exchange in each)
        return tuple(map(Asked, items, told))


def _ids(errand: Errand) -> str:
    return ", ".join(str(item.redeemed.pk) for item in errand.items)
