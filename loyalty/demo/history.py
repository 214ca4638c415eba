"""The demo merchant's past, told in the order in which it happened."""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from loyalty.customers.models import CustomerState
from loyalty.demo import acts, people, plan
from loyalty.demo.acts import World
from loyalty.demo.plan import Fate, Redemption
from loyalty.merchant import queries as merchant
from loyalty.points import adjustments, expiry
from loyalty.points.models import AdjustmentReason
from platforms.adapter import OrderStatus
from rewards import cancellation, delivery, payouts_by_hand, pricing, usage, value_codes
from rewards.models import DeliveryStatus, Origin, RedeemedReward, UsageStatus

DAY = timedelta(days=1)
SPARE_POINTS = 260  # what everybody who redeems keeps at least, for what the live part redeems
SPENT_AT_THE_TILL = Decimal("8.50")  # of a value code
CARRIERS = (("DHL", "JD0140{:09d}"), ("InPost", "6200{:010d}"), ("DPD", "0505{:09d}"))
ADJUSTMENTS = (
    (120, AdjustmentReason.GOODWILL, "Parcel arrived broken, see ticket 4411", "Sorry about the broken pot!"),
    (-75, AdjustmentReason.CORRECTION, "Order counted twice when the shop moved", "Correction of a double booking"),
    (250, AdjustmentReason.MISSING_PURCHASE, "Bought at the market stall, receipt seen", "Your purchase at our stall"),
    (50, AdjustmentReason.PROMOTION, "", "Happy birthday from Fern & Field!"),
    (30, AdjustmentReason.OTHER, "Asked by Zofia on the phone", ""),
    (200, AdjustmentReason.GOODWILL, "Waited three weeks for the palm", "Thank you for your patience"),
    (-20, AdjustmentReason.CORRECTION, "", ""),
    (500, AdjustmentReason.PROMOTION, "Winner of the photo contest in spring", "First prize: your garden is lovely"),
)
GRANT_NOTES = ("For the review with photos", "Reached the Gold tier", "Referred a friend", "Asked for it very kindly")
GRANT_ORIGINS = (Origin.STAFF, Origin.PROGRAMME, Origin.API, Origin.STAFF)
NO_REDEMPTIONS = ("siobhan", "nobody1", "phone1", "guest2", "guest3", "chloe", "ann", "madonna", "jakub", "felix")


class Timeline:
    """Steps, taken in the order of their time, whatever order they were added in. What lies after the end is dropped."""

    def __init__(self, *, end: datetime) -> None:
        self.end = end
        self.steps: list[tuple[datetime, int, Callable[[datetime], object]]] = []

    def add(self, at: datetime, act: Callable[[datetime], object]) -> None:
        if at <= self.end:
            self.steps.append((at, len(self.steps), act))

    def happen(self) -> None:
        for at, _, act in sorted(self.steps, key=lambda step: step[:2]):
            act(at)


def load(*, world: World, now: datetime) -> None:
    """Let the past of the demo happen, up to yesterday. In the caller's transaction, with no shop asked."""
    rng = random.Random(plan.SEED)  # noqa: S311 (a story, not a secret)
    timeline = Timeline(end=now - DAY)
    everybody = people.everybody()
    for person in everybody:
        timeline.add(plan.at_hour(now - rng.randint(402, 470) * DAY, rng), partial(_enrol, world, person))
    redeeming = [
        person.key
        for person in everybody
        if person.state == CustomerState.MEMBER and person.key not in NO_REDEMPTIONS and person.key != people.MAIN
    ]
    redemptions = [
        *plan.redemptions(people=redeeming, now=now),
        *_of_main(now),
        *plan.now_and_then(people=redeeming, now=now),
        *plan.money_back(people=redeeming, now=now),
    ]
    _earn(timeline, world, redemptions=redemptions, redeeming=redeeming, rng=rng, now=now)
    for redemption in redemptions:
        _follow(timeline, world, redemption, rng)
    _adjust(timeline, world, redeeming, rng, now)
    _odd_orders(timeline, world, rng, now)
    timeline.happen()
    _pending_points(world, now)
    expiry.settle_due(now=now)


def _enrol(world: World, person: people.Person, now: datetime) -> None:
    acts.enrol(world, person, now)


def _of_main(now: datetime) -> list[Redemption]:
    """What the customer whose login is printed has redeemed."""
    told = (
        (78, "mug", Fate.DELIVERED),
        (64, "delivery", Fate.UNUSED),
        (41, "ten", Fate.USED),
        (9, "seeds", Fate.SHIPPED),
        (6, "five", Fate.UNUSED),
    )
    return [
        Redemption(number=1000 + place, person=people.MAIN, reward=reward, at=now - days * DAY, fate=fate)
        for place, (days, reward, fate) in enumerate(told)
    ]


