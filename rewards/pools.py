"""Code pools: codes that lie ready for a reward are handed out one by one, each once.

A code leaves the pool for good when it is committed to a redeemed reward: canceled or failed, it is not handed out
again, since somebody has seen it or the shop has. It comes back in one case alone: the redemption failed before
anything reached the shop.
"""

import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection, transaction
from django.utils.translation import gettext_noop

from loyalty.common.actors import SYSTEM, Actor
from loyalty.common.errors import DomainError
from loyalty.common.prepared import Statement
from loyalty.events import log
from platforms.adapter import Outcome
from rewards.limits import RewardNotAvailable
from rewards.models import CodePool, IssueAttempt, PoolCandidate, RedeemedReward, Reward, RewardCode
from rewards.types import registry

LONGEST_WAIT = 10  # seconds
LAST = datetime.max.replace(tzinfo=UTC)
MOST_TO_WARN = 1_000_000
EMPTY = gettext_noop("No code of this reward is left just now. Nothing was spent; please try again later.")
BUSY = gettext_noop("Too many customers want this reward just now. Try again.")

# What may be handed out at an instant, of the pool with the id `pool.reward_id`.
FREE = """
    code.pool_id = pool.reward_id AND code.taken_at IS NULL
    AND COALESCE(code.ends_at, 'infinity'::timestamptz) > %(now)s
    AND (code.starts_at IS NULL OR code.starts_at <= %(now)s)
"""
# The pools in use, and whether their codes are of the reward's shop. Kept out of the search for a code: the planner
# takes "is not distinct" for a rare thing, and would rather sort a million codes.
IN_USE = """
    SELECT pool.reward_id, pool.warn_below, pool.low_since,
           pool.connection_id IS NOT DISTINCT FROM reward.connection_id AS fits
    FROM rewards_codepool pool JOIN rewards_reward reward ON reward.id = pool.reward_id WHERE pool.in_use
"""
TAKE = Statement(
    "take_pool_code",
    f"""
    WITH pool AS MATERIALIZED ({IN_USE} AND pool.reward_id = %(reward)s),
    free AS (
        SELECT code.id FROM rewards_rewardcode code
        WHERE {FREE.replace("pool.reward_id", "%(reward)s")} AND EXISTS (SELECT FROM pool WHERE fits)
        ORDER BY COALESCE(code.ends_at, 'infinity'::timestamptz), code.id LIMIT 1 FOR UPDATE OF code SKIP LOCKED),
    taken AS (
        UPDATE rewards_rewardcode code SET taken_at = %(now)s FROM free WHERE code.id = free.id RETURNING code.id)
    SELECT EXISTS (SELECT FROM pool), (SELECT id FROM taken)
    """,  # noqa: S608 (our own text)
    types={"reward": "int8", "now": "timestamptz"},
)
TAKE_MANY = f"""
    WITH pool AS MATERIALIZED ({IN_USE} AND pool.reward_id = %(reward)s),
    free AS (
        SELECT code.id FROM rewards_rewardcode code
        WHERE {FREE.replace("pool.reward_id", "%(reward)s")} AND EXISTS (SELECT FROM pool WHERE fits)
        ORDER BY COALESCE(code.ends_at, 'infinity'::timestamptz), code.id LIMIT %(count)s
        FOR UPDATE OF code SKIP LOCKED),
    taken AS (
        UPDATE rewards_rewardcode code SET taken_at = %(now)s FROM free WHERE code.id = free.id RETURNING code.id)
    SELECT EXISTS (SELECT FROM pool), ARRAY(SELECT id FROM taken)
"""  # noqa: S608 (our own text)
COUNT_FREE = f"""
    SELECT reward_id, CASE WHEN fits THEN (
        SELECT count(*) FROM (SELECT FROM rewards_rewardcode code WHERE {FREE} LIMIT %(cap)s) counted) ELSE 0 END
    FROM ({IN_USE} AND pool.reward_id = ANY(%(rewards)s)) pool
"""  # noqa: S608 (our own text)
FIND_LOW = f"""
    SELECT reward_id, free, warn_below, low FROM (
        SELECT reward_id, warn_below, low_since IS NOT NULL AS low, CASE WHEN fits THEN (
            SELECT count(*) FROM (SELECT FROM rewards_rewardcode code WHERE {FREE} LIMIT warn_below) counted) ELSE 0 END
            AS free
        FROM ({IN_USE}) pool) counted
    WHERE low <> (free < warn_below)
"""  # noqa: S608 (our own text)
SUM_UP = f"""
    SELECT count(*) FILTER (WHERE {FREE}),
           count(*) FILTER (WHERE code.taken_at IS NULL AND code.starts_at > %(now)s),
           count(*) FILTER (WHERE code.taken_at IS NULL AND code.ends_at <= %(now)s),
           count(*) FILTER (WHERE code.taken_at IS NOT NULL)
    FROM rewards_rewardcode code JOIN rewards_codepool pool ON pool.reward_id = code.pool_id
    WHERE pool.reward_id = %(reward)s
"""  # noqa: S608 (our own text)


