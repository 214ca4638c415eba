"""Make codes ahead into a reward's pool: for a campaign, for a printer, or for a shop that takes codes from a table.

A job whose rows are portions: the codes of a portion, and that it is done, are one commit. Whoever is killed loses one
portion, and the next one makes it: exactly as many codes come about as were asked for.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction

from loyalty.common import codes
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.jobs import lifecycle, work
from loyalty.jobs.models import Job, JobRow, Step, Verdict
from rewards import pools
from rewards.models import Reward, RewardCode
from rewards.pool_imports import log_change
from rewards.types import registry

KIND = "pool_making"
TASK = "rewards.work_on_pool_making"
PORTION = 5_000
MOST_CODES = 1_000_000
MOST_ROUNDS = 20

STORE = """
    INSERT INTO rewards_rewardcode (connection_id, code, canonical, remote_id, created_at, pool_id, job_id)
    SELECT %(connection)s, code, code, '', %(now)s, %(reward)s, %(job)s FROM unnest(%(codes)s::text[]) AS code
    ON CONFLICT (connection_id, canonical) DO NOTHING
"""
REMOVE = """
    DELETE FROM rewards_rewardcode WHERE taken_at IS NULL AND id IN (
        SELECT id FROM rewards_rewardcode WHERE pool_id = %(reward)s AND job_id = %(job)s AND taken_at IS NULL
        ORDER BY id LIMIT %(count)s)
"""


class CannotMake(DomainError):
    """So many codes, or codes of this shape, cannot be made."""

    code = "cannot_make_codes"


def begin(*, reward_id: int, count: int, actor: Actor, now: datetime) -> Job:
    """Plan so many new codes of a reward as a job. Raises NoPool, CannotMake."""
    reward = pools.require_codes(reward_id=reward_id)
    if not 1 <= count <= MOST_CODES:
        raise CannotMake(f"{count:,} codes cannot be made at once. Ask for 1 to {MOST_CODES:,}.")
    _codes(reward, 1)
    whole, rest = divmod(count, PORTION)
    portions = [PORTION] * whole + ([rest] if rest else [])
    return lifecycle.create(
        kind=KIND,
        task=TASK,
        title=f"Makes {count:,} codes for “{reward.name}”"[:200],
        summary=(
            f"Makes {count:,} codes ahead, {PORTION:,} a row, into the pool of “{reward.name}”. From then on its codes are "
            "taken from there."
        ),
        plan={
            "reward_id": reward.pk,
            "connection_id": reward.connection_id,
            "count": count,
            "columns": [["codes", "Codes"]],
        },
        rows=((number, {"codes": portion}) for number, portion in enumerate(portions, start=1)),
        most_rows=len(portions),
        actor=actor,
        now=now,
    )


def make(*, reward: Reward, connection_id: int | None, count: int, job_id: int, now: datetime) -> None:
    """Store exactly so many new codes in the reward's pool, in the caller's transaction; those that exist are replaced.

    Raises CannotMake when hardly a code is free that looks so.
    """
    missing = count
    for _ in range(MOST_ROUNDS):
        values = {"connection": connection_id, "now": now, "reward": reward.pk, "job": job_id}
        with connection.cursor() as cursor:
            cursor.execute(STORE, values | {"codes": sorted(_codes(reward, missing))})
            missing -= cursor.rowcount
        if not missing:
            return
    raise CannotMake(f"No {count:,} free codes were found for “{reward.name}”: change its prefix.")


def _codes(reward: Reward, count: int) -> list[str]:
    kind = registry.type_of(reward.type)
    try:
        return codes.generate_many(count=count, prefix=reward.prefix, money=kind.code_is_money)
    except ValueError as error:
        raise CannotMake(str(error)) from error


class Check:
    """Every portion can be made; that is all there is to say."""

    batch_size = 1_000

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[work.Outcome]:
        return [_done(row.number, int(row.data["codes"])) for row in rows]


class Apply:
    """Make the codes of one portion."""

    batch_size = 1

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[work.Outcome]:
        reward = Reward.objects.get(pk=job.plan["reward_id"])
        (row,) = rows
        count = int(row.data["codes"])
        try:
            with transaction.atomic():
                pools.open_pool(reward=reward, connection_id=job.plan["connection_id"], now=now)
                make(reward=reward, connection_id=job.plan["connection_id"], count=count, job_id=job.pk, now=now)
        except (pools.NoPool, CannotMake) as refusal:
            outcome = work.Outcome(number=row.number, verdict=Verdict.REFUSED, code=refusal.code, text=refusal.sentence)
        else:
            outcome = _done(row.number, count)
        if job.rows_done + len(rows) >= job.rows_total:
            made = RewardCode.objects.filter(pool_id=reward.pk, job_id=job.pk).count()
            log_change(job, kind="pool.codes_added", codes=made, now=now)
        return [outcome]


class Undo:
    """Remove a portion of the codes this job has made and nobody has got; the last one says how many stay."""

    batch_size = 1

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[work.Outcome]:
        (row,) = rows
        values = {"reward": job.plan["reward_id"], "job": job.pk, "count": row.data["codes"]}
        with connection.cursor() as cursor:
            cursor.execute(REMOVE, values)
            removed = cursor.rowcount
        if job.rows_done + 1 < job.rows_total:
            return [_done(row.number, removed)]
        staying = RewardCode.objects.filter(pool_id=job.plan["reward_id"], job_id=job.pk).count()
        log_change(job, kind="pool.codes_removed", codes=job.plan["count"] - staying, now=now)
        if not staying:
            return [_done(row.number, removed)]
        text = f"{staying:,} of the codes stay: customers have got them, or were about to."
        return [work.Outcome(number=row.number, verdict=Verdict.PART, code="handed_out", text=text, amount=removed)]


HANDLERS: dict[Step, work.Handler] = {Step.CHECK: Check(), Step.APPLY: Apply(), Step.UNDO: Undo()}


def work_on(*, job_id: int, now: datetime, patience: float) -> bool:
    """Do what is due on a job for a while; whoever comes next does the rest. Says whether there is more for us to do."""
    claim = work.take(job_id=job_id, now=now)
    if claim is None:
        return False
    return work.work(claim=claim, handlers=HANDLERS, now=now, patience=patience)


def _done(number: int, amount: int) -> work.Outcome:
    return work.Outcome(number=number, verdict=Verdict.OK, text=f"{amount:,} codes.", amount=amount)
