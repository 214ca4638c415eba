"""The demo merchant's last days: what only a shop that answers, or one that does not, can show.

Every step may run again: it looks at what stands and does what is missing. No transaction is open while a shop is asked.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction

from loyalty.common import actors
from loyalty.demo import acts, people
from loyalty.demo.acts import World
from loyalty.demo.plan import Fate
from loyalty.demo.shops import Faults, wrong_token
from platforms.models import StoreConnection
from rewards import cancellation, claim, granting, issuing, limits, pricing, redemption
from rewards.models import Cancellation, FulfillmentStatus, IssueWork, Origin, RedeemedReward
from rewards.redemption import RedemptionFailed, RedemptionUnresolved

HOUR = timedelta(hours=1)
PATIENCE = 8.0


class Why(StrEnum):
    """What went wrong between us and the shop."""

    TOKEN = "token"  # noqa: S105 (a word)
    REFUSED = "refuse"  # a fault of the sandbox, as is the next
    THROTTLED = "throttle"
    GONE = "gone"  # the old shop was asked


# Person, reward, hours ago: codes that work at the sandbox's checkout now.
LIVE = ((people.MAIN, "delivery", 20), (people.MAIN, "ten", 3), ("anna", "five", 9), ("hannah", "express", 7),
        ("sakura", "ten", 5), ("liam", "five", 2), ("charlotte", "seeds", 4), ("matteo", "seeds", 12),
        (people.MAIN, "evening", 11), ("charlotte", "coupon", 6))  # fmt: skip
# Money back through the sandbox: person, hours ago, what it says at once (nothing: that it was paid).
MONEY_BACK = ((people.MAIN, 30, ""), ("tomasz", 25, "accept"), ("hannah", 10, "pending"), ("sakura", 7, "fail"))
# The same, undone again: the sandbox proves that the code is dead.
UNDONE = (("emma", "ten", 30), ("tomasz", "five", 27), ("mia", "delivery", 22))
# Redemptions that came to nothing: person, reward, hours ago, why.
FAILED = (("lukas", "ten", 26, Why.TOKEN), ("ewa", "five", 16, Why.THROTTLED), ("noah", "delivery", 8, Why.REFUSED),
          ("yui", "five", 6, Why.GONE), ("ines", "ten", 4, Why.GONE))  # fmt: skip
# Grants that failed for good: they stand in the grid.
REFUSED = (("barbara", "ten", 170, Origin.STAFF, Why.TOKEN), ("ren", "five", 110, Origin.PROGRAMME, Why.TOKEN),
           ("priya", "delivery", 64, Origin.API, Why.REFUSED))  # fmt: skip
# Grants that wait for the old shop: person, reward, hours ago, hours until it is asked again.
WAITING = (("olivia", "quarter", 140, 720), ("konrad", "express", 76, 720), ("zofia", "five", 15, 720),
           ("haruto", "ten", 2, 0))  # fmt: skip
GRANT_NOTE = "Referred a friend"


def load(*, world: World, shop: StoreConnection, faults: Faults, now: datetime) -> None:
    """Let the last days happen."""
    faults.clear()
    for number, (person, reward, hours, why) in enumerate(FAILED):
        with _trouble(why, shop, faults):
            _fail(world, person, reward, now - hours * HOUR, key=f"demo:failed:{number}", why=why)
    for number, (person, reward, hours, origin, why) in enumerate(REFUSED):
        with _trouble(why, shop, faults):
            _fail_grant(world, person, reward, now - hours * HOUR, key=f"demo:refused:{number}", origin=origin)
    for number, (person, reward, hours) in enumerate(LIVE):
        _redeem(world, person, reward, now - hours * HOUR, key=f"demo:live:{number}")
    _pay_out(world, faults, now)
    for number, (person, reward, hours) in enumerate(UNDONE):
        redeemed = _redeem(world, person, reward, now - hours * HOUR, key=f"demo:undone:{number}")
        if redeemed is not None:
            _cancel(world, redeemed, now - (hours - 1) * HOUR)
    for number, (person, reward, hours, pause) in enumerate(WAITING):
        _wait(world, person, reward, now - hours * HOUR, key=f"demo:waiting:{number}", pause=pause)
    _cancel_in_old_shop(world, now)


def _pay_out(world: World, faults: Faults, now: datetime) -> None:
    for number, (person, hours, said) in enumerate(MONEY_BACK):
        if said:
            faults.next_payout(said)
        _redeem(world, person, "cash", now - hours * HOUR, key=f"demo:money:{number}")
        faults.clear()


@contextmanager
def _trouble(why: Why, shop: StoreConnection, faults: Faults) -> Iterator[None]:
    """Let the next question to the sandbox shop go wrong, and that one only."""
    if why == Why.TOKEN:
        with wrong_token(shop):
            yield
        return
    if why in (Why.REFUSED, Why.THROTTLED):
        faults.next_creation(why)
    try:
        yield
    finally:
        faults.clear()


def _redeem(world: World, person: str, reward: str, at: datetime, *, key: str) -> RedeemedReward | None:
    """What was redeemed; nothing when it failed, or when the shop has not said yet."""
    customer = world.customers[person]
    try:
        return redemption.redeem(
            customer_id=customer.pk,
            points_product_id=world.products[reward].pk,
            actor=actors.customer(customer.pk),
            now=at,
            points_to_spend=pricing.least_points(world.products[reward]),
            idempotency_key=key,
            deadline=PATIENCE,
        )
    except (RedemptionFailed, RedemptionUnresolved):
        return None


def _cancel(world: World, redeemed: RedeemedReward, at: datetime) -> None:
    if not Cancellation.objects.filter(redeemed_reward_id=redeemed.pk).exists():
        cancellation.cancel(
            redeemed_reward_id=redeemed.pk,
            actor=world.as_staff("support"),
            now=at,
            internal_note="Redeemed by mistake",
        )


def _fail(world: World, person: str, reward: str, at: datetime, *, key: str, why: Why) -> None:
    """A redemption that failed: nobody lost points, and staff can read why."""
    if why == Why.GONE:
        _ask_old_shop(key, lambda: acts.claim_in_old_shop(world, person, reward, at, idempotency_key=key), at)
    else:
        _redeem(world, person, reward, at, key=key)


def _fail_grant(world: World, person: str, reward: str, at: datetime, *, key: str, origin: Origin) -> None:
    redeemed = granting.grant(
        customer_id=world.customers[person].pk,
        reward_id=world.products[reward].reward.pk,
        actor=world.as_staff("manager"),
        now=at,
        origin=origin,
        internal_note=GRANT_NOTE,
        idempotency_key=key,
    )
    ours = issuing.take(redeemed_reward_id=redeemed.pk, now=at)
    if ours is not None:
        issuing.work(claim=ours, now=at, patience=PATIENCE)


def _wait(world: World, person: str, reward: str, at: datetime, *, key: str, pause: int) -> None:
    """A grant that the old shop cannot make: asked now and then, or not before it said it would be back."""
    if pause:
        with transaction.atomic():
            if not RedeemedReward.objects.filter(idempotency_key=key).exists():
                redeemed = acts.grant_in_old_shop(
                    world, person, reward, at, idempotency_key=key, origin=Origin.STAFF, note=GRANT_NOTE
                )
                claim.queue(redeemed=redeemed, now=at + pause * HOUR)
                limits.take_piece(reward=redeemed.reward)
        return
    _ask_old_shop(
        key,
        lambda: acts.grant_in_old_shop(
            world, person, reward, at, idempotency_key=key, origin=Origin.STAFF, note=GRANT_NOTE
        ),
        at,
    )


def _ask_old_shop(key: str, begin: Callable[[], RedeemedReward], at: datetime) -> None:
    """Claim in one transaction, then ask the shop that is gone."""
    with transaction.atomic():
        redeemed = RedeemedReward.objects.filter(idempotency_key=key).first()
        if redeemed is None:
            redeemed = begin()
            claim.queue(redeemed=redeemed, now=at)
            limits.take_piece(reward=redeemed.reward)
    untouched = IssueWork.objects.filter(pk=redeemed.pk, attempts=0).exists()
    ours = issuing.take(redeemed_reward_id=redeemed.pk, now=at) if untouched else None
    if ours is not None:
        issuing.work(claim=ours, now=at, patience=PATIENCE)


def _cancel_in_old_shop(world: World, now: datetime) -> None:
    """Cancellations that cannot be proved: some wait for ever, some were forced by the manager."""
    for place, fate in enumerate((Fate.CANCELLING, Fate.FORCED)):
        rows = RedeemedReward.objects.filter(
            idempotency_key__startswith=f"demo:{fate}:", fulfillment_status=FulfillmentStatus.ISSUED
        )
        for number, redeemed in enumerate(rows.order_by("pk")):
            at = now - timedelta(hours=14 - 5 * place, minutes=7 * number)
            _cancel(world, redeemed, at)
            if fate == Fate.FORCED:
                cancellation.force(
                    redeemed_reward_id=redeemed.pk,
                    actor=world.as_staff("manager"),
                    now=at + HOUR,
                    internal_note="The old shop is gone; nobody can type the code anywhere",
                )
