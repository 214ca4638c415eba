"""Take a merge back: what went over and is still there goes back; what is not is said, and stays with the survivor."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from loyalty.common import plans
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.customers import profile
from loyalty.customers.models import Customer, CustomerIdentity, ShippingAddress
from loyalty.events.models import Event
from loyalty.merging import joining, people, planning
from loyalty.merging.models import CustomerMerge, MergedLot
from loyalty.points import effects, queries
from loyalty.points.allocation import Charge
from loyalty.points.models import PointsLot
from loyalty.program.models import EarningAward, Order, Referral

ROWS: dict[str, tuple[Any, str, str]] = {  # what of `moved` → its table, the column that says whose, and a word
    "identities": (CustomerIdentity, "customer_id", "ids in shops"),
    "orders": (Order, "customer_id", "orders"),
    "sent": (Referral, "sender_id", "referrals"),
    "referred": (Referral, "friend_id", "referrals"),
    "awards": (EarningAward, "customer_id", "rewards of earning rules"),
}


class PartingRefused(DomainError):
    """This merge cannot be taken back, or not now."""

    code = "merge_not_undone"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartingPlan:
    """What would go back, and what stays, in sentences; with refusals nothing would be done."""

    merge_id: int
    charges: tuple[Charge, ...]
    back: dict[str, Any]
    effects: tuple[tuple[str, str], ...]
    stays: tuple[str, ...]
    refusals: tuple[str, ...]
    fingerprint: str


def plan(*, merge_id: int, now: datetime) -> PartingPlan:
    """What taking it back would do now. Reads only. Raises PartingRefused when there is no such merge."""
    made = CustomerMerge.objects.select_related("source", "survivor").filter(pk=merge_id).first()
    if made is None:
        raise PartingRefused(f"There is no merge {merge_id}. Check the number.")
    refusals = tuple(_refusals(made))
    lots, went = _lots(made, now=now)
    back = {} if refusals else _back(made)
    stays = () if refusals else tuple(_stays(made, back=back, lots=lots, went=went))
    facts = [[lot.pk, lot.remaining, lot.expires_at] for lot in lots]
    return PartingPlan(
        merge_id=merge_id,
        charges=tuple(Charge(lot.pk, lot.remaining) for lot in lots),
        back=back,
        effects=() if refusals else (*_effects(made, back=back, lots=lots), *(("stays", text) for text in stays)),
        stays=stays,
        refusals=refusals,
        fingerprint=plans.fingerprint(
            {"merge": merge_id, "lots": facts, "back": back, "stays": stays, "refusals": refusals}
        ),
    )


@transaction.atomic
def undo(*, merge_id: int, actor: Actor, now: datetime, fingerprint: str | None = None) -> CustomerMerge:
    """Take it back, as the plan says. Raises PartingRefused, PlanOutdated."""
    made = CustomerMerge.objects.filter(pk=merge_id).first()
    if made is None:
        raise PartingRefused(f"There is no merge {merge_id}. Check the number.")
    found = people.lock(customer_ids=[made.source_id, made.survivor_id], now=now)
    source, survivor = found[made.source_id], found[made.survivor_id]
    current = plan(merge_id=merge_id, now=now)
    if current.refusals:
        raise PartingRefused(" ".join(current.refusals))
    if fingerprint is not None:
        plans.require_current(shown=fingerprint, current=current.fingerprint, subject=f"Merge {merge_id}")
    joining.move_lots(
        made,
        sender_id=survivor.pk,
        receiver_id=source.pk,
        charges=list(current.charges),
        actor=actor,
        now=now,
    )
    _give_back(source, survivor, current.back, state=made.moved["state"])
    Customer.objects.filter(pk__in=_chain(source.pk)).update(merged_into=source)
    made = CustomerMerge.objects.get(pk=merge_id)
    made.undone_at, made.undone_by_kind, made.undone_by_id = now, actor.kind, actor.id
    made.left = list(current.stays)
    made.save()
    profile.record("customer.unmerged", source, actor=actor, now=now, merge_id=merge_id, survivor_id=survivor.pk)
    profile.record("customer.parted", survivor, actor=actor, now=now, merge_id=merge_id, source_id=source.pk)
    return made


def _refusals(made: CustomerMerge) -> Iterator[str]:
    if made.undone_at is not None:
        yield f"Merge {made.pk} was taken back already."
        return
    for each in (made.source, made.survivor):
        if each.anonymised_at is not None:
            yield f"Customer {each.pk} was forgotten: what was theirs cannot be told apart any more."
    later = CustomerMerge.objects.filter(source=made.survivor, undone_at__isnull=True).first()
    if later is not None:
        yield (
            f"Customer {made.survivor_id} was merged into customer {later.survivor_id} since: take merge {later.pk} back "
            "first."
        )


def _lots(made: CustomerMerge, *, now: datetime) -> tuple[list[PointsLot], int]:
    """What is left of the lots that went over, and how many points went over altogether.

    Such a lot may have gone on and come back since, by a later merge that was undone, or by points that were returned.
    """
    over = PointsLot.objects.filter(pk__in=made.lots.values("lot_id"), customer_id=made.survivor_id)
    level = set(over.values_list("pk", flat=True))
    went = sum(over.values_list("points", flat=True))
    held: set[int] = set()
    while level:
        held |= level
        moved_on = MergedLot.objects.filter(came_from_id__in=level).values_list("lot_id", flat=True)
        came_back = PointsLot.objects.filter(origin_id__in=level).values_list("pk", flat=True)
        level = {*moved_on, *came_back} - held
    lots = queries.movable(customer_id=made.survivor_id, at=planning.settled(made.survivor_id, now))
    return [lot for lot in lots if lot.pk in held], went


def _back(made: CustomerMerge) -> dict[str, Any]:
    """What of `moved` is still with the survivor, in the same form."""
    moved, survivor = made.moved, made.survivor
    found: dict[str, Any] = {
        name: list(
            table.objects.filter(**{"pk__in": moved[name], column: survivor.pk})
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        for name, (table, column, _) in ROWS.items()
    }
    friends = set(Referral.objects.filter(pk__in=found["sent"], friend=made.source_id).values_list("pk", flat=True))
    found["sent"] = [pk for pk in found["sent"] if pk not in friends]
    changed = _changed_since(made)
    found["contacts"] = [name for name in moved["contacts"] if name not in changed and getattr(survivor, name)]
    kept = ShippingAddress.objects.filter(customer=survivor).exists()
    found["address"] = moved["address"] and "shipping_address" not in changed and kept
    found["user"] = moved["user"] if survivor.user_id == moved["user"] else None
    return found


def _changed_since(made: CustomerMerge) -> set[str]:
    """What of the survivor somebody wrote since: that is theirs now."""
    own = Event.objects.filter(subject_type=profile.SUBJECT, subject_id=made.survivor_id)
    began = own.filter(kind="customer.absorbed", data__merge_id=made.pk).values_list("pk", flat=True).first() or 0
    written = own.filter(kind="customer.updated", pk__gt=began).values_list("data", flat=True)
    return {field for data in written for field in data.get("fields", ())}


def _effects(made: CustomerMerge, *, back: dict[str, Any], lots: list[PointsLot]) -> Iterator[tuple[str, str]]:
    old, new = f"customer {made.source_id}", f"customer {made.survivor_id}"
    yield "customer", f"{old.capitalize()} takes part again, as before the merge."
    if lots:
        total = sum(lot.remaining for lot in lots)
        yield "points", f"{effects.count(total)} go back to {old}. Each part keeps its days."
    names = [planning.CONTACTS[name] for name in back["contacts"]]
    names += ["shipping address"] if back["address"] else []
    names += ["sign-in"] if back["user"] is not None else []
    if names:
        yield "contact", f"{', '.join(names).capitalize()} go back from {new}."
    for name, (_, _, word) in ROWS.items():
        if back[name]:
            yield name, f"{effects.number(len(back[name]))} {word} go back."


def _stays(made: CustomerMerge, *, back: dict[str, Any], lots: list[PointsLot], went: int) -> Iterator[str]:
    new, moved = f"customer {made.survivor_id}", made.moved
    gone = went - sum(lot.remaining for lot in lots)
    if gone:
        yield (
            f"{effects.count(gone)} of the {effects.number(went)} that went over were spent, expired or are set aside: "
            f"they stay with {new}."
        )
    for name in moved["contacts"]:
        if name not in back["contacts"]:
            yield f"The {planning.CONTACTS[name]} of {new} was changed since: it stays."
    if moved["address"] and not back["address"]:
        yield f"The shipping address of {new} was changed since: it stays."
    if moved["user"] is not None and back["user"] is None:
        yield f"Somebody else signs in as {new} since: the sign-in stays."
    for name, (_, _, word) in ROWS.items():
        if number := len(moved[name]) - len(back[name]):
            yield f"{effects.number(number)} {word} are no longer with {new}, or are done with: they stay where they are."


def _give_back(source: Customer, survivor: Customer, back: dict[str, Any], *, state: str) -> None:
    contacts = {name: getattr(survivor, name) for name in back["contacts"]}
    for name in contacts:
        setattr(survivor, name, None)
    if back["user"] is not None:
        survivor.user_id = None
    survivor.save()
    for name, value in contacts.items():
        setattr(source, name, value)
    if back["user"] is not None:
        source.user_id = back["user"]
    source.state, source.merged_into = state, None
    source.save()
    if back["address"]:
        ShippingAddress.objects.filter(customer=survivor).update(customer=source)
    for name, (table, column, _) in ROWS.items():
        table.objects.filter(pk__in=back[name]).update(**{column: source.pk})


def _chain(customer_id: int) -> set[int]:
    """Everybody who was merged into this customer, over however many steps."""
    found: set[int] = set()
    level = {customer_id}
    while level:
        rows = CustomerMerge.objects.filter(survivor_id__in=level, undone_at__isnull=True)
        level = set(rows.values_list("source_id", flat=True)) - found
        found |= level
    return found
