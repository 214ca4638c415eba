"""Spend points on a reward. The caller gets the code, or an error and no points spent, or "we are checking"."""

import time
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import IntegrityError, transaction

from loyalty.common import queue
from loyalty.common.actors import Actor
from loyalty.common.causes import Cause, CauseType
from loyalty.common.clock import Stopwatch
from loyalty.common.errors import DomainError
from loyalty.customers.models import Customer
from loyalty.customers.profile import Address
from loyalty.points import ledger, locking
from loyalty.points.errors import IdempotencyConflict
from platforms import registry as platforms
from rewards import cashback, catalogue, claim, issuing, limits, payouts, pricing
from rewards.catalogue import UnknownReward
from rewards.models import FulfillmentStatus, Origin, PointsProduct, RedeemedReward, Reward
from rewards.types import registry as types


class RedemptionFailed(DomainError):
    """The shop did not make the reward. No points were spent."""

    code = "redemption_failed"

    def __init__(self, redeemed_reward_id: int) -> None:
        super().__init__(
            "The shop could not make this reward just now. No points were spent. Please try again later; "
            "if it happens again, tell us."
        )
        self.redeemed_reward_id = redeemed_reward_id


class AddressNeeded(DomainError):
    """Something is sent, and nobody knows where to."""

    code = "address_needed"
    field = "shipping_address"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"“{name}” is sent by post, and no address of this customer is known. Give an address with it."
        )


class RedemptionUnresolved(DomainError):
    """The shop has not answered yet: it may or may not have made the reward. The points stay held."""

    code = "redemption_unresolved"

    def __init__(self, redeemed_reward_id: int) -> None:
        super().__init__(
            "We are checking with the shop whether your reward was made. Your points are safe: you will get either "
            "the reward or all of them back."
        )
        self.redeemed_reward_id = redeemed_reward_id


def redeem(
    *,
    customer_id: int,
    points_product_id: int,
    actor: Actor,
    now: datetime,
    points_to_spend: int | None = None,
    expected_value: Decimal | None = None,
    idempotency_key: str | None = None,
    deadline: float | None = None,
    address: Address | None = None,
    address_required: bool = False,
) -> RedeemedReward:
    """Redeem a reward and wait, at most `deadline` seconds, until the shop has made it. Not inside a transaction.

    The same idempotency key gives the same redeemed reward, whatever became of it. A variable cost needs
    `points_to_spend`; with it nothing is spent at another fixed price, and with `expected_value` nothing for another
    value, than the caller saw. `address` is where this one goes; the customer's own stays as it is. With
    `address_required` what is sent needs one or the other. Raises AddressNeeded, PriceChanged, ValueChanged, PointsNotAccepted, InsufficientPoints,
    CustomerDisabled, PointsOwed, RewardNotAvailable, UnknownReward, UnknownCustomer, RewardIncomplete, IdempotencyConflict,
    RedemptionFailed, RedemptionUnresolved.
    """
    watch = Stopwatch(now)
    patience = float(settings.REDEEM_DEADLINE_SECONDS if deadline is None else deadline)
    try:
        redeemed, ours = start(
            customer_id=customer_id,
            points_product_id=points_product_id,
            actor=actor,
            now=now,
            points_to_spend=points_to_spend,
            expected_value=expected_value,
            idempotency_key=idempotency_key,
            patience=patience,
            address=address,
            address_required=address_required,
        )
    except IntegrityError:  # the same key at the same moment, from another customer's request
        before = _before(idempotency_key, customer_id, points_product_id, points_to_spend)
        if before is None:
            raise
        redeemed, ours = before, None
    if ours is not None:
        work = cashback.work if types.type_of(redeemed.type).pays_out else issuing.work
        work(claim=ours, now=watch.now, patience=patience)
    return _result(redeemed_reward_id=redeemed.pk, watch=watch, patience=patience)


def resolve(*, redeemed_reward_id: int, now: datetime) -> RedeemedReward:
    """What became of a redemption, without waiting. Raises RedemptionFailed, RedemptionUnresolved."""
    return _result(redeemed_reward_id=redeemed_reward_id, watch=Stopwatch(now), patience=0.0)