class NoPool(DomainError):
    """The reward cannot have a pool, or has none. The sentence says which."""

    code = "no_pool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How many codes of a pool can be handed out now, later, no more, and how many have left it."""

    free: int
    later: int
    expired: int
    taken: int


def draw(*, reward: Reward, now: datetime) -> RewardCode | None:
    """Take the free code that ends soonest out of the reward's pool, in the caller's transaction; None without a pool.

    It never waits for a lock. While all codes that are left are under way to others, it asks again until one of them is
    through. Raises RewardNotAvailable.
    """
    deadline = time.monotonic() + LONGEST_WAIT
    while True:
        ((has_pool, code_id),) = TAKE.run({"reward": reward.pk, "now": now})
        if code_id is not None:
            return RewardCode.objects.get(pk=code_id)
        if not has_pool:
            return None
        if not free(reward_ids=[reward.pk], now=now, cap=1).get(reward.pk):
            raise RewardNotAvailable(EMPTY, code="pool_empty")
        if time.monotonic() > deadline:
            raise RewardNotAvailable(BUSY, code="reward_busy")
        time.sleep(random.uniform(0.001, 0.01))  # noqa: S311 (not a secret)


def draw_many(*, reward: Reward, count: int, now: datetime) -> list[RewardCode] | None:
    """As `draw`, so many at once, those that end soonest first; fewer when no more are left. None without a pool."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE_MANY, {"reward": reward.pk, "now": now, "count": count})
        ((has_pool, ids),) = cursor.fetchall()
    if not has_pool:
        return None
    drawn = sorted(RewardCode.objects.filter(pk__in=ids), key=lambda code: (code.ends_at or LAST, code.pk))
    while len(drawn) < count:  # what others have under way at this moment may come free
        try:
            code = draw(reward=reward, now=now)
        except RewardNotAvailable:
            break
        if code is None:
            break
        drawn.append(code)
    return drawn


def give_back(*, redeemed: RedeemedReward) -> dict[str, None]:
    """Return the pool code of a redemption that fails, where nothing of it has reached the shop.

    The caller has locked the redeemed reward; it writes the changes that are given back: none where the code is spent.
    """
    code = redeemed.code
    if code is None or code.pool_id is None:
        return {}
    unheard = [Outcome.NOT_SENT, Outcome.THROTTLED]
    if IssueAttempt.objects.filter(redeemed_reward=redeemed).exclude(outcome__in=unheard).exists():
        return {}
    RewardCode.objects.filter(pk=code.pk).update(taken_at=None)
    return {"code": None}


def earlier(*ends: datetime | None) -> datetime | None:
    """The first of several ends, of which each may be none."""
    return min((end for end in ends if end is not None), default=None)


def require_codes(*, reward_id: int) -> Reward:
    """The reward, if it is of a type whose customers get a code. Raises NoPool."""
    reward = Reward.objects.filter(pk=reward_id).first()
    if reward is None:
        raise NoPool(f"There is no reward {reward_id}. Check the number.")
    if reward.shared_code_id is not None:
        raise NoPool(
            f"Everybody who gets “{reward.name}” has one shared code: it needs no pool.", code="code_is_shared"
        )
    if not registry.type_of(reward.type).has_code:
        raise NoPool(f"“{reward.name}” is a {reward.get_type_display().lower()}: it has no codes, and needs no pool.")
    require_fitting(reward=reward)
    return reward


def open_pool(*, reward: Reward, connection_id: int | None, now: datetime) -> CodePool:
    """The reward's pool, ready for codes of that shop, in the caller's transaction; the reward takes its codes from there.

    Raises NoPool when the reward is of another shop by now, or its pool still holds codes of another.
    """
    CodePool.objects.get_or_create(reward=reward, defaults={"connection_id": connection_id, "created_at": now})
    pool = CodePool.objects.select_for_update().get(reward=reward)
    if reward.connection_id != connection_id:
        raise NoPool(f"“{reward.name}” is of another shop by now than these codes.", code="other_shop")
    if pool.connection_id != connection_id:
        require_fitting(reward=reward)
        pool.connection_id = connection_id
        pool.save(update_fields=["connection"])
    return pool


def require_fitting(*, reward: Reward) -> None:
    """Refuse while the pool holds codes of another shop than the reward's. Raises NoPool."""
    pool = CodePool.objects.filter(reward=reward).first()
    if pool is None or pool.connection_id == reward.connection_id:
        return
    if RewardCode.objects.filter(pool=pool, taken_at=None).exists():
        raise NoPool(
            f"The pool of “{reward.name}” holds codes of another shop than the reward's. Undo the jobs that brought them, "
            "or give the reward its shop back.",
            code="other_shop",
        )


