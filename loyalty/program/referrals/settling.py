"""What a worker does for a referral: gives the rewards its state calls for, undoes the others."""

from datetime import datetime

from django.db import transaction

from loyalty.common import queue
from loyalty.common.actors import SYSTEM
from loyalty.common.errors import DomainError
from loyalty.points import locking
from loyalty.program.referrals import links
from loyalty.program.referrals.models import Referral, ReferralSettings, ReferralState
from rewards import cancellation, granting, usage
from rewards.models import FulfillmentStatus, Origin, RedeemedReward, Reward, UsageStatus

SIDES = ("friend", "sender")
LONGEST_TROUBLE = 500
GIVEN = {  # to whom, in which state
    ReferralState.PENDING: {"friend"},
    ReferralState.COMPLETED: {"friend", "sender"},
    ReferralState.BLOCKED: set(),
    ReferralState.CANCELLED: set(),
}


@transaction.atomic
def settle(*, referral_id: int, now: datetime) -> None:
    """Bring both sides' rewards to what the referral's state calls for. Safe to repeat; all of it is one transaction.

    What cannot be given, or undone because it was used, is written on the row for a person: `trouble`. The referral is
    locked from the first look until that is written, so no worker's note replaces another's, and whoever judges it anew
    waits and finds the work done.
    """
    referral = Referral.objects.select_for_update().filter(pk=referral_id, due_at__lte=now).first()
    if referral is None:
        return
    _lock_accounts(referral, now=now)
    rules = links.settings()
    troubles = {side: _settle(referral, side, rules, now=now) for side in _by_reward(referral, rules)}
    referral.due_at, referral.updated_at = None, now
    referral.trouble = " ".join(troubles[side] for side in SIDES if troubles[side])[:LONGEST_TROUBLE]
    referral.save()


def sweep(*, now: datetime, limit: int = 200) -> int:
    """Ring for every referral a worker has something to do for; gives back how many."""
    due = Referral.objects.filter(due_at__lte=now).order_by("due_at", "pk")
    ids = list(due.values_list("pk", flat=True)[:limit])
    for referral_id in ids:
        queue.enqueue("program.settle_referral", referral_id=referral_id)
    return len(ids)


def _lock_accounts(referral: Referral, *, now: datetime) -> None:
    """Those of both sides, and of whoever had a reward before they were merged into one of them."""
    given = RedeemedReward.objects.filter(pk__in=[referral.friend_reward_id, referral.sender_reward_id])
    for customer_id in sorted({referral.friend_id, referral.sender_id, *given.values_list("customer_id", flat=True)}):
        locking.lock(customer_id=customer_id, now=now)


def _by_reward(referral: Referral, rules: ReferralSettings) -> list[str]:
    """The sides in the order of their rewards, in which everybody takes stock and gives it back."""

    def reward_id(side: str) -> int:
        given: RedeemedReward | None = getattr(referral, f"{side}_reward")
        return (given.reward_id if given is not None else getattr(rules, f"{side}_reward_id")) or 0

    return sorted(SIDES, key=reward_id)


def _settle(referral: Referral, side: str, rules: ReferralSettings, *, now: datetime) -> str:
    """One side of it; gives back a sentence when a person has to look."""
    if side in GIVEN[ReferralState(referral.state)]:
        return _give(referral, side, rules, now=now)
    return _undo(referral, side, now=now)


def _give(referral: Referral, side: str, rules: ReferralSettings, *, now: datetime) -> str:
    reward: Reward | None = getattr(rules, f"{side}_reward")
    before: RedeemedReward | None = getattr(referral, f"{side}_reward")
    alive = before is not None and before.fulfillment_status != FulfillmentStatus.CANCELLED
    if before is not None and usage.open_cancellation(redeemed_reward_id=before.pk) is not None:
        return f"The {side}'s “{before.name}” is just being canceled. Try again when that is done."
    if reward is None or alive:
        return ""
    try:
        with transaction.atomic():
            given = granting.grant(
                customer_id=getattr(referral, f"{side}_id"),
                reward_id=reward.pk,
                actor=SYSTEM,
                now=now,
                origin=Origin.PROGRAMME,
                internal_note=f"Referral {referral.pk}",
                idempotency_key=_key(referral, side, before),
            )
    except DomainError as refusal:
        return f"The {side} did not get “{reward}”: {refusal.sentence}"
    setattr(referral, f"{side}_reward", given)
    return ""


def _undo(referral: Referral, side: str, *, now: datetime) -> str:
    given: RedeemedReward | None = getattr(referral, f"{side}_reward")
    if given is None or given.fulfillment_status in (FulfillmentStatus.CANCELLED, FulfillmentStatus.FAILED):
        return ""
    if given.usage_status == UsageStatus.USED:
        return f"The {side} used “{given.name}” already: it stays. Decide whether anything is to be done."
    try:
        with transaction.atomic():
            cancellation.begin(redeemed_reward_id=given.pk, actor=SYSTEM, now=now)
    except DomainError as refusal:
        return f"The {side}'s “{given.name}” was not canceled: {refusal.sentence}"
    return ""


def _key(referral: Referral, side: str, before: RedeemedReward | None) -> str:
    """One key for each reward a side is given: after one that was canceled, another."""
    return f"referral:{referral.pk}:{side}" if before is None else f"referral:{referral.pk}:{side}:{before.pk}"
