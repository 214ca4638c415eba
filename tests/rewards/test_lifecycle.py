"""Lifecycle: over every pair, the tables alone decide."""

import itertools

import pytest

from rewards import lifecycle
from rewards.lifecycle import IllegalTransition
from rewards.models import (
    Cancellation,
    CancellationState,
    DeliveryStatus,
    FulfillmentStatus,
    RedeemedReward,
    UsageStatus,
)
from tests.factories.points import NOW

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


def test_refuses_to_ship_what_is_not_a_gift():
    redeemed = RedeemedReward(pk=1, type="discount_code", delivery_status="ordered")

    with pytest.raises(IllegalTransition, match="only gifts"):
        lifecycle.move(redeemed, now=NOW, delivery_status="shipped")


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
