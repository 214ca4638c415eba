"""The cells of the fault matrix."""

from tests.matrix import bulk, making, using
from tests.matrix.judging import judge
from tests.matrix.stage import Cell, Stage
from tests.matrix.table import CANNOT

PARTS = [*making.PARTS, *bulk.PARTS, *using.PARTS]


def run(stage: Stage, scenario: int) -> Cell:
    """One cell: each part of the scenario that can exist in this shop, and then what holds of all they left."""
    stage.begin()
    for one in PARTS:
        if one.scenario != scenario:
            continue
        reason = CANNOT.get(one.name, {}).get(stage.shop.platform)
        if reason is not None:
            stage.cell.missing[one.name] = reason
            continue
        stage.part = one.name
        stage.cell.ran += 1
        try:
            one.act(stage)
        except Exception as error:  # noqa: BLE001 (the other parts are played, and the cell is broken)
            stage.cell.lost.append(f"{one.name}: it broke off: {error!r}")
    return judge(stage)
