"""Races: many acts at the same moment, each on a connection of its own, and a score of what has to hold afterwards."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

PATIENCE = 120  # seconds until an act counts as hung

Act = Callable[[], Any]


class Crew:
    """Workers that keep their database connections from race to race."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="racer")

    def race(self, acts: Sequence[Act]) -> list[Any]:
        """What each act gave back, or the exception it ended with. They start together, at most one a worker."""
        if len(acts) > self.workers:
            raise ValueError(f"{len(acts)} acts do not start together with {self.workers} workers.")
        start = threading.Barrier(len(acts))

        def run(act: Act) -> Any:
            start.wait(timeout=PATIENCE)
            try:
                return act()
            except Exception as error:  # noqa: BLE001 (whoever asked looks at it)
                return error

        return [future.result(timeout=2 * PATIENCE) for future in [self._pool.submit(run, act) for act in acts]]

    def leave(self) -> None:
        self.race([connections.close_all] * self.workers)
        self._pool.shutdown()


@contextmanager
def crew(workers: int) -> Iterator[Crew]:
    """A crew whose connections are closed at the end."""
    hired = Crew(workers)
    try:
        yield hired
    finally:
        hired.leave()


@dataclass(slots=True)
class Tally:
    """One invariant: how often it was checked, and each break in words."""

    checks: int = 0
    breaks: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Scores:
    """Every invariant by its name, in the order in which they were first checked."""

    tallies: dict[str, Tally] = field(default_factory=dict)

    def check(self, invariant: str, *, holds: bool, otherwise: str) -> None:
        """Count one check. `otherwise` says what was found where it does not hold."""
        tally = self.tallies.setdefault(invariant, Tally())
        tally.checks += 1
        if not holds:
            tally.breaks.append(otherwise)

    def equal(self, invariant: str, found: object, expected: object) -> None:
        self.check(invariant, holds=found == expected, otherwise=f"found {found}, expected {expected}")

    @property
    def broken(self) -> int:
        return sum(len(tally.breaks) for tally in self.tallies.values())


Race = Callable[[Crew, Scores], None]
