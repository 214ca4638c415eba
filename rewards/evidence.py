"""What a shop answered about a code, written down as it was said."""

from datetime import datetime

from platforms.adapter import Answer, PlatformCode
from rewards.models import CodeEvidence, EvidenceKind, RewardCode


def keep(
    *,
    code: RewardCode,
    cancellation_id: int | None,
    kind: EvidenceKind,
    answer: Answer[PlatformCode | None],
    now: datetime,
) -> None:
    """A row of evidence. A code the shop does not have is as dead as one that it has disabled."""
    alive = answer.value.alive if answer.value is not None else False
    CodeEvidence.objects.create(
        code=code,
        cancellation_id=cancellation_id,
        kind=kind,
        alive=alive if answer.ok else None,
        observed_at=now,
        status=answer.observed.status,
        request_id=answer.observed.request_id[:120],
        excerpt=(answer.observed.excerpt or answer.reason)[:500],
    )


def seconds_dead(*, cancellation_id: int, now: datetime) -> float:
    """How long ago the shop first showed the code dead after it was told to disable it; 0 when it has not."""
    dead = CodeEvidence.objects.filter(cancellation_id=cancellation_id, kind=EvidenceKind.DISABLED, alive=False)
    first = dead.order_by("id").values_list("observed_at", flat=True).first()
    return (now - first).total_seconds() if first is not None else 0.0
