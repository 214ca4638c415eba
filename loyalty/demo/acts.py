"""What happens in the demo's past, each through the act that would have done it, at the time it would have."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from loyalty.common import actors
from loyalty.common.causes import Cause, CauseType
from loyalty.customers import enrollment, profile
from loyalty.customers.models import Customer
from loyalty.demo.people import Person
from loyalty.points import ledger, locking
from loyalty.program import orders
from platforms.adapter import AppliedCode, OrderStatus, ShopOrder, ShopRefund
from platforms.models import StoreConnection
from rewards import claim, granting, issuing, limits, pricing, redemption
from rewards.models import CodeEvidence, EvidenceKind, Origin, PointsProduct, RedeemedReward, Reward
from rewards.types import registry

FIRST_ORDER = 10_001
ANSWER_TIME = timedelta(milliseconds=420)


@dataclass(slots=True, kw_only=True)
class World:
    """Everything the past is made of. The old shop no longer exists: what it once made is written without asking it."""

    old_shop: StoreConnection
    products: Mapping[str, PointsProduct]
    staff: Mapping[str, int]  # role → user id
    customers: dict[str, Customer] = field(default_factory=dict)
    redeemed: dict[int, RedeemedReward] = field(default_factory=dict)  # by number in the plan
    order_number: int = FIRST_ORDER

    def as_staff(self, role: str) -> actors.Actor:
        return actors.staff(self.staff[role])


def enrol(world: World, person: Person, now: datetime) -> None:
    """A person becomes a customer, known to the old shop under their key."""
    customer = enrollment.enroll(
        email=person.email,
        phone=person.phone,
        first_name=person.first_name,
        last_name=person.last_name,
        state=person.state,
        language=person.language,
        actor=actors.SYSTEM,
        now=now,
    )
    enrollment.link_identity(
        customer_id=customer.pk,
        connection_id=world.old_shop.pk,
        external_id=person.key,
        actor=actors.SYSTEM,
        now=now,
    )
    if person.address is not None:
        profile.set_address(customer_id=customer.pk, address=person.address, actor=actors.SYSTEM, now=now)
    Customer.objects.filter(pk=customer.pk).update(created_at=now)  # the column says when the row was made: today
    world.customers[person.key] = customer


def order(
    world: World,
    person: str,
    total: Decimal,
    now: datetime,
    *,
    number: int | None = None,
    status: OrderStatus = OrderStatus.COMPLETED,
    placed_at: datetime | None = None,
    codes: tuple[str, ...] = (),
    refunded: Decimal = Decimal(0),
) -> int:
    """The old shop tells of an order; gives back its number. A number that was told before is news of that order."""
    if number is None:
        number, world.order_number = world.order_number, world.order_number + 1
    customer = world.customers[person]
    orders.record(
        connection_id=world.old_shop.pk,
        order=ShopOrder(
            external_id=str(number),
            number=f"#{number}",
            status=status,
            placed_at=placed_at or now,
            updated_at=now,
            total=total,
            currency=world.old_shop.currency,
            customer_email=customer.email or "",
            customer_external_id=person,
            codes=tuple(AppliedCode(code=code) for code in codes),
            refunds=(ShopRefund(external_id=f"r{number}", amount=refunded, refunded_at=now),) if refunded else (),
        ),
        returns_use_on_cancel=True,
        actor=actors.shop(world.old_shop.pk),
        now=now,
    )
    return number


def redeem(world: World, person: str, reward: str, now: datetime, *, idempotency_key: str) -> RedeemedReward:
    """Points spent on a reward; codes are as the old shop made them."""
    customer, product = world.customers[person], world.products[reward]
    if not registry.type_of(product.reward.type).needs_shop:
        return redemption.redeem(
            customer_id=customer.pk,
            points_product_id=product.pk,
            actor=actors.customer(customer.pk),
            now=now,
            points_to_spend=pricing.least_points(product),
            idempotency_key=idempotency_key,
            deadline=0,
        )
    redeemed = claim_in_old_shop(world, person, reward, now, idempotency_key=idempotency_key)
    record_made(redeemed, now=now + ANSWER_TIME)
    return redeemed


def claim_in_old_shop(world: World, person: str, reward: str, now: datetime, *, idempotency_key: str) -> RedeemedReward:
    """A redemption up to the moment when the shop is asked. In the caller's transaction."""
    customer, product = world.customers[person], world.products[reward]
    account = locking.lock(customer_id=customer.pk, now=now)
    limits.require_place_for_customer(reward=product.reward, customer_id=customer.pk)
    price = pricing.least_points(product)
    redeemed = claim.save(
        customer=customer,
        reward=_of_old_shop(world, product.reward),
        product=product,
        origin=Origin.REDEMPTION,
        actor=actors.customer(customer.pk),
        now=now,
        cost=price,
        balance_after=account.balance - price,
        idempotency_key=idempotency_key,
    )
    redeemed.hold = ledger.hold(
        customer_id=customer.pk,
        points=price,
        cause=Cause(CauseType.REDEEMED_REWARD, redeemed.pk),
        actor=actors.customer(customer.pk),
        now=now,
    )
    redeemed.save(update_fields=["hold"])
    return redeemed


def grant(
    world: World, person: str, reward: str, now: datetime, *, idempotency_key: str, origin: Origin, note: str = ""
) -> RedeemedReward:
    """A reward given without points, and made by the old shop."""
    product = world.products[reward]
    if not registry.type_of(product.reward.type).needs_shop:
        return granting.grant(
            customer_id=world.customers[person].pk,
            reward_id=product.reward.pk,
            actor=world.as_staff("support"),
            now=now,
            origin=origin,
            internal_note=note,
            idempotency_key=idempotency_key,
        )
    redeemed = grant_in_old_shop(world, person, reward, now, idempotency_key=idempotency_key, origin=origin, note=note)
    record_made(redeemed, now=now + ANSWER_TIME)
    return redeemed


def grant_in_old_shop(
    world: World, person: str, reward: str, now: datetime, *, idempotency_key: str, origin: Origin, note: str = ""
) -> RedeemedReward:
    """A grant up to the moment when the shop is asked. In the caller's transaction."""
    customer, product = world.customers[person], world.products[reward]
    account = locking.lock(customer_id=customer.pk, now=now)
    return claim.save(
        customer=customer,
        reward=_of_old_shop(world, product.reward),
        product=None,
        origin=origin,
        actor=world.as_staff("support"),
        now=now,
        cost=0,
        balance_after=account.balance,
        idempotency_key=idempotency_key,
        internal_note=note,
    )


def record_made(redeemed: RedeemedReward, *, now: datetime) -> None:
    """The old shop made the code. The caller has locked account and redeemed reward."""
    issuing.record_issued(redeemed=redeemed, now=now)
    if redeemed.code is not None:
        redeemed.code.remote_id = f"old-{redeemed.code.pk}"
        redeemed.code.save(update_fields=["remote_id"])
        CodeEvidence.objects.create(
            code=redeemed.code, kind=EvidenceKind.CREATED, alive=True, observed_at=now, status=201
        )


def _of_old_shop(world: World, reward: Reward) -> Reward:
    """The reward as it was before it moved to the new shop."""
    before = copy(reward)
    before.connection_id = world.old_shop.pk
    before.connection = world.old_shop
    return before
