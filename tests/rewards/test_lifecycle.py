"""Lifecycle: over every pair, the tables alone decide."""

import ast
import itertools
from contextlib import suppress
from pathlib import Path

import pytest

from rewards import lifecycle
from rewards.lifecycle import IllegalTransition
from rewards.models import (
    Cancellation,
    CancellationState,
    CodeExtension,
    DeliveryStatus,
    ExtensionState,
    FindingState,
    FulfillmentStatus,
    ReconciliationFinding,
    ReconciliationRun,
    RedeemedReward,
    RewardType,
    RunState,
    UsageStatus,
)
from tests.factories.points import NOW

ROOT = Path(__file__).resolve().parents[2]

ALLOWED = {
    "fulfillment_status": {
        ("pending", "issued"),
        ("pending", "failed"),
        ("pending", "cancelled"),
        ("issued", "cancelled"),
    },
    "usage_status": {("unused", "used"), ("used", "unused")},
    "delivery_status": {
        ("", "ordered"),
        ("ordered", ""),
        ("ordered", "shipped"),
        ("ordered", "cancelled"),
        ("shipped", "delivered"),
        ("shipped", "cancelled"),
        ("cancelled", ""),
        ("cancelled", "ordered"),
    },
}
VALUES = {
    "fulfillment_status": FulfillmentStatus.values,
    "usage_status": UsageStatus.values,
    "delivery_status": DeliveryStatus.values,
}
PAIRS_BY_AXIS = {  # one that is allowed, one that is not
    "fulfillment_status": (("pending", "issued"), ("failed", "issued")),
    "usage_status": (("unused", "used"), ("untracked", "used")),
    "delivery_status": (("ordered", "shipped"), ("delivered", "shipped")),
}
PAIRS = [(axis, *pair) for axis, values in VALUES.items() for pair in itertools.product(values, repeat=2)]


@pytest.mark.parametrize(("axis", "present", "wanted"), PAIRS)
def test_allows_a_move_exactly_where_the_table_does(monkeypatch, axis, present, wanted):
    redeemed = RedeemedReward(pk=1, type="gift", **{axis: present})
    monkeypatch.setattr(RedeemedReward, "save", lambda self, **_: None)

    if (present, wanted) in ALLOWED[axis]:
        lifecycle.move(redeemed, now=NOW, **{axis: wanted})
        assert getattr(redeemed, axis) == wanted
    else:
        with pytest.raises(IllegalTransition):
            lifecycle.move(redeemed, now=NOW, **{axis: wanted})
        assert getattr(redeemed, axis) == present


def test_tables_know_every_value_of_their_axis_and_no_other():
    for axis, table in {**lifecycle.TABLES, "state": lifecycle.CANCELLATION}.items():
        values = set(VALUES.get(axis, CancellationState.values))
        assert set(table) == values
        assert set().union(*table.values()) <= values
    assert set(lifecycle.TABLES) == set(VALUES)


@pytest.mark.parametrize("of_type", [value for value in RewardType.values if value != RewardType.GIFT])
def test_lets_what_is_no_gift_be_ordered_and_go_no_further(monkeypatch, of_type):
    monkeypatch.setattr(RedeemedReward, "save", lambda self, **_: None)
    moved = set()

    for present, wanted in itertools.product(DeliveryStatus.values, repeat=2):
        with suppress(IllegalTransition):
            lifecycle.move(RedeemedReward(pk=1, type=of_type, delivery_status=present), now=NOW, delivery_status=wanted)
            moved.add((present, wanted))

    assert moved == {pair for pair in ALLOWED["delivery_status"] if pair[1] not in {"shipped", "delivered"}}


@pytest.mark.parametrize(("allowed", "refused"), list(itertools.permutations(PAIRS_BY_AXIS, 2)))
def test_moves_on_several_axes_together_or_on_none(monkeypatch, allowed, refused):
    saved = []
    monkeypatch.setattr(RedeemedReward, "save", lambda self, **_: saved.append(self))
    here, there = PAIRS_BY_AXIS[allowed][0], PAIRS_BY_AXIS[refused][1]
    redeemed = RedeemedReward(pk=1, type="gift", **{allowed: here[0], refused: there[0]})

    with pytest.raises(IllegalTransition):
        lifecycle.move(redeemed, now=NOW, **{allowed: here[1], refused: there[1]})

    assert (getattr(redeemed, allowed), getattr(redeemed, refused), saved) == (here[0], there[0], [])


