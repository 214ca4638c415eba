"""Spend a value code bit by bit: what was spent is a row, what remains stays the customer's."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from loyalty.common import codes
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.points.errors import IdempotencyConflict
from rewards import issuing, lifecycle, usage
from rewards.models import RedeemedReward, UsageStatus, ValueCodeUse
from rewards.types import registry as types

CENT = Decimal("0.01")


class ValueCodeRefused(DomainError):
    """So much cannot be spent of this code now."""

    code = "value_code_refused"


def find(*, code: str) -> RedeemedReward | None:
    """The redeemed reward behind a value code as somebody typed it."""
    parts = [name for name, kind in types.TYPES.items() if kind.part_redeemable]
    return (
        RedeemedReward.objects.select_related("code")
        .filter(code__canonical=codes.canonical(code), code__connection__isnull=True, type__in=parts, on_profile=True)
        .first()
    )


@transaction.atomic
def spend(
    *,
    redeemed_reward_id: int,
    amount: Decimal,
    actor: Actor,
    now: datetime,
    order_id: str = "",
    idempotency_key: str | None = None,
) -> ValueCodeUse:
    """Spend a part of a value code, or all that remains; then it is used.

    The same idempotency key gives the same use. Raises ValueCodeRefused, UsageRefused, IdempotencyConflict.
    """
    redeemed = issuing.locked(redeemed_reward_id=redeemed_reward_id, now=now)
    if idempotency_key is not None:
        before = ValueCodeUse.objects.filter(idempotency_key=idempotency_key).first()
        if before is not None:
            if (before.redeemed_reward_id, before.amount) != (redeemed.pk, amount):
                raise IdempotencyConflict(idempotency_key)
            return before
    left = _left(redeemed, amount, now=now)
    if left:
        lifecycle.move(redeemed, now=now, remaining=left)
    else:
        usage.record_spent(redeemed, order_id=order_id, actor=actor, now=now)
    return ValueCodeUse.objects.create(
        redeemed_reward=redeemed,
        amount=amount,
        remaining_after=left,
        order_id=order_id[:120],
        actor_kind=actor.kind,
        actor_id=actor.id,
        idempotency_key=idempotency_key,
        used_at=now,
    )


def _left(redeemed: RedeemedReward, amount: Decimal, *, now: datetime) -> Decimal:
    """What remains when so much is spent. Raises ValueCodeRefused, UsageRefused."""
    if redeemed.remaining is None:
        label = redeemed.get_type_display().lower()
        raise ValueCodeRefused(f"“{redeemed.name}” is a {label}: only value codes are spent in parts.")
    if redeemed.usage_status == UsageStatus.USED:
        raise ValueCodeRefused(f"“{redeemed.name}” has been used: nothing more can be spent of it.")
    usage.require_usable(redeemed, now=now, act="spent")
    if amount <= 0 or amount % CENT:
        raise ValueCodeRefused("Spend an amount above zero, with at most two decimals.")
    if amount > redeemed.remaining:
        raise ValueCodeRefused(
            f"Only {redeemed.remaining} {redeemed.currency} are left of “{redeemed.name}”: {amount} cannot be spent."
        )
    return redeemed.remaining - amount
