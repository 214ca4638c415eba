"""Claim many rewards of a shop in one statement, let go of many, and record many that were issued in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from loyalty.common import copying
from loyalty.common.actors import SYSTEM
from loyalty.events import log
from rewards import lifecycle
from rewards.issuing import claims, recording
from rewards.issuing.calling import Asked
from rewards.issuing.deciding import Issue
from rewards.models import FulfillmentStatus, IssueWork, RedeemedReward, RewardCode

# A call that may make something is counted with the claim: nobody else acts on the reward until the claim is over, and no call begins after it.
# Who takes over from somebody whose claim ran out puts the code in doubt: they may have called before they died.
TAKE = """
    WITH due AS MATERIALIZED (
        SELECT redeemed_reward_id FROM rewards_issuework
        WHERE connection_id = %(connection)s AND due_at <= %(now)s AND (claim IS NULL OR claimed_until <= %(now)s)
        ORDER BY turn, due_at LIMIT %(count)s FOR UPDATE SKIP LOCKED)
"""
TAKE_OF_DISCOUNTS = """
    WITH due AS MATERIALIZED (
        SELECT work.redeemed_reward_id FROM rewards_issuework AS work
        JOIN rewards_redeemedreward AS redeemed ON redeemed.id = work.redeemed_reward_id
        JOIN rewards_rewardcode AS code ON code.id = redeemed.code_id
        WHERE code.connection_id = %(connection)s AND code.bulk_reference <> ''
            AND code.bulk_reference = ANY(%(references)s)
            AND work.due_at <= %(now)s AND (work.claim IS NULL OR work.claimed_until <= %(now)s)
        ORDER BY work.turn, work.due_at FOR UPDATE OF work SKIP LOCKED)
"""
CLAIM_DUE = """
    UPDATE rewards_issuework AS work
    SET claim = %(claim)s, claimed_until = %(until)s, due_at = %(until)s,
        attempts = work.attempts + (work.claim IS NULL AND work.in_doubt_since IS NULL)::int,
        in_doubt_since = CASE WHEN work.claim IS NULL THEN work.in_doubt_since
                              ELSE coalesce(work.in_doubt_since, %(now)s) END
    FROM due WHERE work.redeemed_reward_id = due.redeemed_reward_id
    RETURNING work.redeemed_reward_id, work.attempts - (work.in_doubt_since IS NULL)::int, work.in_doubt_since, work.turn
"""
LET_GO = """
    UPDATE rewards_issuework
    SET claim = NULL, claimed_until = NULL, due_at = %(now)s,
        attempts = greatest(attempts - (in_doubt_since IS NULL)::int, 0)
    WHERE claim = %(claim)s AND redeemed_reward_id = ANY(%(ids)s)
"""
DONE = """
    DELETE FROM rewards_issuework WHERE claim = %(claim)s AND redeemed_reward_id = ANY(%(ids)s)
    RETURNING redeemed_reward_id
"""
REMOTE_IDS = """
    UPDATE rewards_rewardcode AS code SET remote_id = made.remote_id
    FROM unnest(%(ids)s::bigint[], %(remote_ids)s::text[]) AS made(id, remote_id) WHERE code.id = made.id
"""
TEXTS = """
    UPDATE rewards_rewardcode AS code SET code = made.text, canonical = made.canonical
    FROM unnest(%(ids)s::bigint[], %(texts)s::text[], %(canonicals)s::text[]) AS made(id, text, canonical)
    WHERE code.id = made.id
