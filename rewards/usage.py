"""Used or not: by staff, by an integrator, and by what an order did to a code."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.db import transaction

from loyalty.common import codes
from loyalty.common.actors import SYSTEM, Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.merchant import queries as merchant
from rewards import holders, issuing, lifecycle, limits, parcels
from rewards.holders import OrderUse
from rewards.models import (
    Cancellation,
    CancellationState,
    DeliveryStatus,
    DeliveryStep,
    FulfillmentStatus,
    RedeemedReward,
    RewardCode,
    UsageStatus,
)
from rewards.types import registry as types

UNMATCHED = "code.use_unmatched"  # a shared code was used by somebody who has none of its rewards
SPENT = "reward.code_spent"  # the order was canceled, and the shop keeps the code used
USED_WHILE_CANCELLING = "reward.used_while_cancelling"  # before the points were back: it ended as used
USED_AFTER_END = "reward.used_after_cancel"  # when they were: it stays canceled, and somebody has to look


class UsageRefused(DomainError):
    """The reward cannot be marked so now."""

    code = "usage_refused"


class OrderVerdict(StrEnum):
    """What an order did to a code of ours."""

    FOREIGN = "foreign"  # no code of ours
    USED = "used"
    KNOWN = "known"  # we knew that already
    NOT_YET = "not_yet"  # the reward is still being generated: ask again later
    USED_AFTER_CANCEL = "used_after_cancel"  # canceled here and used there: a person has to look
    OTHER_ORDER = "other_order"  # another order used it before: a person has to look
    UNMATCHED = "unmatched"  # a shared code, and the buyer has none of its rewards: a person has to look
    UNTRACKED = "untracked"


@transaction.atomic
def mark_used(*, redeemed_reward_id: int, actor: Actor, now: datetime, order_id: str = "") -> RedeemedReward:
    """Mark a reward used; a gift is thereby ordered. Marking it twice changes nothing more. Raises UsageRefused."""
    redeemed = issuing.locked(redeemed_reward_id=redeemed_reward_id, now=now)
    if redeemed.usage_status == UsageStatus.USED:
        return redeemed
    require_usable(redeemed, now=now, act="marked used")
    _use(redeemed, used_at=now, order_id=order_id, actor=actor, now=now)
    return redeemed


@transaction.atomic
def mark_unused(*, redeemed_reward_id: int, actor: Actor, now: datetime) -> RedeemedReward:
    """Take a mark back. Refused once a parcel is under way, the reward has expired, or its limit of value is reached.

    Raises UsageRefused.
    """
    redeemed = issuing.locked(redeemed_reward_id=redeemed_reward_id, now=now)
    if redeemed.usage_status == UsageStatus.UNUSED and redeemed.fulfillment_status == FulfillmentStatus.ISSUED:
        return redeemed
    _require_tracked(redeemed, act="marked unused")
    require_active(redeemed, now=now, act="marked unused")
    if redeemed.remaining is not None and redeemed.remaining <= 0:
        raise UsageRefused(
            f"“{redeemed.name}” was spent to the end: it cannot be marked unused. Give back what was spent instead."
        )
    _unuse(redeemed, kind="reward.unused", actor=actor, now=now)
    if limits.passes_liability(redeemed=redeemed, now=now):  # it is outstanding again
        raise UsageRefused(limits.too_much_outstanding(name=redeemed.name, act="marked unused"))
    return redeemed


def require_usable(redeemed: RedeemedReward, *, now: datetime, act: str) -> None:
    """Refuse what cannot be used now, for the caller who has locked it. `act` is a participle. Raises UsageRefused."""
    _require_tracked(redeemed, act=act)
    require_active(redeemed, now=now, act=act)
    if redeemed.starts_at is not None and now < redeemed.starts_at:
        raise UsageRefused(
            f"“{redeemed.name}” is not valid before {_moment(redeemed.starts_at)}: until then it cannot be {act}."
        )


def record_spent(redeemed: RedeemedReward, *, order_id: str, actor: Actor, now: datetime) -> None:
    """A value code was spent to its end. The caller has locked it and knows that it may be used."""
    _use(redeemed, used_at=now, order_id=order_id, actor=actor, now=now, remaining=Decimal(0))


def record_unspent(redeemed: RedeemedReward, *, left: Decimal, actor: Actor, now: datetime) -> None:
    """Something came back to a value code that was spent to its end. The caller has locked it. Raises UsageRefused."""
    require_active(redeemed, now=now, act="given back to")
    _unuse(redeemed, kind="reward.unused", actor=actor, now=now, remaining=left)


def _require_tracked(redeemed: RedeemedReward, *, act: str) -> None:
    if redeemed.usage_status == UsageStatus.UNTRACKED:
        why = types.type_of(redeemed.type).untracked_because or "nobody can know whether it was used"
        raise UsageRefused(f"“{redeemed.name}” is not tracked, as {why}: it cannot be {act}.")


def require_active(redeemed: RedeemedReward, *, now: datetime, act: str) -> None:
    """Refuse what is not issued, being canceled or past its end, for the caller who has locked it.

    Raises UsageRefused.
    """
    if redeemed.fulfillment_status != FulfillmentStatus.ISSUED:
        raise UsageRefused(
            f"“{redeemed.name}” is {redeemed.get_fulfillment_status_display().lower()}: only an issued reward can be {act}."
        )
    if open_cancellation(redeemed_reward_id=redeemed.pk) is not None:
        raise UsageRefused(f"“{redeemed.name}” is being canceled: wait until that is done before it can be {act}.")
    if redeemed.expires_at is not None and redeemed.expires_at <= now:
        raise UsageRefused(f"“{redeemed.name}” has expired: it can no longer be {act}.")


def _moment(instant: datetime) -> str:
    return f"{instant.astimezone(merchant.programme().zone):%-d %b %Y, %H:%M}"


def _use(
    redeemed: RedeemedReward, *, used_at: datetime, order_id: str, actor: Actor, now: datetime, **facts: Decimal
) -> None:
    ordered_before = bool(redeemed.delivery_status)  # a printed coupon travels before it is used
    lifecycle.move(
        redeemed,
        now=now,
        usage_status=UsageStatus.USED,
        used_at=max(used_at, redeemed.redeemed_at),
        used_order_id=order_id[:120],
        **({} if ordered_before else {"delivery_status": DeliveryStatus.ORDERED}),
        **facts,
    )
    if redeemed.is_gift and not ordered_before:
        parcels.write(
            redeemed=redeemed, step=DeliveryStep.ORDERED, actor=actor, now=now, ordered_at=now, cancelled_at=None
        )
    _log("reward.used", redeemed, actor, now, order_id=order_id)


def _unuse(redeemed: RedeemedReward, *, kind: str, actor: Actor, now: datetime, **facts: Decimal) -> None:
    coupon = redeemed.is_gift and redeemed.code_id is not None  # its parcel does not depend on its use
    if not coupon and redeemed.delivery_status in (DeliveryStatus.SHIPPED, DeliveryStatus.DELIVERED):
        raise UsageRefused(
            f"“{redeemed.name}” has been {redeemed.get_delivery_status_display().lower()} already: "
            "it cannot be marked unused. Cancel the delivery first if the parcel is coming back."
        )
    order_id = redeemed.used_order_id
    lifecycle.move(
        redeemed,
        now=now,
        usage_status=UsageStatus.UNUSED,
        used_at=None,
        used_order_id="",
        **({} if coupon else {"delivery_status": DeliveryStatus.NONE}),
        **facts,
    )
    if redeemed.is_gift and not coupon:
        nothing: dict[str, Any] = {"ordered_at": None, "cancelled_at": None, "returned_at": None}
        parcels.write(redeemed=redeemed, step=DeliveryStep.WITHDRAWN, actor=actor, now=now, **nothing)
    _log(kind, redeemed, actor, now, order_id=order_id)


def open_cancellation(*, redeemed_reward_id: int) -> Cancellation | None:
    """The cancellation under way, if there is one."""
    return Cancellation.objects.filter(
        redeemed_reward_id=redeemed_reward_id, state=CancellationState.CANCELLING
    ).first()


@transaction.atomic
def record_order_use(*, use: OrderUse, actor: Actor, now: datetime) -> OrderVerdict:
    """A completed order carried a code. The shop's word is a fact: it counts even past the expiry we know of."""
    code = RewardCode.objects.filter(connection_id=use.connection_id, canonical=codes.canonical(use.code)).first()
    if code is None:
        return OrderVerdict.FOREIGN
    redeemed_id = holders.of_use(code=code, use=use, now=now)
    if redeemed_id is None:
        return _unmatched(code, use=use, actor=actor, now=now) if code.is_shared else OrderVerdict.FOREIGN
    return _used(issuing.locked(redeemed_reward_id=redeemed_id, now=now), use=use, actor=actor, now=now)