@transaction.atomic
def configure(*, reward_id: int, in_use: bool, warn_below: int, actor: Actor, now: datetime) -> CodePool:
    """Say whether the reward takes its codes from the pool, and below how many free ones staff are warned.

    Raises NoPool.
    """
    pool = CodePool.objects.select_for_update().filter(reward_id=reward_id).first()
    if pool is None:
        raise NoPool("This reward has no pool yet. Import codes, or make some ahead.")
    if not 0 <= warn_below <= MOST_TO_WARN:
        raise NoPool(f"The warning comes below 0 to {MOST_TO_WARN:,} free codes.", code="out_of_range")
    if in_use and not pool.in_use and Reward.objects.filter(pk=reward_id, shared_code__isnull=False).exists():
        raise NoPool("Everybody who gets this reward has one shared code: end that first.", code="code_is_shared")
    if (pool.in_use, pool.warn_below) != (in_use, warn_below):
        pool.in_use, pool.warn_below = in_use, warn_below
        pool.save(update_fields=["in_use", "warn_below"])
        log.record(
            kind="pool.changed",
            subject_type="reward",
            subject_id=reward_id,
            actor=actor,
            now=now,
            in_use=in_use,
            warn_below=warn_below,
        )
    return pool


def free(*, reward_ids: Iterable[int], now: datetime, cap: int) -> dict[int, int]:
    """How many codes each reward that uses a pool could hand out now, counted no further than the cap. One query."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_FREE, {"rewards": list(reward_ids), "now": now, "cap": cap})
        return dict(cursor.fetchall())


def figures(*, reward_id: int, now: datetime) -> Figures:
    """The exact numbers of one pool. It reads every code of the pool."""
    with connection.cursor() as cursor:
        cursor.execute(SUM_UP, {"reward": reward_id, "now": now})
        numbers = cursor.fetchone()
    return Figures(**dict(zip(("free", "later", "expired", "taken"), numbers, strict=True)))


def waiting(*, reward_id: int) -> Iterator[tuple[str, datetime | None, datetime | None]]:
    """The codes of a pool that nobody has got, with start and end, in constant memory."""
    codes = RewardCode.objects.filter(pool_id=reward_id, taken_at=None).order_by("pk")
    yield from codes.values_list("code", "starts_at", "ends_at").iterator(chunk_size=2_000)


def watch(*, now: datetime) -> int:
    """Tell once of each pool that has fallen below its threshold, by hand-outs or by the clock; gives back of how many.

    One that has filled up again can be told of anew. Also forgets the rows of imports that were canceled.
    """
    PoolCandidate.objects.filter(job__state="cancelled").delete()
    with connection.cursor() as cursor:
        cursor.execute(FIND_LOW, {"now": now})
        moved = cursor.fetchall()
    return sum(_move(reward_id, left, warn_below, was_low, now) for reward_id, left, warn_below, was_low in moved)


@transaction.atomic
def _move(reward_id: int, left: int, warn_below: int, was_low: bool, now: datetime) -> bool:  # noqa: FBT001
    pools = CodePool.objects.filter(pk=reward_id)
    if was_low:
        pools.update(low_since=None)
        return False
    if not pools.filter(low_since__isnull=True).update(low_since=now):
        return False
    log.record(
        kind="pool.low",
        subject_type="reward",
        subject_id=reward_id,
        actor=SYSTEM,
        now=now,
        free=left,
        warn_below=warn_below,
    )
    return True
