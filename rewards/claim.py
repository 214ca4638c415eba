"""Claim: decide everything about a reward somebody is to get, and commit it before any shop is asked."""

import uuid
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction

from loyalty.common import clock, codes
from loyalty.common.actors import Actor
from loyalty.customers.models import Customer, ShippingAddress
from loyalty.customers.profile import Address
from loyalty.events import log
from loyalty.merchant import queries as merchant
from platforms.models import StoreConnection
from rewards import catalogue, pools, wording
from rewards.catalogue import Words
from rewards.limits import RewardNotAvailable
from rewards.models import (
    FulfillmentStatus,
    IssueWork,
    Origin,
    PointsProduct,
    RedeemedReward,
    Reward,
    RewardCode,
)
from rewards.types import registry
from rewards.types.base import RewardIncomplete

MOST_COLLISIONS = 5


@dataclass(frozen=True, slots=True)
class Claim:
    """Our exclusive right to ask the shop about one redeemed reward, until it runs out."""

    redeemed_reward_id: int
    token: uuid.UUID


def save(
    *,
    customer: Customer,
    reward: Reward,
    product: PointsProduct | None,
    origin: Origin,
    actor: Actor,
    now: datetime,
    cost: int,
    balance_after: int,
    idempotency_key: str | None,
    internal_note: str = "",
    value: Decimal | None = None,
    address: Address | None = None,
) -> RedeemedReward:
    """Write the pending redeemed reward with its copies and its code. The caller holds the customer's account lock.

    `value` is what a variable cost bought; without it the reward's own amount counts. `address` is where it goes, where
    that is not the customer's own. Raises RewardIncomplete.
    """
    language = catalogue.language_of(customer)
    amount_of(reward, value)
    redeemed = compose(
        customer=customer,
        reward=reward,
        product=product,
        origin=origin,
        actor=actor,
        now=now,
        cost=cost,
        balance_after=balance_after,
        idempotency_key=idempotency_key,
        internal_note=internal_note,
        value=value,
        address=asdict(address) if address is not None else _address(customer),
        code=new_code(reward=reward, now=now),
        text=catalogue.words(rewards=[reward], language=language)[reward.pk],
        language=language,
        zone=merchant.programme().zone,
    )
    redeemed.save(force_insert=True)
    log.record(
        kind="reward.redeemed" if origin == Origin.REDEMPTION else "reward.granted",
        subject_type="redeemed_reward",
        subject_id=redeemed.pk,
        customer_id=customer.pk,
        actor=actor,
        now=now,
        reward_id=reward.pk,
        cost_in_points=cost,
    )
    return redeemed


def compose(
    *,
    customer: Customer,
    reward: Reward,
    origin: Origin,
    actor: Actor,
    now: datetime,
    balance_after: int,
    address: dict[str, str] | None,
    code: RewardCode | None,
    text: Words,
    language: str,
    zone: ZoneInfo,
    product: PointsProduct | None = None,
    cost: int = 0,
    idempotency_key: str | None = None,
    internal_note: str = "",
    value: Decimal | None = None,
) -> RedeemedReward:
    """The pending redeemed reward with its copies, not saved: `text` in that language, its code saved before.

    Raises RewardIncomplete, and RewardNotAvailable for a code that ends too soon.
    """
    kind = registry.type_of(reward.type)
    amount = amount_of(reward, value)
    starts_at, last_day = _validity(reward, now=now, zone=zone)
    expires_at = _end(
        reward, starts_at=starts_at, expires_at=pools.earlier(last_day, code.ends_at if code is not None else None)
    )
    return RedeemedReward(
        customer=customer,
        reward=reward,
        points_product=product,
        connection_id=reward.connection_id,
        code=code,
        origin=origin,
        on_profile=origin != Origin.REDEMPTION,
        idempotency_key=idempotency_key,
        actor_kind=actor.kind,
        actor_id=actor.id,
        fulfillment_status=FulfillmentStatus.PENDING,
        usage_status=kind.usage,
        redeemed_at=now,
        updated_at=now,
        starts_at=starts_at,
        expires_at=expires_at,
        name=(
            text.name
            if value is None
            else wording.of_value(reward_type=reward.type, amount=value, currency=reward.currency, language=language)
        ),
        type=reward.type,
        cost_in_points=cost,
        tax_value=reward.tax_value,
        currency=reward.currency,
        percent=reward.percent,
        amount=amount,
        remaining=amount if kind.part_redeemable else None,
        product_reference=reward.product_reference,
        minimum_order=reward.minimum_order,
        collections=reward.collections,
        combines_with=reward.combines_with,
        usage_instructions=text.usage_instructions,
        terms=wording.terms(
            own=text.terms,
            language=language,
            sentences=wording.of_redeemed(
                language=language,
                minimum=reward.minimum_order,
                currency=reward.currency,
                collections=[name for _, name in reward.collections],
                combines_with=reward.combines_with,
                valid_from=starts_at,
                expires_at=expires_at,
                zone=zone,
            ),
        ),
        image_url=reward.image_url,
        action_text=text.action_text,
        action_url=reward.action_url,
        brand=text.brand,
        balance_after=balance_after,
        customer_email=customer.email or "",
        customer_phone=customer.phone or "",
        customer_first_name=customer.first_name,
        customer_last_name=customer.last_name,
        shipping_address=address,
        internal_note=internal_note,
    )


