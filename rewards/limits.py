"""Every limit, held under concurrency. The customer's account is locked before; stock is locked last.

Stock stands in several rows, its buckets: who takes a piece takes it from one that nobody else is writing, so that the
customers of a flash sale do not queue for one row.
"""

import random
import time
from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from loyalty.common import clock
from loyalty.common.among import Among
from loyalty.common.errors import DomainError
from loyalty.common.prepared import Statement
from loyalty.customers import queries as customers
from loyalty.merchant import queries as merchant
from rewards.models import Payout, Period, RedeemedReward, Reward, RewardStock, UsageStatus


class RewardNotAvailable(DomainError):
    """The customer cannot have this reward now. `code` says which limit or window stands in the way."""

    code = "reward_not_available"


class StockBelowZero(DomainError):
    code = "stock_below_zero"


def taken_by_customer(*, reward_id: int, customer_id: int) -> int:
    """How many of this reward the customer, and whoever was merged into them, has: canceled and failed ones not counted."""
    person = customers.same_person(customer_id)
    return RedeemedReward.objects.filter(reward_id=reward_id, customer_id__in=person, takes_place=True).count()


def require_under(*, reward: Reward, taken: int, in_period: int) -> None:
    """Refuse a customer who has that many, over the limit per customer or that per period. Raises RewardNotAvailable."""
    if reward.limit_per_customer is not None and taken >= reward.limit_per_customer:
        raise RewardNotAvailable(per_customer_sentence(reward.limit_per_customer), code="limit_reached")
    if reward.limit_per_period is not None and in_period >= reward.limit_per_period:
        raise RewardNotAvailable(
            per_period_sentence(reward.limit_per_period, reward.period), code="period_limit_reached"
        )


def taken_by_customers(
    *, reward_id: int, customer_ids: Collection[int], since: datetime | None = None
) -> dict[int, int]:
    """As `taken_by_customer`, for many, and if you like since an instant; who has none is left out."""
    rows = RedeemedReward.objects.filter(
        Among("customer_id", customer_ids), reward_id=reward_id, takes_place=True
    ).order_by()
    if since is not None:
        rows = rows.filter(redeemed_at__gte=since)
    return dict(rows.values_list("customer_id").annotate(Count("pk")))


def require_place_for_customer(*, reward: Reward, customer_id: int) -> None:
    """Refuse over the limit per customer. Exact while the customer's account is locked. Raises RewardNotAvailable."""
    limit = reward.limit_per_customer
    if limit is not None and taken_by_customer(reward_id=reward.pk, customer_id=customer_id) >= limit:
        raise RewardNotAvailable(per_customer_sentence(limit), code="limit_reached")


def require_place_in_period(*, reward: Reward, customer_id: int, now: datetime) -> None:
    """Refuse over the limit per customer and period. Exact while the customer's account is locked.

    Raises RewardNotAvailable.
    """
    limit = reward.limit_per_period
    if limit is None:
        return
    since = period_start(reward.period, now=now, zone=merchant.programme().zone)
    taken = RedeemedReward.objects.filter(
        reward_id=reward.pk,
        customer_id__in=customers.same_person(customer_id),
        takes_place=True,
        redeemed_at__gte=since,
    )
    if taken.count() >= limit:
        raise RewardNotAvailable(per_period_sentence(limit, reward.period), code="period_limit_reached")


def period_start(period: str, *, now: datetime, zone: ZoneInfo) -> datetime:
    """When the present day, week (it begins on Monday) or month began in that zone."""
    day = now.astimezone(zone).date()
    if period == Period.WEEK:
        day -= timedelta(days=day.weekday())
    if period == Period.MONTH:
        day = day.replace(day=1)
    return clock.midnight(day, zone)


def per_period_sentence(limit: int, period: str) -> str:
    one, many = EVERY[Period(period)]
    return _(one if limit == 1 else many) % {"limit": limit}


# What is said of a limit per period: for one, and for several.
EVERY = {
    Period.DAY: (
        gettext_noop("This reward can be had once a day per customer, and that has been reached."),
        gettext_noop("This reward can be had %(limit)s times a day per customer, and that has been reached."),
    ),
    Period.WEEK: (
        gettext_noop("This reward can be had once a week per customer, and that has been reached."),
        gettext_noop("This reward can be had %(limit)s times a week per customer, and that has been reached."),
    ),
    Period.MONTH: (
        gettext_noop("This reward can be had once a month per customer, and that has been reached."),
        gettext_noop("This reward can be had %(limit)s times a month per customer, and that has been reached."),
    ),
}


