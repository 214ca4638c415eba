"""What merging two customers would do, and what stands in the way: one plan for the preview and for the act."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from loyalty.common import plans
from loyalty.customers import erasure, profile
from loyalty.customers.models import Customer, CustomerIdentity, CustomerState, ShippingAddress
from loyalty.merchant import queries as merchant
from loyalty.points import effects, queries
from loyalty.points.models import AdjustmentRequest, HoldState, PointsAccount, PointsHold, PointsLot, RequestState
from loyalty.program.models import EarningAward, Order, Referral
from rewards import queries as rewards
from rewards.models import DeliveryStatus, FulfillmentStatus, RedeemedReward

CONTACTS = {"email": "e-mail address", "phone": "phone number"}
WITHOUT_ADDRESS = Q(shipping_address__isnull=True) & Q(Q(delivery__isnull=True) | Q(delivery__address__isnull=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePlan:
    """Every effect of a merge, as pairs of a kind and a sentence; with refusals nothing would be done.

    `moved` is what goes over, by ids: the act writes just that down. `points` counts active and pending ones.
    """

    source_id: int
    survivor_id: int
    points: int
    moved: dict[str, Any]
    effects: tuple[tuple[str, str], ...]
    refusals: tuple[str, ...]
    fingerprint: str


def plan(*, source_id: int, survivor_id: int, now: datetime) -> MergePlan:
    """What merging `source` into `survivor` would do now. Reads only. Raises UnknownCustomer."""
    source, survivor = customer(source_id), customer(survivor_id)
    lots = queries.movable(customer_id=source_id, at=settled(source_id, now))
    refusals = tuple(_refusals(source, survivor))
    moved = {} if refusals else _moved(source, survivor)
    facts = [[lot.pk, lot.remaining, lot.expires_at, lot.available_at] for lot in lots]
    said = {"ids": [source_id, survivor_id], "lots": facts, "moved": moved, "refusals": refusals}
    return MergePlan(
        source_id=source_id,
        survivor_id=survivor_id,
        points=sum(lot.remaining for lot in lots),
        moved=moved,
        effects=() if refusals else tuple(_effects(source, survivor, lots, moved)),
        refusals=refusals,
        fingerprint=plans.fingerprint(said),
    )


def customer(customer_id: int) -> Customer:
    """One of the two. Raises UnknownCustomer."""
    found = Customer.objects.filter(pk=customer_id).first()
    if found is None:
        raise profile.UnknownCustomer(f"There is no customer {customer_id}.")
    return found


def settled(customer_id: int, now: datetime) -> datetime:
    """The instant at which a writer would work on that account: it never goes back in time."""
    at = PointsAccount.objects.filter(pk=customer_id).values_list("settled_at", flat=True).first()
    return max(at, now) if at is not None else now


def _refusals(source: Customer, survivor: Customer) -> Iterator[str]:
    if source.pk == survivor.pk:
        yield "Both are the same customer: choose another one."
        return
    for each in (source, survivor):
        yield from _unfit(each)
    if source.state == CustomerState.MEMBER and survivor.state == CustomerState.CANDIDATE:
        yield (
            f"Customer {source.pk} is a member and customer {survivor.pk} a guest: merge the guest into the member instead."
        )
    yield from _unfinished(source)


def _unfit(each: Customer) -> Iterator[str]:
    """Why a customer takes part in no merge."""
    if each.anonymised_at is not None:
        yield f"Customer {each.pk} was forgotten: nobody can say who that was."
    elif each.merged_into_id is not None:
        yield f"Customer {each.pk} was merged into customer {each.merged_into_id} already: choose that one instead."
    elif each.state == CustomerState.DISABLED:
        yield f"Customer {each.pk} is excluded from the programme: add them to it again first."
    if erasure.open_request(customer_id=each.pk) is not None:
        yield f"Customer {each.pk} asked to be forgotten: settle that first."


def _unfinished(source: Customer) -> Iterator[str]:
    """What has to be over before: it would go on under a customer who takes no part any more."""
    own = RedeemedReward.objects.filter(customer=source)
    pending = own.filter(fulfillment_status=FulfillmentStatus.PENDING).count()
    if pending:
        yield f"{_times(pending, 'reward is', 'rewards are')} still being made: wait, or cancel them."
    holds = PointsHold.objects.filter(customer=source, state=HoldState.OPEN).exclude(
        cause_id__in=own.filter(fulfillment_status=FulfillmentStatus.PENDING).values("pk"), cause_type="redeemed_reward"
    )
    if number := holds.count():
        yield f"Points are set aside by {_times(number, 'hold', 'holds')}: wait until they are captured or released."
    gifts = own.filter(WITHOUT_ADDRESS, type="gift", delivery_status=DeliveryStatus.ORDERED)
    if number := gifts.count():
        yield f"{_times(number, 'gift is', 'gifts are')} to be sent and nobody knows where to: enter the address first."
    if number := AdjustmentRequest.objects.filter(customer=source, state=RequestState.WAITING).count():
        yield f"{_times(number, 'adjustment waits', 'adjustments wait')} for a second person: decide about it first."
    owed = PointsAccount.objects.filter(pk=source.pk).values_list("owed", flat=True).first()
    if owed:
        yield f"Customer {source.pk} owes {effects.count(owed)} from refunds: collect or waive them first."


def _moved(source: Customer, survivor: Customer) -> dict[str, Any]:
    """What goes over, by ids. The act does just this."""
    identities = CustomerIdentity.objects.filter(customer=source)
    orders = Order.objects.filter(customer=source)
    sent = Referral.objects.filter(sender=source).exclude(friend=survivor)
    referred = Referral.objects.filter(friend=source).exclude(sender=survivor)
    taken = Referral.objects.filter(friend=survivor).exists()
    waiting = EarningAward.objects.filter(customer=source, state="waiting")
    has_address = ShippingAddress.objects.filter(customer=survivor).exists()
    return {
        "state": str(source.state),
        "identities": list(identities.order_by("pk").values_list("pk", flat=True)),
        "contacts": [name for name in CONTACTS if getattr(source, name) and not getattr(survivor, name)],
        "address": not has_address and ShippingAddress.objects.filter(customer=source).exists(),
        "user": source.user_id if survivor.user_id is None else None,
        "orders": list(orders.order_by("pk").values_list("pk", flat=True)),
        "sent": list(sent.order_by("pk").values_list("pk", flat=True)),
        "referred": [] if taken else list(referred.values_list("pk", flat=True)),
        "awards": list(waiting.order_by("pk").values_list("pk", flat=True)),
    }


def _effects(
    source: Customer, survivor: Customer, lots: list[PointsLot], moved: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    old, new = f"customer {source.pk}", f"customer {survivor.pk}"
    yield (
        "customer",
        f"{old.capitalize()} takes no part any more, and their page leads to {new}. Their history stays where it is.",
    )
    if lots:
        total = sum(lot.remaining for lot in lots)
        yield "points", f"{effects.count(total)} of {old} go to {new}. Each part keeps its days:"
        yield from (("points", _lot(lot)) for lot in lots)
    yield from _of_the_person(source, survivor, moved)
    if number := rewards.of_person(customer_id=source.pk).count():
        stay = _times(number, "reward stays", "rewards stay")
        yield "rewards", f"{stay} in the books of {old}; {new} sees and uses them."
    things = (
        ("identities", len(moved["identities"]), "id in a shop goes", "ids in shops go"),
        ("orders", len(moved["orders"]), "order goes", "orders go"),
        ("referrals", len(moved["sent"]) + len(moved["referred"]), "referral goes", "referrals go"),
        ("rewards", len(moved["awards"]), "reward of earning rules goes", "rewards of earning rules go"),
    )
    yield from ((kind, f"{_times(number, one, many)} to {new}.") for kind, number, one, many in things if number)


def _of_the_person(source: Customer, survivor: Customer, moved: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """How they are written to and sign in."""
    old, new = f"customer {source.pk}", f"customer {survivor.pk}"
    names = [CONTACTS[name] for name in moved["contacts"]] + (["shipping address"] if moved["address"] else [])
    yield from (("contact", f"{new.capitalize()} has no {name} and gets that of {old}.") for name in names)
    if source.email and survivor.email:
        yield "contact", f"{old.capitalize()} keeps their e-mail address; whoever orders with it is {new}."
    if source.user_id is not None:
        yield "sign_in", f"Whoever signs in as {old} is {new} from now on."


def _lot(lot: PointsLot) -> str:
    life = effects.life(effects.line_of(lot, points=lot.remaining), zone=merchant.programme().zone)
    return f"{effects.count(lot.remaining)} from lot {lot.pk} ({life})."


def _times(number: int, one: str, many: str) -> str:
    return f"{effects.number(number)} {one if number == 1 else many}"