def _used(redeemed: RedeemedReward, *, use: OrderUse, actor: Actor, now: datetime) -> OrderVerdict:
    match redeemed.fulfillment_status:
        case FulfillmentStatus.PENDING:
            return OrderVerdict.NOT_YET
        case FulfillmentStatus.CANCELLED | FulfillmentStatus.FAILED:
            return _used_after_end(redeemed, use=use, actor=actor, now=now)
    if redeemed.usage_status == UsageStatus.UNTRACKED:
        return OrderVerdict.UNTRACKED
    if redeemed.usage_status == UsageStatus.USED:
        return _used_before(redeemed, use=use, actor=actor, now=now)
    under_way = open_cancellation(redeemed_reward_id=redeemed.pk)
    if under_way is not None:
        close_as_used(under_way, now=now)
    _use(redeemed, used_at=use.used_at, order_id=use.order_id, actor=actor, now=now)
    if under_way is not None:
        _log(USED_WHILE_CANCELLING, redeemed, actor, now, order_id=use.order_id)
    return OrderVerdict.USED


def _unmatched(code: RewardCode, *, use: OrderUse, actor: Actor, now: datetime) -> OrderVerdict:
    """Somebody used a shared code without a reward that we know of: told to staff once an order, and never guessed."""
    fact: dict[str, Any] = {"kind": UNMATCHED, "subject_type": "reward_code", "subject_id": code.pk}
    if not log.exists(**fact, order_id=use.order_id):
        log.record(
            **fact,
            customer_id=use.customer_id,
            actor=actor,
            now=now,
            order_id=use.order_id,
            used_at=use.used_at.isoformat(),
        )
    return OrderVerdict.UNMATCHED


