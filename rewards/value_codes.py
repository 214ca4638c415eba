"""Spend a value code bit by bit: what was spent is a row, what remains stays the customer's, and a part can come back."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet

from loyalty.common import codes, money
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.points.errors import IdempotencyConflict
from rewards import issuing, lifecycle, usage
from rewards.models import RedeemedReward, UsageStatus, ValueCodeUse
from rewards.types import registry as types

MOST_DECIMALS = 2  # of what is stored


class ValueCodeRefused(DomainError):
    """So much cannot be spent of this code now, or given back to it."""

    code = "value_code_refused"


class CurrencyMismatch(DomainError):
    """The amount is not in the code's currency: nothing is converted."""

    code = "currency_mismatch"


def find(*, code: str) -> RedeemedReward | None:
    """The redeemed reward behind a value code as somebody typed it."""
    wanted = codes.canonical(code)
    if not wanted or "\x00" in wanted:
        return None
    parts = [name for name, kind in types.TYPES.items() if kind.part_redeemable]
    return (
        RedeemedReward.objects.select_related("code")
        .filter(code__canonical=wanted, code__connection__isnull=True, type__in=parts, on_profile=True)
        .first()
    )


def history(*, redeemed_reward_id: int) -> QuerySet[ValueCodeUse]:
    """What was spent of a value code and what came back, newest first."""
    uses = ValueCodeUse.objects.filter(redeemed_reward_id=redeemed_reward_id)
    return uses.select_related("reversal").order_by("-id")


@transaction.atomic
def spend(
    *,
    redeemed_reward_id: int,
    amount: Decimal,
    actor: Actor,
    now: datetime,
    order_id: str = "",
    currency: str | None = None,
    idempotency_key: str | None = None,
) -> ValueCodeUse:
    """Spend a part of a value code, or all that remains; then it is used.

    The same idempotency key gives the same use. Raises ValueCodeRefused, CurrencyMismatch, UsageRefused,
    IdempotencyConflict.
    """
    redeemed = issuing.locked(redeemed_reward_id=redeemed_reward_id, now=now)
    if (before := _before(idempotency_key)) is not None:
        if (before.redeemed_reward_id, before.amount, before.is_reversal) != (redeemed.pk, amount, False):
            raise IdempotencyConflict(str(idempotency_key))
        return before
    left = _left(redeemed, amount, currency=currency, now=now)
    if left:
        lifecycle.move(redeemed, now=now, remaining=left)
    else:
        usage.record_spent(redeemed, order_id=order_id, actor=actor, now=now)
    use = _keep(redeemed, amount, left, order_id=order_id, actor=actor, now=now, idempotency_key=idempotency_key)
    _tell("reward.part_spent", redeemed, use, actor=actor, now=now)
    return use


@transaction.atomic
def reverse(*, use_id: int, actor: Actor, now: datetime, idempotency_key: str | None = None) -> ValueCodeUse:
    """Give back what one use took, as when goods are returned; gives the row that says so. Twice gives the same row.

    A code that was spent to its end can be used again. Raises ValueCodeRefused, UsageRefused, IdempotencyConflict.
    """
    redeemed_reward_id = ValueCodeUse.objects.values_list("redeemed_reward_id", flat=True).get(pk=use_id)
    redeemed = issuing.locked(redeemed_reward_id=redeemed_reward_id, now=now)
    if (before := _before(idempotency_key)) is not None:
        if before.reversal_of_id != use_id:
            raise IdempotencyConflict(str(idempotency_key))
        return before
    use = ValueCodeUse.objects.select_related("reversal").get(pk=use_id)
    reversal: ValueCodeUse | None = getattr(use, "reversal", None)
    if reversal is not None:
        return reversal
    left = _left_after_return(redeemed, use, now=now)
    if redeemed.usage_status == UsageStatus.USED and not redeemed.remaining:
        usage.record_unspent(redeemed, left=left, actor=actor, now=now)
    else:
        lifecycle.move(redeemed, now=now, remaining=left)
    back = _keep(redeemed, use.amount, left, actor=actor, now=now, idempotency_key=idempotency_key, reversal_of=use)
    _tell("reward.part_returned", redeemed, back, actor=actor, now=now)
    return back