def _earn(
    timeline: Timeline,
    world: World,
    *,
    redemptions: Sequence[Redemption],
    redeeming: Sequence[str],
    rng: random.Random,
    now: datetime,
) -> None:
    """Orders that earn what is spent later, and some that are about to expire, or have."""
    spent: dict[str, int] = defaultdict(int)
    for redemption in redemptions:
        if not redemption.granted:
            spent[redemption.person] += pricing.least_points(world.products[redemption.reward])

    def buy(person: str, dollars: int, days_ago: int) -> None:
        total = Decimal(dollars) + Decimal(rng.randint(0, 99)) / 100
        timeline.add(plan.at_hour(now - days_ago * DAY, rng), lambda at: acts.order(world, person, total, at))

    for person in redeeming:
        needed = spent[person] + SPARE_POINTS + rng.randint(0, 700)
        first = needed * rng.randint(40, 70) // 100
        buy(person, first, rng.randint(200, 330))
        buy(person, needed - first, rng.randint(95, 190))
    for place, person in enumerate(NO_REDEMPTIONS):
        buy(person, rng.randint(20, 240), 358 + place % 7)  # ends within the next days
        buy(person, rng.randint(10, 180), 380 + place) if place % 3 == 0 else None  # has ended
        buy(person, rng.randint(15, 90), rng.randint(20, 120))
    buy(people.MAIN, spent[people.MAIN] + 490, 359)  # what is left of it ends within a week
    buy(people.MAIN, 500, 150)
    buy(people.MAIN, 260, 33)


def _follow(timeline: Timeline, world: World, redemption: Redemption, rng: random.Random) -> None:
    """One redeemed reward, and what became of it."""
    timeline.add(redemption.at, partial(_redeem, world, redemption))
    soon = redemption.at + timedelta(hours=rng.randint(3, 30))
    later = soon + timedelta(hours=rng.randint(20, 60))
    match redemption.fate:
        case Fate.USED:
            used_at = redemption.at + timedelta(hours=rng.randint(2, 44))
            total = Decimal(rng.randint(60, 180)) + Decimal("0.90")
            timeline.add(used_at, lambda at: _use_code(world, redemption, total, at))
        case Fate.MARKED_UNUSED:
            timeline.add(soon, lambda at: _mark(world, redemption, at))
            timeline.add(later, lambda at: _unmark(world, redemption, at))
        case Fate.CANCELLED:
            timeline.add(soon, lambda at: _cancel(world, redemption, at))
        case Fate.PAID | Fate.PAYOUT_REFUSED:
            timeline.add(later, lambda at: _settle(world, redemption, at))
        case Fate.ORDERED | Fate.SHIPPED | Fate.DELIVERED | Fate.DELIVERY_CANCELLED:
            timeline.add(soon, lambda at: _mark(world, redemption, at))
            timeline.add(later, lambda at: _send(world, redemption, at))
            if redemption.fate == Fate.DELIVERED:
                timeline.add(later + rng.randint(1, 4) * DAY, lambda at: _arrive(world, redemption, at))


def _redeem(world: World, redemption: Redemption, now: datetime) -> None:
    if redemption.granted:
        place = redemption.number // plan.EVERY_GRANTED % len(GRANT_NOTES)
        made = acts.grant(
            world,
            redemption.person,
            redemption.reward,
            now,
            idempotency_key=redemption.idempotency_key,
            origin=GRANT_ORIGINS[place],
            note=GRANT_NOTES[place],
        )
    else:
        made = acts.redeem(world, redemption.person, redemption.reward, now, idempotency_key=redemption.idempotency_key)
    world.redeemed[redemption.number] = made


def _row(world: World, redemption: Redemption) -> RedeemedReward:
    return RedeemedReward.objects.select_related("code").get(pk=world.redeemed[redemption.number].pk)


def _use_code(world: World, redemption: Redemption, total: Decimal, now: datetime) -> None:
    row = _row(world, redemption)
    if row.remaining is not None:
        for part in (SPENT_AT_THE_TILL, row.remaining - SPENT_AT_THE_TILL):
            value_codes.spend(redeemed_reward_id=row.pk, amount=part, actor=world.as_staff("support"), now=now)
        return
    if row.connection_id is None:
        _mark(world, redemption, now)
        return
    code = row.code
    acts.order(world, redemption.person, total, now, codes=(code.code,) if code else ())


def _mark(world: World, redemption: Redemption, now: datetime) -> None:
    row = _row(world, redemption)
    if row.usage_status == UsageStatus.UNUSED:
        usage.mark_used(redeemed_reward_id=row.pk, actor=world.as_staff("fulfilment"), now=now)


