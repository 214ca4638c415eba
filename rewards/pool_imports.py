"""Bring codes into a reward's pool from a table: check every row, apply, undo. Each is a step of a job.

Checking keeps the good rows as candidates and says of each other row why not; applying moves the candidates into the
pool; undoing removes those of them that nobody has got. All three work on thousands of rows with a few statements, and
rows that go well have no outcome of their own, only a number.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, BinaryIO

from django.db import connection

from loyalty.common import codes
from loyalty.common.actors import Actor, ActorKind
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.jobs import lifecycle, sheets, work
from loyalty.jobs import queries as jobs
from loyalty.jobs.models import Job, JobRow, Step, Verdict
from loyalty.merchant import queries as merchant
from rewards import pool_rows, pools
from rewards.models import Reward
from rewards.pool_rows import COLUMNS, BadRow, Edges, Given

KIND = "pool_import"
TASK = "rewards.work_on_pool_import"
MOST_ROWS = 1_000_000
BATCH = 5_000

KEEP = """
    WITH kept AS (
    INSERT INTO rewards_poolcandidate (job_id, number, code, canonical, starts_at, ends_at)
    SELECT %(job)s, given.* FROM json_to_recordset(%(rows)s) AS given
        (number int, code text, canonical text, starts_at timestamptz, ends_at timestamptz)
    ON CONFLICT DO NOTHING RETURNING number)
    SELECT COALESCE(json_agg(number), '[]') FROM kept
"""
EARLIER = """
    SELECT canonical, number FROM rewards_poolcandidate WHERE job_id = %(job)s AND canonical = ANY(%(canonicals)s)
"""
KNOWN = """
    SELECT code.canonical, code.pool_id, reward.name FROM rewards_rewardcode code
    LEFT JOIN rewards_reward reward ON reward.id = code.pool_id
    WHERE code.canonical = ANY(%(canonicals)s) AND code.connection_id {shop}
"""
MOVE = """
    WITH candidate AS (
        DELETE FROM rewards_poolcandidate WHERE job_id = %(job)s AND number BETWEEN %(first)s AND %(last)s RETURNING *),
    made AS (
        INSERT INTO rewards_rewardcode
            (connection_id, code, canonical, remote_id, created_at, pool_id, job_id, starts_at, ends_at)
        SELECT %(connection)s, code, canonical, '', %(now)s, %(reward)s, %(job)s, starts_at, ends_at
        FROM candidate ORDER BY canonical
        ON CONFLICT (connection_id, canonical) DO NOTHING RETURNING canonical)
    SELECT (SELECT count(*) FROM made), number, code
    FROM (SELECT NULL) one LEFT JOIN candidate ON canonical NOT IN (SELECT canonical FROM made)
"""
REMOVE = """
    DELETE FROM rewards_rewardcode WHERE pool_id = %(reward)s AND job_id = %(job)s AND taken_at IS NULL
        AND canonical = ANY(%(canonicals)s) AND connection_id {shop} RETURNING canonical
"""
STAYING = """
    SELECT canonical FROM rewards_rewardcode WHERE pool_id = %(reward)s AND job_id = %(job)s
        AND canonical = ANY(%(canonicals)s) AND connection_id {shop}
