"""Findings: written down once a run and code, replaced by the next look, accepted by a person who decides so."""

from datetime import datetime

from django.db import transaction
from django.db.models import Count

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


def add(
    *, run: ReconciliationRun, ours: Ours, theirs: PlatformCode | None, difference: Difference, now: datetime
) -> None:
    """Write a difference down, in the caller's transaction, who has locked the run and saves it.

    One that staff accepted before is counted and not listed again, as long as nothing of it has changed.
    """
    digest = comparing.digest(difference, ours=ours, theirs=theirs)
    accepted = ReconciliationFinding.objects.filter(
        connection_id=run.connection_id, digest=digest, state=FindingState.ACCEPTED
    )
    if accepted.exists():
        run.accepted += 1
        return
    single = ours.holders[0].redeemed_reward_id if len(ours.holders) == 1 else None
    ReconciliationFinding.objects.bulk_create(
        [
            ReconciliationFinding(
                run=run,
                connection_id=run.connection_id,
                canonical=ours.canonical,
                code_id=ours.code_id,
                redeemed_reward_id=single,
                kind=difference.kind,
                detail=difference.detail,
                ours=comparing.our_evidence(ours),
                theirs=comparing.evidence_of(theirs),
                digest=digest,
                repair=difference.repair,
                found_at=now,
            )
        ],
        ignore_conflicts=True,
    )
    run.tally = tally(run_id=run.pk)


def tally(*, run_id: int) -> dict[str, int]:
    """How many findings of each kind a run has."""
    rows = ReconciliationFinding.objects.filter(run_id=run_id).values("kind").annotate(found=Count("pk"))
    return {row["kind"]: row["found"] for row in rows.order_by("kind")}


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