def close_as_used(cancellation: Cancellation, *, now: datetime) -> None:
    """The code was used before it died: the cancellation ends and no points go back."""
    lifecycle.move_cancellation(cancellation, CancellationState.USED_MEANWHILE)
    cancellation.closed_at, cancellation.due_at = now, None
    cancellation.claim = cancellation.claimed_until = None
    cancellation.save()


def record_used_meanwhile(
    *, redeemed: RedeemedReward, cancellation: Cancellation, order_id: str, now: datetime
) -> None:
    """While it was being canceled, the shop showed a use. The caller has locked account and redeemed reward."""
    close_as_used(cancellation, now=now)
    if redeemed.usage_status == UsageStatus.UNUSED:
        _use(redeemed, used_at=now, order_id=order_id, actor=SYSTEM, now=now)
    _log(USED_WHILE_CANCELLING, redeemed, SYSTEM, now, order_id=order_id)


@transaction.atomic
def record_use_returned(*, connection_id: int | None, order_id: str, actor: Actor, now: datetime) -> int:
    """An order was cancelled in a shop that thereby makes its codes usable again; gives back how many are unused now."""
    ids = RedeemedReward.objects.filter(
        connection_id=connection_id,
        used_order_id=order_id,
        usage_status=UsageStatus.USED,
        fulfillment_status=FulfillmentStatus.ISSUED,
    ).values_list("pk", flat=True)
    returned = 0
    for redeemed_id in sorted(ids):
        redeemed = issuing.locked(redeemed_reward_id=redeemed_id, now=now)
        still_used = redeemed.usage_status == UsageStatus.USED and redeemed.used_order_id == order_id
        if still_used and redeemed.fulfillment_status == FulfillmentStatus.ISSUED:
            _unuse(redeemed, kind="reward.use_returned", actor=actor, now=now)
            returned += 1
    return returned