def outstanding(*, reward_id: int, now: datetime) -> Decimal:
    """What rewards of this kind are worth together that customers have, or are about to get, and have not used.

    Of a value code what remains counts; of a gift card all of it until it expires, as nobody knows; of what has no
    amount its tax value.
    """
    unused = RedeemedReward.objects.filter(
        Q(amount__isnull=False) | Q(tax_value__isnull=False),
        Q(expires_at__isnull=True) | Q(expires_at__gt=now),
        reward_id=reward_id,
        takes_place=True,
        usage_status__in=[UsageStatus.UNUSED, UsageStatus.UNTRACKED],
    )
    worth = unused.aggregate(sum=Sum(Coalesce("remaining", "amount", "tax_value")))["sum"]
    return worth if worth is not None else Decimal(0)


def require_liability(*, redeemed: RedeemedReward, now: datetime) -> None:
    """Refuse over the limit of value outstanding, in the caller's transaction. Raises RewardNotAvailable.

    Call it after the redeemed reward's row is inserted, which counts, and before `take_piece`.
    """
    if passes_liability(redeemed=redeemed, now=now):
        raise RewardNotAvailable(SO_MUCH_OUT, code="liability_limit_reached")


def passes_liability(*, redeemed: RedeemedReward, now: datetime) -> bool:
    """Whether more value is outstanding than the reward allows, as the caller's transaction leaves it.

    Where there is a limit, the reward's row stays locked: those who come next count what this transaction wrote.
    """
    limit = keep_liability(reward_id=redeemed.reward_id)
    return limit is not None and outstanding(reward_id=redeemed.reward_id, now=now) > limit


def would_pass_liability(*, redeemed: RedeemedReward, now: datetime) -> bool:
    """Whether more than the limit would be outstanding if this one, which has ended, lived again. Reads only."""
    limit = Reward.objects.values_list("liability_limit", flat=True).get(pk=redeemed.reward_id)
    worth = next((value for value in (redeemed.remaining, redeemed.amount, redeemed.tax_value) if value is not None), 0)
    spent = redeemed.usage_status == UsageStatus.USED
    return limit is not None and not spent and outstanding(reward_id=redeemed.reward_id, now=now) + worth > limit


def too_much_outstanding(*, name: str, act: str) -> str:
    """The sentence for staff who bring value back that was spent or over; `act` is a participle."""
    return (
        f"“{name}” cannot be {act}: with it, more of this reward would wait to be used than its limit of value "
        "outstanding allows. Raise the limit in the catalogue, or wait until others were used or expired."
    )


def paid_out_today(*, reward_ids: Collection[int], now: datetime) -> dict[int, Decimal]:
    """What each of these cashbacks pays out in the present day of the programme, failed and canceled ones not counted."""
    since = period_start(Period.DAY, now=now, zone=merchant.programme().zone)
    rows = Payout.objects.filter(
        redeemed_reward__reward__in=reward_ids, redeemed_reward__takes_place=True, created_at__gte=since
    )
    return dict(rows.values_list("redeemed_reward__reward_id").annotate(Sum("amount")).order_by())


def require_room_today(*, reward: Reward, amount: Decimal | None, now: datetime) -> None:
    """Refuse what would go over the money of the day, before anything is written. Raises RewardNotAvailable."""
    if reward.daily_limit is None:
        return
    before = paid_out_today(reward_ids=[reward.pk], now=now).get(reward.pk, Decimal(0))
    if before + (amount or 0) > reward.daily_limit:
        raise RewardNotAvailable(ENOUGH_TODAY, code="daily_limit_reached")


def require_daily_limit(*, reward_id: int, now: datetime) -> None:
    """Refuse over the money a cashback pays out in a day, in the caller's transaction. Raises RewardNotAvailable.

    Call it after the payout's row is inserted, which counts, and before `take_piece`. Where there is a limit the
    reward's row stays locked, so that those who come next count us too.
    """
    if Reward.objects.values_list("daily_limit", flat=True).get(pk=reward_id) is None:
        return
    limit = Reward.objects.select_for_update(no_key=True).get(pk=reward_id).daily_limit
    if limit is not None and paid_out_today(reward_ids=[reward_id], now=now).get(reward_id, Decimal(0)) > limit:
        raise RewardNotAvailable(ENOUGH_TODAY, code="daily_limit_reached")


