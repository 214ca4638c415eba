"""Crashes: one act in a process of its own, broken at every step it takes, and what has to hold when all is mended.

The steps are found, not listed: an act runs unharmed once, on wires that count its questions, and then again for each
of them, with fresh rows. Whoever breaks it is single-threaded and has no Django of its own open: children are forked.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from loyalty.common.racing import Scores
from loyalty.common.wires import OF, Fault, Step, Switchboard, Talk

PATIENCE = 120.0  # seconds until a child counts as hung

Scene = TypeVar("Scene")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario(Generic[Scene]):
    """One act. `prepare` gives back its subject, which travels between processes: ids and texts.

    `again` is what somebody does who got no answer; without it nobody does anything, and the sweeps have to do it all.
    `judge` is asked after everything was mended.
    """

    prepare: Callable[[Scene], Any]
    act: Callable[[Scene, Any], object]
    judge: Callable[[Scene, Any, Scores], None]
    again: Callable[[Scene, Any], object] | None = None


class ChildFailed(Exception):
    """A child that nothing befell ended before its time, or one did not end at all."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where an act is broken: at the so many-th of its questions, or of those it asks of `talk`.

    Threads ask at the same time, so which question comes first differs from one performance to the next; the first one
    to the shop is the first one to the shop each time.
    """

    fault: Fault
    at: int
    talk: Talk | None = None

    def is_at(self, steps: Sequence[Step]) -> bool:
        """Whether the last of these steps is the one, or comes after it."""
        if self.talk is None:
            return len(steps) >= self.at
        return steps[-1].talk is self.talk and sum(step.talk is self.talk for step in steps) >= self.at


@dataclass(slots=True)
class Run:
    """One performance: where it was broken, if it was, and how it ended."""

    scenario: str
    point: Point | None = None
    subject: Any = None
    steps: list[Step] = field(default_factory=list)
    struck: int = 0  # the step at which it was broken
    error: str = ""  # what the act raised

    @property
    def hit(self) -> bool:
        return self.struck > 0

    def __str__(self) -> str:
        if self.point is None:
            return f"{self.scenario}, unharmed"
        if not self.hit:
            return f"{self.scenario}, done before it could be {self.point.fault}"
        return f"{self.scenario}, {self.point.fault} at step {self.struck} ({self.steps[self.struck - 1].talk})"


class Stage:
    """Where acts are performed.

    `enter` makes a child out of a forked process, `end_session` lets the database end a session, and `forget` waits until
    it has noticed that some are gone.
    """

    def __init__(
        self,
        board: Switchboard,
        *,
        enter: Callable[[], None],
        end_session: Callable[[int], None],
        forget: Callable[[list[int]], None],
    ) -> None:
        self._board = board
        self._enter = enter
        self._end_session = end_session
        self._forget = forget

    def perform(self, run: Run, *, prepare: Callable[[], Any], act: Callable[[Any], object]) -> None:
        """Perform an act on a fresh subject, with the fault of the run, and note what came of it. Raises ChildFailed."""

        def play(parent: Connection) -> None:
            subject = prepare()
            parent.send(subject)
            parent.recv()  # the curtain
            act(subject)

        child, pipe = self._fork(play)
        performance = _Performance(run, child, self._end_session)
        try:
            run.subject = self._hear(child, pipe)
            self._board.director = performance
            pipe.send(None)
            run.error = self._end_of(performance, pipe)
        finally:
            self._board.director = None
            performance.kill()
            sessions = self._board.backends()
            self._board.hang_up()
            self._forget(sessions)
            pipe.close()

    def ask(self, question: Callable[[], Any]) -> Any:
        """What a child answers that nothing befalls. Raises ChildFailed."""
        child, pipe = self._fork(lambda parent: parent.send(question()))
        try:
            return self._hear(child, pipe)
        finally:
            _kill(child)
            pipe.close()

    def start(self, play: Callable[[], object]) -> int:
        """A child that stays, in a group of its own; gives back its process id."""

        def stay(_: Connection) -> None:
            os.setsid()
            play()

        child, pipe = self._fork(stay)
        pipe.close()
        return child

    def _fork(self, play: Callable[[Connection], object]) -> tuple[int, Connection]:
        ours, theirs = Pipe()
        child = os.fork()
        if child:
            theirs.close()
            return child, ours
        status = 1
        try:
            ours.close()
            self._enter()
            play(theirs)
            theirs.send(("ended", None))
            status = 0
        except BaseException as error:  # noqa: BLE001 (told to the parent; this process ends either way)
            with suppress(OSError):
                theirs.send(("ended", f"{type(error).__name__}: {error}"))
        finally:
            os._exit(status)

    def _hear(self, child: int, pipe: Connection) -> Any:
        """What a child says next."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if self._board.pump(1.0, until=pipe.fileno()):
                told = pipe.recv()
                if isinstance(told, tuple) and len(told) == 2 and told[0] == "ended":
                    raise ChildFailed(f"a child ended before its time: {told[1]}")
                return told
        _kill(child)
        raise ChildFailed("a child said nothing for too long")

    def _end_of(self, performance: "_Performance", pipe: Connection) -> str:
        """The error an act ended with; empty for none, and for one that was killed. Raises ChildFailed."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            ready = self._board.pump(1.0, until=pipe.fileno())
            if performance.dead:
                return ""
            if ready:
                try:
                    return str(pipe.recv()[1] or "")
                except EOFError:
                    return "the process died by itself"
        raise ChildFailed(f"{performance.run} did not end")


class _Performance:
    """The director of one run."""

    def __init__(self, run: Run, child: int, end_session: Callable[[int], None]) -> None:
        self.run = run
        self.child = child
        self.dead = False
        self.end_session = end_session

    def begins(self, talk: Talk) -> tuple[Step, Fault | None]:
        step = Step(talk)
        self.run.steps.append(step)
        point = self.run.point
        if point is None or self.run.hit or not point.is_at(self.run.steps):
            return step, None
        self.run.struck = len(self.run.steps)
        return step, point.fault

    def kill(self) -> None:
        if not self.dead:
            self.dead = True
            _kill(self.child)


def _kill(child: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(child, 0)


def points(steps: list[Step], *, quick: bool) -> Iterator[Point]:
    """Where to break an act that took these steps: at each of them.

    Quick leaves out points at which the world looks as it did at the point before: those after which nothing had been
    changed for others to see.
    """
    asked: Counter[Talk] = Counter()
    for number, step in enumerate(steps, start=1):
        asked[step.talk] += 1
        if number > 1 and (steps[number - 2].changed or not quick):
            yield Point(Fault.KILLED, number)
        for fault in (Fault.DROPPED, Fault.CUT, Fault.SILENT):
            if step.talk in OF[fault] and (step.changed or not quick):
                yield Point(fault, asked[step.talk], step.talk)


def merge(scores: Scores, found: Scores, *, where: str) -> None:
    """Add what was found in one place."""
    for invariant, tally in found.tallies.items():
        scores.check(invariant, holds=True, otherwise="")
        kept = scores.tallies[invariant]
        kept.checks += tally.checks - 1
        kept.breaks += [f"{where}: {sentence}" for sentence in tally.breaks]


def tally_of(runs: Iterable[Run]) -> dict[Fault, int]:
    """How often each fault struck."""
    struck = dict.fromkeys(Fault, 0)
    for run in runs:
        if run.hit and run.point is not None:
            struck[run.point.fault] += 1
    return struck