@transaction.atomic
def start(
    *,
    customer_id: int,
    points_product_id: int,
    actor: Actor,
    now: datetime,
    points_to_spend: int | None,
    expected_value: Decimal | None,
    idempotency_key: str | None,
    patience: float | None,
    address: Address | None = None,
    address_required: bool = False,
    internal_note: str = "",
) -> tuple[RedeemedReward, claim.Claim | None]:
    """Hold the points and commit the code; gives back our claim on the call, or none when there is none to make.

    Without patience nobody claims the call: it is a worker's, or whoever takes it first. Raises as `redeem`.
    """
    account = locking.lock(customer_id=customer_id, now=now)
    before = _before(idempotency_key, customer_id, points_product_id, points_to_spend)
    if before is not None:
        return before, None
    product = (
        PointsProduct.objects.select_related("reward__connection", "reward__payout_account")
        .filter(pk=points_product_id)
        .first()
    )
    if product is None:
        raise UnknownReward(f"There is no reward with the price {points_product_id}. Check the id.")
    price = pricing.price(product=product, points_to_spend=points_to_spend, expected_value=expected_value)
    reward = product.reward
    customer = catalogue.require_customer(customer_id=customer_id)
    catalogue.require_nothing_owed(owed=account.owed)
    catalogue.require_open(reward=reward, now=now)
    catalogue.require_in_audience(reward=reward, customer=customer)
    if address_required and address is None:
        _require_address(reward=reward, customer=customer)
    limits.require_place_for_customer(reward=reward, customer_id=customer_id)
    limits.require_place_in_period(reward=reward, customer_id=customer_id, now=now)
    limits.require_stock(reward=reward)
    redeemed = claim.save(
        customer=customer,
        reward=reward,
        product=product,
        origin=Origin.REDEMPTION,
        actor=actor,
        now=now,
        cost=price.points,
        value=price.value,
        balance_after=max(account.balance - price.points, 0),
        idempotency_key=idempotency_key,
        address=address,
        internal_note=internal_note,
    )
    redeemed.hold = ledger.hold(
        customer_id=customer_id,
        points=price.points,
        cause=Cause(CauseType.REDEEMED_REWARD, redeemed.pk),
        actor=actor,
        now=now,
    )
    redeemed.save(update_fields=["hold"])
    ours = None
    lease = timedelta(seconds=patience + 10) if patience is not None else None
    if types.type_of(reward.type).pays_out:
        ours = payouts.begin(redeemed=redeemed, reward=reward, now=now, lease=lease)
        if ours is None and redeemed.fulfillment_status == FulfillmentStatus.PENDING:
            queue.enqueue("rewards.pay", redeemed_reward_id=redeemed.pk)
    elif platforms.calls_out(reward.connection):
        ours = claim.queue(redeemed=redeemed, now=now, lease=lease)
        if ours is None:
            issuing.ring(connection_id=redeemed.connection_id)
    else:
        issuing.record_issued(redeemed=redeemed, now=now)
    limits.require_liability(redeemed=redeemed, now=now)
    limits.take_piece(reward=reward)
    return redeemed, ours


def _require_address(*, reward: Reward, customer: Customer) -> None:
    """Raises AddressNeeded."""
    if types.type_of(reward.type).is_delivered and getattr(customer, "shipping_address", None) is None:
        raise AddressNeeded(reward.name)


def _before(
    idempotency_key: str | None, customer_id: int, points_product_id: int, points_to_spend: int | None
) -> RedeemedReward | None:
    if idempotency_key is None:
        return None
    before = RedeemedReward.objects.filter(idempotency_key=idempotency_key).first()
    if before is None:
        return None
    wanted = (customer_id, points_product_id, before.cost_in_points if points_to_spend is None else points_to_spend)
    if (before.customer_id, before.points_product_id, before.cost_in_points) != wanted:
        raise IdempotencyConflict(idempotency_key)
    return before


def _result(*, redeemed_reward_id: int, watch: Stopwatch, patience: float) -> RedeemedReward:
    """Wait until it is decided: by us, by another request with the same key, or by a worker."""
    while True:
        redeemed = RedeemedReward.objects.select_related("code").get(pk=redeemed_reward_id)
        if redeemed.fulfillment_status == FulfillmentStatus.FAILED:
            raise RedemptionFailed(redeemed.pk)
        if redeemed.fulfillment_status != FulfillmentStatus.PENDING:
            return redeemed
        if watch.elapsed >= patience:
            raise RedemptionUnresolved(redeemed.pk)
        time.sleep(0.1)
