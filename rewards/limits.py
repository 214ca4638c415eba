"""Every limit, held under concurrency. The customer's account is locked before; stock is locked last."""

from datetime import datetime

from django.db import transaction
from django.db.models import F

from loyalty.common.errors import DomainError
from rewards.models import RedeemedReward, Reward, RewardStock


class RewardNotAvailable(DomainError):
    """The customer cannot have this reward now. `code` says which limit or window stands in the way."""

    code = "reward_not_available"


class StockBelowZero(DomainError):
    code = "stock_below_zero"


def taken_by_customer(*, reward_id: int, customer_id: int) -> int:
    """How many of this reward the customer has, canceled and failed ones not counted."""
    return RedeemedReward.objects.filter(reward_id=reward_id, customer_id=customer_id, takes_place=True).count()


def require_place_for_customer(*, reward: Reward, customer_id: int) -> None:
    """Refuse over the limit per customer. Exact while the customer's account is locked. Raises RewardNotAvailable."""
    limit = reward.limit_per_customer
    if limit is not None and taken_by_customer(reward_id=reward.pk, customer_id=customer_id) >= limit:
        raise RewardNotAvailable(per_customer_sentence(limit), code="limit_reached")


def per_customer_sentence(limit: int) -> str:
    times = "once" if limit == 1 else f"{limit} times"
    return f"This reward can be had {times} per customer, and that has been reached."


SOLD_OUT = "This reward is sold out."


def take_piece(*, reward: Reward) -> None:
    """Take one piece of a limited reward, in the caller's transaction and as its last lock. Raises RewardNotAvailable.

    Call it after the redeemed reward's row is inserted: its foreign key keeps `set_total` out, so the limit read here
    is the one that holds.
    """
    if Reward.objects.values_list("limit_total", flat=True).get(pk=reward.pk) is None:
        return
    buckets = RewardStock.objects.filter(reward_id=reward.pk, left__gt=0).order_by("bucket")
    bucket = buckets.select_for_update(skip_locked=True).first() or buckets.select_for_update().first()
    if bucket is None:
        raise RewardNotAvailable(SOLD_OUT, code="reward_sold_out")
    RewardStock.objects.filter(pk=bucket.pk).update(left=F("left") - 1)


def free_piece(*, redeemed: RedeemedReward) -> None:
    """Give back the piece of a redeemed reward that failed or was cancelled, in the caller's transaction."""
    bucket = RewardStock.objects.filter(reward_id=redeemed.reward_id).select_for_update().order_by("bucket").first()
    if bucket is not None:
        RewardStock.objects.filter(pk=bucket.pk).update(left=F("left") + 1)


@transaction.atomic
def set_total(*, reward_id: int, limit: int | None, now: datetime) -> None:
    """Change how many of a reward there are. Pieces already taken count; fewer than that is refused.

    Raises StockBelowZero.
    """
    reward = Reward.objects.select_for_update().get(pk=reward_id)
    buckets = list(RewardStock.objects.filter(reward_id=reward_id).select_for_update().order_by("bucket"))
    if limit is not None:
        taken = RedeemedReward.objects.filter(reward_id=reward_id, takes_place=True).count()
        if limit < taken:
            raise StockBelowZero(f"{taken} of this reward are taken already: the limit cannot be {limit}.")
        RewardStock.objects.filter(pk__in=[bucket.pk for bucket in buckets[1:]]).delete()
        RewardStock.objects.update_or_create(reward_id=reward_id, bucket=0, defaults={"left": limit - taken})
    else:
        RewardStock.objects.filter(reward_id=reward_id).delete()
    Reward.objects.filter(pk=reward.pk).update(limit_total=limit, updated_at=now)
