"""The fault matrix, printed: each scenario in each platform's fake shop, with what came of it.

The fakes are programs of the tests and live with them; whoever has no checkout of the repository has no matrix.
"""

import logging
import tempfile
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from django.core.management.base import CommandError

from loyalty.merchant.models import Programme
from loyalty.points.management.scratch import ScratchCommand

NO_FAKES = (
    "The shops of the fault matrix are fakes that live in the folder tests, which is not here or lacks a package it "
    "needs ({missing}). Run this in a checkout of the repository, with requirements-dev.txt installed: `make prove-faults "
    "ARGS=--matrix`."
)
CONNECTIONS = 4  # this process, and the two threads that make one reward at once
WIDEST = 78


class Cell(Protocol):
    """What came of one scenario in one shop."""

    rewards: int
    codes: int
    points: int
    refunds: int
    lost: list[str]
    double: list[str]
    missing: dict[str, str]  # parts that cannot be there, and why
    ran: int  # parts that did


Results = Mapping[tuple[int, str], Cell]


def prove(command: ScratchCommand, *, only: str) -> None:
    """Play and print all of it. Raises CommandError when something was lost or double, or the fakes are not here."""
    began = time.monotonic()
    try:
        cells, shops, stage, table = (
            import_module(f"tests.matrix.{name}") for name in ("cells", "shops", "stage", "table")
        )
    except ModuleNotFoundError as error:
        raise CommandError(NO_FAKES.format(missing=error.name)) from error
    chosen = {name: shop for name, shop in shops.SHOPS.items() if only in name}
    if not chosen:
        raise CommandError(f"No shop of the matrix has {only!r} in its name. There are: {', '.join(shops.SHOPS)}.")
    logging.disable(logging.CRITICAL)
    results: dict[tuple[int, str], Cell] = {}
    with command.scratch_database("prove_matrix", connections=CONNECTIONS), tempfile.TemporaryDirectory() as folder:
        Programme.objects.update_or_create(pk=1, defaults={"points_per_unit": 1})
        write_head(command, list(chosen))
        for number, sentence in table.SCENARIOS.items():
            row: dict[str, Cell] = {}
            for name, shop in chosen.items():
                with shop(Path(folder) / f"{name}-{number}") as running:
                    row[name] = results[number, name] = cells.run(stage.Stage(running), number)
            write_row(command, number, sentence, row)
    broken = write_rest(command, results)
    command.stdout.write(f"{time.monotonic() - began:.0f} s.")
    if broken:
        raise CommandError(f"{broken} things were lost or happened twice. Please report this with the lines above.")


def write_head(command: ScratchCommand, names: list[str]) -> None:
    command.stdout.write("Each cell: rewards / codes that work for them / points paid / refunds.\n")
    command.stdout.write("  ".join([f"{'':{WIDEST}}", *(f"{name:>14}" for name in names)]))


def write_row(command: ScratchCommand, number: int, sentence: str, row: Mapping[str, Cell]) -> None:
    line = [f"{number:2}  {sentence}".ljust(WIDEST), *(f"{_text(cell):>14}" for cell in row.values())]
    command.stdout.write("  ".join(line))
    command.stdout.flush()


def write_rest(command: ScratchCommand, results: Results) -> int:
    """What cannot be there and why, and what broke; gives back how many things did."""
    _write_missing(command, results)
    lost = [f"{name}, scenario {number}: {one}" for (number, name), cell in results.items() for one in cell.lost]
    double = [f"{name}, scenario {number}: {one}" for (number, name), cell in results.items() for one in cell.double]
    for what, found in (("lost", lost), ("double", double)):
        for one in found:
            command.stderr.write(f"{what}: {one}")
    command.stdout.write(f"\n{len(results)} cells, {len(lost)} lost, {len(double)} double.")
    return len(lost) + len(double)


def _write_missing(command: ScratchCommand, results: Results) -> None:
    reasons: dict[tuple[int, str, str], list[str]] = {}
    for (number, name), cell in results.items():
        for part, why in cell.missing.items():
            reasons.setdefault((number, part, why), []).append(name)
    command.stdout.write("\nWhat cannot be there:")
    for (number, part, why), shops in reasons.items():
        command.stdout.write(f"{number:4}  {part}, {' and '.join(shops)}: {why}.")


def _text(cell: Any) -> str:
    if cell.lost or cell.double:
        return "BROKEN"
    return f"{cell.rewards}/{cell.codes}/{cell.points}/{cell.refunds}" if cell.ran else "-"
