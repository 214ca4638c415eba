"""Staff give a customer a reward, one or several: with the customer's points, or without. Planned, previewed, done.

All of them are decided together, or none: points, limits, stock and codes. What a shop then has to make is made one by
one, as if the customer had redeemed it: what cannot be made costs nothing.
"""

import time
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from loyalty.common import plans
from loyalty.common.actors import SYSTEM, Actor
from loyalty.common.clock import Stopwatch
from loyalty.common.errors import DomainError
from loyalty.merchant import queries as merchant
from loyalty.points import effects, locking
from loyalty.points import queries as points
from loyalty.points.effects import LotLine
from loyalty.points.errors import IdempotencyConflict
from rewards import cashback, granting, issuing, redemption
from rewards.models import FulfillmentStatus, Origin, RedeemedReward, Reward
from rewards.types import registry


class NoPrice(DomainError):
    """The reward costs no points: it can only be given."""

    code = "no_price"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What staff want a customer to have. `points_each` is needed where the cost is variable."""

    reward_id: int
    quantity: int
    with_points: bool
    points_each: int | None = None
    internal_note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivingPlan:
    """What it would do. `refusal` says why it cannot be done; then there are no effects."""

    wish: Wish
    points: int  # spent in all
    effects: tuple[str, ...]
    fingerprint: str
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """What became of it. `waiting` are still being made, `failed` could not be made and cost nothing."""

    made: tuple[RedeemedReward, ...]
    waiting: tuple[RedeemedReward, ...]
    failed: tuple[RedeemedReward, ...]


def plan(*, customer_id: int, wish: Wish, now: datetime) -> GivingPlan:
    """What giving it would do, rehearsed and rolled back, so that it cannot differ from the deed."""
    rows: list[RedeemedReward] = []
    lines: tuple[LotLine, ...] = ()
    refusal = ""
    with transaction.atomic():
        try:
            with transaction.atomic():
                account = locking.lock(customer_id=customer_id, now=now)
                balance = account.balance
                lines = _paying(customer_id=customer_id, wish=wish, at=account.settled_at)
                rows = _claim(customer_id=customer_id, wish=wish, actor=SYSTEM, now=now, idempotency_key=None)
        except DomainError as error:
            refusal, balance = error.sentence, points.balance(customer_id=customer_id, now=now).balance
        transaction.set_rollback(True)
    spent = sum(row.cost_in_points for row in rows)
    return GivingPlan(
        wish=wish,
        points=spent,
        effects=tuple(_effects(rows, lines, left=balance - spent)) if rows else (),
        refusal=refusal,
        fingerprint=plans.fingerprint(
            {
                "customer": customer_id,
                "wish": [wish.reward_id, wish.quantity, wish.with_points, wish.points_each],
                "each": [[row.name, row.cost_in_points, row.amount, row.percent, row.expires_at] for row in rows],
                "balance": balance,
                "lines": [line.facts for line in lines],
                "refusal": refusal,
            }
        ),
    )


def give(
    *, customer_id: int, wish: Wish, actor: Actor, now: datetime, fingerprint: str | None, idempotency_key: str
) -> Given:
    """Do it as the plan showed it, and wait for the shop as long as a customer would. Not inside a transaction.

    The same key gives the same rewards. Raises PlanOutdated, QuantityRefused, NoPrice, IdempotencyConflict and whatever
    redeeming and granting raise; then nothing was done.
    """
    watch = Stopwatch(now)
    with transaction.atomic():
        account = locking.lock(customer_id=customer_id, now=now)
        made_before = _made_before(wish, idempotency_key)
        if not made_before:
            _paying(customer_id=customer_id, wish=wish, at=account.settled_at)  # refuses for all of them together
        if not made_before and fingerprint is not None:
            current = plan(customer_id=customer_id, wish=wish, now=now)
            plans.require_current(shown=fingerprint, current=current.fingerprint, subject="What would happen")
        rows = _claim(customer_id=customer_id, wish=wish, actor=actor, now=now, idempotency_key=idempotency_key)
    return _settled(rows, watch, patience=float(settings.REDEEM_DEADLINE_SECONDS))


def _claim(
    *, customer_id: int, wish: Wish, actor: Actor, now: datetime, idempotency_key: str | None
) -> list[RedeemedReward]:
    """All of them, or none, in the caller's transaction."""
    granting.require_quantity(wish.quantity)
    if not wish.with_points:
        return granting.grant_several(
            customer_id=customer_id,
            reward_id=wish.reward_id,
            quantity=wish.quantity,
            actor=actor,
            now=now,
            origin=Origin.STAFF,
            internal_note=wish.internal_note,
            idempotency_key=idempotency_key,
        )
    product_id = _product_of(wish)
    return [
        redemption.start(
            customer_id=customer_id,
            points_product_id=product_id,
            actor=actor,
            now=now,
            points_to_spend=wish.points_each,
            expected_value=None,
            idempotency_key=granting.numbered(idempotency_key, number),
            patience=None,
            internal_note=wish.internal_note.strip(),
        )[0]
        for number in range(wish.quantity)
    ]


