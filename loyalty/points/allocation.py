"""Which lots pay: the spending order, as pure functions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SpendableLot:
    """A lot that can be spent now. Pending and expired lots never come here."""

    id: int
    remaining: int
    expires_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Charge:
    """How many points a lot pays."""

    lot_id: int
    points: int


def spending_order(lots: Iterable[SpendableLot]) -> list[SpendableLot]:
    """Soonest expiring first, never expiring last; ties by oldest, then by id."""
    return sorted(
        lots,
        key=lambda lot: (lot.expires_at is None, lot.expires_at or lot.created_at, lot.created_at, lot.id),
    )


def allocate(lots: Sequence[SpendableLot], points: int) -> list[Charge]:
    """Charge lots in spending order until `points` are covered. Raises ValueError when they do not hold enough."""
    charges: list[Charge] = []
    missing = points
    for lot in spending_order(lots):
        if missing == 0:
            break
        share = min(lot.remaining, missing)
        charges.append(Charge(lot.id, share))
        missing -= share
    if missing:
        raise ValueError(f"The lots hold {missing} points too few.")
    return charges
