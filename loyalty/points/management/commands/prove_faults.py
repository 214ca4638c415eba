"""`manage.py prove_faults`: break every act at each of its steps in a scratch database, mend it, and count what broke."""

import time
from argparse import ArgumentParser
from importlib import import_module
from types import ModuleType
from typing import Any

from django.apps import apps
from django.core.management.base import CommandError
from django.utils.module_loading import module_has_submodule

from loyalty.common import crashing
from loyalty.common.crashing import Run, Scenario
from loyalty.common.wires import Fault
from loyalty.points.management import doorbell, fault_matrix
from loyalty.points.management.fault_proof import Proof
from loyalty.points.management.scratch import ScratchCommand
from platforms import trial, trial_mail
from platforms.trial import Scene

CONNECTIONS = 16  # a child, the processes of a worker, and room


class Command(ScratchCommand):
    help = (
        "Kill, cut off and time out every act at each of its steps, in a scratch database and a sandbox shop; flush the "
        "broker; let workers and sweeps mend it; and check that nothing is lost and nothing happened twice. Exits with 1 "
        "when something was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--quick",
            action="store_true",
            help="Leave out steps before which nothing has changed for others since the step before.",
        )
        parser.add_argument("--only", default="", help="Acts, or with --matrix shops, whose names contain this.")
        parser.add_argument(
            "--matrix",
            action="store_true",
            help="Play each scenario of the fault matrix in each platform's fake shop instead, and print the table.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["matrix"]:
            with doorbell.unheard():
                fault_matrix.prove(self, only=options["only"])
            return
        began = time.monotonic()
        found = found_modules()
        chosen = {name: act for module in found for name, act in module.FAULTS.items() if options["only"] in name}
        if not chosen:
            raise CommandError(f"No act has {options['only']!r} in its name.")
        try:
            with (
                trial.running() as shop,
                trial_mail.running() as mail,
                self.scratch_database("prove_faults", connections=CONNECTIONS) as server,
            ):
                proof = Proof(server=server, shop=shop, mail=mail, modules=found)
                with proof.standing():
                    runs = self.break_all(proof, chosen, quick=options["quick"])
                    scores = proof.mend_and_judge(runs, chosen)
        except trial.ShopDidNotStart as error:
            raise CommandError(f"The sandbox shop did not start: {error}") from error
        except trial_mail.MailDidNotStart as error:
            raise CommandError(str(error)) from error
        except crashing.ChildFailed as error:
            raise CommandError(f"This is no break but a mistake of the proof: {error}") from error
        self.tell(scores)
        broken = sum(run.hit for run in runs)
        checks = sum(tally.checks for tally in scores.tallies.values())
        self.stdout.write(
            f"\n{len(chosen)} acts, broken at {broken:,} points, {checks:,} checks of {len(scores.tallies)} invariants, "
            f"{scores.broken} breaks, {time.monotonic() - began:.0f} s."
        )
        if scores.broken:
            raise CommandError(f"{scores.broken} checks of invariants broke. Please report this with the lines above.")

    def break_all(self, proof: Proof, chosen: dict[str, Scenario[Scene]], *, quick: bool) -> list[Run]:
        runs: list[Run] = []
        self.stdout.write("  steps  " + "  ".join(f"{fault:>9}" for fault in Fault) + "  act")
        for name, scenario in chosen.items():
            done = list(proof.break_one(name, scenario, quick=quick))
            struck = crashing.tally_of(done)
            counts = "  ".join(f"{struck[fault]:9}" for fault in Fault)
            self.stdout.write(f"{len(done[0].steps):7}  {counts}  {name}")
            self.stdout.flush()
            runs += done
        return runs


def found_modules() -> list[ModuleType]:
    """The `faults` modules of all apps, in the order in which the apps are installed."""
    return [
        import_module(f"{config.name}.faults")
        for config in apps.get_app_configs()
        if config.module is not None and module_has_submodule(config.module, "faults")
    ]
