"""`manage.py prove_races`: race every act against every other in a scratch database, and count what broke."""

import time
from argparse import ArgumentParser
from importlib import import_module
from typing import Any

from django.apps import apps
from django.core.management.base import CommandError
from django.utils.module_loading import module_has_submodule

from loyalty.common.racing import Crew, Race, Scores, crew
from loyalty.points.management.scratch import ScratchCommand


class Command(ScratchCommand):
    help = (
        "Race every act against every other in a scratch database beside the configured one, which is not touched. "
        "Prints each invariant with its checks and breaks, and exits with 1 when one broke."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workers", type=int, default=64, help="How many act at the same moment (default: 64).")

    def handle(self, *args: Any, **options: Any) -> None:
        workers = options["workers"]
        if not 2 <= workers <= 500:
            raise CommandError(f"--workers: {workers} is not between 2 and 500.")
        began = time.monotonic()
        with self.scratch_database("prove_races", connections=workers), crew(workers) as racers:
            scores = self.run_races(racers)
        self.report(scores, workers=workers, seconds=time.monotonic() - began)
        if scores.broken:
            raise CommandError(f"{scores.broken} checks of invariants broke. Please report this with the lines above.")

    def run_races(self, racers: Crew) -> Scores:
        scores = Scores()
        races = found_races()
        for number, (name, race) in enumerate(races.items(), start=1):
            self.stdout.write(f"[{number:2}/{len(races)}] {name} ... ", ending="")
            self.stdout.flush()
            began, broken = time.monotonic(), scores.broken
            race(racers, scores)
            verdict = "held" if scores.broken == broken else "BROKEN"
            self.stdout.write(f"{verdict} ({time.monotonic() - began:.1f} s)")
        return scores

    def report(self, scores: Scores, *, workers: int, seconds: float) -> None:
        self.tell(scores)
        checks = sum(tally.checks for tally in scores.tallies.values())
        self.stdout.write(
            f"\n{workers} workers, {checks:,} checks of {len(scores.tallies)} invariants, {scores.broken} breaks, "
            f"{seconds:.0f} s."
        )


def found_races() -> dict[str, Race]:
    """The races of every app that has a `proving` module, in the order in which the apps are installed."""
    races: dict[str, Race] = {}
    for app in apps.get_app_configs():
        if module_has_submodule(app.module, "proving"):
            races |= import_module(f"{app.name}.proving").RACES
    return races
