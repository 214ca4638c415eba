"""Every limit, held under concurrency. The customer's account is locked before; stock is locked last.

Stock stands in several rows, its buckets: who takes a piece takes it from one that nobody else is writing, so that the
customers of a flash sale do not queue for one row.
"""

import random
import time
from datetime import datetime

from django.db import transaction
from django.db.models import F

from loyalty.common.errors import DomainError
from loyalty.common.prepared import Statement
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
LONGEST_WAIT = 10  # seconds
MOST_BUCKETS = 16
PIECES_A_BUCKET = 100  # a small stock needs no second row

TAKE_FREE_PIECE = Statement(
    "take_free_piece",
    """
    WITH piece AS (
        SELECT s.id FROM rewards_rewardstock s JOIN rewards_reward r ON r.id = s.reward_id
        WHERE s.reward_id = %(reward)s AND s."left" > 0 AND r.limit_total IS NOT NULL
        ORDER BY random() LIMIT 1 FOR UPDATE OF s SKIP LOCKED),
    taken AS (
        UPDATE rewards_rewardstock s SET "left" = s."left" - 1 FROM piece WHERE s.id = piece.id RETURNING s.id)
    SELECT limit_total IS NOT NULL, EXISTS (SELECT FROM taken) FROM rewards_reward WHERE id = %(reward)s
    """,
    types={"reward": "int8"},
)


def require_stock(*, reward: Reward) -> None:
    """Refuse what is sold out before anything is written for it; `take_piece` decides. Raises RewardNotAvailable."""
    if reward.limit_total is not None and not has_stock(reward_id=reward.pk):
        raise RewardNotAvailable(SOLD_OUT, code="reward_sold_out")


def has_stock(*, reward_id: int) -> bool:
    return RewardStock.objects.filter(reward_id=reward_id, left__gt=0).exists()


def take_piece(*, reward: Reward) -> None:
    """Take one piece of a limited reward, in the caller's transaction and as its last lock. Raises RewardNotAvailable.

    Call it after the redeemed reward's row is inserted: its foreign key keeps `set_total` out, so the limit read here
    is the one that holds. While all pieces that are left are under way to others, it asks again until one of them is
    through: a row that was found empty stays locked, so who waited for a lock here could wait for ever.
    """
    deadline = time.monotonic() + LONGEST_WAIT
    while True:
        ((is_limited, is_taken),) = TAKE_FREE_PIECE.run({"reward": reward.pk})
        if is_taken or not is_limited:
            return
        if not has_stock(reward_id=reward.pk):
            raise RewardNotAvailable(SOLD_OUT, code="reward_sold_out")
        if time.monotonic() > deadline:
            raise RewardNotAvailable("Too many customers want this reward just now. Try again.", code="reward_busy")
        time.sleep(random.uniform(0.001, 0.01))  # noqa: S311 (not a secret)


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
    list(RewardStock.objects.filter(reward_id=reward_id).select_for_update().order_by("bucket"))
    if limit is not None:
        taken = RedeemedReward.objects.filter(reward_id=reward_id, takes_place=True).count()
        if limit < taken:
            raise StockBelowZero(f"{taken} of this reward are taken already: the limit cannot be {limit}.")
        shares = share_out(limit - taken)
        RewardStock.objects.filter(reward_id=reward_id, bucket__gte=len(shares)).delete()
        for bucket, left in enumerate(shares):
            RewardStock.objects.update_or_create(reward_id=reward_id, bucket=bucket, defaults={"left": left})
    else:
        RewardStock.objects.filter(reward_id=reward_id).delete()
    Reward.objects.filter(pk=reward.pk).update(limit_total=limit, updated_at=now)


def share_out(pieces: int) -> list[int]:
    """How many pieces each bucket gets, as evenly as can be."""
    buckets = min(max(pieces // PIECES_A_BUCKET, 1), MOST_BUCKETS)
    share, over = divmod(pieces, buckets)
    return [share + (bucket < over) for bucket in range(buckets)]