def amount_of(reward: Reward, value: Decimal | None = None) -> Decimal | None:
    """What one is worth: what a variable cost bought, else the reward's own amount. Raises RewardIncomplete."""
    amount = reward.amount if value is None else value
    if amount is None and "amount" in registry.type_of(reward.type).needs:
        raise RewardIncomplete(
            f"“{reward.name}” is worth what its points buy. Fill in its amount to say what one is worth that is given away."
        )
    return amount


def queue(*, redeemed: RedeemedReward, now: datetime, lease: timedelta | None = None, turn: int = 0) -> Claim | None:
    """Put it into the queue of record. With a lease, the caller is the one who works on it, until the lease runs out.

    Those of a shop are taken by `turn`, the lowest first: 0 unless it is one of many.
    """
    token = uuid.uuid4() if lease is not None else None
    IssueWork.objects.create(
        redeemed_reward=redeemed,
        connection_id=redeemed.connection_id,
        turn=turn,
        due_at=now + (lease or timedelta()),
        claim=token,
        claimed_until=now + lease if lease is not None else None,
    )
    return Claim(redeemed.pk, token) if token is not None else None


def new_code(*, reward: Reward, now: datetime) -> RewardCode | None:
    """The code of one customer: the reward's shared one, one out of its pool, or a fresh one; none for types without.

    Raises RewardNotAvailable when the pool is empty, RewardIncomplete.
    """
    kind = registry.type_of(reward.type)
    if not kind.carries_code(reward):
        return None
    if reward.shared_code_id is not None:
        return _shared(reward)
    if (drawn := pools.draw(reward=reward, now=now)) is not None:
        return drawn
    for _ in range(MOST_COLLISIONS):
        code = kind.new_code(reward.prefix)
        try:
            with transaction.atomic():
                return RewardCode.objects.create(
                    connection_id=reward.connection_id, code=code, canonical=codes.canonical(code), created_at=now
                )
        except IntegrityError:
            continue  # 31^10 codes: a collision is a curiosity, several in a row a broken random source
    raise RewardIncomplete(f"No free code was found for “{reward.name}” in {MOST_COLLISIONS} tries: change its prefix.")


def new_codes(*, reward: Reward, count: int, now: datetime, bulk_reference: str = "") -> list[RewardCode | None]:
    """As `new_code`, for so many customers; fewer when the pool is empty before.

    With a `bulk_reference` fresh ones share a discount of that name in the shop. Raises RewardIncomplete.
    """
    kind = registry.type_of(reward.type)
    if not kind.carries_code(reward):
        return [None] * count
    if reward.shared_code_id is not None:
        return [_shared(reward)] * count
    drawn = pools.draw_many(reward=reward, count=count, now=now)
    if drawn is not None:
        return list(drawn)
    for _ in range(MOST_COLLISIONS):
        texts = {codes.canonical(text): text for text in (kind.new_code(reward.prefix) for _ in range(count))}
        fresh = [
            RewardCode(
                connection_id=reward.connection_id,
                code=text,
                canonical=canonical,
                created_at=now,
                bulk_reference=bulk_reference,
            )
            for canonical, text in texts.items()
        ]
        try:
            with transaction.atomic():
                made = RewardCode.objects.bulk_create(fresh) if len(fresh) == count else []
        except IntegrityError:
            continue
        if made:
            return list(made)
    raise RewardIncomplete(
        f"No free codes were found for “{reward.name}” in {MOST_COLLISIONS} tries: change its prefix."
    )


def _shared(reward: Reward) -> RewardCode | None:
    """The one code of everybody. Raises RewardIncomplete when the reward has moved to another shop since."""
    code = reward.shared_code
    if code is not None and code.connection_id != reward.connection_id:
        raise RewardIncomplete(
            f"“{reward.name}” shares the code {code.code}, which is of another shop than the reward's. Choose its "
            "shared code anew."
        )
    return code


def connection_of(redeemed: RedeemedReward) -> StoreConnection | None:
    """The shop, fresh from the database: credentials may have changed since."""
    if redeemed.connection_id is None:
        return None
    return StoreConnection.objects.get(pk=redeemed.connection_id)


def _validity(reward: Reward, *, now: datetime, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """From the start of the first day to the end of the last one; the days it lives count from when it begins."""
    idle = reward.days_inactive
    begins = clock.start_of_day(now, idle, zone) if idle else None
    return begins, clock.end_of_day(now, idle + reward.days_valid, zone) if reward.days_valid is not None else None


def _end(reward: Reward, *, starts_at: datetime | None, expires_at: datetime | None) -> datetime | None:
    if starts_at is not None and expires_at is not None and expires_at <= starts_at:
        raise RewardNotAvailable(
            f"The code of “{reward.name}” out of its pool would end before its days of rest are over. "
            "Import codes that last longer, or shorten the days inactive.",
            code="pool_code_too_short",
        )
    return expires_at


def _address(customer: Customer) -> dict[str, str] | None:
    address = ShippingAddress.objects.filter(pk=customer.pk).first()
    return address.as_snapshot() if address is not None else None