"""


def begin(*, reward_id: int, file: BinaryIO, file_name: str, actor: Actor, now: datetime) -> Job:
    """Keep the rows of a table of codes as a job that checks them.

    Raises NoPool, UnreadableSheet, BadHeader, NoRows, TooManyRows; then nothing is kept.
    """
    reward = pools.require_codes(reward_id=reward_id)
    digest = sheets.digest(file)
    sheet = sheets.Sheet(file)
    names = pool_rows.columns(sheet.header)
    return lifecycle.create(
        kind=KIND,
        task=TASK,
        title=f"Imports codes for “{reward.name}”: {file_name.strip()[-80:] or 'a table'}"[:200],
        summary=f"Brings codes into the pool of “{reward.name}”. From then on its codes are taken from there.",
        plan={
            "reward_id": reward.pk,
            "connection_id": reward.connection_id,
            "columns": [[name, COLUMNS[name]] for name in names],
        },
        rows=((number, pool_rows.data(cells, names)) for number, cells in sheet),
        most_rows=MOST_ROWS,
        digest=digest,
        actor=actor,
        now=now,
    )


class Check:
    """Keep the good rows as candidates; say of the others what is wrong, or where their code is already."""

    batch_size = BATCH

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[work.Outcome]:
        given, outcomes = _read(rows, now=now)
        outcomes += _known(job, given)
        outcomes += _keep(job, given)
        work.count(job=job, verdict=Verdict.OK, rows=len(rows) - len(outcomes))
        return outcomes


class Apply:
    """Move the candidates into the pool. The rows that were refused keep their refusal."""

    batch_size = BATCH

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[work.Outcome]:
        first, last = rows[0].number, rows[-1].number
        reward = Reward.objects.get(pk=job.plan["reward_id"])
        try:
            pools.open_pool(reward=reward, connection_id=job.plan["connection_id"], now=now)
        except pools.NoPool as refusal:
            return [_refused(row.number, refusal) for row in rows]
        values = {"job": job.pk, "first": first, "last": last, "now": now, "reward": reward.pk}
        left = _rows(MOVE, values | {"connection": job.plan["connection_id"]})
        outcomes = [_refused(number, _meanwhile(code)) for _, number, code in left if number is not None]
        work.count(job=job, verdict=Verdict.OK, rows=left[0][0])
        checked = jobs.outcomes(job=job, step=Step.CHECK, numbers=[first, last])
        outcomes += [
            work.Outcome(number=number, verdict=Verdict(each.verdict), code=each.code, text=each.text)
            for number, each in checked.items()
        ]
        if job.rows_done + len(rows) >= job.rows_total:
            log_change(job, kind="pool.codes_added", codes=job.tally[Step.APPLY].get(Verdict.OK, 0), now=now)
        return outcomes


class Undo:
    """Remove the codes of these rows from the pool, as far as nobody has got them."""

    batch_size = BATCH

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[work.Outcome]:
        canonicals = {codes.canonical(str(row.data.get("code", ""))): row.number for row in reversed(rows)}
        values: dict[str, Any] = {"reward": job.plan["reward_id"], "job": job.pk, "canonicals": list(canonicals)}
        removed = _rows(_in_shop(REMOVE, job), values)
        staying = _rows(_in_shop(STAYING, job), values)
        work.count(job=job, verdict=Verdict.OK, rows=len(removed))
        if job.rows_done + len(rows) >= job.rows_total:
            log_change(job, kind="pool.codes_removed", codes=job.tally[Step.UNDO].get(Verdict.OK, 0), now=now)
        return [_refused(canonicals[canonical], HANDED_OUT) for (canonical,) in staying]


HANDLERS: dict[Step, work.Handler] = {Step.CHECK: Check(), Step.APPLY: Apply(), Step.UNDO: Undo()}
HANDED_OUT = BadRow("Code: a customer has got it, or was about to. It stays.", code="handed_out")


def work_on(*, job_id: int, now: datetime, patience: float) -> bool:
    """Do what is due on a job for a while; whoever comes next does the rest. Says whether there is more for us to do."""
    claim = work.take(job_id=job_id, now=now)
    if claim is None:
        return False
    return work.work(claim=claim, handlers=HANDLERS, now=now, patience=patience)


def previous(*, digest: str) -> Iterator[Job]:
    """Jobs that were given the very same file, newest first."""
    yield from jobs.same_input(kind=KIND, digest=digest)


def log_change(job: Job, *, kind: str, codes: int, now: datetime) -> None:
    """Write down how many codes a job has brought or removed, when it is through."""
    log.record(
        kind=kind,
        subject_type="reward",
        subject_id=job.plan["reward_id"],
        actor=Actor(ActorKind(job.actor_kind), job.actor_id),
        now=now,
        job_id=job.pk,
        codes=codes,
    )


def _read(rows: Sequence[JobRow], *, now: datetime) -> tuple[dict[int, Given], list[work.Outcome]]:
    """What the rows give, by number, and the refusals of those that cannot be read."""
    edges = Edges(merchant.programme().zone)
    given: dict[int, Given] = {}
    refusals = []
    for row in rows:
        try:
            given[row.number] = pool_rows.read(row.data, edges=edges, now=now)
        except BadRow as refusal:
            refusals.append(_refused(row.number, refusal))
    return given, refusals


def _known(job: Job, given: dict[int, Given]) -> list[work.Outcome]:
    """Take the rows whose code the shop has already out of `given`, each with an outcome that says where it is."""
    canonicals = list({each.canonical for each in given.values()})
    found = {
        canonical: (pool_id, name)
        for canonical, pool_id, name in _rows(_in_shop(KNOWN, job), {"canonicals": canonicals})
    }
    outcomes = []
    for number in [number for number, each in given.items() if each.canonical in found]:
        each = given.pop(number)
        pool_id, name = found[each.canonical]
        if pool_id == job.plan["reward_id"]:
            text = f"Code: {pool_rows.shown(each.code)} is in this pool already, or came out of it."
            outcomes.append(work.Outcome(number=number, verdict=Verdict.UNCHANGED, code="in_this_pool", text=text))
        else:
            where = f"the pool of “{name}” has it" if pool_id else "it was made for a customer"
            refusal = BadRow(
                f"Code: {pool_rows.shown(each.code)} is used in this shop already: {where}.", code="in_use"
            )
            outcomes.append(_refused(number, refusal))
    return outcomes


def _keep(job: Job, given: dict[int, Given]) -> list[work.Outcome]:
    """Keep the rows as candidates; an outcome for each whose code an earlier row of the table has."""
    rows = [
        {
            "number": number,
            "code": each.code,
            "canonical": each.canonical,
            "starts_at": each.starts_at and each.starts_at.isoformat(),
            "ends_at": each.ends_at and each.ends_at.isoformat(),
        }
        for number, each in given.items()
    ]
    ((kept,),) = _rows(KEEP, {"job": job.pk, "rows": json.dumps(rows)})
    twice = given.keys() - set(kept)
    if not twice:
        return []
    earlier = dict(_rows(EARLIER, {"job": job.pk, "canonicals": [given[number].canonical for number in twice]}))
    return [_refused(number, _twice(given[number], earlier)) for number in sorted(twice)]


def _twice(given: Given, earlier: dict[str, int]) -> BadRow:
    return BadRow(
        f"Code: {pool_rows.shown(given.code)} stands in row {earlier[given.canonical]} already.", code="twice_in_file"
    )


def _meanwhile(code: str) -> BadRow:
    return BadRow(
        f"Code: {pool_rows.shown(code)} came into this shop after the rows were checked, by another way.", code="in_use"
    )


def _in_shop(sql: str, job: Job) -> str:
    """The statement for the shop of the job: codes of no shop are those without one."""
    connection_id = job.plan["connection_id"]
    return sql.format(shop="IS NULL" if connection_id is None else f"= {int(connection_id)}")


def _rows(sql: str, values: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def _refused(number: int, refusal: DomainError) -> work.Outcome:
    return work.Outcome(number=number, verdict=Verdict.REFUSED, code=refusal.code, text=refusal.sentence)