def _unmark(world: World, redemption: Redemption, now: datetime) -> None:
    usage.mark_unused(redeemed_reward_id=_row(world, redemption).pk, actor=world.as_staff("support"), now=now)


def _cancel(world: World, redemption: Redemption, now: datetime) -> None:
    """A gift: no shop has to be asked."""
    cancellation.cancel(
        redeemed_reward_id=_row(world, redemption).pk,
        actor=world.as_staff("support"),
        now=now,
        internal_note="The customer changed their mind",
    )


def _settle(world: World, redemption: Redemption, now: datetime) -> None:
    """The manager's bank paid it, or could not."""
    row, actor = _row(world, redemption), world.as_staff("manager")
    if redemption.fate == Fate.PAID:
        payouts_by_hand.mark_paid(
            redeemed_reward_id=row.pk, actor=actor, now=now, remote_id=f"SEPA {880_100 + redemption.number}"
        )
    else:
        payouts_by_hand.mark_refused(
            redeemed_reward_id=row.pk, actor=actor, now=now, code="AC04", reason="The customer's account is closed"
        )


def _send(world: World, redemption: Redemption, now: datetime) -> None:
    row, actor = _row(world, redemption), world.as_staff("fulfilment")
    if redemption.fate == Fate.ORDERED:
        return
    if redemption.fate == Fate.DELIVERY_CANCELLED:
        delivery.cancel_delivery(
            redeemed_reward_id=row.pk, actor=actor, now=now, comment="The address does not exist; asked the customer."
        )
        return
    carrier, number = CARRIERS[redemption.number % len(CARRIERS)]
    delivery.ship(
        redeemed_reward_id=row.pk,
        actor=actor,
        now=now,
        carrier=carrier,
        tracking_number=number.format(7_001_233 + 97 * redemption.number),
    )


def _arrive(world: World, redemption: Redemption, now: datetime) -> None:
    row = _row(world, redemption)
    if row.delivery_status == DeliveryStatus.SHIPPED:
        delivery.deliver(redeemed_reward_id=row.pk, actor=world.as_staff("fulfilment"), now=now)


def _adjust(timeline: Timeline, world: World, redeeming: Sequence[str], rng: random.Random, now: datetime) -> None:
    chosen = [people.MAIN, *rng.sample(redeeming, len(ADJUSTMENTS) - 1)]
    for number, person in enumerate(chosen):
        at = plan.at_hour(now - rng.randint(2, 85) * DAY, rng)
        timeline.add(at, partial(_adjust_one, world, person, number))


def _adjust_one(world: World, person: str, number: int, now: datetime) -> None:
    points, reason, note, words = ADJUSTMENTS[number]
    adjustments.adjust(
        customer_id=world.customers[person].pk,
        points=points,
        actor=world.as_staff("support" if number % 2 else "manager"),
        now=now,
        reason=reason,
        internal_note=note,
        description=words,
        idempotency_key=f"demo:adjustment:{number}",
    )


def _odd_orders(timeline: Timeline, world: World, rng: random.Random, now: datetime) -> None:
    """Orders that were not paid yet, canceled, or paid back in part."""
    for place, person in enumerate(rng.sample(NO_REDEMPTIONS, 8)):
        odd = OddOrder(person=person, total=Decimal(rng.randint(20, 150)) + Decimal("0.50"), paid_back=place % 3 == 1)
        placed_at = plan.at_hour(now - rng.randint(6, 60) * DAY, rng)
        timeline.add(placed_at, partial(_place, world, odd))
        if place % 3:
            timeline.add(placed_at + 2 * DAY, partial(_change, world, odd))


@dataclass(slots=True, kw_only=True)
class OddOrder:
    person: str
    total: Decimal
    paid_back: bool  # half of it; else the whole order is canceled
    number: int = 0


def _place(world: World, odd: OddOrder, now: datetime) -> None:
    odd.number = acts.order(world, odd.person, odd.total, now, status=OrderStatus.PLACED)


def _change(world: World, odd: OddOrder, now: datetime) -> None:
    acts.order(
        world,
        odd.person,
        odd.total,
        now,
        number=odd.number,
        status=OrderStatus.COMPLETED if odd.paid_back else OrderStatus.CANCELLED,
        placed_at=now - 2 * DAY,
        refunded=odd.total / 2 if odd.paid_back else Decimal(0),
    )


def _pending_points(world: World, now: datetime) -> None:
    """For a while earned points had to wait two weeks: some still do."""
    programme = merchant.programme()
    programme.pending_days = 14
    programme.save(update_fields=["pending_days"])
    for place, person in enumerate(("chloe", "madonna", "felix", "anna", people.MAIN)):
        acts.order(world, person, Decimal(48 + 17 * place), now - (place + 2) * DAY)
    programme.pending_days = 0
    programme.save(update_fields=["pending_days"])