@transaction.atomic
def record_code_spent(*, connection_id: int | None, order_id: str, actor: Actor, now: datetime) -> int:
    """An order was cancelled in a shop whose codes stay spent; gives back how many customers now have nothing for it.

    Each is told to staff once: they may reissue it.
    """
    ids = RedeemedReward.objects.filter(
        connection_id=connection_id, used_order_id=order_id, usage_status=UsageStatus.USED
    ).values_list("pk", flat=True)
    spent = 0
    for redeemed_id in sorted(ids):
        redeemed = issuing.locked(redeemed_reward_id=redeemed_id, now=now)
        issued = redeemed.fulfillment_status == FulfillmentStatus.ISSUED
        if issued and redeemed.used_order_id == order_id and not was_spent_for_nothing(redeemed=redeemed):
            _log(SPENT, redeemed, actor, now, order_id=order_id)
            spent += 1
    return spent


def was_spent_for_nothing(*, redeemed: RedeemedReward) -> bool:
    """Whether the order that used it was canceled in a shop that does not give the use back."""
    return (
        redeemed.fulfillment_status == FulfillmentStatus.ISSUED
        and redeemed.usage_status == UsageStatus.USED
        and bool(redeemed.used_order_id)
        and _noted_before(redeemed, SPENT, redeemed.used_order_id)
    )


def _used_after_end(redeemed: RedeemedReward, *, use: OrderUse, actor: Actor, now: datetime) -> OrderVerdict:
    """Canceled or failed here and used there: a person has to look, unless it was canceled after that very use."""
    if redeemed.used_order_id == use.order_id:
        return OrderVerdict.KNOWN
    if not _noted_before(redeemed, USED_AFTER_END, use.order_id):
        redeemed.updated_at = now
        redeemed.save(update_fields=["updated_at"])  # the nightly reconciliation looks at what changed
        _log(USED_AFTER_END, redeemed, actor, now, order_id=use.order_id)
    return OrderVerdict.USED_AFTER_CANCEL


def _used_before(redeemed: RedeemedReward, *, use: OrderUse, actor: Actor, now: datetime) -> OrderVerdict:
    if redeemed.used_order_id == use.order_id:
        return OrderVerdict.KNOWN
    if not redeemed.used_order_id:  # marked by hand, or seen by a cancellation: now we know the order
        redeemed.used_order_id = use.order_id[:120]
        redeemed.updated_at = now
        redeemed.save(update_fields=["used_order_id", "updated_at"])
        return OrderVerdict.KNOWN
    if not _noted_before(redeemed, "reward.used_twice", use.order_id):
        _log("reward.used_twice", redeemed, actor, now, order_id=use.order_id)
    return OrderVerdict.OTHER_ORDER


def _noted_before(redeemed: RedeemedReward, kind: str, order_id: str) -> bool:
    return log.exists(kind=kind, subject_type="redeemed_reward", subject_id=redeemed.pk, order_id=order_id)


def _log(kind: str, redeemed: RedeemedReward, actor: Actor, now: datetime, **data: object) -> None:
    log.record(
        kind=kind,
        subject_type="redeemed_reward",
        subject_id=redeemed.pk,
        customer_id=redeemed.customer_id,
        actor=actor,
        now=now,
        **data,
    )
