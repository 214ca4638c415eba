"""What a shop listed, kept in a table until the run is over.

Shops list in orders of their own, by id or by age, and pages may overlap: both sides can be walked side by side only
once the shop's codes stand in the order of ours, and an index of the database does that on disk. Of the merchant's own
codes, which may be many times ours, nothing is kept. A page is one statement.
"""

import json
from collections.abc import Iterable, Sequence

from django.db import connection

from loyalty.common import codes
from platforms.adapter import PlatformCode
from rewards.models import ListedCode, ReconciliationRun
from rewards.reconciliation import comparing

LONGEST = 60  # no code of ours is longer
TIDIED = 20_000  # rows of one statement

# Of one code that the shop shows twice, the living one counts, then the one with our mark, then the later.
KEEP = """
    INSERT INTO rewards_listedcode AS kept (run_id, canonical, alive, reference, told)
    SELECT %(run)s, page.canonical, page.alive, page.reference, page.told
    FROM jsonb_to_recordset(%(page)s::jsonb) AS page (canonical text, alive boolean, reference text, told jsonb, marked boolean)
    WHERE page.marked OR EXISTS (
        SELECT FROM rewards_rewardcode AS ours
        WHERE ours.connection_id = %(connection)s AND ours.canonical = page.canonical)
    ON CONFLICT (run_id, canonical) DO UPDATE
        SET alive = excluded.alive, reference = excluded.reference, told = excluded.told
        WHERE (excluded.alive, excluded.reference <> '') >= (kept.alive, kept.reference <> '')
"""
# By where the rows lie: by their names a plan made before the table was measured reads it once for each of them.
TIDY = """
    DELETE FROM rewards_listedcode WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM rewards_listedcode WHERE run_id = %(run)s LIMIT %(limit)s))
"""


def keep(*, run: ReconciliationRun, found: Sequence[PlatformCode]) -> None:
    """Keep one page, in the caller's transaction. The same page twice changes nothing."""
    best: dict[str, PlatformCode] = {}
    for code in found:
        canonical = codes.canonical(code.code)
        if not 0 < len(canonical) <= LONGEST:
            continue
        if canonical not in best or _rank(code) >= _rank(best[canonical]):
            best[canonical] = code
    page = [
        {
            "canonical": canonical,
            "alive": code.alive,
            "reference": code.reference[:120],
            "told": comparing.evidence_of(code),
            "marked": comparing.is_marked(code),
        }
        for canonical, code in best.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(KEEP, {"run": run.pk, "connection": run.connection_id, "page": json.dumps(page)})


def keep_asked(*, run: ReconciliationRun, asked: Iterable[tuple[str, PlatformCode | None]]) -> None:
    """Keep what the shop said of single codes, in the caller's transaction."""
    ListedCode.objects.bulk_create(
        (
            ListedCode(
                run=run,
                canonical=canonical,
                alive=code is not None and code.alive,
                reference=code.reference[:120] if code is not None else "",
                told=comparing.evidence_of(code),
            )
            for canonical, code in asked
        ),
        ignore_conflicts=True,
    )


def shown(*, run: ReconciliationRun, canonicals: Sequence[str]) -> dict[str, PlatformCode | None]:
    """What the shop showed of these codes; those it did not show are missing."""
    rows = ListedCode.objects.filter(run=run, canonical__in=canonicals).values_list("canonical", "told")
    return {canonical: comparing.code_from(told) for canonical, told in rows}


def tidy(*, run_id: int) -> bool:
    """Remove some of what was kept; says whether anything may be left."""
    with connection.cursor() as cursor:
        cursor.execute(TIDY, {"run": run_id, "limit": TIDIED})
        return bool(cursor.rowcount >= TIDIED)


def _rank(code: PlatformCode) -> tuple[bool, bool]:
    return code.alive, bool(code.reference)