"""
NEEDED = (
    "customer_id", "code_id", "hold_id", "type", "fulfillment_status", "usage_status", "delivery_status"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Made:
    """A reward that the shop has made, and where it says so."""

    asked: Asked
    found: Issue


def take(*, connection_id: int, claim: UUID, count: int, now: datetime) -> list[IssueWork]:
    """Claim as many rewards that are due, in their turn; `attempts` are those before."""
    return _take(TAKE, claim, now=now, connection=connection_id, count=count)


def take_of_discounts(*, connection_id: int, claim: UUID, references: Sequence[str], now: datetime) -> list[IssueWork]:
    """Claim the others that are due of these bulk discounts, to be made with those that were taken."""
    return _take(TAKE_OF_DISCOUNTS, claim, now=now, connection=connection_id, references=list(references))


def _take(due: str, claim: UUID, *, now: datetime, **values: Any) -> list[IssueWork]:
    until = now + claims.lease()
    found = _rows(due + CLAIM_DUE, {"claim": claim, "now": now, "until": until} | values)
    names = ("redeemed_reward_id", "attempts", "in_doubt_since", "turn")
    return [IssueWork(claim=claim, claimed_until=until, **dict(zip(names, row, strict=True))) for row in found]


def let_go(*, claim: UUID, ids: Sequence[int], now: datetime) -> None:
    """Give back what was claimed and not called for: it is due again, and its try does not count."""
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(LET_GO, {"claim": claim, "ids": list(ids), "now": now})


def fits(redeemed: RedeemedReward) -> bool:
    """Whether it can be recorded among many: no points are held for it, and no parcel goes with it."""
    return redeemed.hold_id is None and not redeemed.is_gift


def issue(*, claim: UUID, made: Sequence[Made], now: datetime) -> list[Made]:
    """Record them all in one transaction; gives back those that somebody has locked, to be recorded one by one.

    Raises IntegrityError, and nothing is recorded, when another reward was given a text that the shop has made up.
    No points are at stake, so no account is locked; nothing is waited for, so no circle of locks can come about.
    """
    ids = [each.asked.item.redeemed.pk for each in made]
    with transaction.atomic():
        locked = RedeemedReward.objects.select_for_update(of=("self",), skip_locked=True)
        rows = {row.pk: row for row in locked.filter(pk__in=ids).only(*NEEDED)}
        stands = {pk for (pk,) in _rows(DONE, {"claim": claim, "ids": list(rows)})}
        ours = [each for each in made if each.asked.item.redeemed.pk in stands]
        _write([each for each in made if each.asked.item.redeemed.pk in rows], ours, now=now)
        lifecycle.move_many(
            [rows[pk] for pk in sorted(stands)],
            now=now,
            fulfillment_status=FulfillmentStatus.ISSUED,
            issued_at=now,
            on_profile=True,
        )
        facts = [log.Fact(pk, rows[pk].customer_id, now, {}) for pk in sorted(stands)]
        log.record_many(kind="reward.issued", subject_type="redeemed_reward", actor=SYSTEM, facts=facts)
    return [each for each in made if each.asked.item.redeemed.pk not in rows]


def _write(asked: Sequence[Made], ours: Sequence[Made], *, now: datetime) -> None:
    """The calls, and what the shop showed of the codes."""
    attempts = [row for each in asked for row in recording.attempts(each.asked.item.redeemed.pk, each.asked.exchanges)]
    copying.insert(attempts)
    own = [
        (code, each.found)
        for each in ours
        if (code := each.asked.item.redeemed.code) is not None and not code.is_shared
    ]
    if own:
        with connection.cursor() as cursor:
            ids, remote_ids = [code.pk for code, _ in own], [found.made.remote_id for _, found in own]
            cursor.execute(REMOTE_IDS, {"ids": ids, "remote_ids": remote_ids})
        _adopt_texts(own)
        copying.insert([recording.evidence(code_id=code.pk, found=found, now=now) for code, found in own])


def _adopt_texts(own: Sequence[tuple[RewardCode, Issue]]) -> None:
    """Of those that the shop has made up. Raises IntegrityError for one that another reward was given meanwhile."""
    told = [(code.pk, *recording.text_of(code, found.made)) for code, found in own if code.bulk_reference]
    if told:
        ids, texts, canonicals = zip(*told, strict=True)
        with connection.cursor() as cursor:
            cursor.execute(TEXTS, {"ids": list(ids), "texts": list(texts), "canonicals": list(canonicals)})


def _rows(sql: str, values: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())
