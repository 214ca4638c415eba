"""The fault matrix: each scenario in each shop loses nothing and does nothing twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loyalty.merchant.models import Programme
from tests.matrix import cells
from tests.matrix.levers import FaultyShop
from tests.matrix.shops import SHOPS
from tests.matrix.stage import Stage
from tests.matrix.table import CANNOT, SCENARIOS

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


@pytest.fixture(params=SHOPS)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FaultyShop]:
    with SHOPS[request.param](tmp_path) as running:
        yield running


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_loses_nothing_and_does_nothing_twice(shop: FaultyShop, scenario: int) -> None:
    Programme.objects.update_or_create(pk=1, defaults={"points_per_unit": 1})

    cell = cells.run(Stage(shop), scenario)

    assert not cell.broken, "\n".join(cell.broken)


def test_has_a_part_for_each_scenario_and_leaves_out_what_its_table_says_alone() -> None:
    names = {part.name for part in cells.PARTS}

    assert {part.scenario for part in cells.PARTS} == set(SCENARIOS)
    assert len(names) == len(cells.PARTS)
    assert set(CANNOT) <= names
    assert all(set(reasons) < set(SHOPS) for reasons in CANNOT.values())