def _product_of(wish: Wish) -> int:
    reward = Reward.objects.select_related("points_product").filter(pk=wish.reward_id).first()
    product = getattr(reward, "points_product", None)
    if product is None:
        raise NoPrice(
            "This reward has no price in points. Give it without points, or give it a price in the catalogue."
        )
    return int(product.pk)


def _made_before(wish: Wish, key: str) -> bool:
    """Whether just this was done under the key. Raises IdempotencyConflict when something else was."""
    before = granting.given_before(key)
    if not before:
        return False
    with_points = all(row.origin == Origin.REDEMPTION for row in before)
    if (len(before), with_points) != (wish.quantity, wish.with_points):
        raise IdempotencyConflict(key)
    return True


def _settled(claimed: list[RedeemedReward], watch: Stopwatch, *, patience: float) -> Given:
    """Ask the shop, or the provider, for what no worker has begun, and wait for the others.

    Whatever is open then is a worker's.
    """
    ids = [row.pk for row in claimed]
    for row in claimed:
        if watch.elapsed >= patience:
            break
        pays_out = registry.type_of(row.type).pays_out
        take, work = (cashback.take, cashback.work) if pays_out else (issuing.take, issuing.work)
        ours = take(redeemed_reward_id=row.pk, now=watch.now)
        if ours is not None:
            work(claim=ours, now=watch.now, patience=max(patience - watch.elapsed, 1.0))
    while _pending(ids) and watch.elapsed < patience:
        time.sleep(0.1)
    rows = list(RedeemedReward.objects.filter(pk__in=ids).select_related("code").order_by("pk"))
    waiting = [row for row in rows if row.fulfillment_status == FulfillmentStatus.PENDING]
    failed = [row for row in rows if row.fulfillment_status == FulfillmentStatus.FAILED]
    made = [row for row in rows if row not in waiting and row not in failed]
    return Given(tuple(made), tuple(waiting), tuple(failed))


def _pending(ids: list[int]) -> bool:
    """Whether somebody else is at work on one of them."""
    begun = Q(issue_work__claim__isnull=False) | Q(payout__claim__isnull=False)
    return RedeemedReward.objects.filter(begun, pk__in=ids, fulfillment_status=FulfillmentStatus.PENDING).exists()


def _paying(*, customer_id: int, wish: Wish, at: datetime) -> tuple[LotLine, ...]:
    """Which lots pay for all of them; what cannot be paid is refused by the redemption itself."""
    if not wish.with_points:
        return ()
    granting.require_quantity(wish.quantity)
    product = Reward.objects.select_related("points_product").get(pk=wish.reward_id)
    price = wish.points_each or getattr(getattr(product, "points_product", None), "points_price", None) or 0
    return effects.paying(customer_id=customer_id, points=price * wish.quantity, at=at) if price else ()


def _effects(rows: list[RedeemedReward], lines: tuple[LotLine, ...], *, left: int) -> list[str]:
    first, zone = rows[0], merchant.programme().zone
    what = f"“{first.name}”" if len(rows) == 1 else f"“{first.name}”, {len(rows)} times"
    spent = sum(row.cost_in_points for row in rows)
    if not spent:
        found = [f"The customer gets {what}, without points."]
    else:
        each = f", {effects.count(first.cost_in_points)} each" if len(rows) > 1 else ""
        found = [f"The customer gets {what}, for {effects.count(spent)} in all{each}."]
    found += effects.taken(lines, zone=zone)
    if spent:
        found.append(f"{effects.count(left)} {'is' if left == 1 else 'are'} left to the customer.")
    return [*found, *_of_each(first, several=len(rows) > 1)]


def _of_each(redeemed: RedeemedReward, *, several: bool) -> list[str]:
    """What one of them is: its code, its days, its parcel."""
    zone, each = merchant.programme().zone, "Each" if several else "It"
    found = []
    if redeemed.code is not None and redeemed.code.is_shared:
        found.append(f"{each} carries the shared code {redeemed.code.code}.")
    elif redeemed.code is not None:
        shop = redeemed.reward.connection
        made = f", made in {shop.name}" if shop is not None else ""
        found.append(f"{each} has a code of its own{made}.")
    if redeemed.starts_at is not None:
        found.append(f"{each} can be used from {redeemed.starts_at.astimezone(zone):%-d %b %Y} on.")
    if redeemed.expires_at is not None:
        found.append(f"{each} can be used until {effects.day(redeemed.expires_at, zone=zone)}.")
    if registry.type_of(redeemed.type).is_delivered and not redeemed.shipping_address:
        found.append("No address is known. Ask for it, and fill it in on the customer's page first.")
    return found