def keep_liability(*, reward_id: int) -> Decimal | None:
    """The limit; where there is one the reward's row stays locked, so that those who come next count us too.

    The lock lets the foreign keys of other redemptions through: they wait only here.
    """
    if Reward.objects.values_list("liability_limit", flat=True).get(pk=reward_id) is None:
        return None
    return Reward.objects.select_for_update(no_key=True).get(pk=reward_id).liability_limit


def per_customer_sentence(limit: int) -> str:
    sentence = ngettext(
        "This reward can be had once per customer, and that has been reached.",
        "This reward can be had %(limit)s times per customer, and that has been reached.",
        limit,
    )
    return sentence % {"limit": limit}


SOLD_OUT = gettext_noop("This reward is sold out.")
SO_MUCH_OUT = gettext_noop("So much of this reward is waiting to be used that no more can be had now. Try again later.")
ENOUGH_TODAY = gettext_noop("No more money of this reward is paid out today. Try less, or come back tomorrow.")
BUSY = gettext_noop("Too many customers want this reward just now. Try again.")
LONGEST_WAIT = 10  # seconds
MOST_BUCKETS = 16
PIECES_A_BUCKET = 100  # a small stock needs no second row

# The reward's row first, as `set_total` does. Its foreign keys lock it too, but only at the commit, when the stock is
# locked already: those of rows that were inserted, and of rows that were written twice in the transaction.
KEEP_TOTAL = Statement(
    "keep_total", "SELECT id FROM rewards_reward WHERE id = %(reward)s FOR KEY SHARE", types={"reward": "int8"}
)
TAKE_FREE_PIECE = Statement(
    "take_free_piece",
    """
    WITH offer AS MATERIALIZED (
        SELECT id, limit_total IS NOT NULL AS is_limited FROM rewards_reward WHERE id = %(reward)s FOR KEY SHARE),
    taken AS (
        UPDATE rewards_rewardstock SET "left" = "left" - 1 WHERE id = (
            SELECT id FROM rewards_rewardstock WHERE reward_id = (SELECT id FROM offer) AND "left" > 0
            ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING id)
    SELECT (SELECT is_limited FROM offer), EXISTS (SELECT FROM taken)
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

    Call it after the redeemed reward's row is inserted. The limit read here is the one that holds: from here to the end
    of the transaction `set_total` is kept out, and then it counts that row. While all pieces that are left are under
    way to others, it asks again until one of them is through: a row that was found empty stays locked, so who waited
    for a lock here could wait for ever.
    """
    deadline = time.monotonic() + LONGEST_WAIT
    while True:
        ((is_limited, is_taken),) = TAKE_FREE_PIECE.run({"reward": reward.pk})
        if is_taken or not is_limited:
            return
        if not has_stock(reward_id=reward.pk):
            raise RewardNotAvailable(SOLD_OUT, code="reward_sold_out")
        if time.monotonic() > deadline:
            raise RewardNotAvailable(BUSY, code="reward_busy")
        time.sleep(random.uniform(0.001, 0.01))  # noqa: S311 (not a secret)


def take_pieces(*, reward: Reward, wanted: int) -> int:
    """As `take_piece`, up to so many at once; gives back how many: all that are wanted where there is no limit.

    It waits for those who take or give back a piece at this moment, as they never wait for us: what it says is left is
    what is left. They wait for us until the caller's transaction ends.
    """
    KEEP_TOTAL.run({"reward": reward.pk})
    if Reward.objects.values_list("limit_total", flat=True).get(pk=reward.pk) is None:
        return wanted
    missing = wanted
    buckets = RewardStock.objects.filter(reward_id=reward.pk).select_for_update().order_by("bucket")
    for bucket in buckets:
        share = min(bucket.left, missing)
        if share:
            RewardStock.objects.filter(pk=bucket.pk).update(left=F("left") - share)
            missing -= share
    return wanted - missing


def free_piece(*, redeemed: RedeemedReward) -> None:
    """Give back the piece of a redeemed reward that failed or was cancelled, in the caller's transaction."""
    KEEP_TOTAL.run({"reward": redeemed.reward_id})  # what is read after it is current, and stays so
    bucket = RewardStock.objects.filter(reward_id=redeemed.reward_id).select_for_update().order_by("bucket").first()
    if bucket is not None:
        RewardStock.objects.filter(pk=bucket.pk).update(left=F("left") + 1)


@transaction.atomic
def set_total(*, reward_id: int, limit: int | None, now: datetime) -> None:
    """Change how many of a reward there are. Pieces already taken count; fewer than that is refused.

    Raises StockBelowZero.
    """
    reward = Reward.objects.select_for_update().get(pk=reward_id)  # keeps out all who take or give back a piece
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
