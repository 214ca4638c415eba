"""Threads that ask one shop at the same time, each over a connection it keeps. They touch no database."""

import logging
import threading
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from loyalty.common.clock import Stopwatch
from platforms import lines
from platforms.adapter import Adapter
from rewards.claim import Claim
from rewards.issuing import asking
from rewards.issuing.asking import Exchange, Question
from rewards.models import RedeemedReward

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A question that may be asked as long as our claim lasts."""

    claim: Claim
    redeemed: RedeemedReward
    question: Question
    adapter: Adapter
    ends_at: float  # on the monotonic clock: not asked from then on


@dataclass(frozen=True, slots=True)
class Asked:
    """What the shop said to a question; nothing when it was not asked, in time or at all."""

    errand: Errand
    exchanges: tuple[Exchange, ...]


class Callers:
    """So many threads at most. Errands that all of them are too busy for wait here."""

    def __init__(self, width: int, watch: Stopwatch) -> None:
        self.width = width
        self.busy = 0  # errands given and not collected yet
        self.halted = False  # the shop has asked for time: nothing more is asked until somebody takes this back
        self._watch = watch
        self._errands: SimpleQueue[Errand | None] = SimpleQueue()
        self._answers: SimpleQueue[Asked | Errand] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Callers":
        return self

    def __exit__(self, *_: object) -> None:
        for _each in self._threads:
            self._errands.put(None)
        for thread in self._threads:
            thread.join()

    def give(self, errand: Errand) -> None:
        if len(self._threads) < min(self.width, self.busy + 1):
            thread = threading.Thread(target=self._serve, name="issuing", daemon=True)
            self._threads.append(thread)
            thread.start()
        self.busy += 1
        self._errands.put(errand)

    def collect(self, *, seconds: float) -> list[Asked]:
        """Wait so long for a first answer, and take all that are there. One that went wrong is logged and left out."""
        found: list[Asked] = []
        try:
            answer = self._answers.get(timeout=seconds)
            while True:
                self.busy -= 1
                if isinstance(answer, Asked):
                    found.append(answer)
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
                    may_ask = not self.halted and time.monotonic() < errand.ends_at
                    exchanges = asking.ask(errand.adapter, errand.question, self._watch) if may_ask else ()
                    self.halted |= any(each.wait for each in exchanges)
                    self._answers.put(Asked(errand, exchanges))
                except Exception:
                    # A mistake of ours: the claim runs out, and whoever comes next looks the code up.
                    logger.exception("Redeemed reward %s could not be asked about", errand.redeemed.pk)
                    self._answers.put(errand)
