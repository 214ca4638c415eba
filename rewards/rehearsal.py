"""What an act would do to one redeemed reward: the act itself does it, and everything is rolled back.

So a preview cannot differ from the deed. For acts that call nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction

from loyalty.common.errors import DomainError
from rewards.models import RedeemedReward


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """Each status that would move, in words; or why the act is refused."""

    effects: tuple[str, ...] = ()
    refusal: str = ""


def rehearse(deed: Callable[[], object], *, redeemed_reward_id: int) -> Rehearsal:
    """Do it, look, and undo it."""
    before = RedeemedReward.objects.get(pk=redeemed_reward_id)
    try:
        with transaction.atomic():
            deed()
            after = RedeemedReward.objects.get(pk=redeemed_reward_id)
            transaction.set_rollback(True)
    except DomainError as refusal:
        return Rehearsal(refusal=refusal.sentence)
    return Rehearsal(effects=tuple(changes(before, after)))


def changes(before: RedeemedReward, after: RedeemedReward) -> list[str]:
    """Each status that moves; one sentence when none does."""
    found = []
    if before.usage_status != after.usage_status:
        found.append(f"Usage: {before.get_usage_status_display()} → {after.get_usage_status_display()}")
    if before.delivery_status != after.delivery_status:
        found.append(f"Delivery: {before.get_delivery_status_display()} → {after.get_delivery_status_display()}")
    if found:
        return found
    if before.updated_at != after.updated_at:
        return ["Its statuses stay as they are."]
    return ["Nothing changes: it is so already."]
