"""Which of our next codes, and of the shop's, may differ: one statement each, so that Python looks at few of a million.

It lets through too many rather than too few. What it holds back are the plain cases in which `comparing.judge` says
that both sides agree; a test holds the two against each other. Rows it finds by their keys, one by one: a portion is
small beside the tables, and what the planner believes of a table that grows during the run would mislead it.
"""

from dataclasses import dataclass
from typing import Any

from django.db import connection

from platforms.adapter import Capabilities
from rewards.models import ReconciliationRun, RunScope

SIFT_OURS = """
    WITH portion AS MATERIALIZED (
        SELECT id, canonical, is_shared, pool_id IS NOT NULL AS from_pool, nullif(bulk_reference, '') AS of_discount
        FROM rewards_rewardcode
        WHERE connection_id = %(connection)s AND canonical > %(after)s AND created_at < %(began_at)s
            AND (%(all)s OR canonical IN (SELECT canonical FROM rewards_listedcode WHERE run_id = %(run)s))
        ORDER BY canonical LIMIT %(limit)s
    ), numbered AS (
        SELECT portion.canonical, row_number() OVER (ORDER BY portion.canonical) AS number,
            CASE
                WHEN portion.is_shared OR held.holders > 1 THEN false
                WHEN held.holders = 0 THEN portion.from_pool OR there.alive IS NOT TRUE
                WHEN ours.fulfillment_status = 'pending' THEN true
                WHEN ours.fulfillment_status = 'failed' THEN there.alive IS NOT TRUE
                WHEN ours.fulfillment_status = 'cancelled' THEN there.alive IS NULL
                WHEN ours.usage_status = 'used' THEN there.alive IS NOT TRUE OR there.uses IS DISTINCT FROM 0
                WHEN ours.expires_at <= %(began_at)s AND there.alive IS NOT TRUE THEN coalesce(there.uses, 0) = 0
                ELSE there.alive AND coalesce(there.uses, 0) = 0
                    AND (portion.from_pool OR there.reference IN ('', coalesce(portion.of_discount, 'rr-' || ours.id)))
                    AND there.product_reference IN ('', ours.product_reference)
                    AND ((there.percent IS NULL AND there.amount IS NULL)
                        OR (there.percent IS NOT DISTINCT FROM ours.percent
                            AND there.amount IS NOT DISTINCT FROM ours.amount))
                    AND (NOT %(minimum)s
                        OR coalesce(there.minimum_order, 0) = coalesce(ours.minimum_order, 0))
                    AND (NOT %(collections)s OR (there.collections = '[]' AND cardinality(ours.collections) = 0))
                    AND (NOT %(expiry)s
                        OR (there.expires_at IS NULL AND ours.expires_at IS NULL)
                        OR there.expires_at BETWEEN ours.expires_at - interval '1 day'
                            AND ours.expires_at + interval '1 day')
            END AS agrees
        FROM portion
        LEFT JOIN LATERAL (
            SELECT alive, reference, (told->>'uses')::int AS uses, told->>'product_reference' AS product_reference,
                (told->>'percent')::numeric AS percent, (told->>'amount')::numeric AS amount,
                (told->>'minimum_order')::numeric AS minimum_order, told->'collections' AS collections,
                (told->>'expires_at')::timestamptz AS expires_at
            FROM rewards_listedcode
            WHERE run_id = %(run)s AND canonical = portion.canonical AND told IS NOT NULL
            LIMIT 1
        ) AS there ON true
        LEFT JOIN LATERAL (
            SELECT count(*) AS holders, min(id) AS only_id
            FROM rewards_redeemedreward WHERE code_id = portion.id AND NOT portion.is_shared
        ) AS held ON true
        LEFT JOIN LATERAL (
            SELECT * FROM rewards_redeemedreward WHERE id = held.only_id LIMIT 1
        ) AS ours ON true
    )
    SELECT canonical, number, agrees IS NOT TRUE FROM numbered
    WHERE agrees IS NOT TRUE OR number = (SELECT count(*) FROM portion)
    ORDER BY number
"""

SIFT_THEIRS = """
    WITH portion AS MATERIALIZED (
        SELECT canonical, alive AND (reference LIKE 'rr-%%' OR reference LIKE 'cb-%%') AS is_marked
        FROM rewards_listedcode
        WHERE run_id = %(run)s AND canonical > %(after)s
        ORDER BY canonical LIMIT %(limit)s
    ), numbered AS (
        SELECT canonical, row_number() OVER (ORDER BY canonical) AS number,
            is_marked AND NOT EXISTS (
                SELECT FROM rewards_rewardcode
                WHERE connection_id = %(connection)s AND canonical = portion.canonical) AS is_unknown
        FROM portion
    )
    SELECT canonical, number, is_unknown FROM numbered
    WHERE is_unknown OR number = (SELECT count(*) FROM portion)
    ORDER BY number
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """The next codes of one side, of which these may differ. `places` says the how-many-th each of these and `end` is."""

    doubtful: tuple[str, ...]
    end: str  # the last code that was sifted; empty: there is none left
    places: dict[str, int]


def ours(*, run: ReconciliationRun, after: str, capabilities: Capabilities, limit: int, most_doubtful: int) -> Sifted:
    """Our next codes behind `after` in the order of their canonical form, `limit` at most, up to so many doubtful ones.

    Codes made after the run began are left out: the shop may have been past their place in its list.
    """
    values: dict[str, Any] = {
        "run": run.pk,
        "connection": run.connection_id,
        "all": run.scope == RunScope.ALL,
        "began_at": run.began_at,
        "after": after,
        "limit": limit,
        "minimum": capabilities.minimum_order,
        "collections": bool(capabilities.collections),
        "expiry": capabilities.expiry,
    }
    return _sifted(SIFT_OURS, values, most_doubtful=most_doubtful)


def theirs(*, run: ReconciliationRun, after: str, limit: int, most_doubtful: int) -> Sifted:
    """The next codes that the shop listed, in the same order; doubtful are living ones with our mark, unknown here."""
    values: dict[str, Any] = {"run": run.pk, "connection": run.connection_id, "after": after, "limit": limit}
    return _sifted(SIFT_THEIRS, values, most_doubtful=most_doubtful)


def _sifted(statement: str, values: dict[str, Any], *, most_doubtful: int) -> Sifted:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows = cursor.fetchall()
    doubtful = [canonical for canonical, _, may_differ in rows if may_differ]
    end = rows[-1][0] if rows else ""
    if len(doubtful) > most_doubtful:
        doubtful = doubtful[:most_doubtful]
        end = doubtful[-1]
    return Sifted(doubtful=tuple(doubtful), end=end, places={canonical: number for canonical, number, _ in rows})