STATUSES = {*VALUES, "state"}
WRITERS = {"rewards/lifecycle.py"}


def test_is_the_only_file_of_rewards_that_writes_a_status_of_a_redeemed_reward_or_a_cancellation():
    """Making a row gives it its first status; after that `lifecycle` alone assigns one, and no query writes one."""
    found = set()
    for path in sorted((ROOT / "rewards").rglob("*.py")):
        if "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            targets = node.targets if isinstance(node, ast.Assign) else []
            assigned = {target.attr for target in targets if isinstance(target, ast.Attribute)} & STATUSES
            by_query = set()
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "update":
                by_query = {word.arg for word in node.keywords} & STATUSES
            if assigned | by_query:
                found.add(str(path.relative_to(ROOT)))

    assert found == WRITERS


def test_refuses_to_ship_what_is_not_a_gift():
    redeemed = RedeemedReward(pk=1, type="discount_code", delivery_status="ordered")

    with pytest.raises(IllegalTransition, match="only gifts"):
        lifecycle.move(redeemed, now=NOW, delivery_status="shipped")


EXTENSION = {
    ("asking", "unknown"),
    ("asking", "extended"),
    ("asking", "refused"),
    ("unknown", "extended"),
    ("unknown", "refused"),
}


@pytest.mark.parametrize(("present", "wanted"), list(itertools.product(ExtensionState.values, repeat=2)))
def test_allows_an_extension_to_move_exactly_where_its_table_does(present, wanted):
    row = CodeExtension(pk=1, state=present)

    if (present, wanted) in EXTENSION:
        lifecycle.move_extension(row, ExtensionState(wanted))
        assert row.state == wanted
    else:
        with pytest.raises(IllegalTransition):
            lifecycle.move_extension(row, ExtensionState(wanted))
        assert row.state == present


FINDING = {
    ("open", "repairing"),
    ("open", "accepted"),
    ("open", "superseded"),
    ("repairing", "open"),
    ("repairing", "repaired"),
    ("repairing", "settled"),
}


@pytest.mark.parametrize(("present", "wanted"), list(itertools.product(FindingState.values, repeat=2)))
def test_allows_a_finding_to_move_exactly_where_its_table_does(present, wanted):
    row = ReconciliationFinding(pk=1, state=present)

    if (present, wanted) in FINDING:
        lifecycle.move_finding(row, FindingState(wanted))
        assert row.state == wanted
    else:
        with pytest.raises(IllegalTransition):
            lifecycle.move_finding(row, FindingState(wanted))
        assert row.state == present


@pytest.mark.parametrize(("present", "wanted"), list(itertools.product(RunState.values, repeat=2)))
def test_allows_a_reconciliation_to_move_exactly_where_its_table_does(present, wanted):
    row = ReconciliationRun(pk=1, state=present)

    if (present, wanted) in {("open", "done"), ("open", "stopped")}:
        lifecycle.move_run(row, RunState(wanted))
        assert row.state == wanted
    else:
        with pytest.raises(IllegalTransition):
            lifecycle.move_run(row, RunState(wanted))
        assert row.state == present


CANCELLATION = {
    ("cancelling", "proved"),
    ("cancelling", "unproved"),
    ("cancelling", "shared"),
    ("cancelling", "used_meanwhile"),
    ("unproved", "proved"),
}


@pytest.mark.parametrize(("present", "wanted"), list(itertools.product(CancellationState.values, repeat=2)))
def test_allows_a_cancellation_to_move_exactly_where_its_table_does(present, wanted):
    cancellation = Cancellation(pk=1, state=present)

    if (present, wanted) in CANCELLATION:
        lifecycle.move_cancellation(cancellation, CancellationState(wanted))
        assert cancellation.state == wanted
    else:
        with pytest.raises(IllegalTransition):
            lifecycle.move_cancellation(cancellation, CancellationState(wanted))
        assert cancellation.state == present
