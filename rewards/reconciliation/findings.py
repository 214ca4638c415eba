"""Findings: written down once a run and code, replaced by the next look, accepted by a person who decides so."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from platforms.adapter import PlatformCode
from rewards import lifecycle
from rewards.models import (
    FindingState,
    ReconciliationFinding,
    ReconciliationRun,
    RunScope,
)
from rewards.reconciliation import comparing
from rewards.reconciliation.comparing import Difference, Ours


class FindingClosed(DomainError):
    """Nothing can be done about this finding any more, or not now. The sentence says why."""

    code = "finding_closed"


@dataclass(frozen=True, slots=True)
class Seen:
    """One code that differs, both sides as they are now."""

    ours: Ours
    theirs: PlatformCode | None
    difference: Difference


def add(*, run: ReconciliationRun, seen: Sequence[Seen], now: datetime) -> None:
    """Write differences down and count them, in the caller's transaction, who has locked the run and saves it.

    One that staff accepted before is counted and not listed again, as long as nothing of it has changed. A code is
    listed once in a run: no other writer comes between, as all of them lock the run.
    """
    if not seen:
        return
    digests = [comparing.digest(each.difference, ours=each.ours, theirs=each.theirs) for each in seen]
    accepted = set(
        ReconciliationFinding.objects.filter(
            connection_id=run.connection_id, digest__in=digests, state=FindingState.ACCEPTED
        ).values_list("digest", flat=True)
    )
    listed = set(
        ReconciliationFinding.objects.filter(run=run, canonical__in=[each.ours.canonical for each in seen]).values_list(
            "canonical", flat=True
        )
    )
    pairs = list(zip(seen, digests, strict=True))
    run.accepted += sum(digest in accepted for digest in digests)
    rows = [
        _row(run, each, digest, now=now)
        for each, digest in pairs
        if digest not in accepted and each.ours.canonical not in listed
    ]
    ReconciliationFinding.objects.bulk_create(rows)
    run.tally = dict(sorted((Counter(run.tally) + Counter(row.kind for row in rows)).items()))


def _row(run: ReconciliationRun, seen: Seen, digest: str, *, now: datetime) -> ReconciliationFinding:
    holders = seen.ours.holders
    return ReconciliationFinding(
        run=run,
        connection_id=run.connection_id,
        canonical=seen.ours.canonical,
        code_id=seen.ours.code_id,
        redeemed_reward_id=holders[0].redeemed_reward_id if len(holders) == 1 else None,
        kind=seen.difference.kind,
        detail=seen.difference.detail,
        ours=comparing.our_evidence(seen.ours),
        theirs=comparing.evidence_of(seen.theirs),
        digest=digest,
        repair=seen.difference.repair,
        found_at=now,
    )


def supersede(*, run: ReconciliationRun, now: datetime) -> int:
    """Close what earlier runs found and nobody repaired: this one has looked again. The caller has locked the run."""
    earlier = ReconciliationFinding.objects.filter(
        connection_id=run.connection_id, run_id__lt=run.pk, found_at__lt=run.began_at
    )
    if run.scope == RunScope.MOVED:
        earlier = earlier.exclude(code__isnull=True)
    return lifecycle.supersede_findings(earlier, now=now)


@transaction.atomic
def accept(*, finding_id: int, actor: Actor, now: datetime, note: str = "") -> ReconciliationFinding:
    """Staff have looked and leave both sides as they are; twice is once. Raises FindingClosed."""
    row = ReconciliationFinding.objects.select_for_update().get(pk=finding_id)
    if row.state == FindingState.ACCEPTED:
        return row
    require_open(row)
    if row.state == FindingState.REPAIRING:
        raise FindingClosed(f"The difference of {row.canonical} is being repaired. Wait for what comes of it.")
    lifecycle.move_finding(row, FindingState.ACCEPTED)
    row.closed_at, row.result = now, note.strip()[:500]
    row.actor_kind, row.actor_id = actor.kind, actor.id
    row.save()
    log.record(
        kind="shop.difference_accepted",
        subject_type="store_connection",
        subject_id=row.connection_id,
        actor=actor,
        now=now,
        finding_id=row.pk,
        code=row.canonical,
    )
    return row


def require_open(row: ReconciliationFinding) -> None:
    """Raises FindingClosed when it was repaired, accepted or replaced."""
    if row.state not in (FindingState.OPEN, FindingState.REPAIRING):
        what = row.get_state_display().lower()
        raise FindingClosed(f"The difference of {row.canonical} is closed: {what}. See the latest reconciliation.")
