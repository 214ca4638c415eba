"""The transition tables of the three axes, and the one function that writes a status."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from loyalty.common.errors import DomainError
from rewards.models import (
    Cancellation,
    CancellationState,
    CodeExtension,
    DeliveryStatus,
    ExtensionState,
    FindingState,
    FulfillmentStatus,
    Payout,
    PayoutState,
    ReconciliationFinding,
    ReconciliationRun,
    RedeemedReward,
    RunState,
    UsageStatus,
)
from rewards.types import registry

FULFILLMENT: dict[str, set[str]] = {
    FulfillmentStatus.PENDING: {FulfillmentStatus.ISSUED, FulfillmentStatus.FAILED, FulfillmentStatus.CANCELLED},
    FulfillmentStatus.ISSUED: {FulfillmentStatus.CANCELLED, FulfillmentStatus.FAILED},  # failed: money on its way only
    FulfillmentStatus.FAILED: set(),
    FulfillmentStatus.CANCELLED: set(),
}
USAGE: dict[str, set[str]] = {
    UsageStatus.UNUSED: {UsageStatus.USED},
    UsageStatus.USED: {UsageStatus.UNUSED},
    UsageStatus.UNTRACKED: set(),
}
DELIVERY: dict[str, set[str]] = {
    DeliveryStatus.NONE: {DeliveryStatus.ORDERED},
    DeliveryStatus.ORDERED: {DeliveryStatus.SHIPPED, DeliveryStatus.CANCELLED, DeliveryStatus.NONE},
    DeliveryStatus.SHIPPED: {DeliveryStatus.DELIVERED, DeliveryStatus.CANCELLED},
    DeliveryStatus.DELIVERED: set(),
    DeliveryStatus.CANCELLED: {DeliveryStatus.NONE, DeliveryStatus.ORDERED},  # marked unused, or ordered anew
}
CANCELLATION: dict[str, set[str]] = {  # of the cancellation itself: how an undo goes
    CancellationState.CANCELLING: {
        CancellationState.PROVED,
        CancellationState.UNPROVED,
        CancellationState.SHARED,
        CancellationState.USED_MEANWHILE,
    },
    CancellationState.PROVED: set(),
    CancellationState.UNPROVED: {CancellationState.PROVED},  # when a later look shows the code dead
    CancellationState.SHARED: set(),
    CancellationState.USED_MEANWHILE: set(),
}
EXTENSION: dict[str, set[str]] = {  # of a longer life that a shop was asked for
    ExtensionState.ASKING: {ExtensionState.UNKNOWN, ExtensionState.EXTENDED, ExtensionState.REFUSED},
    ExtensionState.UNKNOWN: {ExtensionState.EXTENDED, ExtensionState.REFUSED},
    ExtensionState.EXTENDED: set(),
    ExtensionState.REFUSED: set(),
}
PAYOUT: dict[str, set[str]] = {  # of the money of a cashback
    PayoutState.INIT: {
        PayoutState.UNKNOWN,
        PayoutState.PENDING,
        PayoutState.PAID,
        PayoutState.FAILED,
        PayoutState.CANCELLED,
    },
    PayoutState.UNKNOWN: {
        PayoutState.INIT,
        PayoutState.PENDING,
        PayoutState.REVIEW,
        PayoutState.PAID,
        PayoutState.FAILED,
    },
    PayoutState.PENDING: {PayoutState.PENDING, PayoutState.REVIEW, PayoutState.PAID, PayoutState.FAILED},
    PayoutState.REVIEW: {PayoutState.PENDING, PayoutState.PAID, PayoutState.FAILED},
    PayoutState.PAID: set(),
    PayoutState.FAILED: set(),
    PayoutState.CANCELLED: set(),
}
FINDING: dict[str, set[str]] = {  # of a difference between our records and a shop
    FindingState.OPEN: {
        FindingState.REPAIRING,
        FindingState.ACCEPTED,
        FindingState.SUPERSEDED,
    },
    FindingState.REPAIRING: {FindingState.OPEN, FindingState.REPAIRED, FindingState.SETTLED},
    FindingState.REPAIRED: set(),
    FindingState.SETTLED: set(),
    FindingState.ACCEPTED: set(),
    FindingState.SUPERSEDED: set(),
}
RUN: dict[str, set[str]] = {  # of a comparison with a shop
    RunState.OPEN: {RunState.DONE, RunState.STOPPED},
    RunState.DONE: set(),
    RunState.STOPPED: set(),
}
TABLES = {"fulfillment_status": FULFILLMENT, "usage_status": USAGE, "delivery_status": DELIVERY}


class IllegalTransition(DomainError):
    """A status cannot follow the present one."""

    code = "illegal_transition"


def move(redeemed: RedeemedReward, *, now: datetime, **changes: Any) -> None:
    """Write statuses, and the facts that go with them, of a redeemed reward the caller has locked.

    Statuses are given as `fulfillment_status`, `usage_status`, `delivery_status`; other keywords are plain columns.
    All is checked before anything is written. Raises IllegalTransition.
    """
    _require_moves(redeemed, changes)
    for name, value in changes.items():
        setattr(redeemed, name, value)
    redeemed.updated_at = now
    redeemed.save(update_fields=[*changes, "updated_at"])


def move_many(rows: Sequence[RedeemedReward], *, now: datetime, **changes: Any) -> None:
    """As `move`, the same for all of these rows that the caller has locked, in one statement. Raises IllegalTransition."""
    for redeemed in rows:
        _require_moves(redeemed, changes)
    RedeemedReward.objects.filter(pk__in=[redeemed.pk for redeemed in rows]).update(**changes, updated_at=now)


def move_cancellation(row: Cancellation, state: CancellationState) -> None:
    """Give a cancellation the caller has locked another state; the caller saves it. Raises IllegalTransition."""
    if state not in CANCELLATION[row.state]:
        raise IllegalTransition(f"Cancellation {row.pk} is {row.state!r} and cannot become {state!r}.")
    row.state = state


def move_extension(row: CodeExtension, state: ExtensionState) -> None:
    """Give an extension the caller has locked another state; the caller saves it. Raises IllegalTransition."""
    if state not in EXTENSION[row.state]:
        raise IllegalTransition(f"Extension {row.pk} is {row.state!r} and cannot become {state!r}.")
    row.state = state


def move_payout(row: Payout, state: PayoutState) -> None:
    """Give a payout the caller has locked another state; the caller saves it. Raises IllegalTransition."""
    if state not in PAYOUT[row.state]:
        raise IllegalTransition(f"Payout {row.reference} is {row.state!r} and cannot become {state!r}.")
    row.state = state


def move_finding(row: ReconciliationFinding, state: FindingState) -> None:
    """Give a finding the caller has locked another state; the caller saves it. Raises IllegalTransition."""
    if state not in FINDING[row.state]:
        raise IllegalTransition(f"Finding {row.pk} is {row.state!r} and cannot become {state!r}.")
    row.state = state


def supersede_findings(rows: QuerySet[ReconciliationFinding], *, now: datetime) -> int:
    """Close those of these findings that are open, as a later look replaces them; gives back how many."""
    return rows.filter(state=FindingState.OPEN).update(state=FindingState.SUPERSEDED, closed_at=now)


def move_run(row: ReconciliationRun, state: RunState) -> None:
    """Give a reconciliation the caller has locked another state; the caller saves it. Raises IllegalTransition."""
    if state not in RUN[row.state]:
        raise IllegalTransition(f"Reconciliation {row.pk} is {row.state!r} and cannot become {state!r}.")
    row.state = state


def _require_moves(redeemed: RedeemedReward, changes: Mapping[str, Any]) -> None:
    """Raises IllegalTransition."""
    for axis, table in TABLES.items():
        if axis not in changes:
            continue
        present, wanted = getattr(redeemed, axis), changes[axis]
        if wanted not in table[present]:
            raise IllegalTransition(
                f"Redeemed reward {redeemed.pk}: its {axis.replace('_', ' ')} is {present or 'empty'!r} "
                f"and cannot become {wanted or 'empty'!r}."
            )
        if axis == "fulfillment_status" and (present, wanted) == (FulfillmentStatus.ISSUED, FulfillmentStatus.FAILED):
            _require_payout(redeemed)
        if axis == "delivery_status" and wanted in (DeliveryStatus.SHIPPED, DeliveryStatus.DELIVERED):
            _require_parcel(redeemed)


def _require_payout(redeemed: RedeemedReward) -> None:
    if not registry.type_of(redeemed.type).pays_out:
        raise IllegalTransition(
            f"Redeemed reward {redeemed.pk} is a {redeemed.get_type_display().lower()} and was issued: it cannot fail."
        )


def _require_parcel(redeemed: RedeemedReward) -> None:
    if not registry.type_of(redeemed.type).is_delivered:
        raise IllegalTransition(
            f"Redeemed reward {redeemed.pk} is a {redeemed.get_type_display().lower()}: only gifts are shipped."
        )
