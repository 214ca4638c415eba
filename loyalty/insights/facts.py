"""Every row that says something about one customer's points, read once: the ground of "as of" and of "why"."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from django.db.models import Model

from loyalty.customers.models import Customer
from loyalty.points.errors import UnknownCustomer
from loyalty.points.models import (
    PointsAllocation,
    PointsHold,
    PointsHoldCharge,
    PointsHoldRelease,
    PointsLot,
    PointsLotChange,
    PointsReturn,
    PointsShortfall,
    PointsShortfallPayment,
    PointsTransaction,
)

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The rows of one customer, each kind by its id and in id order."""

    customer_id: int
    transactions: dict[int, PointsTransaction]  # with their notes
    lots: dict[int, PointsLot]
    allocations: dict[int, PointsAllocation]
    returns: dict[int, PointsReturn]
    holds: dict[int, PointsHold]
    charges: dict[int, PointsHoldCharge]
    releases: dict[int, PointsHoldRelease]
    changes: dict[int, PointsLotChange]
    shortfalls: dict[int, PointsShortfall]
    payments: dict[int, PointsShortfallPayment]


def load(*, customer_id: int) -> Facts:
    """Read them, in eleven queries however many they are. Raises UnknownCustomer."""
    if not Customer.objects.filter(pk=customer_id).exists():
        raise UnknownCustomer(customer_id)
    mine = PointsTransaction.objects.filter(customer_id=customer_id)
    return Facts(
        customer_id=customer_id,
        transactions=_by_id(mine.select_related("note").order_by("id")),
        lots=_by_id(PointsLot.objects.filter(customer_id=customer_id).order_by("id")),
        allocations=_by_id(PointsAllocation.objects.filter(transaction__customer_id=customer_id).order_by("id")),
        returns=_by_id(PointsReturn.objects.filter(transaction__customer_id=customer_id).order_by("id")),
        holds=_by_id(PointsHold.objects.filter(customer_id=customer_id).order_by("id")),
        charges=_by_id(PointsHoldCharge.objects.filter(hold__customer_id=customer_id).order_by("id")),
        releases=_by_id(PointsHoldRelease.objects.filter(charge__hold__customer_id=customer_id).order_by("id")),
        changes=_by_id(PointsLotChange.objects.filter(lot__customer_id=customer_id).order_by("id")),
        shortfalls=_by_id(PointsShortfall.objects.filter(customer_id=customer_id).order_by("id")),
        payments=_by_id(PointsShortfallPayment.objects.filter(shortfall__customer_id=customer_id).order_by("id")),
    )


def _by_id(rows: Iterable[Row]) -> dict[int, Row]:
    return {row.pk: row for row in rows}