def reversal_refusal(*, use: ValueCodeUse, now: datetime) -> str:
    """Why a use cannot be given back now; empty when it can. Reads only."""
    if getattr(use, "reversal", None) is not None:
        return f"These {use.amount} {use.redeemed_reward.currency} were given back already."
    try:
        _left_after_return(use.redeemed_reward, use, now=now)
    except DomainError as refusal:
        return refusal.sentence
    return ""


def _before(idempotency_key: str | None) -> ValueCodeUse | None:
    return ValueCodeUse.objects.filter(idempotency_key=idempotency_key).first() if idempotency_key is not None else None


def _left(redeemed: RedeemedReward, amount: Decimal, *, currency: str | None, now: datetime) -> Decimal:
    """What remains when so much is spent. Raises ValueCodeRefused, CurrencyMismatch, UsageRefused."""
    if redeemed.remaining is None:
        label = redeemed.get_type_display().lower()
        raise ValueCodeRefused(f"“{redeemed.name}” is a {label}: only value codes are spent in parts.")
    if redeemed.usage_status == UsageStatus.USED:
        raise ValueCodeRefused(f"“{redeemed.name}” has been used: nothing more can be spent of it.")
    usage.require_usable(redeemed, now=now, act="spent")
    if currency is not None and currency != redeemed.currency:
        raise CurrencyMismatch(
            f"“{redeemed.name}” is worth {redeemed.currency}, and the amount is in {currency}. "
            f"Work out the amount in {redeemed.currency} and send that."
        )
    decimals = min(money.places(redeemed.currency), MOST_DECIMALS)
    if not amount.is_finite() or amount <= 0 or amount % Decimal(1).scaleb(-decimals):
        raise ValueCodeRefused(
            f"Spend an amount above zero, {f'with at most {decimals} decimals' if decimals else 'without decimals'}."
        )
    if amount > redeemed.remaining:
        raise ValueCodeRefused(
            f"Only {redeemed.remaining} {redeemed.currency} are left of “{redeemed.name}”: {amount} cannot be spent."
        )
    return redeemed.remaining - amount


def _left_after_return(redeemed: RedeemedReward, use: ValueCodeUse, *, now: datetime) -> Decimal:
    """What remains once this use is given back. Raises ValueCodeRefused, UsageRefused."""
    if use.is_reversal:
        raise ValueCodeRefused("That gave something back already: it was no spending. Spend the amount again instead.")
    usage.require_active(redeemed, now=now, act="given back to")
    return (redeemed.remaining or Decimal(0)) + use.amount


def _keep(
    redeemed: RedeemedReward,
    amount: Decimal,
    left: Decimal,
    *,
    actor: Actor,
    now: datetime,
    idempotency_key: str | None,
    order_id: str = "",
    reversal_of: ValueCodeUse | None = None,
) -> ValueCodeUse:
    return ValueCodeUse.objects.create(
        redeemed_reward=redeemed,
        reversal_of=reversal_of,
        amount=amount,
        remaining_after=left,
        order_id=order_id[:120] or (reversal_of.order_id if reversal_of is not None else ""),
        actor_kind=actor.kind,
        actor_id=actor.id,
        idempotency_key=idempotency_key,
        used_at=now,
    )


def _tell(kind: str, redeemed: RedeemedReward, use: ValueCodeUse, *, actor: Actor, now: datetime) -> None:
    log.record(
        kind=kind,
        subject_type="redeemed_reward",
        subject_id=redeemed.pk,
        customer_id=redeemed.customer_id,
        actor=actor,
        now=now,
        use_id=use.pk,
        amount=str(use.amount),
        remaining=str(use.remaining_after),
        order_id=use.order_id,
    )
