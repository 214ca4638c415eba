"""Merge two customers: what one holds goes to the other, by ledger rows of both; the row of the one stays as history."""

from datetime import datetime
from typing import Any

from django.db import transaction

from loyalty.common import plans
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.customers import profile
from loyalty.customers.models import Customer, CustomerIdentity, CustomerState, ShippingAddress
from loyalty.merging import people, planning
from loyalty.merging.models import CustomerMerge, MergedLot
from loyalty.points import queries, transfers
from loyalty.points.allocation import Charge
from loyalty.points.models import PointsLot
from loyalty.program.models import EarningAward, Order, Referral


class MergeRefused(DomainError):
    """These two cannot be merged now."""

    code = "merge_refused"


@transaction.atomic
def merge(
    *,
    source_id: int,
    survivor_id: int,
    actor: Actor,
    now: datetime,
    internal_note: str = "",
    fingerprint: str | None = None,
) -> CustomerMerge:
    """Merge `source` into `survivor`, as the plan says. Again gives the same merge.

    Raises MergeRefused, PlanOutdated, UnknownCustomer.
    """
    found = people.lock(customer_ids=[source_id, survivor_id], now=now)
    source, survivor = found[source_id], found[survivor_id]
    before = CustomerMerge.objects.filter(source=source, survivor=survivor, undone_at__isnull=True).first()
    if before is not None:
        return before
    current = planning.plan(source_id=source_id, survivor_id=survivor_id, now=now)
    if current.refusals:
        raise MergeRefused(" ".join(current.refusals))
    if fingerprint is not None:
        subject = f"One of customers {source_id} and {survivor_id}"
        plans.require_current(shown=fingerprint, current=current.fingerprint, subject=subject)
    made = CustomerMerge.objects.create(
        source=source,
        survivor=survivor,
        internal_note=internal_note.strip(),
        actor_kind=actor.kind,
        actor_id=actor.id,
        merged_at=now,
    )
    move_points(made, sender_id=source_id, receiver_id=survivor_id, actor=actor, now=now)
    _hand_over(source, survivor, current.moved)
    Customer.objects.filter(merged_into=source).update(merged_into=survivor)
    profile.record("customer.merged", source, actor=actor, now=now, merge_id=made.pk, survivor_id=survivor_id)
    profile.record("customer.absorbed", survivor, actor=actor, now=now, merge_id=made.pk, source_id=source_id)
    made.moved = current.moved
    made.save(update_fields=["moved"])
    return made


def move_points(made: CustomerMerge, *, sender_id: int, receiver_id: int, actor: Actor, now: datetime) -> int:
    """Move all the sender holds, pending points too; gives back how many lots. Both accounts are locked."""
    lots = queries.movable(customer_id=sender_id, at=planning.settled(sender_id, now))
    return move_lots(
        made,
        sender_id=sender_id,
        receiver_id=receiver_id,
        charges=[Charge(lot.pk, lot.remaining) for lot in lots],
        actor=actor,
        now=now,
    )


def move_lots(
    made: CustomerMerge, *, sender_id: int, receiver_id: int, charges: list[Charge], actor: Actor, now: datetime
) -> int:
    """These parts of lots, as `move_points`; which lot stands for which is written down."""
    if not charges:
        return 0
    transfer = transfers.move_lots(
        sender_id=sender_id,
        receiver_id=receiver_id,
        charges=charges,
        actor=actor,
        now=now,
        internal_note=f"Merge {made.pk} of customers {made.source_id} and {made.survivor_id}",
    )
    opened = PointsLot.objects.filter(transaction_id=transfer.credit_id).order_by("pk")
    MergedLot.objects.bulk_create(
        MergedLot(lot=lot, came_from_id=charge.lot_id, merge=made) for lot, charge in zip(opened, charges, strict=True)
    )
    return len(charges)


def _hand_over(source: Customer, survivor: Customer, moved: dict[str, Any]) -> None:
    """Who they are and what is theirs, but for points."""
    contacts = {name: getattr(source, name) for name in moved["contacts"]}
    for name in contacts:
        setattr(source, name, None)
    if moved["user"] is not None:
        source.user_id = None
    source.state, source.merged_into = CustomerState.DISABLED, survivor
    source.save()
    for name, value in contacts.items():
        setattr(survivor, name, value)
    if moved["user"] is not None:
        survivor.user_id = moved["user"]
    survivor.save()
    if moved["address"]:
        ShippingAddress.objects.filter(customer=source).update(customer=survivor)
    CustomerIdentity.objects.filter(pk__in=moved["identities"]).update(customer=survivor)
    Order.objects.filter(pk__in=moved["orders"]).update(customer=survivor)
    Referral.objects.filter(pk__in=moved["sent"]).update(sender=survivor)
    Referral.objects.filter(pk__in=moved["referred"]).update(friend=survivor)
    EarningAward.objects.filter(pk__in=moved["awards"]).update(customer=survivor)
