"""Run the same thing many times at the same moment, each in a thread with a connection of its own."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection


def race(*acts: Callable[[], Any]) -> list[Any]:
    """What each act gave back, or the exception it raised. All start together; a hung one fails the test."""
    start = threading.Barrier(len(acts))
    results: list[Any] = [TimeoutError("hung")] * len(acts)

    def run(place: int, act: Callable[[], Any]) -> None:
        try:
            start.wait(timeout=30)
            results[place] = act()
        except Exception as error:  # noqa: BLE001 (the test looks at it)
            results[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(place, act), daemon=True) for place, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


def succeeded(results: list[Any]) -> list[Any]:
    return [result for result in results if not isinstance(result, BaseException)]


def kinds_of_failure(results: list[Any]) -> set[str]:
    return {type(result).__name__ for result in results if isinstance(result, BaseException)}


def erase_ledger() -> None:
    """Take broken rows away again, so that a check after the test speaks of nothing."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE points_pointstransaction, points_pointshold, points_pointsaccount CASCADE")


def in_the_midst(monkeypatch: Any, place: tuple[Any, str], other: Callable[[], Any]) -> Callable[[], Any]:
    """Where the function `place` names is called for the first time, another act begins, and has half a second there.

    It ends before that call, or after the act it had to wait for. What this gives back gives the other's result.
    """
    module, name = place
    act, outcome = getattr(module, name), []

    def run() -> None:
        outcome.extend(race(other))

    thread = threading.Thread(target=run, daemon=True)

    def begin_the_other(*args: Any, **named: Any) -> Any:
        if thread.ident is None:
            thread.start()
            thread.join(timeout=0.5)
        return act(*args, **named)

    def result() -> Any:
        thread.join(timeout=60)
        return outcome[0]

    monkeypatch.setattr(module, name, begin_the_other)
    return result
